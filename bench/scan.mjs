// How fast does `faultline scan` go through a mostly clean log, with the whole bundled catalogue, against ripgrep counting the same
// lines with the catalogue's single-line expressions? Prints megabytes a second and the ratio. Run after `npm run build`.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const megabytes = Number(process.argv[2] ?? 200)
const folder = mkdtempSync(join(tmpdir(), 'faultline-bench-'))
const log = join(folder, 'bench.log')

// A small generator with a fixed seed, so that every run reads the same bytes.
let seed = 20261121
const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648
const words =
  'GET POST orders users cart checkout cache hit miss served queued finished started batch sync index page health token'.split(
    ' ',
  )
const nearMisses = [
  'pool size 20, overflow 10',
  'timeout set to 30s',
  '0 validation errors',
  'connection authorized: user=app',
  'Connection accepted from 10.0.0.7',
  'authentication ok',
]
const failure =
  'sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00'

function line(n) {
  const stamp = new Date(1795255200000 + n * 7).toISOString()
  const text =
    n % 1000 === 999
      ? failure
      : random() < 0.1
        ? nearMisses[Math.floor(random() * nearMisses.length)]
        : Array.from({ length: 6 + Math.floor(random() * 8) }, () => words[Math.floor(random() * words.length)]).join(
            ' ',
          )
  return n % 3 === 0
    ? `{"time":"${stamp}","level":"info","service":"api","msg":"${text}"}\n`
    : `${stamp} INFO [api] ${text} in ${Math.floor(random() * 900)} ms\n`
}

function writeCorpus() {
  const descriptor = openSync(log, 'w')
  let written = 0
  for (let n = 0; written < megabytes * 1e6;) {
    let block = ''
    while (block.length < 1_000_000) block += line(n++)
    written += writeSync(descriptor, block)
  }
  return written
}

function time(run) {
  const start = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - start) / 1e9
}

try {
  const bytes = writeCorpus()
  const main = join(root, 'dist/cli/main.js')
  let summary = {}
  const scan = () => {
    const lines = execFileSync(process.execPath, [main, 'scan', '--json', log], { encoding: 'utf8', maxBuffer: 1e9 })
      .trim()
      .split('\n')
    summary = JSON.parse(lines.at(-1))
  }
  const expressions = readdirSync(join(root, 'patterns'))
    .filter((name) => !['schema.json', 'topology.json', 'cascades.json'].includes(name) && name.endsWith('.json'))
    .flatMap((name) => JSON.parse(readFileSync(join(root, 'patterns', name), 'utf8')).failures)
    .flatMap(({ patterns }) => patterns.map(({ match }) => match))
  const list = join(folder, 'expressions')
  const hasRipgrep = spawnSync('rg', ['--version']).status === 0
  // Those that ripgrep refuses or that cross lines cannot be compared.
  const shared = expressions.filter((each) => hasRipgrep && spawnSync('rg', ['-e', each, '/dev/null']).status === 1)
  writeFileSync(list, `${shared.map((each) => each.replaceAll(/\(\?P?<\w+>/g, '(?:')).join('\n')}\n`)
  const ours = Math.min(...[1, 2, 3].map(() => time(scan)))
  console.log(
    `faultline scan: ${(bytes / 1e6 / ours).toFixed(0)} MB/s, ${summary.records_matched} records matched of ${summary.lines} lines`,
  )
  if (hasRipgrep) {
    const search = () =>
      spawnSync('rg', ['-c', '--regex-size-limit', '1G', '--dfa-size-limit', '1G', '-f', list, log], {
        encoding: 'utf8',
      })
    const { status, stderr } = search()
    if (status === 2) throw new Error(`ripgrep refuses the expressions: ${stderr.slice(0, 500)}`)
    const theirs = Math.min(...[1, 2, 3].map(() => time(search)))
    console.log(
      `ripgrep, ${shared.length} expressions: ${(bytes / 1e6 / theirs).toFixed(0)} MB/s; ratio ${(theirs / ours).toFixed(2)}`,
    )
  } else console.log('ripgrep is not installed: no comparison')
} finally {
  rmSync(folder, { recursive: true, force: true })
}

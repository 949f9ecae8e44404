/**
 * How well the bundled catalogue recognises labelled texts.
 *
 *   node bench/score.mjs FILE.jsonl … [--part tune|held-out|all] [--wrappers] [--json] [--patterns DIR]
 *
 * Each line of a file: {"id","text","label","also":[…]}; `label` is a failure type or NONE, `also` names other right answers.
 * A text counts as recalled when `label` or one of `also` is among its detections, as right when the first detection is one of
 * them, and as a false alarm when NONE was expected and something was said. `--part` splits by a hash of the id: a third is held out
 * from tuning. `--wrappers` puts every text into each wrapper, reads it as a log file through the whole pipeline and as one text.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { loadPatterns, redactOf } from '../dist/app.js'
import { parseConfig } from '../dist/config/config.js'
import { createTextDetector } from '../dist/correlate/text.js'
import { createPipeline } from '../dist/pipeline.js'
import { startOfSource } from '../dist/lines/walk.js'
import { wrappers } from './wrappers.mjs'

const { values: flags, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    part: { type: 'string', default: 'all' },
    wrappers: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    patterns: { type: 'string', multiple: true },
  },
})
if (files.length === 0 || !['all', 'tune', 'held-out'].includes(flags.part)) {
  process.stderr.write('usage: node bench/score.mjs FILE.jsonl … [--part tune|held-out|all] [--wrappers] [--json]\n')
  process.exit(2)
}

const isHeldOut = ({ id }) => createHash('sha256').update(String(id)).digest().readUInt32BE(0) % 3 === 0
const items = files
  .flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  )
  .filter((item) => flags.part === 'all' || isHeldOut(item) === (flags.part === 'held-out'))

const config = parseConfig({ environment: {}, flags: flags.patterns ? { patterns: flags.patterns } : {} })
const catalog = await loadPatterns(config, { bundled: true }).load()
for (const { file, pattern, message } of catalog.problems)
  process.stderr.write(`${file}: ${pattern ?? ''}: ${message}\n`)
const redact = redactOf(config)
const detectIn = createTextDetector(catalog, { redact })

/** The types one text shows, most specific first. */
const asText = (text) =>
  detectIn(text, { source: 'text', service: 'app', keys: {}, nowMs: Date.UTC(2026, 10, 21, 12) }).map(
    ({ type, match }) => ({ type: type.type, pattern: match.patternId }),
  )

let logs = 0
const pipeline = createPipeline({ catalog, redact, latenessMs: 120_000, timeZone: 'UTC', keysMax: 100_000 })
/** The types that a log file with this content shows. */
function asLog(content) {
  const id = `log${logs++}`
  const { counters } = pipeline.deliver({
    id,
    source: id,
    service: 'app',
    bytes: Buffer.from(`${content}\n`),
    base: 0,
    from: startOfSource.position,
    ending: 'end',
    unread: false,
    arrivalMs: Date.UTC(2026, 10, 21, 12),
    identity: id,
  })
  pipeline.close(id)
  return Object.keys(counters.matches).map((type) => ({ type, pattern: '' }))
}

/** @param {(item: {text: string}) => {type: string, pattern: string}[]} detect */
function score(detect) {
  const types = {}
  const wrong = []
  const sum = { failures: 0, recalled: 0, first: 0, innocent: 0, falseAlarms: 0 }
  for (const item of items) {
    const found = detect(item)
    const names = found.map(({ type }) => type)
    if (item.label === 'NONE') {
      sum.innocent++
      if (found.length > 0) {
        sum.falseAlarms++
        wrong.push({ kind: 'FALSE ALARM', item, found })
      }
      continue
    }
    const right = [item.label, ...(item.also ?? [])]
    const recalled = names.some((name) => right.includes(name))
    const first = right.includes(names[0])
    const type = (types[item.label] ??= { texts: 0, recalled: 0, first: 0 })
    for (const each of [type, sum]) {
      each.recalled += recalled ? 1 : 0
      each.first += first ? 1 : 0
    }
    type.texts++
    sum.failures++
    if (!recalled) wrong.push({ kind: 'MISSED', item, found })
    else if (!first) wrong.push({ kind: 'NOT FIRST', item, found })
  }
  return { types, sum, wrong }
}

const share = (n, of) => (of === 0 ? '-' : `${((100 * n) / of).toFixed(1)} %`)
const out = (line) => process.stdout.write(`${line}\n`)
const shown = (text) => JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}…` : text)

const plain = score(({ text }) => asText(text))
if (flags.json) out(JSON.stringify({ part: flags.part, ...plain.sum, types: plain.types }))
else {
  for (const { kind, item, found } of plain.wrong)
    out(
      `${kind} ${item.id} ${item.label}${kind === 'MISSED' && found.length === 0 ? '' : ` got ${found.map(({ type, pattern }) => `${type} (${pattern})`).join(', ')}`}: ${shown(item.text)}`,
    )
  for (const [type, { texts, recalled, first }] of Object.entries(plain.types).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  ))
    out(`${type.padEnd(32)} recall ${recalled}/${texts}   first ${first}/${texts}`)
}
report('plain', plain)

function report(name, { sum }) {
  const { failures, recalled, first, innocent, falseAlarms } = sum
  if (!flags.json)
    out(
      `${name.padEnd(34)} recall ${recalled}/${failures} (${share(recalled, failures)})  first ${first}/${failures} (${share(first, failures)})  false alarms ${falseAlarms}/${innocent} (${share(falseAlarms, innocent)})`,
    )
}

if (flags.wrappers) {
  const missed = new Set(plain.wrong.filter(({ kind }) => kind === 'MISSED').map(({ item }) => item.id))
  for (const [name, wrap] of Object.entries(wrappers))
    for (const way of ['text', 'log']) {
      const detect = way === 'text' ? asText : asLog
      const scored = score(({ text }) => detect(wrap(text)))
      const lost = scored.wrong.filter(({ kind, item }) => kind === 'MISSED' && !missed.has(item.id))
      report(`${name}, as ${way}`, scored)
      if (!flags.json) for (const { item } of lost) out(`    lost ${item.id} ${item.label} ${shown(item.text)}`)
    }
}

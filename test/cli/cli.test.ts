import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { runCli } from '../support/cli.js'
import { temporaryFolder } from '../support/folder.js'
import { mark, writeMarkPatterns } from '../support/service.js'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const pool =
  '2026-11-21 10:00:00,000 ERROR sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out\n'

test('scan prints events and a summary that counts what a reader would count', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'app.log'), `2026-11-21 10:00:00,000 INFO fine\n${pool}${pool}last line without a break`)

  const { code, stdout } = await runCli(['scan', '--json', join(folder, 'app.log')])

  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(code).toBe(0)
  expect(events.map(({ type }) => type)).toEqual([
    'failure_detected',
    'incident_opened',
    'failure_updated',
    'failure_updated',
    'summary',
  ])
  expect(events.at(-1)).toMatchObject({
    lines: 4,
    lines_matched: 2,
    records_matched: 2,
    failures: 1,
    incidents: 1,
    matches: { CONNECTION_POOL_EXHAUSTION: 2 },
    late_records: 0,
    problems: [],
  })
})

test('scan reads gzip and standard input alike', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'app.log.1.gz'), gzipSync(pool))

  const zipped = await runCli(['scan', '--json', join(folder, 'app.log.1.gz')])
  const piped = await runCli(['scan', '--json', '-'], { input: pool })

  for (const { code, stdout } of [zipped, piped]) {
    expect(code).toBe(0)
    expect(stdout).toContain('"matches":{"CONNECTION_POOL_EXHAUSTION":1}')
  }
})

test('an input that cannot be read is named, the others are still reported, and the exit code is 2', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'app.log'), pool)

  const { code, stdout, stderr } = await runCli([
    'scan',
    join(folder, 'missing.log'),
    folder,
    join(folder, 'app.log'),
  ])

  expect(code).toBe(2)
  expect(stderr).toContain('missing.log: ENOENT')
  expect(stderr).toContain(`${folder}: EISDIR`)
  expect(stdout).toContain('CONNECTION_POOL_EXHAUSTION')
})

test.each([
  ['low', 1],
  ['critical', 1],
])('scan --fail-on %s ends with %i when a critical failure was found', async (severity, expected) => {
  const { code } = await runCli(['scan', '--fail-on', severity, '-'], { input: pool })

  expect(code).toBe(expected)
})

test('scan --fail-on ends with 0 when nothing was found', async () => {
  const { code } = await runCli(['scan', '--fail-on', 'low', '-'], { input: 'all is well\n' })

  expect(code).toBe(0)
})

test('a reader that has seen enough ends scan quietly', async () => {
  const folder = temporaryFolder()
  writeFileSync(
    join(folder, 'app.log'),
    Array.from({ length: 2000 }, (_, n) =>
      JSON.stringify({ level: 'error', service: `s${n}`, time: '2026-11-21T10:00:00Z', msg: pool.trim() }),
    ).join('\n'),
  )

  const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>((done) => {
    const shell = spawn('bash', [
      '-o',
      'pipefail',
      '-c',
      `"${process.execPath}" "${main}" scan --json "${join(folder, 'app.log')}" | head -n 1 > /dev/null; exit \${PIPESTATUS[0]}`,
    ])
    let text = ''
    shell.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
    shell.once('close', (exit) => done({ code: exit, stderr: text }))
  })

  expect(stderr).toBe('')
  expect(code).toBe(0)
})

test('detect answers texts and plain lines in order, and broken JSON in its place', async () => {
  const input = [
    JSON.stringify({ id: 'a', text: 'ValidationError: OrchestrationContext field required' }),
    'all is well',
    '{"id": broken',
    JSON.stringify({
      id: 7,
      text: '1 validation error for Order\nrun_id\n  Field required [type=missing, input_value={}, input_type=dict]',
    }),
  ].join('\n')

  const { code, stdout } = await runCli(['detect'], { input })

  const answers = stdout
    .trim()
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as {
          id: unknown
          detections?: { failure_type: string; confidence: number }[]
          error?: string
        },
    )
  expect(code).toBe(2)
  expect(answers.map(({ id }) => id)).toEqual(['a', 2, null, 7])
  expect(answers[0]?.detections?.map(({ failure_type }) => failure_type)).toEqual(['ORCHESTRATION_CONTEXT_MISSING'])
  expect(answers[0]?.detections?.[0]?.confidence).toBeGreaterThanOrEqual(0.95)
  expect(answers[1]?.detections).toEqual([])
  expect(answers[2]?.error).toContain('line 3')
  expect(answers[3]?.detections?.[0]?.failure_type).toBe('PYDANTIC_MISSING_FIELD')
})

test('patterns list says where each threshold comes from', async () => {
  const { stdout } = await runCli(['patterns', 'list', '--json'], {
    environment: { DB_ERROR_THRESHOLD_PER_HOUR: '7' },
  })

  const types = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; threshold: object })
  expect(types.find(({ type }) => type === 'DATABASE_TIMEOUT')?.threshold).toMatchObject({
    count: 7,
    window_seconds: 3600,
    from: 'group db',
  })
  expect(types.find(({ type }) => type === 'CONNECTION_POOL_EXHAUSTION')?.threshold).toMatchObject({
    count: 1,
    from: 'pattern file',
  })
})

test('patterns check names file, pattern and reason, and ends with 1; a good folder ends with 0', async () => {
  const folder = temporaryFolder()
  const good = writeMarkPatterns(folder)
  const bad = join(folder, 'bad')
  mkdirSync(bad)
  const pattern = { id: 'ahead', match: 'card (?!ok)refused', examples: { match: ['card refused'], ignore: ['x'] } }
  writeFileSync(
    join(bad, 'cards.json'),
    JSON.stringify({
      family: 'cards',
      failures: [{ type: 'CARD_REFUSED', title: 'Card refused', patterns: [pattern] }],
    }),
  )
  writeFileSync(join(bad, 'torn.json'), '{"family": "torn",\n  "failures": [}')

  const passed = await runCli(['patterns', 'check', good])
  const failed = await runCli(['patterns', 'check', bad])

  expect(passed.code).toBe(0)
  expect(failed.code).toBe(1)
  expect(failed.stdout).toMatch(/cards\.json: cards\.ahead: match: look-around .*unless/)
  expect(failed.stdout).toMatch(/torn\.json:2:\d+:/)
})

test.each([
  [['nonsense'], 2, '"nonsense" is not one of serve, scan, detect, explain, patterns'],
  [['scan'], 2, 'name the files to scan'],
  [['scan', '--frobnicate', 'x'], 2, '--frobnicate'],
  [['scan', '--fail-on', 'awful', 'x'], 2, '--fail-on'],
  [['serve', '--port', 'http'], 2, '--port'],
  [['serve', '--port', '99999'], 2, 'port'],
  [['serve', '--from', 'middle'], 2, '--from'],
  [['serve', '--config', '/nowhere/faultline.json'], 2, '/nowhere/faultline.json'],
  [['serve', '--host', '0.0.0.0'], 2, 'no token is set'],
  [['serve', '--patterns', '/nowhere/patterns'], 2, '/nowhere/patterns'],
])('%j is wrong and says so in a line', async (args, expected, words) => {
  const { code, stderr } = await runCli(args, { cwd: temporaryFolder() })

  expect(code).toBe(expected)
  expect(stderr).toContain(words)
  expect(
    stderr
      .trim()
      .split('\n')
      .filter((line) => line !== 'Try --help.'),
  ).toHaveLength(1)
})

test.each([
  [{ FAULTLINE_SERVER_PORT: 'http' }, 'FAULTLINE_SERVER_PORT'],
  [{ PYDANTIC_ERROR_THRESHOLD_PER_HOUR: 'many' }, 'PYDANTIC_ERROR_THRESHOLD_PER_HOUR'],
  [{ FAILURE_DETECTION_ENABLED: 'perhaps' }, 'FAILURE_DETECTION_ENABLED'],
])('a variable of the wrong kind is named: %j', async (environment, name) => {
  const { code, stderr } = await runCli(['serve'], { cwd: temporaryFolder(), environment })

  expect(code).toBe(2)
  expect(stderr).toContain(name)
})

test('broken or unknown configuration is named with its place', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'torn.json'), '{\n  "server": {"port": 1,}\n}')
  writeFileSync(join(folder, 'unknown.json'), '{"server": {"prot": 7710}}')

  const torn = await runCli(['serve', '--config', join(folder, 'torn.json')])
  const unknown = await runCli(['serve', '--config', join(folder, 'unknown.json')])

  expect(torn.stderr).toMatch(/torn\.json:2:\d+/)
  expect(unknown.stderr).toMatch(/unknown\.json: .*prot/)
  expect([torn.code, unknown.code]).toEqual([2, 2])
})

test('a port in use is named', async () => {
  const folder = temporaryFolder()
  const holder = createServer()
  await new Promise<void>((done) => holder.listen(0, '127.0.0.1', done))
  const address = holder.address()
  const port = typeof address === 'object' && address ? address.port : 0

  const { code, stderr } = await runCli(['serve', '--port', String(port), '--data', join(folder, 'data')], {
    cwd: folder,
  })
  holder.close()

  expect(code).toBe(2)
  expect(stderr).toContain(`${port} on 127.0.0.1 is in use`)
})

test.each(['serve', 'scan', 'detect', 'patterns'])('%s has help', async (command) => {
  const { code, stdout } = await runCli([command, '--help'])

  expect(code).toBe(0)
  expect(stdout).toContain(`faultline ${command}`)
})

test('a line appended to a watched file becomes an alert in the terminal, and Ctrl-C ends with 130', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'app.log')
  writeFileSync(path, '')
  const child = spawn(
    process.execPath,
    [
      main,
      'serve',
      path,
      '--port',
      '0',
      '--data',
      join(folder, 'data'),
      '--patterns',
      writeMarkPatterns(folder),
      '--from',
      'start',
    ],
    { cwd: folder },
  )
  let output = ''
  const said = (text: string): Promise<void> =>
    new Promise((done) => {
      const look = (): void => {
        if (output.includes(text)) done()
      }
      child.stdout.on('data', look)
      look()
    })
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  await said('listens on')

  appendFileSync(path, `${mark(1)}\n`)
  await said('TEST_MARK')
  const ended = new Promise((done) => child.once('exit', done))
  child.kill('SIGINT')

  expect(await ended).toBe(130)
})

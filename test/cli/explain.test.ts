import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCli } from '../support/cli.js'
import { temporaryFolder } from '../support/folder.js'

const pool = 'QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00'

test('explain says how a record was read, what matched, and what to do', async () => {
  const { code, stdout } = await runCli(['explain', `2026-11-21 10:00:00,000 ERROR [app] ${pool}`])

  expect(code).toBe(0)
  for (const said of [
    'Record 1 of 1',
    'time       2026-11-21T10:00:00.000Z',
    'level      error',
    'CONNECTION_POOL_EXHAUSTION  sqlalchemy.queuepool-limit',
    'size = "5", overflow = "10"',
    'threshold 1 in 1 h for each service (pattern file): this record alone raises',
    'SQLAlchemy pool of 5 (+10 overflow) is exhausted',
    'Why: ',
    '  Do:\n    1. ',
  ])
    expect(stdout).toContain(said)
})

test('explain names the clause that failed, and the veto', async () => {
  const near = await runCli(['explain', 'QueuePool limit of size 5 overflow 10 was raised'])
  const test12 = await runCli(['explain', `ok 12 - ${pool}`])
  const debug = await runCli(['explain', '-'], {
    input: JSON.stringify({ level: 'debug', time: '2026-11-21T10:00:00Z', msg: pool }),
  })

  expect(near.stdout).toMatch(
    /nearest that did not\n.*sqlalchemy\.queuepool-limit\n.*matched .*\n(?:.*\n)?.*but wanted +reached/s,
  )
  expect(test12.stdout).toContain('does not count: its line is a test that runs')
  expect(debug.stdout).toContain('does not count: its line is at level debug, and min_level is info')
})

test('explain frames a text as a log file would be', async () => {
  const { stdout } = await runCli(['explain'], {
    input: `2026-11-21 10:00:00 INFO a\n2026-11-21 10:00:01 ERROR b\n  detail\n2026-11-21T10:00:02.000000000Z stderr F c\n`,
  })

  expect(stdout.match(/Record \d of 3/g)).toHaveLength(3)
  expect(stdout).toContain('framed     2 lines')
  expect(stdout).toContain('unwrapped (stream stderr)')
})

test('explain keeps to 80 columns and lets no text drive the terminal', async () => {
  const { stdout } = await runCli(['explain', `ERROR [app] ${pool} \u001b]0;gotcha\u0007\u0008`])

  expect(stdout.split('\n').filter((line) => line.length > 80 && /\s\S{1,60}\s/.test(line.slice(60)))).toEqual([])
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/)
})

test.each([
  [['explain', 'a', 'b'], 'explain takes one text'],
  [['explain', ''], 'there is no text'],
  [['patterns', 'new', ''], 'there is no text'],
  [['patterns', 'new', 'a', 'b'], 'takes one text'],
  [['patterns', 'backtest'], 'one pattern file is expected'],
  [['patterns', 'backtest', 'a.json'], '--against GLOB is expected'],
  [['patterns', 'backtest', 'patterns/redis.json', '--against', '/nowhere/*.log'], 'no file matches'],
  [['patterns', 'backtest', '/nowhere.json', '--against', 'a.log'], '/nowhere.json cannot be read'],
  [['patterns', 'frobnicate'], 'is not one of list, check, backtest, new'],
])('wrong usage is named: %j', async (args, said) => {
  const { code, stderr } = await runCli(args)

  expect(stderr).toContain(said)
  expect(code).toBe(2)
})

const line =
  '2026-11-21 10:00:00,000 ERROR [payments] card processor refused batch 4711: limit exceeded for "ACME" at 10.0.0.1:443'

test('a pattern begun from a line passes the check, and finds the line’s kin', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'payments.json')
  const hour = (n: number): string => line.replace('10:00', `${10 + n}:00`).replace('4711', String(4711 + n))
  writeFileSync(
    join(folder, 'app.log'),
    [0, 1, 1, 2].map((n) => `${hour(n)}\n${hour(n).replace('refused', 'accepted')}\n`).join(''),
  )

  const begun = await runCli(['patterns', 'new', '--family', 'payments', '--out', file, line])
  const again = await runCli(['patterns', 'new', '--out', file, line])
  const checked = await runCli(['patterns', 'check', folder])
  const tried = await runCli(['patterns', 'backtest', file, '--against', join(folder, '*.log')])
  const json = await runCli(['patterns', 'backtest', file, '--against', join(folder, '*.log'), '--json'])

  expect([begun.code, again.code, checked.code, tried.code, json.code]).toEqual([0, 2, 0, 0, 0])
  expect(again.stderr).toContain('is there already')
  expect(checked.stdout).toContain('1 good pattern, 0 problems, 1 warning')
  expect(tried.stdout).toContain('4 records in 3 hours, 2 in the busiest hour; threshold 1 in 60 min')
  const [pattern, ...failures] = json.stdout
    .trim()
    .split('\n')
    .map((each) => JSON.parse(each) as Record<string, unknown>)
  expect(pattern).toMatchObject({
    pattern: 'payments.card-processor-refused-batch',
    matches: 4,
    records_per_hour: { '2026-11-21T10:00:00.000Z': 1, '2026-11-21T11:00:00.000Z': 2, '2026-11-21T12:00:00.000Z': 1 },
  })
  expect(failures.map(({ raised_at: at }) => at)).toEqual([
    '2026-11-21T10:00:00.000Z',
    '2026-11-21T11:00:00.000Z',
    '2026-11-21T12:00:00.000Z',
  ])
})

test.each([
  [
    'Traceback (most recent call last):\n  File "a.py", line 1, in f\nshop.errors.StockError: item 17 is gone',
    'StockError',
  ],
  [
    '{"level":"error","time":"2026-11-21T10:00:00Z","msg":"worker 3 lost its lease"}',
    'worker (?P<worker>\\\\d+) lost its lease',
  ],
  ['[ERROR] $5.00 (*) [a|b] {c} ^d+ \\\\ charged', 'charged'],
])('any record can begin a pattern: %j', async (text, part) => {
  const { code, stdout } = await runCli(['patterns', 'new', '-'], { input: text })

  expect(code).toBe(0)
  expect(stdout).toContain(part)
})

import { describe, expect, test } from 'vitest'
import {
  createFramer,
  lineBytesMax,
  recordBytesMax,
  type Ending,
  type Found,
  type Framer,
} from '../../src/lines/record.js'
import { createScan } from '../../src/lines/scan.js'
import { startOfSource, walk, type Batch, type Resume, type Step } from '../../src/lines/walk.js'

const hints = { toUtcMs: () => 0, arrivalMs: Date.UTC(2026, 10, 21, 12) }

function frame(text: string, ending: Ending = 'end'): Framer {
  return createFramer({ bytes: Buffer.from(text), base: 0, ending, hints, decidedTo: () => 0 })
}

const textOf = (found: Found): string => found.record.lines.map(({ text }) => text).join('\n')

/** Every record of a log, each found from every line of it: whichever line is asked about, the answer must be the same. */
function recordsOf(log: string, ending: Ending = 'end'): string[] {
  const framer = frame(log, ending)
  const records = new Map<number, string>()
  const bytes = Buffer.from(log)
  for (let at = 0; at < bytes.length; at = framer.lineEnd(at) ?? bytes.length) {
    const found = framer.recordAround(at)
    if (!found) continue
    const known = records.get(found.record.start)
    if (known !== undefined) expect(textOf(found)).toBe(known)
    records.set(found.record.start, textOf(found))
  }
  return [...records].toSorted(([a], [b]) => a - b).map(([, text]) => text)
}

/** A log of the given records comes apart into just these. */
function expectApart(...records: readonly string[]): void {
  expect(recordsOf(records.join('\n') + '\n')).toEqual(records)
}

const stamped = '2026-11-21 10:00:00,123 ERROR app failed'
const next = '2026-11-21 10:00:01,123 INFO app ok'
const traceback = `Traceback (most recent call last):
  File "/app/a.py", line 2, in <module>
    f()
ValueError: bad value`
const chainedTraceback = `Traceback (most recent call last):
  File "/app/db.py", line 2, in get
    cursor.execute(q)
psycopg2.OperationalError: server closed the connection unexpectedly
\tThis probably means the server terminated abnormally

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/a.py", line 9, in <module>
    get()
sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) server closed the connection unexpectedly
[SQL: SELECT 1]
(Background on this error at: https://sqlalche.me/e/20/e3q8)`
const handlingTraceback = chainedTraceback.replace(
  'The above exception was the direct cause of the following exception:',
  'During handling of the above exception, another exception occurred:',
)
const java = `java.lang.RuntimeException: no order
\tat com.acme.Orders.get(Orders.java:12)
\tat com.acme.Main.main(Main.java:3)
Caused by: java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available
\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696)
\t... 12 more`
const node = `TypeError: Cannot read properties of undefined (reading 'id')
    at handler (/app/server.js:10:3)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {
  code: 'E_BAD'
}`
const uncaught = `/app/server.js:10
    throw new TypeError('no order')
    ^

TypeError: no order
    at handler (/app/server.js:10:3)`
const panic = `panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48]
`
const goroutine = `goroutine 1 [running]:
main.main()
\t/app/main.go:12 +0x1d
exit status 2`
const pydantic2 = `2 validation errors for Order
id
  Field required [type=missing, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.9/v/missing
total
  Input should be a valid number [type=float_type, input_value='x', input_type=str]`
const pydantic1 = `1 validation error for Settings
database_url
  field required (type=value_error.missing)`

describe('what belongs together is one record', () => {
  test.each([
    ['a Python traceback', traceback],
    ['one that handles another', handlingTraceback],
    ['one that another caused', chainedTraceback],
    ['a Java exception with its cause', java],
    ['a Node stack with its fields', node],
    ['what Node prints of an exception that nobody caught', uncaught],
    ['a pydantic 2 block', pydantic2],
    ['a pydantic 1 block', pydantic1],
  ])('%s, with and without a stamped head', (_, text) => {
    expectApart(`${stamped}\n${text}`, next)
    expectApart(`${stamped}: ${text}`, next)
    expectApart(next, `${stamped}\n${text}`, next)
    expectApart(text)
    expectApart(text, next)
  })

  test('an object printed over several lines', () => {
    expectApart(next, '{\n  "level": "error",\n  "error": "x"\n}', next)
  })

  test('a Go panic behind a stamped line, blank line included', () => {
    expectApart(`${stamped}\n${panic}\n${goroutine}`, next)
  })

  test('a Go panic without one', () => {
    expectApart(`${panic}\n${goroutine}`, next)
  })

  test('lines without a time belong to the record before them where records have one', () => {
    expectApart(`${stamped}\nDETAIL of the failure\nand more of it`, `${next}\nserved`, next)
  })

  test('a blank line in a stamped record does not end it', () => {
    expectApart(`${stamped}\n\nbehind the blank`, next)
  })

  test('a traceback behind a level word', () => {
    expectApart(`ERROR: Exception in ASGI application\n${traceback}`, 'INFO: ok')
  })
})

describe('what does not belong together is not joined', () => {
  test('two failures on consecutive lines without a time', () => {
    expectApart('redis.exceptions.ConnectionError: Error 111', 'redis.exceptions.ConnectionError: Error 111')
  })

  test('two tracebacks without a time, one behind the other', () => {
    expectApart(traceback, traceback)
  })

  test('two stacks of Node', () => {
    expectApart(node, node)
  })

  test('JSON records, one a line', () => {
    expectApart('{"level":50,"msg":"a"}', '{"level":50,"msg":"b"}')
  })

  test('logfmt records, one a line', () => {
    expectApart('level=error msg=a', 'ts=1 level=error msg=b')
  })

  test('stamped lines', () => {
    expectApart(stamped, next, stamped)
  })

  test('plain lines', () => {
    expectApart('starting', 'ready', 'stopped')
  })

  test('a plain line before a traceback that has no time', () => {
    expectApart('starting', traceback)
  })
})

describe('a record says where it stands', () => {
  test('start, end and stream are those of its bytes, in UTF-8', () => {
    const log = `größe ✓\n${stamped}\n  täglich\n${next}\n`

    const found = frame(log).recordAround(Buffer.byteLength('größe ✓\n'))

    const from = Buffer.byteLength('größe ✓\n')
    expect(found).toMatchObject({
      state: 'closed',
      record: { start: from, end: from + Buffer.byteLength(`${stamped}\n  täglich\n`), stream: '', cut: false },
    })
  })

  test('carriage returns are no part of the text', () => {
    expect(recordsOf(`${stamped}\r\n  more\r\n${next}\r\n`)).toEqual([`${stamped}\n  more`, next])
  })

  test('bytes that are no UTF-8 do no harm', () => {
    const bytes = Buffer.concat([Buffer.from('bad '), Buffer.from([0xff, 0xfe, 0x0a]), Buffer.from('good\n')])
    const framer = createFramer({ bytes, base: 0, ending: 'end', hints, decidedTo: () => 0 })

    const found = framer.recordAround(7)

    expect(found?.record).toMatchObject({ start: 7, end: 12 })
  })
})

const cri = (stream: string, text: string): string => `2026-11-21T10:00:00.000Z ${stream} F ${text}`

describe('streams that are interleaved in one file', () => {
  test('are framed each by itself', () => {
    const log = [
      cri('stderr', 'Traceback (most recent call last):'),
      cri('stdout', 'served /orders'),
      cri('stderr', '  File "/app/a.py", line 2, in f'),
      cri('stdout', 'served /users'),
      cri('stderr', 'ValueError: bad'),
      cri('stdout', 'served /items'),
    ]

    const records = recordsOf(log.join('\n') + '\n')

    expect(records).toEqual([
      'Traceback (most recent call last):\n  File "/app/a.py", line 2, in f\nValueError: bad',
      'served /orders',
      'served /users',
      'served /items',
    ])
  })

  test('a line in parts is put together over the other stream', () => {
    const log = [
      '2026-11-21T10:00:00.000Z stderr P pool lim',
      cri('stdout', 'served'),
      '2026-11-21T10:00:00.000Z stderr F it reached',
    ]

    const records = recordsOf(log.join('\n') + '\n')

    expect(records).toContain('pool limit reached')
  })

  test('a record ends when sixty-four lines of the other have followed', () => {
    const strangers = Array.from({ length: 64 }, (_, index) => cri('stdout', `served ${index}`))
    const log = [cri('stderr', 'Error: one'), ...strangers, cri('stderr', '  at f (/app/a.js:1:1)')]

    const found = frame(log.join('\n') + '\n').recordAround(0)

    expect(found?.record.lines.map(({ text }) => text)).toEqual(['Error: one'])
    expect(found?.state).toBe('closed')
  })
})

describe('the end of the bytes', () => {
  const torn = `${stamped}\n${next}`

  test('while more may follow, a last line without a line break is not read', () => {
    const framer = frame(torn, 'more')

    expect(framer.recordAround(stamped.length + 1)).toBeUndefined()
  })

  test('while more may follow, the record before it is open', () => {
    const framer = frame(torn, 'more')

    expect(framer.recordAround(0)).toMatchObject({ state: 'open', record: { start: 0 } })
    expect(framer.openFrom()).toBe(0)
  })

  test('while more may follow, the record before a whole line of the next one is closed', () => {
    const framer = frame(`${torn}\n`, 'more')

    expect(framer.recordAround(0)?.state).toBe('closed')
    expect(framer.recordAround(stamped.length + 1)?.state).toBe('open')
    expect(framer.openFrom()).toBe(stamped.length + 1)
  })

  test('when nothing came for a while, a last line without a line break is ripe, and may be looked at again', () => {
    const framer = frame(torn, 'idle')

    expect(framer.recordAround(stamped.length + 1)?.state).toBe('ripe')
    expect(framer.openFrom()).toBe(stamped.length + 1)
  })

  test('when nothing came for a while, a whole last line closes its record', () => {
    const framer = frame(`${torn}\n`, 'idle')

    expect(framer.recordAround(stamped.length + 1)?.state).toBe('closed')
    expect(framer.openFrom()).toBe(torn.length + 1)
  })

  test('at the end everything is closed, with a line break or without', () => {
    for (const log of [torn, `${torn}\n`]) {
      const framer = frame(log, 'end')

      expect(framer.recordAround(stamped.length + 1)).toMatchObject({ state: 'closed', record: { end: log.length } })
      expect(framer.openFrom()).toBe(log.length)
    }
  })
})

const atom = 'needle'
const scan = createScan({ atoms: [atom], everything: false })

function walkThrough(
  bytes: Buffer,
  { ending = 'end', resume = startOfSource, base = 0 }: { ending?: Ending; resume?: Resume; base?: number } = {},
) {
  const batch: Batch = {
    id: 'app', source: 'file:/app.log', service: 'app', bytes, base, from: resume.position, ending,
    unread: false, arrivalMs: hints.arrivalMs, identity: 'app',
  } // prettier-ignore
  const records: Extract<Step, { kind: 'record' }>[] = []
  const steps = walk(batch, resume, { scan, hints })
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return { records, resume: step.value }
    if (step.value.kind === 'record') records.push(step.value)
  }
}

describe('bounds', () => {
  test('a record that passes a mebibyte is cut there and marked, and what follows is a record of its own', () => {
    const lines = Array.from({ length: 1100 }, (_, index) => {
      const text = index === 10 || index === 1080 ? atom : ''
      return `  ${text.padEnd(997, '.')}\n`
    })
    const log = Buffer.from(`${stamped}\n${lines.join('')}${next}\n`)

    const { records } = walkThrough(log)

    const [first, second] = records
    const end = first?.record.end ?? 0
    expect(first).toMatchObject({ state: 'closed', record: { start: 0, cut: true } })
    expect(end).toBeLessThanOrEqual(recordBytesMax)
    expect(end).toBeGreaterThan(recordBytesMax - 1000)
    expect(second).toMatchObject({ record: { start: end, end: log.length - next.length - 1, cut: false } })
    expect(records).toHaveLength(2)
  })

  test('a record just below it is whole', () => {
    const indented = `  ${'x'.repeat(997)}\n`
    const log = Buffer.from(`${stamped}\n${indented.repeat(1048)}${next}\n`)
    const framer = createFramer({ bytes: log, base: 0, ending: 'end', hints, decidedTo: () => 0 })

    const found = framer.recordAround(0)

    expect(found?.record).toMatchObject({ start: 0, end: stamped.length + 1 + 1048 * 1000, cut: false })
  })

  test('of a line of seventy kibibytes sixty-four are kept, and its record is marked', () => {
    const framer = frame(`${'x'.repeat(70 * 1024)}\nnext\n`)

    const found = framer.recordAround(0)

    expect(found?.record).toMatchObject({ end: 70 * 1024 + 1, cut: true })
    expect(found?.record.lines[0]?.text).toHaveLength(lineBytesMax)
  })

  test('the walk goes on behind a line of several mebibytes', () => {
    const long = `${atom} ${'x'.repeat(3 * 1024 * 1024)} ${atom}`
    const log = Buffer.from(`before\n${long}\n${atom} behind\n`)

    const { records, resume } = walkThrough(log)

    expect(records.map(({ record }) => [record.start, record.cut])).toEqual([
      [7, true],
      [7 + long.length + 1, false],
    ])
    expect(records[0]?.record.lines[0]?.text).toHaveLength(lineBytesMax)
    expect(resume).toEqual({ position: log.length, skipping: false, decidedTo: {} })
  })

  test('a line of several mebibytes that has not ended is settled once, and its rest passed over', () => {
    const start = Buffer.from(`${atom} ${'x'.repeat(2 * 1024 * 1024)}`)
    const rest = Buffer.from(`${'y'.repeat(100)} ${atom}\n${atom} behind\n`)

    const first = walkThrough(start, { ending: 'more' })
    const second = walkThrough(rest, { resume: first.resume, base: start.length })

    expect(first.records.map(({ record, state }) => [record.start, state, record.cut])).toEqual([[0, 'closed', true]])
    expect(first.resume).toEqual({ position: start.length, skipping: true, decidedTo: {} })
    expect(second.records.map(({ record }) => record.lines[0]?.text)).toEqual([`${atom} behind`])
  })

  test('a clean line of several mebibytes that has not ended holds nothing back', () => {
    const start = Buffer.from('x'.repeat(2 * 1024 * 1024))

    const { records, resume } = walkThrough(start, { ending: 'more' })

    expect(records).toEqual([])
    expect(resume).toEqual({ position: start.length, skipping: true, decidedTo: {} })
  })
})

describe('the walk', () => {
  test('yields the records around what the scan proposes, and says which of their lines it proposed', () => {
    const log = `clean\n${stamped}\n  ${atom}\n${next}\n${atom}\n`

    const { records } = walkThrough(Buffer.from(log))

    const hit = log.indexOf(`  ${atom}`)
    const last = log.indexOf(next)
    expect(records.map(({ record, hits }) => [record.start, [...hits]])).toEqual([
      [6, [hit]],
      [last, [last + next.length + 1]],
    ])
  })

  test('reads the clock of a clean stretch on a grid of sixty-four kibibytes, and at the end from the last line', () => {
    const line = `${next}\n`
    const log = Buffer.from(line.repeat(6000))
    const clockStarts = (ending: Ending): number[] => {
      const batch = { id: 'app', source: 'file:/app.log', service: 'app', bytes: log, base: 0, from: 0, ending, unread: false, arrivalMs: 0, identity: 'app' } as const // prettier-ignore
      return [...walk(batch, startOfSource, { scan, hints })].map((step) =>
        step.kind === 'clock' ? step.line.start : NaN,
      )
    }

    const [more, end] = [clockStarts('more'), clockStarts('end')]

    const grid = [0, 1, 2, 3].map((index) => Math.ceil((index * 65_536) / line.length) * line.length)
    expect(more).toEqual(grid)
    expect(end).toEqual([...grid, log.length - line.length])
  })
})

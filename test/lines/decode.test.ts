import { describe, expect, test } from 'vitest'
import { decodeRecord, decodeText, type Decoded, type DecodeOptions } from '../../src/lines/decode.js'
import { createFramer } from '../../src/lines/record.js'

const arrivalMs = Date.UTC(2026, 10, 21, 12)
const plainly: DecodeOptions = { hints: { toUtcMs: () => 0, arrivalMs }, redact: (text) => text }
const decode = (text: string): Decoded => decodeText(text, plainly)
const json = (fields: object): string => JSON.stringify(fields)
const ten = Date.UTC(2026, 10, 21, 10)
const time = '2026-11-21T10:00:00.000Z'

/** The record at the front of a log, decoded as the pipeline does. */
function decodeLog(log: string): Decoded {
  const bytes = Buffer.from(log)
  const framer = createFramer({ bytes, base: 0, ending: 'end', hints: plainly.hints, decidedTo: () => 0 })
  const found = framer.recordAround(0)
  if (!found) throw new Error('there is no record')
  return decodeRecord(found.record, plainly)
}

const stack = 'TimeoutError: pool timed out\n    at acquire (/app/pool.js:10:3)'

describe('JSON log records', () => {
  test('pino: the message, the error with its stack, the other fields, each on lines of their own', () => {
    const line = json({
      level: 50,
      time: ten,
      pid: 7,
      hostname: 'web-1',
      trace_id: 't-1',
      err: { type: 'TimeoutError', message: 'pool timed out', stack, code: 'ETIMEDOUT' },
      msg: 'request failed',
    })

    const decoded = decode(line)

    expect(decoded.text).toBe(
      `request failed\n${stack}\n{"code":"ETIMEDOUT"}\nlevel=50\npid=7\nhostname=web-1\ntrace_id=t-1`,
    )
    expect(decoded).toMatchObject({ timeMs: ten, level: 'error', keys: { host: 'web-1', trace_id: 't-1' } })
  })

  test.each([
    [10, 'trace'],
    [20, 'debug'],
    [30, 'info'],
    [40, 'warn'],
    [50, 'error'],
    [60, 'fatal'],
    [35, 'info'],
    ['50', 'error'],
    ['ERROR', 'error'],
    ['warning', 'warn'],
    ['critical', 'fatal'],
    ['notice', 'info'],
    [5, undefined],
    [70, undefined],
    ['', undefined],
    ['loud', undefined],
  ])('the level %j is %s', (level, expected) => {
    const decoded = decode(json({ level, time, msg: 'x' }))

    expect(decoded.level).toBe(expected)
  })

  test('an error without a stack says its type and message as one text', () => {
    const decoded = decode(json({ level: 50, time: ten, err: { type: 'Error', message: 'refused' }, msg: 'failed' }))

    expect(decoded.text).toBe('failed\nError: refused\nlevel=50')
  })

  test('a message that the stack does not hold is kept beside it', () => {
    const decoded = decode(json({ level: 50, time: ten, err: { message: 'refused', stack: 'Error\n    at x' } }))

    expect(decoded.text).toContain('Error\n    at x\nrefused')
  })

  test('bunyan: the ISO time, the name of the error', () => {
    const line = json({
      name: 'api',
      hostname: 'web-1',
      pid: 7,
      level: 60,
      err: { message: 'refused', name: 'ConnectionError' },
      msg: 'failed',
      time,
      v: 0,
    })

    const decoded = decode(line)

    expect(decoded).toMatchObject({ timeMs: ten, level: 'fatal', keys: { host: 'web-1' } })
    expect(decoded.text.split('\n').slice(0, 2)).toEqual(['failed', 'ConnectionError: refused'])
  })

  test('structlog: event is the message, exception a text of its own', () => {
    const exception = 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\nValueError: no'
    const line = json({ event: 'request failed', level: 'error', timestamp: time, service: 'checkout', exception })

    const decoded = decode(line)

    expect(decoded.text).toBe(`request failed\n${exception}\nlevel=error\nservice=checkout`)
    expect(decoded).toMatchObject({ timeMs: ten, level: 'error', service: 'checkout' })
  })

  test('python-json-logger: asctime and levelname', () => {
    const line = json({ asctime: '2026-11-21 10:00:00,000', levelname: 'WARNING', message: 'slow', exc_info: 'a\nb' })

    const decoded = decode(line)

    expect(decoded).toMatchObject({ text: 'slow\na\nb\nlevelname=WARNING', timeMs: ten, level: 'warn' })
  })

  test('an empty or null field says nothing', () => {
    const decoded = decode(json({ level: 'info', time, msg: 'x', err: null, exc_info: '', job: '' }))

    expect(decoded.text).toBe('x\nlevel=info')
  })

  test('a field that is an object is told as JSON', () => {
    const decoded = decode(json({ level: 'info', time, msg: 'x', http: { status: 503 } }))

    expect(decoded.text).toBe('x\nlevel=info\nhttp={"status":503}')
  })

  test('every line of the text is listed with where it begins', () => {
    const decoded = decode(`2026-11-21 10:00:00,000 ERROR failed\n  detail\nend`)

    expect(decoded.lines.map(({ at }) => at)).toEqual([0, 37, 46])
    expect(decoded.lines.every(({ at, text }) => decoded.text.startsWith(text, at))).toBe(true)
  })
})

describe('keys and service', () => {
  test('names in either spelling become one key', () => {
    const snake = decode(
      json({ msg: 'x', time, workspace_id: 'w', trace_id: 't', request_id: 'r', job_id: 'j', task_id: 'k' }),
    )
    const camel = decode(
      json({ msg: 'x', time, workspaceId: 'w', traceId: 't', requestId: 'r', jobId: 'j', taskId: 'k' }),
    )

    expect(snake.keys).toEqual({ workspace_id: 'w', trace_id: 't', request_id: 'r', job_id: 'j', task_id: 'k' })
    expect(camel.keys).toEqual(snake.keys)
  })

  test('a number is a key too, an object is none', () => {
    const decoded = decode(json({ msg: 'x', time, job_id: 17, trace_id: { a: 1 } }))

    expect(decoded.keys).toEqual({ job_id: '17' })
  })

  test('keys are redacted like the text', () => {
    const decoded = decodeText(json({ msg: 'hunter2', time, workspace_id: 'hunter2' }), {
      ...plainly,
      redact: (text) => text.replaceAll('hunter2', '*'),
    })

    expect(decoded.keys).toEqual({ workspace_id: '*' })
    expect(decoded.text).toBe('*\nworkspace_id=*')
  })

  test.each(['service', 'service_name', 'service.name', 'app', 'application'])('%s names the service', (name) => {
    const decoded = decode(json({ msg: 'x', time, [name]: 'checkout' }))

    expect(decoded.service).toBe('checkout')
  })
})

describe('JSON that is no log record of one line', () => {
  test('a response body stands as it is', () => {
    const text = '{"detail":[{"loc":["body","name"],"msg":"Field required","type":"missing"}]}'

    expect(decode(text).text).toBe(text)
  })

  test('one entry of such a list stands as it is, though it has a message', () => {
    const text = '{"loc":["body","name"],"msg":"Field required","type":"missing"}'

    expect(decode(text).text).toBe(text)
  })

  test('the texts in its error fields are told with their escapes undone', () => {
    const text = json({ error: 'model "gpt" not found\nretry', code: 404 })

    expect(decode(text).text).toBe(`${text}\nmodel "gpt" not found\nretry`)
  })

  test.each([
    ['{"level":"error","msg":"cut in the mid'],
    ['{not JSON at all}'],
    ['{"a":1} and more text'],
    ['[1,2,3]'],
    ['{}'],
  ])('%s stands as it is', (text) => {
    expect(decode(text).text).toBe(text)
  })

  test('an object printed over several lines is one record of fields', () => {
    const text = JSON.stringify(
      { level: 'error', time, message: 'failed', error: 'line one\nline two' },
      undefined,
      2,
    )

    const decoded = decode(text)

    expect(decoded).toMatchObject({ oneObject: true, text: 'failed\nline one\nline two\nlevel=error', timeMs: ten })
  })

  test('an object of one line is not', () => {
    expect(decode(json({ level: 'error', time, msg: 'x' })).oneObject).toBe(false)
  })

  test('an object that never closes stands as its lines do', () => {
    const text = '{\n  "level": "error",\n  "message": "failed"'

    expect(decode(text)).toMatchObject({ oneObject: true, text })
  })
})

describe('logfmt', () => {
  test('quotes and escapes are undone, the error stands on its own line', () => {
    const line = String.raw`time=${time} level=error msg="write \"a\" failed\nagain" err="dial tcp: refused" trace_id=t1 service=api`

    const decoded = decode(line)

    expect(decoded.text).toBe('write "a" failed\nagain\ndial tcp: refused\nlevel=error\ntrace_id=t1\nservice=api')
    expect(decoded).toMatchObject({ timeMs: ten, level: 'error', service: 'api', keys: { trace_id: 't1' } })
  })

  test('a stamp may stand before the pairs', () => {
    const decoded = decode('2026-11-21T10:00:00Z level=warn msg="slow query"')

    expect(decoded).toMatchObject({ text: 'slow query\nlevel=warn', timeMs: ten, level: 'warn' })
  })

  test.each([
    ['one pair only', 'level=error'],
    ['prose with pairs in it', 'the setting level=error was changed by user=ann'],
    ['pairs without a level or a message', 'a=1 b=2 c=3'],
  ])('%s stands as it is', (_, line) => {
    expect(decode(line).text).toBe(line)
  })
})

describe('wrappers come off', () => {
  const record = json({ level: 50, time: ten, msg: 'failed' })

  test('docker json-file around JSON', () => {
    const decoded = decode(json({ log: `${record}\n`, stream: 'stderr', time: '2026-11-21T10:00:05Z' }))

    expect(decoded).toMatchObject({ text: 'failed\nlevel=50', timeMs: ten, level: 'error' })
  })

  test('docker json-file around text without a time gives its own', () => {
    const decoded = decode(json({ log: 'plain\r\n', stream: 'stdout', time: '2026-11-21T10:00:05Z' }))

    expect(decoded).toMatchObject({ text: 'plain', timeMs: ten + 5000 })
  })

  test('docker lines that were cut are put together', () => {
    const lines = [
      { log: record.slice(0, 9), stream: 'stdout', time },
      { log: `${record.slice(9)}\n`, stream: 'stdout', time },
    ]

    const decoded = decode(lines.map(json).join('\n'))

    expect(decoded).toMatchObject({ text: 'failed\nlevel=50', level: 'error' })
  })

  test('CRI, cut lines too', () => {
    const decoded = decode(`${time} stderr P pool lim\n${time} stderr F it reached`)

    expect(decoded).toMatchObject({ text: 'pool limit reached', timeMs: ten })
  })

  test('CRI around JSON', () => {
    const decoded = decode(`2026-11-21T10:00:05.000000000Z stdout F ${record}`)

    expect(decoded).toMatchObject({ text: 'failed\nlevel=50', timeMs: ten, level: 'error' })
  })

  test('RFC 3164 with its line breaks escaped gives service, host and time', () => {
    const decoded = decodeLog('Nov 21 10:00:00 web-1 app[12]: Traceback:#012  File "a.py"#012ValueError: no\n')

    expect(decoded).toMatchObject({
      text: 'Traceback:\n  File "a.py"\nValueError: no',
      timeMs: ten,
      service: 'app',
      keys: { host: 'web-1' },
    })
  })

  test('RFC 5424 with structured data', () => {
    const decoded = decodeLog(`<11>1 ${time} web-1 app 12 ID47 [a@1 x="y]"][b@1] one#012two\n`)

    expect(decoded).toMatchObject({ text: 'one\ntwo', timeMs: ten, service: 'app', keys: { host: 'web-1' } })
  })

  test('RFC 5424 with nothing known', () => {
    const decoded = decodeLog('<11>1 - - - - - - failed\n')

    expect(decoded).toMatchObject({ text: 'failed', timeMs: undefined, service: undefined, keys: {} })
  })

  test('what the record says of itself wins over its wrapper', () => {
    const inner = json({ level: 'info', time, msg: 'x', service: 'checkout', hostname: 'pod-7' })

    const decoded = decodeLog(`Nov 21 10:00:09 web-1 app[12]: ${inner}\n`)

    expect(decoded).toMatchObject({ service: 'checkout', timeMs: ten, keys: { host: 'pod-7' } })
  })

  test('a line of an application that looks a little like syslog is left alone', () => {
    const line = '2026-11-21T10:00:00Z ERROR app: failed'

    expect(decodeLog(`${line}\n`)).toMatchObject({ text: line, service: undefined, level: 'error' })
  })
})

describe('colour codes come off', () => {
  test.each([
    ['raw', '\u001b[31mERROR\u001b[0m \u001b[1;38;5;196mfailed\u001b[0m'],
    ['printed by a shell', String.raw`\033[31mERROR\033[0m failed`],
    ['printed by repr', String.raw`\x1b[31mERROR\x1b[0m failed`],
    ['escaped as in JSON', String.raw`\u001b[31mERROR\u001B[0m failed`],
    ['a terminal title', '\u001b]0;title\u0007ERROR failed'],
  ])('%s', (_, line) => {
    const decoded = decode(line)

    expect(decoded).toMatchObject({ text: 'ERROR failed', level: 'error' })
  })

  test('inside a JSON field', () => {
    const decoded = decode(json({ level: 'error', time, msg: '\u001b[31mfai\u001b[0mled' }))

    expect(decoded.text).toBe('failed\nlevel=error')
  })

  test('a backslash that is no colour stays', () => {
    const line = String.raw`C:\temp\u0041 [31m`

    expect(decode(line).text).toBe(line)
  })
})

describe('the level of a plain line', () => {
  test.each([
    ['2026-11-21 10:00:00,123 - app - ERROR - failed', 'error'],
    ['[WARN] slow', 'warn'],
    ['2026/11/21 10:00:00 [crit] 29#29: *1 x', 'fatal'],
    ['2026-11-21 10:00:00.123 UTC [812] FATAL:  sorry', 'fatal'],
    ['2026-11-21 10:00:00.123 UTC [812] LOG:  checkpoint', 'info'],
    ['E1121 10:00:00.123456 1 a.go:1] failed', 'error'],
    ['W1121 10:00:00.123456 1 a.go:1] slow', 'warn'],
    ['no errors were found', undefined],
    ['ValueError: no', undefined],
    [`${'x'.repeat(130)} ERROR far behind`, undefined],
  ])('%s: %s', (line, expected) => {
    expect(decode(line).level).toBe(expected)
  })

  test('a line below has the level of the line above it', () => {
    const decoded = decode('2026-11-21 10:00:00,123 DEBUG failed\n  detail\n2026-11-21 10:00:01,123 ERROR two')

    expect(decoded.lines.map(({ level }) => level)).toEqual(['debug', 'debug', 'error'])
    expect(decoded.level).toBe('debug')
  })
})

describe('JSON as other loggers write it', () => {
  test.each<[string, object, string]>([
    [
      'Elastic Common Schema',
      { '@timestamp': time, 'log.level': 'error', message: 'failed', 'error.stack_trace': stack },
      `failed\n${stack}`,
    ],
    [
      'the same with its dots as objects',
      {
        '@timestamp': time,
        log: { level: 'error' },
        message: 'failed',
        error: { message: 'pool timed out', stack_trace: stack },
      },
      `failed\n${stack}`,
    ],
    ['Serilog', { '@t': time, '@l': 'Error', '@mt': 'failed', '@x': stack }, `failed\n${stack}`],
    [
      'structlog with its tracebacks as objects',
      {
        timestamp: time,
        level: 'error',
        event: 'failed',
        exception: [{ exc_type: 'TimeoutError', exc_value: 'pool timed out', frames: [] }],
      },
      'failed\nTimeoutError: pool timed out',
    ],
    [
      'AWS Lambda',
      {
        timestamp: time,
        level: 'ERROR',
        errorType: 'KeyError',
        errorMessage: "'x'",
        stackTrace: ['  File "a.py", line 1', '    f()'],
      },
      '\'x\'\n  File "a.py", line 1\n    f()',
    ],
    [
      'a shipper’s object around a program’s',
      { date: time, level: 'info', log: json({ level: 'error', time, msg: 'failed', err: { stack } }) },
      `failed\n${stack}`,
    ],
  ])('%s', (_, fields, text) => {
    const decoded = decode(json(fields))

    expect(decoded.text.startsWith(text)).toBe(true)
    expect(decoded).toMatchObject({ level: 'error', timeMs: ten })
  })

  test('a container’s name is its service', () => {
    const decoded = decode(json({ log: 'failed', date: time, kubernetes: { container_name: 'checkout' } }))

    expect(decoded.service).toBe('checkout')
  })

  test('fields behind a message of winston stand on a line of their own', () => {
    const decoded = decode('error: pool timed out {"service":"api","timestamp":"x"}')

    expect(decoded.text).toBe('error: pool timed out\n{"service":"api","timestamp":"x"}')
  })

  test('JSON that nests deeper than three is left as it is', () => {
    const nest = (depth: number): string =>
      depth === 0 ? 'failed' : json({ level: 'error', time, msg: nest(depth - 1) })

    expect(decode(nest(3)).text).toBe('failed\nlevel=error\nlevel=error\nlevel=error')
    expect(decode(nest(4)).text).toMatch(/^\{"level":"error"/)
  })
})

describe('lines under another name', () => {
  test('docker compose says whose a line is', () => {
    expect(decodeLog('api-1  | ERROR failed\n')).toMatchObject({
      text: 'ERROR failed',
      service: 'api',
      level: 'error',
    })
  })

  test('pm2 does too', () => {
    expect(decodeLog('0|checkout | failed\n')).toMatchObject({ text: 'failed', service: 'checkout' })
  })

  test.each([
    ['docker compose logs -t', (line: string) => `api-1  | 2026-11-21T10:00:00.000000000Z ${line}`],
    ['pm2 --time', (line: string) => `0|api  | 2026-11-21T10:00:00: ${line}`],
    [
      'CRI in syslog',
      (line: string) => `Nov 21 10:00:00 web-1 kubelet[12]: 2026-11-21T10:00:00.000Z stderr F ${line}`,
    ],
  ])('%s: the lines of a traceback stay together', (_, wrap) => {
    const lines = ['Traceback (most recent call last):', '  File "a.py", line 1', 'KeyError: 1']

    expect(decodeLog(`${lines.map(wrap).join('\n')}\n`)).toMatchObject({ text: lines.join('\n'), timeMs: ten })
  })

  test('a table is no prefix', () => {
    expect(decodeLog('id | name\n')).toMatchObject({ text: 'id | name', service: undefined })
  })

  test('journalctl’s indentation comes off, the message’s own stays', () => {
    const head = 'Nov 21 10:00:00 web-1 app[12]: '
    const margin = ' '.repeat(head.length)
    const log = `${head}Traceback (most recent call last):\n${margin}  File "a.py", line 1\n${margin}KeyError: 1\n`

    expect(decodeLog(log).text).toBe('Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: 1')
  })

  test('java.util.logging prints its level under the time', () => {
    const decoded = decodeLog('Nov 21, 2026 10:00:00 AM com.example.Orders place\nSEVERE: failed\n')

    expect(decoded).toMatchObject({ timeMs: ten })
    expect(decoded.lines.map(({ level }) => level)).toEqual([undefined, 'error'])
  })

  test('Lambda joins the lines of a message by carriage returns', () => {
    expect(
      decode('[ERROR] KeyError: 1\rTraceback (most recent call last):\r  File "a.py"').text.split('\n'),
    ).toHaveLength(3)
  })
})

describe('the level of a line, as servers print it', () => {
  test.each([
    ['2026-11-21 10:00:00 0 [Note] InnoDB: started', 'info'],
    ['2026-11-21 10:00:00 0 [Warning] slow', 'warn'],
    ['[1] 2026/11/21 10:00:00.123 [ERR] failed', 'error'],
    ['[1] 2026/11/21 10:00:00.123 [INF] started', 'info'],
    ['[Sat Nov 21 10:00:00.123456 2026] [wsgi:error] [pid 1] failed', 'error'],
    [`${'x'.repeat(113)} run with DEBUG=knex:tx`, undefined],
  ])('%s: %s', (line, expected) => {
    expect(decode(line).level).toBe(expected)
  })
})

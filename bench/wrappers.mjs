/** What stands around a program's text in real logs. Each takes a text of one or more lines and gives physical lines. */

const time = '2026-11-21T10:00:00.000Z'
/** A text of several lines is a record where its first line has a time. */
/** @param {string} text */
const stamped = (text) => (text.includes('\n') ? `2026-11-21 10:00:00,123 ERROR [app] ${text}` : text)
/** @param {string} text */
const lines = (text) => stamped(text).split('\n')
/** @param {unknown} fields */
const json = (fields) => JSON.stringify(fields)

/**
 * Cuts a line as container runtimes do at their limit, here in the middle so that it happens inside atoms too.
 * @param {string} line
 * @returns {[string, string]}
 */
function halves(line) {
  const middle = Math.floor(line.length / 2)
  return [line.slice(0, middle), line.slice(middle)]
}

/** @param {string} line */
const colour = (line) => line.replaceAll(/\b(\w{3})(\w{3})/g, '$1\u001b[31m$2\u001b[0m')

/**
 * What a logger prints before a message; the lines after the first stand as they are.
 * @param {string} prefix
 * @returns {(text: string) => string}
 */
const after = (prefix) => (text) => prefix + text

/**
 * A logfmt value, quoted as Go's loggers do.
 * @param {string} text
 */
const quoted = (text) => json(text)

/** @param {string} text */
const firstLine = (text) => text.split('\n')[0] ?? ''

/**
 * One entry of `journalctl -o export` (https://systemd.io/JOURNAL_EXPORT_FORMATS): a field with a line break has its length in binary.
 * @param {string} text
 */
function journalExport(text) {
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)))
  const message = text.includes('\n') ? `MESSAGE\n${size.toString('latin1')}${text}` : `MESSAGE=${text}`
  return [
    '__CURSOR=s=1;i=2;b=3;m=4;t=5;x=6',
    '__REALTIME_TIMESTAMP=1795255200000000',
    '_BOOT_ID=0b5e0d1c2f3a4b5c6d7e8f9a0b1c2d3e',
    'PRIORITY=3',
    'SYSLOG_IDENTIFIER=app',
    '_HOSTNAME=web-1',
    message,
    '_PID=12',
    '',
  ].join('\n')
}

/** @type {Readonly<Record<string, (text: string) => string>>} */
export const wrappers = {
  plain: stamped,
  'carriage returns': (text) => lines(text).join('\r\n') + '\r',
  'Python logging': (text) => `2026-11-21 10:00:00,123 ERROR [app] ${text}`,
  pino: (text) => json({ level: 50, time: 1795255200000, pid: 1, hostname: 'web-1', msg: text }),
  'pino error': (text) =>
    json({
      level: 50,
      time: 1795255200000,
      err: { type: 'Error', message: text, stack: text },
      msg: 'request failed',
    }),
  structlog: (text) => json({ event: 'request failed', level: 'error', timestamp: time, exception: text }),
  'python-json-logger': (text) =>
    json({ asctime: '2026-11-21 10:00:00,123', levelname: 'ERROR', message: 'failed', exc_info: text }),
  'docker json-file': (text) =>
    lines(text)
      .map((line) => json({ log: `${line}\n`, stream: 'stderr', time }))
      .join('\n'),
  'docker, cut lines': (text) =>
    lines(text)
      .flatMap((line) => {
        const [first, second] = halves(line)
        return [json({ log: first, stream: 'stderr', time }), json({ log: `${second}\n`, stream: 'stderr', time })]
      })
      .join('\n'),
  CRI: (text) =>
    lines(text)
      .map((line) => `${time} stderr F ${line}`)
      .join('\n'),
  'CRI, partial lines': (text) =>
    lines(text)
      .flatMap((line) => {
        const [first, second] = halves(line)
        return [`${time} stderr P ${first}`, `${time} stdout F served`, `${time} stderr F ${second}`]
      })
      .join('\n'),
  'CRI around JSON': (text) => `${time} stdout F ${json({ level: 'error', time, msg: text })}`,
  'docker json-file, in CRI': (text) =>
    lines(text)
      .map((line) => `${time} stderr F ${json({ log: `${line}\n`, stream: 'stderr', time })}`)
      .join('\n'),
  'docker around structlog': (text) =>
    json({ log: `${json({ event: text, level: 'error', timestamp: time })}\n`, stream: 'stdout', time }),
  'syslog with escapes': (text) => `Nov 21 10:00:00 web-1 app[12]: ${text.replaceAll('\n', '#012')}`,
  'syslog 5424': (text) => `<11>1 ${time} web-1 app 12 - - ${text.replaceAll('\n', '#012')}`,
  colours: (text) => colour(stamped(text)),
  // Times as programs print them, in front of a message.
  klog: after('E1121 10:00:00.123456   12345 server.go:87] '),
  'nginx error log': after('2026/11/21 10:00:00 [error] 22#22: *1 '),
  'Apache error log': after('[Sat Nov 21 10:00:00.123456 2026] [wsgi:error] [pid 12:tid 34] '),
  'Postgres log': after('2026-11-21 10:00:00.123 UTC [123] app@shop ERROR:  '),
  'Redis log': after('123:M 21 Nov 2026 10:00:00.123 # '),
  logback: after('2026-11-21 10:00:00,123 ERROR [http-nio-8080-exec-1] c.e.shop.Orders - '),
  'java.util.logging': after('Nov 21, 2026 10:00:00 AM com.example.Orders place\nSEVERE: '),
  'Ruby Logger': after('E, [2026-11-21T10:00:00.123456 #123] ERROR -- : '),
  'Go log': after('2026/11/21 10:00:00 main.go:31: '),
  loguru: after('2026-11-21 10:00:00.123 | ERROR    | app.jobs:run:12 - '),
  'Python basicConfig': after('ERROR:app.jobs:'),
  uvicorn: after('ERROR:    '),
  'structlog console': (text) => `2026-11-21 10:00:00 [error    ] request failed                 exc=boom\n${text}`,
  'winston simple': (text) => `error: ${text} {"service":"api","timestamp":"${time}"}`,
  'zap console': (text) => `${time}\tERROR\tjobs/run.go:31\t${text}`,
  // JSON, as each library names its fields.
  bunyan: (text) =>
    json({
      name: 'api',
      hostname: 'web-1',
      pid: 1,
      level: 50,
      err: { message: firstLine(text), name: 'Error', stack: text },
      msg: firstLine(text),
      time,
      v: 0,
    }),
  winston: (text) => json({ level: 'error', message: firstLine(text), stack: text, timestamp: time }),
  zap: (text) =>
    json({ level: 'error', ts: 1795255200.123, caller: 'jobs/run.go:31', msg: 'job failed', error: text }),
  'logrus JSON': (text) => json({ error: text, level: 'error', msg: 'job failed', time }),
  zerolog: (text) => json({ level: 'error', error: text, time, message: 'job failed' }),
  'slog JSON': (text) => json({ time, level: 'ERROR', msg: text, trace_id: 't-1' }),
  Logstash: (text) =>
    json({
      '@timestamp': time,
      '@version': '1',
      message: 'job failed',
      logger_name: 'jobs',
      level: 'ERROR',
      stack_trace: text,
    }),
  'Elastic Common Schema': (text) =>
    json({ '@timestamp': time, 'log.level': 'error', message: 'job failed', 'error.stack_trace': text }),
  'Elastic Common Schema, nested': (text) =>
    json({
      '@timestamp': time,
      log: { level: 'error' },
      message: 'job failed',
      error: { message: firstLine(text), stack_trace: text },
    }),
  'Google Cloud': (text) => json({ severity: 'ERROR', message: text, timestamp: time }),
  'Serilog compact': (text) => json({ '@t': time, '@mt': 'job {Id} failed', '@l': 'Error', '@x': text, Id: 7 }),
  // logfmt
  'logrus text': (text) => `time="${time}" level=error msg="job failed" error=${quoted(text)} job_id=7`,
  'slog text': (text) => `time=${time} level=ERROR msg=${quoted(text)} trace_id=t-1`,
  // What stands around lines.
  'docker, cut at 16 KiB': (text) =>
    lines(text.includes('\n') ? text : `${'.'.repeat(16_370)} ${text}`)
      .flatMap((line) =>
        (line.match(/[^]{1,16384}/g) ?? ['']).map((piece, index, all) =>
          json({ log: index === all.length - 1 ? `${piece}\n` : piece, stream: 'stderr', time }),
        ),
      )
      .join('\n'),
  'docker compose': (text) =>
    lines(text)
      .map((line) => `api-1  | ${line}`)
      .join('\n'),
  'syslog 3164, a message a line': (text) =>
    lines(text)
      .map((line) => `Nov 21 10:00:00 web-1 app[12]: ${line}`)
      .join('\n'),
  'syslog with its priority': (text) => `<11>Nov 21 10:00:00 web-1 app[12]: ${text.replaceAll('\n', '#012')}`,
  'journalctl -o short': (text) =>
    `Nov 21 10:00:00 web-1 app[12]: ${stamped(text).replaceAll('\n', `\n${' '.repeat(31)}`)}`,
  'journalctl -o short-iso': (text) =>
    `2026-11-21T10:00:00+0000 web-1 app[12]: ${text.replaceAll('\n', `\n${' '.repeat(40)}`)}`,
  'journalctl -o short-precise': (text) =>
    `Nov 21 10:00:00.123456 web-1 app[12]: ${text.replaceAll('\n', `\n${' '.repeat(38)}`)}`,
  'journalctl -o json': (text) =>
    json({
      __CURSOR: 's=1;i=2',
      __REALTIME_TIMESTAMP: '1795255200000000',
      PRIORITY: '3',
      SYSLOG_IDENTIFIER: 'app',
      _HOSTNAME: 'web-1',
      MESSAGE: text,
      _PID: '12',
    }),
  'journalctl -o json, bytes': (text) =>
    json({
      __CURSOR: 's=1;i=2',
      __REALTIME_TIMESTAMP: '1795255200000000',
      PRIORITY: '3',
      SYSLOG_IDENTIFIER: 'app',
      MESSAGE: [...Buffer.from(colour(text))],
    }),
  'journalctl -o export': journalExport,
  'Lambda, lines by carriage returns': (text) => `[ERROR]\t${time}\t8f5a-4c\t${text.replaceAll('\n', '\r')}`,
  'CRI around JSON, escaped twice': (text) =>
    `${time} stdout F ${json({ level: 'error', time, log: json({ level: 'error', event: 'job failed', exception: text }) })}`,
}

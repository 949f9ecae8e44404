/** What stands around a program's text in real logs. Each takes a text of one or more lines and gives physical lines. */

const time = '2026-11-21T10:00:00.000Z'
/** A text of several lines is a record where its first line has a time. */
/** @param {string} text */
const stamped = (text) => (text.includes('\n') ? `2026-11-21 10:00:00,123 ERROR [app] ${text}` : text)
/** @param {string} text */
const lines = (text) => stamped(text).split('\n')
/** @param {object} fields */
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
}

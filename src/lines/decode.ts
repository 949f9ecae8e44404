import type { LogRecord } from './record.js'
import { findStamp, parseTime, type Hints } from './timestamp.js'
import { stripColour, unwrap } from './unwrap.js'

/** A record as its program meant it: wrappers off, escapes undone, colours and secrets out. */
export type Decoded = Readonly<{
  text: string
  /** The record is one object printed over several lines: no line of it says anything by itself. */
  oneObject: boolean
  /** One entry for each line of the record: where it begins in `text`, and the level that it or a line above it names. */
  lines: readonly DecodedLine[]
  /** The record's own time; undefined when it names none. */
  timeMs: number | undefined
  level: Level | undefined
  service: string | undefined
  /** What ties records together: trace, job, workspace, host … */
  keys: Readonly<Record<string, string>>
}>

export type DecodedLine = Readonly<{ at: number; text: string; level: Level | undefined }>

export const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type Level = (typeof levels)[number]

export type DecodeOptions = Readonly<{ hints: Hints; redact: (text: string) => string }>

const keyNames: Readonly<Record<string, string>> = {
  workspace_id: 'workspace_id',
  workspaceId: 'workspace_id',
  trace_id: 'trace_id',
  traceId: 'trace_id',
  request_id: 'request_id',
  requestId: 'request_id',
  job_id: 'job_id',
  jobId: 'job_id',
  task_id: 'task_id',
  taskId: 'task_id',
  hostname: 'host',
  host: 'host',
}
const timeFields = ['time', 'timestamp', '@timestamp', 'ts', 't', 'asctime', 'datetime', 'date']
const levelFields = ['level', 'levelname', 'severity', 'lvl', 'log.level', 'loglevel']
const serviceFields = ['service', 'service_name', 'service.name', 'app', 'application']
const messageFields = ['message', 'msg', 'event', 'body', '@message']
/** Fields that hold what went wrong: each is a text of its own, on lines of its own. */
const errorFields = [
  'err',
  'error',
  'exception',
  'exc_info',
  'exc_text',
  'stack',
  'stack_trace',
  'stacktrace',
  'traceback',
  'detail',
  'reason',
  'cause',
]

const levelWord =
  /(?:^|[\s[(<|/:.-])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|CRIT|FATAL|PANIC|EMERG|ALERT|SEVERE|LOG)(?=[\s\]):|>,/-]|$)|[[(](trace|debug|info|notice|warn|warning|error|err|crit|critical|fatal|emerg|alert)[\])]|\b(?:level|lvl|severity)="?(\w+)|^([IWEF])\d{4} /
const levelNames: Readonly<Record<string, Level>> = {
  trace: 'trace', verbose: 'trace', silly: 'trace', debug: 'debug', d: 'debug', info: 'info', information: 'info',
  notice: 'info', log: 'info', i: 'info', informational: 'info', warn: 'warn', warning: 'warn', w: 'warn',
  error: 'error', err: 'error', e: 'error', severe: 'error', fatal: 'fatal', critical: 'fatal', crit: 'fatal',
  panic: 'fatal', emerg: 'fatal', emergency: 'fatal', alert: 'fatal', f: 'fatal', dpanic: 'fatal',
} // prettier-ignore

/** A level stands at the front of a line; further on it is prose. */
const levelCharactersMax = 120

type Part = {
  text: string
  level?: Level | undefined
  timeMs?: number | undefined
  service?: string | undefined
  keys?: Record<string, string>
}

/** Decodes a framed record. */
export function decodeRecord(record: LogRecord, options: DecodeOptions): Decoded {
  const [first] = record.lines
  const decoded = decodeLines(
    record.lines.map(({ text }) => text),
    options,
  )
  return inWrapper(decoded, first?.wrapper)
}

type Wrapper = Pick<ReturnType<typeof unwrap>, 'timeMs' | 'service' | 'host'>

/** What the record does not say itself, its wrapper may. */
function inWrapper(decoded: Decoded, wrapper: Wrapper | undefined): Decoded {
  return {
    ...decoded,
    timeMs: decoded.timeMs ?? wrapper?.timeMs,
    service: decoded.service ?? wrapper?.service,
    keys: wrapper?.host === undefined ? decoded.keys : { host: wrapper.host, ...decoded.keys },
  }
}

/** Decodes a text that is one record whatever its lines look like, wrappers included. */
export function decodeText(text: string, options: DecodeOptions): Decoded {
  const lines: string[] = []
  let partial = false
  let wrapped: ReturnType<typeof unwrap> | undefined
  for (const line of text.split(/\r?\n/)) {
    const wrapper = unwrap(line, options.hints)
    wrapped ??= wrapper
    if (partial) lines.push((lines.pop() ?? '') + wrapper.text)
    else lines.push(wrapper.text)
    partial = wrapper.partial
  }
  if (lines.length > 1 && lines.at(-1) === '') lines.pop()
  const decoded = decodeLines(lines, options)
  return inWrapper(decoded, wrapped)
}

function decodeLines(
  texts: readonly string[],
  options: DecodeOptions,
): Omit<Decoded, 'service'> & { service: string | undefined } {
  // An error that was pretty-printed as JSON over several lines is one object.
  const oneObject = texts[0]?.startsWith('{') === true && decodeJson(texts[0], options) === undefined
  const whole = oneObject ? decodeJson(texts.join('\n'), options) : undefined
  const parts = whole ? [whole] : texts.map((text) => decodeLine(text, options))
  const lines: DecodedLine[] = []
  let at = 0
  let level: Level | undefined
  for (const part of parts) {
    const text = options.redact(part.text)
    level = part.level ?? level
    lines.push({ at, text, level })
    at += text.length + 1
  }
  const [head] = parts
  return {
    text: lines.map(({ text }) => text).join('\n'),
    oneObject,
    lines,
    timeMs: head?.timeMs,
    level: head?.level,
    service: head?.service,
    keys: head?.keys ? mapValues(head.keys, options.redact) : {},
  }
}

const mapValues = (record: Record<string, string>, map: (value: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]))

function decodeLine(raw: string, options: DecodeOptions): Part {
  const text = stripColour(raw)
  // A wrapper's message may itself hold line breaks (rsyslog's #012): JSON inside is still looked at as a whole.
  const json = text.startsWith('{') ? decodeJson(text, options) : undefined
  if (json) return json
  const stamp = findStamp(text, options.hints)
  const logfmt = decodeLogfmt(text, stamp?.end ?? 0, options)
  return { text, timeMs: stamp?.ms, level: levelOf(text), ...logfmt }
}

/** The level a plain line names near its front. */
function levelOf(text: string): Level | undefined {
  const found = levelWord.exec(text.length > levelCharactersMax ? text.slice(0, levelCharactersMax) : text)
  const name = found?.[1] ?? found?.[2] ?? found?.[3] ?? found?.[4]
  return name === undefined ? undefined : levelNames[name.toLowerCase()]
}

/** pino and bunyan number their levels from 10 to 60. */
function levelOfField(value: unknown): Level | undefined {
  if (typeof value === 'string') return levelNames[value.toLowerCase()] ?? levelOfField(Number(value || NaN))
  return typeof value === 'number' && value >= 10 && value <= 60 ? levels[Math.floor(value / 10) - 1] : undefined
}

/**
 * A JSON record becomes: its message; what its error fields say, each on lines of its own; every other field as
 * `key=value`. The seams (line break, `=`, `: `) are none that an atom can span, so no match needs bytes that stand apart in the raw line.
 */
function decodeJson(text: string, options: DecodeOptions): Part | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined // Text that only begins like JSON, or was cut: it is matched as it stands.
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined
  const fields = parsed as Record<string, unknown>
  const pick = (names: readonly string[]): unknown => fields[names.find((name) => fields[name] !== undefined) ?? '']
  const service = pick(serviceFields)
  return {
    text: stripColour(isLogRecord(fields) ? fieldLines(fields) : [text, ...innerTexts(fields)].join('\n')),
    timeMs: parseTime(pick(timeFields), options.hints),
    level: levelOfField(pick(levelFields)),
    service: typeof service === 'string' ? service : undefined,
    keys: keysOf(fields),
  }
}

/** JSON that is no log record (a response body, say) is matched as it stands. */
function isLogRecord(fields: Record<string, unknown>): boolean {
  const has = (names: readonly string[]): boolean => names.some((name) => fields[name] !== undefined)
  const hasMessage = messageFields.some((name) => typeof fields[name] === 'string') && fields['loc'] === undefined
  return has(levelFields) || has(timeFields) || hasMessage
}

/** Texts that read differently with their escapes undone. */
const innerTexts = (fields: Record<string, unknown>): string[] =>
  errorFields
    .map((name) => fields[name])
    .filter((value): value is string => typeof value === 'string' && /[\n"\\]/.test(value))

function fieldLines(fields: Record<string, unknown>): string {
  const messages: string[] = []
  const errors: string[] = []
  const others: string[] = []
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined || value === '') continue
    if (messageFields.includes(name) && typeof value === 'string') messages.push(value)
    else if (errorFields.includes(name)) errors.push(errorText(value))
    else if (!timeFields.includes(name))
      others.push(`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
  return [...messages, ...errors, ...others].join('\n')
}

/** An error as the libraries print it: a text, an object with `stack` or `type` and `message`, or anything else as JSON. */
function errorText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const { stack, type, name, message, ...rest } = value as Record<string, unknown>
  const kind = [type, name].find((each): each is string => typeof each === 'string' && each !== '')
  if (typeof stack !== 'string' && typeof message !== 'string') return JSON.stringify(value)
  const head = typeof stack === 'string' ? stack : kind === undefined ? message : `${kind}: ${String(message)}`
  const more = Object.keys(rest).length > 0 ? `\n${JSON.stringify(rest)}` : ''
  const said =
    typeof stack === 'string' && typeof message === 'string' && !stack.includes(message) ? `\n${message}` : ''
  return head + said + more
}

function keysOf(fields: Record<string, unknown>): Record<string, string> {
  const keys: Record<string, string> = {}
  for (const [name, value] of Object.entries(fields)) {
    const key = keyNames[name]
    if (key !== undefined && (typeof value === 'string' || typeof value === 'number') && value !== '')
      keys[key] ??= String(value)
  }
  return keys
}

const logfmtStart = /^[\s\]:|-]*(?:[\w.@/-]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)(?: +|$)){2}/
const logfmtPair = /([\w.@/-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)/g

/** logfmt (https://brandur.org/logfmt) with at least two pairs, one of them a level or a message. */
function decodeLogfmt(text: string, from: number, options: DecodeOptions): Part | undefined {
  if (!/(?:^|\s)(?:level|lvl|msg|severity)=/.test(text)) return undefined
  const rest = text.slice(from)
  if (!logfmtStart.test(rest)) return undefined
  const fields: Record<string, unknown> = {}
  for (const [, name = '', value = ''] of rest.matchAll(logfmtPair))
    fields[name] ??= value.startsWith('"') ? unquote(value) : value
  const pick = (names: readonly string[]): unknown => fields[names.find((name) => fields[name] !== undefined) ?? '']
  const service = pick(serviceFields)
  const part: Part = { text: fieldLines(fields), level: levelOfField(pick(levelFields)), keys: keysOf(fields) }
  const timeMs = parseTime(pick(timeFields), options.hints)
  if (timeMs !== undefined) part.timeMs = timeMs
  if (typeof service === 'string') part.service = service
  return part
}

function unquote(value: string): string {
  return value
    .slice(1, -1)
    .replaceAll(/\\(.)/g, (_, character: string) => ({ n: '\n', t: '\t', r: '\r' })[character] ?? character)
}

import { isJournalExport, journalExport } from './journal.js'
import type { LogRecord } from './record.js'
import { findStamp, parseTime, type Hints } from './timestamp.js'
import { stripColour, unwrap, type Unwrapped } from './unwrap.js'

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
const timeFields = ['time', 'timestamp', '@timestamp', 'ts', 't', 'asctime', 'datetime', 'date', '@t']
const levelFields = ['level', 'levelname', 'severity', 'lvl', 'log.level', 'loglevel', '@l']
const serviceFields = ['service', 'service_name', 'service.name', 'app', 'application']
const messageFields = ['message', 'msg', 'event', 'body', '@message', 'log', '@m', '@mt']
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
  'errorMessage',
  'stackTrace',
  'error.message',
  'error.stack_trace',
  'exception.stacktrace',
  '@x',
]

const levelWord =
  /(?:^|[\s[(<|/:.-])(TRACE|TRC|DEBUG|DBG|INFO|INF|NOTICE|WARN|WRN|WARNING|ERROR|ERR|CRITICAL|CRIT|FATAL|FTL|PANIC|EMERG|ALERT|SEVERE|LOG)(?=[\s\]):|>,/-]|$)|[[(](?:[\w-]+:)?([Tt]race|[Dd]ebug|[Ii]nfo|[Nn]otice|Note|[Ww]arn|[Ww]arning|[Ee]rror|err|crit|[Cc]ritical|[Ff]atal|emerg|alert)[ \])]|\b(?:level|lvl|severity)="?(\w+)|^([IWEF])\d{4} |^(FINE|FINER|FINEST|CONFIG): /
const levelNames: Readonly<Record<string, Level>> = {
  trace: 'trace', verbose: 'trace', silly: 'trace', debug: 'debug', d: 'debug', info: 'info', information: 'info',
  notice: 'info', note: 'info', inf: 'info', config: 'info', wrn: 'warn', dbg: 'debug', fine: 'debug', finer: 'trace',
  finest: 'trace', trc: 'trace', ftl: 'fatal', log: 'info', i: 'info', informational: 'info', warn: 'warn', warning: 'warn', w: 'warn',
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
  return decodeUnwrapped(record.lines, options)
}

/** Decodes a text that is one record whatever its lines look like, wrappers included. */
export function decodeText(text: string, options: DecodeOptions): Decoded {
  const lines: { text: string; wrapper: Unwrapped }[] = []
  const unfinished = new Map<string, (typeof lines)[number]>()
  for (const printed of text.replaceAll('\u0000', '').replace(/\r$/, '').split(/\r?\n/)) {
    const wrapper = unwrap(printed)
    const begun = unfinished.get(wrapper.stream)
    const line = begun ?? { text: '', wrapper }
    line.text += wrapper.text
    if (!begun) lines.push(line)
    if (wrapper.partial) unfinished.set(wrapper.stream, line)
    else unfinished.delete(wrapper.stream)
  }
  if (lines.length > 1 && lines.at(-1)?.text === '') lines.pop()
  // What two streams printed at the same time stands apart, the first one first.
  const streams = [...new Set(lines.map(({ wrapper }) => wrapper.stream))]
  const apart = streams.flatMap((stream) => lines.filter(({ wrapper }) => wrapper.stream === stream))
  return decodeUnwrapped(lines[0]?.wrapper.margin === undefined ? apart : lines, options)
}

/** The time that a line of a log names, wrappers taken off; undefined when it names none. */
export const timeOf = (line: string, hints: Hints): number | undefined =>
  decodeText(line, { hints, redact: (text) => text }).timeMs

type UnwrappedLine = Readonly<{ text: string; wrapper: Unwrapped }>

function decodeUnwrapped(lines: readonly UnwrappedLine[], options: DecodeOptions): Decoded {
  const [first] = lines
  if (first && isJournalExport(first.text)) {
    const entry = journalExport(lines.map(({ text }) => text))
    // The fields of an entry are no lines of the message: it is looked at as a whole.
    return { ...inWrapper(decodeLines(entry.text.split('\n'), options), entry, options.hints), oneObject: true }
  }
  return inWrapper(decodeLines(dedent(lines), options), first?.wrapper, options.hints)
}

/** `journalctl` puts the further lines of a message under its first one, with spaces in place of the line's head. */
function dedent(lines: readonly UnwrappedLine[]): string[] {
  const margin = ' '.repeat(lines[0]?.wrapper.margin ?? 0)
  return lines.map(({ text }, index) =>
    index > 0 && margin !== '' && text.startsWith(margin) ? text.slice(margin.length) : text,
  )
}

type Wrapper = Pick<Unwrapped, 'time' | 'service' | 'host'>

/** What the record does not say itself, its wrapper may. */
function inWrapper(decoded: Decoded, wrapper: Wrapper | undefined, hints: Hints): Decoded {
  return {
    ...decoded,
    timeMs: decoded.timeMs ?? parseTime(wrapper?.time, hints),
    service: decoded.service ?? wrapper?.service,
    keys: wrapper?.host === undefined ? decoded.keys : { host: wrapper.host, ...decoded.keys },
  }
}

function decodeLines(texts: readonly string[], options: DecodeOptions): Decoded {
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
  return { text: inLines(text), timeMs: stamp?.ms, level: levelOf(text), ...logfmt }
}

const winstonSimple = /^((?:error|warn|info|http|verbose|debug|silly): .*) (\{".*\})$/s

/** AWS Lambda joins the lines of one message by carriage returns; winston's simple format puts fields behind a message as JSON. */
function inLines(text: string): string {
  const printed = text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text
  return printed.endsWith('}') ? printed.replace(winstonSimple, '$1\n$2') : printed
}

/** A message that has begun, and gone on for some words. */
const prose = /[A-Za-z]: (?:\S+ )*?[a-z]+ (?:\S+ )*?[a-z]+ $/

/** The level a plain line names near its front. */
function levelOf(text: string): Level | undefined {
  // A word that the cut goes through is none.
  const front = text.length > levelCharactersMax ? text.slice(0, levelCharactersMax).replace(/\S+$/, '') : text
  const found = levelWord.exec(front)
  if (found?.[1] !== undefined && prose.test(front.slice(0, found.index + 1))) return undefined
  const name = found?.slice(1).find((word) => word !== undefined)
  return name === undefined ? undefined : levelNames[name.toLowerCase()]
}

/** pino and bunyan number their levels from 10 to 60. */
function levelOfField(value: unknown): Level | undefined {
  if (typeof value === 'string') return levelNames[value.toLowerCase()] ?? levelOfField(Number(value || NaN))
  return typeof value === 'number' && value >= 10 && value <= 60 ? levels[Math.floor(value / 10) - 1] : undefined
}

/** JSON inside JSON inside JSON is taken apart, and no more. */
const nestingMax = 3

/**
 * A JSON record becomes: its message; what its error fields say, each on lines of its own; every other field as
 * `key=value`. The seams (line break, `=`, `: `) are none that an atom can span, so no match needs bytes that stand apart in the raw line.
 */
function decodeJson(text: string, options: DecodeOptions, depth = 1): Part | undefined {
  const fields = parseObject(text)
  if (!fields) return undefined
  const pick = (names: readonly string[]): unknown => fields[names.find((name) => fields[name] !== undefined) ?? '']
  const message = messageFields.map((name) => fields[name]).find((value) => typeof value === 'string')
  // A shipper's object around a program's: what the program says about itself is truer.
  const inner = message?.startsWith('{') && depth < nestingMax ? decodeJson(message, options, depth + 1) : undefined
  const plain = (value: string): string => (inner && value === message ? inner.text : nested(value, options, depth))
  const service = inner?.service ?? pick(serviceFields) ?? fieldIn(fields, 'kubernetes', 'container_name')
  return {
    text: stripColour(isLogRecord(fields) ? fieldLines(fields, plain) : [text, ...innerTexts(fields)].join('\n')),
    timeMs:
      inner?.timeMs ??
      parseTime(pick(timeFields), options.hints) ??
      (message === undefined ? undefined : findStamp(message, options.hints)?.ms),
    level:
      inner?.level ??
      levelOfField(pick(levelFields) ?? fieldIn(fields, 'log', 'level')) ??
      (message === undefined ? undefined : levelOf(message)),
    service: typeof service === 'string' ? service : undefined,
    keys: { ...keysOf(fields), ...inner?.keys },
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    return isObject ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined // Text that only begins like JSON, or was cut: it is matched as it stands.
  }
}

const nested = (text: string, options: DecodeOptions, depth: number): string =>
  (text.startsWith('{') && depth < nestingMax ? decodeJson(text, options, depth + 1)?.text : undefined) ??
  inLines(text)

function fieldIn(fields: Record<string, unknown>, outer: string, name: string): unknown {
  const value = fields[outer]
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
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

function fieldLines(fields: Record<string, unknown>, plain: (text: string) => string): string {
  const messages: string[] = []
  const errors: string[] = []
  const others: string[] = []
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined || value === '') continue
    if (messageFields.includes(name) && typeof value === 'string') messages.push(plain(value))
    else if (errorFields.includes(name)) errors.push(typeof value === 'string' ? plain(value) : errorText(value))
    else if (!timeFields.includes(name))
      others.push(`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
  return [...messages, ...errors, ...others].join('\n')
}

const kindNames = ['type', 'name', 'kind', 'class', 'exc_type', 'errorType']
const sayingNames = ['message', 'msg', 'exc_value', 'errorMessage', 'value']
const stackNames = ['stack', 'stack_trace', 'stackTrace', 'stacktrace', 'trace']

/** An error as the libraries print it: a text, an object with a stack or a kind and a message, a list of these, or anything else as JSON. */
function errorText(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(errorText).join('\n')
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const rest = { ...(value as Record<string, unknown>) }
  const take = (names: readonly string[]): string | undefined => {
    const name = names.find((each) => typeof rest[each] === 'string' && rest[each] !== '')
    if (name === undefined) return undefined
    const text = rest[name] as string
    delete rest[name]
    return text
  }
  const stackName = stackNames.find((name) => Array.isArray(rest[name]))
  const frames = stackName === undefined ? undefined : errorText(rest[stackName])
  if (stackName !== undefined) delete rest[stackName]
  const stack = take(stackNames) ?? frames
  const message = take(sayingNames)
  if (stack === undefined && message === undefined) return JSON.stringify(value)
  const kind = take(kindNames)
  take(['name'])
  const head = kind === undefined ? message : `${kind}: ${message}`
  const said = message !== undefined && stack?.includes(message) ? undefined : message && (stack ? message : head)
  const more = Object.keys(rest).length > 0 ? JSON.stringify(rest) : undefined
  return [stack, said, more].filter((text) => text !== undefined && text !== '').join('\n')
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
  const part: Part = {
    text: fieldLines(fields, (value) => nested(value, options, 1)),
    level: levelOfField(pick(levelFields)),
    keys: keysOf(fields),
  }
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

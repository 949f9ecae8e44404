import { journalJson } from './journal.js'

/**
 * The outer layer of a physical line: what a container engine or a syslog daemon put around what the program printed.
 * `stream` tells interleaved printers in one file apart. `partial`: the program's line goes on in the stream's next one.
 */
export type Unwrapped = Readonly<{
  stream: string
  text: string
  partial: boolean
  /** The wrapper's own time as it is printed, used when the text has none. */
  time?: string | undefined
  service?: string | undefined
  host?: string | undefined
  /** How wide the wrapper's head was printed: a message's further lines may be indented by as much. */
  margin?: number | undefined
}>

// https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
const cri = /^(\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})) (stdout|stderr) ([PF])(?::[A-Z])* ?/
// RFC 5424: <PRI>1 TIME HOST APP PROCID MSGID SD MSG
const rfc5424 =
  /^<\d{1,3}>1 (\S+) (\S+) (\S+) (\S+) \S+ (?:-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*\])+) ?(?:\uFEFF)?/
// RFC 3164 as daemons write it to files: TIME HOST TAG[PID]: MSG. With rsyslog's ISO time a process id (or the kernel) is
// asked for, because "TIME LEVEL LOGGER: text" of an application looks the same otherwise.
const rfc3164 =
  /^(?:<\d{1,3}>)?(?:((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d{2}:\d{2}:\d{2}(?:\.\d{1,6})?) ([\w.:-]+) ([A-Za-z_][\w./()-]{0,63})(?:\[(\d+)\])?|(\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})) ([\w.:-]+) (?:([A-Za-z_][\w./()-]{0,63})\[(\d+)\]|(kernel))): ?/
// `docker compose logs` and pm2: NAME-1  | TEXT, 0|NAME  | TEXT
const prefixed = /^(?:([a-z][\w.-]*[-_]\d+) +\| |\d+\|([\w.-]+) +\| )/
// What `docker compose logs -t` and `pm2 --time` put before each line, those of a traceback too.
const engineTime = /^(\d{4}-\d{2}-\d{2}T[\d:]{8}(?:\.\d{9}Z(?= )|(?=: ))):? /
// rsyslog writes control characters inside a message as #ooo (octal)
const rsyslogEscape = /#(0[0-3][0-7])/g

// Escape sequences (ECMA-48), raw and as JSON, repr and shells print them.
const colour = /(?:\u001b|\\u001[bB]|\\x1[bB]|\\033|\\e)\[[0-9;:?]*[A-Za-z]|\u001b\][^\u0007]*\u0007/g

const layersMax = 3

export const stripColour = (text: string): string => (/[\u001b\\]/.test(text) ? text.replaceAll(colour, '') : text)

/** Takes one physical line apart. Never fails: a line that no wrapper explains is its own text. */
export function unwrap(line: string): Unwrapped {
  let unwrapped = takeOff(line)
  // A runtime may log what another engine's file holds: each layer has its own stream, and the inner time is the truer one.
  for (let layers = 1; layers < layersMax && isWrapped(unwrapped.text) && !unwrapped.partial; layers++) {
    const inner = takeOff(unwrapped.text)
    if (inner.text === unwrapped.text) break
    unwrapped = {
      ...unwrapped,
      ...inner,
      stream: `${unwrapped.stream} ${inner.stream}`,
      time: inner.time ?? unwrapped.time,
    }
  }
  const text = stripColour(unwrapped.text)
  return text === unwrapped.text ? unwrapped : { ...unwrapped, text }
}

const isWrapped = (text: string): boolean => text.startsWith('{"log":') || cri.test(text)

function takeOff(line: string): Unwrapped {
  const first = line.charCodeAt(0)
  if (first === 0x7b /* { */)
    return (line.startsWith('{"log":') ? unwrapDocker(line) : unwrapJournal(line)) ?? bare(line)
  const isDigit = first >= 0x30 && first <= 0x39
  if (isDigit) {
    const found = cri.exec(line)
    if (found)
      return {
        stream: found[2] ?? '',
        text: line.slice(found[0].length),
        partial: found[3] === 'P',
        time: found[1],
      }
  }
  if (first === 0x3c /* < */) {
    const found = rfc5424.exec(line)
    if (found) {
      const [whole, time, host, service, process] = found
      return syslog({ whole, time, host, service, process }, line)
    }
  }
  if (isDigit || first === 0x3c || (first >= 0x41 && first <= 0x53)) {
    const found = rfc3164.exec(line)
    if (found) {
      const [whole, time, host, tag, pid, isoTime, isoHost, isoTag, isoPid, kernel] = found
      const header = {
        time: time ?? isoTime,
        host: host ?? isoHost,
        service: tag ?? isoTag ?? kernel,
        process: pid ?? isoPid,
      }
      return syslog({ whole, ...header }, line)
    }
  }
  const found = prefixed.exec(line)
  if (!found) return bare(line)
  const service = found[1]?.replace(/[-_]\d+$/, '') ?? found[2]
  const rest = line.slice(found[0].length)
  const stamp = engineTime.exec(rest)
  const text = stamp ? rest.slice(stamp[0].length) : rest
  return { stream: found[1] ?? found[2] ?? '', text, partial: false, service, time: stamp?.[1] }
}

function unwrapJournal(line: string): Unwrapped | undefined {
  const entry = journalJson(line)
  if (!entry) return undefined
  const { text, time, service, host, process } = entry
  return { stream: `${host} ${service} ${process ?? ''}`, text, partial: false, time, service, host }
}

const bare = (text: string): Unwrapped => ({ stream: '', text, partial: false })

type SyslogHeader = {
  whole: string
  time: string | undefined
  host: string | undefined
  service: string | undefined
  process: string | undefined
}

function syslog({ whole, time, host, service, process }: SyslogHeader, line: string): Unwrapped {
  const known = (value: string | undefined): string | undefined => (value === '-' ? undefined : value)
  return {
    stream: `${host} ${service} ${process ?? ''}`,
    text: line
      .slice(whole.length)
      .replaceAll(rsyslogEscape, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    partial: false,
    time,
    margin: whole.length,
    service: known(service),
    host: known(host),
  }
}

/** Docker's json-file: a line cut at 16 KiB has no line break at the end of its `log`. */
function unwrapDocker(line: string): Unwrapped | undefined {
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch {
    return undefined // Not docker's after all, or torn: the line itself is what we have.
  }
  const { log, stream, time, attrs: _, ...more } = entry as Record<string, unknown>
  if (typeof log !== 'string' || typeof stream !== 'string') return undefined
  // With fields of a shipper the line has been put together already.
  const complete = log.endsWith('\n') || Object.keys(more).length > 0
  const container = (more['kubernetes'] as Record<string, unknown> | undefined)?.['container_name']
  return {
    stream,
    service: typeof container === 'string' ? container : undefined,
    text: log.replace(/\r?\n$/, ''),
    partial: !complete,
    time: typeof time === 'string' ? time : undefined,
  }
}

import type { Hints } from './timestamp.js'
import { findStamp } from './timestamp.js'
import { isJournalExport } from './journal.js'
import { unwrap, type Unwrapped } from './unwrap.js'

/**
 * Records: a program's message with the lines that belong to it (a traceback, a pretty-printed error), found around one
 * line. Everything here depends on the bytes alone, never on how they were cut into batches: a question that more bytes
 * could answer otherwise is answered with "open".
 */

/** Of one line this much is kept; the rest of it is skipped, and the record marked as cut. */
export const lineBytesMax = 65_536
/** A record ends here at the latest, so that nothing can hold back the position for good. */
export const recordBytesMax = 1_048_576
/** How far before a line its record's head is looked for. */
const lookBackBytesMax = 65_536
/** No head of a syslog line is narrower: a month, a day, a time. */
const marginMin = 16
/** A record of one stream ends when so many lines of others have followed its last one. */
const strangerLinesMax = 64

export type Line = Readonly<{
  start: number
  /** Behind the line break. */
  end: number
  text: string
  kind: Kind
  wrapper: Unwrapped
}>

/** One record: the lines of one stream from `start`; `end` is behind the last of them. */
export type LogRecord = Readonly<{ start: number; end: number; stream: string; lines: readonly Line[]; cut: boolean }>

/** What a line is when looked at alone. Only what follows a `head` needs a closer look. */
export type Kind = 'stamped' | 'head' | 'indented' | 'follow' | 'traceback' | 'blank' | 'plain'

const levelHead =
  /^[[(<]?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|CRIT|FATAL|SEVERE|ALERT|EMERG)(?:[\]:>)]| {1,2}[-:[(]|\t| {2,}\S)/
const errorHead = /^[[(<]?(?:ERROR|ERR|CRITICAL|CRIT|FATAL|SEVERE|ALERT|EMERG)(?:[\]:>)]| {1,2}[-:[(]|\t| {2,}\S)/
const jsonHead = /^\{\s*"|^\{$/
const logfmtHead = /^(?:[a-z_]\w*=(?:"[^"]*"|\S*) ){0,3}(?:level|lvl|ts|time|msg)=/
/** Lines that only ever stand inside something larger: causes, goroutines, SQLAlchemy's footers, closing brackets. */
const follow =
  /^(?:Caused by: |Suppressed: |\.\.\. \d+ more|During handling of the above exception|The above exception was the direct cause|goroutine \d+ |created by |exit status \d|\[SQL: |\[parameters: |\(Background on this error at|\[signal SIG|note: run with |note: |at [\w$.<>]+[ (]|[}\])]+[;,]?\s*$|Troubleshooting URL: |\^+$)/
const traceback = /^(?:Traceback \(most recent call last\):|Exception Group Traceback)/
/** winston's simple format; as a head it would end what libraries print above such a line. */
const winstonError = /^error: /
const javaHead = /^[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d{2}:\d{2}[ \u202f][AP]M /
const javaLevel = /^(?:SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST): /
const journalField = /^(?:_[A-Z_0-9]+|MESSAGE|PRIORITY|SYSLOG_[A-Z]+)=/
const chained = /^(?:During handling of the above exception|The above exception was the direct cause)/
const exceptionLine = /^(?:Uncaught )?[\w.$]*(?:Error|Exception)\b/
const blockHeader = /\b\d+ validation errors? for |^goroutine \d+ /

/** What a line is by itself. */
export function classify(text: string, hints: Hints): Kind {
  const first = text.charCodeAt(0)
  if (text.length === 0 || (first <= 0x20 && text.trim() === '')) return 'blank'
  if (first === 0x20 || first === 0x09) return 'indented'
  if (traceback.test(text)) return 'traceback'
  if (jsonHead.test(text)) return 'head'
  if (findStamp(text, hints)) return 'stamped'
  if (follow.test(text)) return 'follow'
  if (journalField.test(text)) return isJournalExport(text) ? 'stamped' : 'follow'
  // What a logger prints under an error without a time belongs to it, as it does under one with a time.
  if (errorHead.test(text)) return 'stamped'
  return levelHead.test(text) || logfmtHead.test(text) ? 'head' : 'plain'
}

/** What is known of a record while its lines are joined. */
/** `open`: its first line is a logger's, so that any line that is no other one's belongs to it. */
type Joining = { open: boolean; last: Kind; lastText: string; frames: boolean; block: boolean; chained: boolean }

function beginJoining(line: Line): Joining {
  const open = line.kind === 'stamped' || winstonError.test(line.text)
  const joining = { open, last: line.kind, lastText: '', frames: false, block: false, chained: false }
  advance(joining, line)
  return joining
}

function advance(joining: Joining, { kind, text }: Line): void {
  if (kind === 'plain') joining.frames = false
  if (kind === 'traceback' || text.includes('  File "')) joining.frames = true
  if (blockHeader.test(text)) joining.block = true
  if (kind !== 'blank') joining.chained = chained.test(text)
  joining.last = kind
  joining.lastText = text
}

/**
 * Whether a line belongs to the record before it; undefined when only the line after it can tell.
 * @param next the line after it in the same stream: undefined when there is none, 'unread' when it has not come yet
 */
function joins(record: Joining, line: Line, next: Line | 'unread' | undefined): boolean | undefined {
  switch (line.kind) {
    case 'stamped':
    case 'head':
      return false
    case 'indented':
    case 'follow':
      return true
    case 'traceback':
      return record.open || record.last === 'head' || record.chained || record.lastText.endsWith(':')
    case 'blank':
      if (record.open || record.chained) return true
      if (next === 'unread') return undefined
      return next?.kind === 'follow' || (record.last === 'indented' && exceptionLine.test(next?.text ?? ''))
    case 'plain':
      if (record.open || (record.frames && record.last !== 'blank')) return true
      if (record.last === 'blank' && exceptionLine.test(line.text)) return true
      if (!record.block) return false
      return next === 'unread' ? undefined : next?.kind === 'indented'
  }
}

/** `more`: bytes may follow at once. `idle`: none came for a while. `end`: none will. */
export type Ending = 'more' | 'idle' | 'end'

export type Window = Readonly<{
  bytes: Buffer
  /** The offset of `bytes` in its source. */
  base: number
  ending: Ending
  hints: Hints
  /** Up to where the records of a stream have been decided. */
  decidedTo: (stream: string) => number
}>

type Physical = { start: number; end: number; wrapper: Unwrapped; cut: boolean; kind?: Kind }
/**
 * `closed`: no byte can change it. `open`: the next bytes may belong to it. `ripe`: nothing came for a while, but its last
 * line has no line break yet: it is decided now, and looked at once more when the line is complete.
 */
export type Found = Readonly<{ record: LogRecord; state: 'closed' | 'open' | 'ripe' }>

export type Framer = Readonly<{
  /** The record around the line that holds `offset`; undefined when that line has not been read whole. */
  recordAround(offset: number): Found | undefined
  /** The first byte of the oldest record that may still grow: everything before is settled. */
  openFrom(): number
  /** Where the oldest record begins that goes on behind `offset`: who stops there must come back for all of it. */
  reachingOver(offset: number): number
  /** The line that begins at or after `offset`, undefined when it is not there whole. */
  lineFrom(offset: number): Line | undefined
  lineStart(offset: number): number
  /** The stream of the line that begins at `start`; undefined when it is not there whole. The same for its end. */
  streamAt(start: number): string | undefined
  lineEnd(start: number): number | undefined
}>

/** Frames the records of one batch of bytes. */
export function createFramer({ bytes, base, ending, hints, decidedTo }: Window): Framer {
  const windowEnd = base + bytes.length
  const physicalByStart = new Map<number, Physical | undefined>()

  const lineStart = (offset: number): number =>
    offset <= base ? base : base + bytes.lastIndexOf(10, offset - base - 1) + 1

  function physicalAt(start: number): Physical | undefined {
    if (start >= windowEnd) return undefined
    if (physicalByStart.has(start)) return physicalByStart.get(start)
    const lineBreak = bytes.indexOf(10, start - base)
    const whole = lineBreak >= 0
    const end = whole ? base + lineBreak + 1 : windowEnd
    const tooLong = end - start > recordBytesMax
    const physical =
      whole || ending !== 'more' || tooLong ? read(start, tooLong ? start + recordBytesMax : end) : undefined
    physicalByStart.set(start, physical)
    return physical
  }

  /**
   * `journalctl` indents the further lines of a message by the width of its first one's head: they belong to that one's stream, though
   * they do not say so.
   */
  function streamAbove(start: number, indent: number): Pick<Unwrapped, 'stream'> | undefined {
    const floor = Math.max(base, start - lookBackBytesMax)
    for (let at = start; at > floor;) {
      at = lineStart(at - 1)
      if (indentation(at) >= marginMin) continue
      const margin = physicalAt(at)?.wrapper.margin
      return margin !== undefined && indent >= margin ? physicalAt(at)?.wrapper : undefined
    }
    return undefined
  }

  function indentation(start: number): number {
    let at = start - base
    while (bytes[at] === 0x20) at++
    return at - (start - base)
  }

  function read(start: number, end: number): Physical {
    let textEnd = end - base
    while (textEnd > start - base && (bytes[textEnd - 1] === 10 || bytes[textEnd - 1] === 13)) textEnd--
    const keptEnd = Math.min(textEnd, start - base + lineBytesMax)
    // NUL bytes are what a crash leaves of a block that was never written; they are no part of any text.
    const text = bytes.toString('utf8', start - base, keptEnd).replaceAll('\u0000', '')
    const wrapper = unwrap(text)
    const indent = wrapper.stream === '' ? indentation(start) : 0
    const above = indent >= marginMin ? streamAbove(start, indent) : undefined
    const cut = keptEnd < textEnd
    if (!above) return { start, end, wrapper, cut }
    return { start, end, wrapper: { ...wrapper, stream: above.stream }, cut, kind: 'follow' }
  }

  /** The physical lines of the same stream before `start`, newest first, as far as a head can lie. */
  function* backward(from: Physical): Generator<Physical> {
    const floor = Math.max(base, decidedTo(from.wrapper.stream), from.start - lookBackBytesMax)
    for (let start = from.start; start > floor;) {
      start = lineStart(start - 1)
      if (start < floor) return
      const physical = physicalAt(start)
      if (physical && physical.wrapper.stream === from.wrapper.stream) yield physical
    }
  }

  /** Where to begin joining so that the record of `target` comes out whole: the nearest line that is a head for sure. */
  function anchorOf(target: Physical): Physical {
    let anchor = target
    let surely = isHead(target)
    for (const physical of backward(target)) {
      // The line after a partial one is no line of its own, whatever it looks like.
      if (surely && !physical.wrapper.partial) return anchor
      anchor = physical
      surely = isHead(physical)
      if (surely && physical.wrapper.stream === '') return anchor
    }
    return anchor
  }

  /** Every line is asked more than once: by itself, and as the neighbour of others. */
  function kindOf(physical: Physical): Kind {
    const { start, wrapper } = physical
    // java.util.logging prints its level on a line of its own, under the time.
    const above = javaLevel.test(wrapper.text) && start > base ? physicalAt(lineStart(start - 1)) : undefined
    return (physical.kind ??= above && javaHead.test(above.wrapper.text) ? 'follow' : classify(wrapper.text, hints))
  }

  const isHead = (physical: Physical): boolean => ['stamped', 'head'].includes(kindOf(physical))

  /** The logical lines of a stream from `start` on: pieces joined. The last result is 'unread' where more may come. */
  function* forward(start: number, stream: string): Generator<Line | 'unread'> {
    let strangers = 0
    let pieces: Physical[] = []
    for (let at = start; ;) {
      const physical = physicalAt(at)
      if (!physical) {
        if (ending === 'more') yield 'unread'
        else if (pieces.length > 0) yield joined(pieces)
        return
      }
      at = physical.end
      if (physical.wrapper.stream !== stream) {
        if (++strangers >= strangerLinesMax) {
          if (pieces.length > 0) yield joined(pieces)
          return
        }
        continue
      }
      strangers = 0
      pieces.push(physical)
      const first = pieces[0] ?? physical
      if (physical.wrapper.partial && physical.end - first.start < lineBytesMax) continue
      yield joined(pieces)
      if (physical.cut && physical.end - physical.start >= recordBytesMax) return
      pieces = []
    }
  }

  function joined(pieces: readonly Physical[]): Line {
    const [first] = pieces
    const last = pieces.at(-1)
    if (!first || !last) throw new Error('a line without pieces')
    const text = (
      pieces.length === 1 ? first.wrapper.text : pieces.map(({ wrapper }) => wrapper.text).join('')
    ).slice(0, lineBytesMax)
    const kind = pieces.length === 1 ? kindOf(first) : classify(text, hints)
    return { start: first.start, end: last.end, text, kind, wrapper: first.wrapper }
  }

  function recordAround(offset: number): Found | undefined {
    const target = physicalAt(lineStart(offset))
    if (!target) return undefined
    const anchor = anchorOf(target)
    let record: Line[] = []
    let joining: Joining | undefined
    const lines = forward(anchor.start, target.wrapper.stream)
    let line = nextOf(lines)
    for (;;) {
      if (line === 'unread') return found(record, 'open') ?? unreadAt(anchor)
      if (line === undefined) return found(record, endsTorn(record) ? 'ripe' : 'closed')
      const next = nextOf(lines)
      const belongs = joining ? joins(joining, line, next) : true
      if (belongs === undefined) return found(record, 'open')
      const recordStart = record[0]?.start ?? line.start
      const full = belongs && line.end - recordStart > recordBytesMax
      if (!belongs || full) {
        if ((record.at(-1)?.end ?? 0) > target.start) return found(record, 'closed', full)
        record = []
        joining = undefined
      }
      record.push(line)
      if (joining) advance(joining, line)
      else joining = beginJoining(line)
      line = next
    }
  }

  function found(lines: readonly Line[], state: Found['state'], full = false): Found | undefined {
    const [first] = lines
    const last = lines.at(-1)
    if (!first || !last) return undefined
    const cut = full || lines.some(({ start }) => physicalByStart.get(start)?.cut ?? false)
    return { record: { start: first.start, end: last.end, stream: first.wrapper.stream, lines, cut }, state }
  }

  /** The pieces of a partial line whose last has not come: nothing to read yet, but the place to come back to. */
  const unreadAt = ({ start, end, wrapper }: Physical): Found => ({
    record: { start, end, stream: wrapper.stream, lines: [], cut: false },
    state: 'open',
  })

  const endsTorn = (lines: readonly Line[]): boolean =>
    ending === 'idle' && lines.at(-1)?.end === windowEnd && bytes.at(-1) !== 10

  function openFrom(): number {
    const lastStart = lineStart(windowEnd)
    if (ending === 'end' || lastStart === windowEnd) {
      if (ending !== 'more') return windowEnd
    } else if (ending === 'idle') return recordAround(lastStart)?.record.start ?? lastStart
    let open = lastStart
    const seen = new Set<string>()
    let at = lastStart
    for (let lines = 0; lines < strangerLinesMax && at > base; lines++) {
      at = lineStart(at - 1)
      const physical = physicalAt(at)
      if (!physical || seen.has(physical.wrapper.stream)) continue
      seen.add(physical.wrapper.stream)
      const around = physical.start >= decidedTo(physical.wrapper.stream) ? recordAround(at) : undefined
      if (around?.state === 'open') open = Math.min(open, around.record.start)
      if (physical.wrapper.stream === '') break
    }
    return open
  }

  function reachingOver(offset: number): number {
    let from = offset
    const seen = new Set<string>()
    let at = offset
    for (let lines = 0; lines < strangerLinesMax && at > base; lines++) {
      at = lineStart(at - 1)
      const stream = physicalAt(at)?.wrapper.stream
      if (stream === undefined || seen.has(stream)) continue
      seen.add(stream)
      const around = at >= decidedTo(stream) ? recordAround(at) : undefined
      if (around && around.record.end > offset) from = Math.min(from, around.record.start)
    }
    return from
  }

  function lineFrom(offset: number): Line | undefined {
    const lineBreak = offset === base ? -1 : bytes.indexOf(10, offset - base - 1)
    const physical = lineBreak < 0 && offset !== base ? undefined : physicalAt(base + lineBreak + 1)
    return physical && joined([physical])
  }

  return {
    recordAround,
    openFrom,
    reachingOver,
    lineFrom,
    lineStart,
    streamAt: (start) => physicalAt(start)?.wrapper.stream,
    lineEnd: (start) => physicalAt(start)?.end,
  }
}

function nextOf(lines: Generator<Line | 'unread'>): Line | 'unread' | undefined {
  const { value, done } = lines.next()
  return done ? undefined : value
}

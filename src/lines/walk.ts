import { createFramer, lineBytesMax, recordBytesMax, type Ending, type Line, type LogRecord } from './record.js'
import type { Scan } from './scan.js'
import type { Hints } from './timestamp.js'

/** Some bytes of one source. What has not been settled is delivered again, from the position that came back. */
export type Batch = Readonly<{
  /** Names these very bytes: a file keeps it when it is renamed, and the file that follows it has another. */
  id: string
  /** Where they come from, as people know it: `file:/var/log/api.log`. */
  source: string
  /** The service of records that name none. */
  service: string
  bytes: Buffer
  /** The offset of `bytes` in the source. The bytes before `from` are settled; they serve as evidence. */
  base: number
  from: number
  ending: Ending
  /** There is more to read right now. */
  unread: boolean
  arrivalMs: number
  /** What the same bytes have in common wherever they are read: for a file, a hash of its first line. */
  identity: string
}>

/** How many settled bytes a source delivers again before `from`, where it has them. */
export const leadBytes = 4096
/** Bytes that are always enough to settle something: a record and the line behind it. */
export const batchBytesMax = 4 * recordBytesMax

/** Where to go on, and what behind that place is settled already. */
export type Resume = Readonly<{
  position: number
  /** The position lies inside a line whose kept part is settled: go on behind its line break. */
  skipping: boolean
  /** By stream: up to where its records are settled, for streams that are ahead of the position. */
  decidedTo: Readonly<Record<string, number>>
}>

export const startOfSource: Resume = { position: 0, skipping: false, decidedTo: {} }

export type Step =
  /** A line that is read for its time only, so that clean stretches move the clock too. */
  | Readonly<{ kind: 'clock'; line: Line }>
  /** A record with candidate lines (`hits`: their offsets). Only `closed` ones are final. */
  | Readonly<{ kind: 'record'; state: 'closed' | 'open' | 'ripe'; record: LogRecord; hits: ReadonlySet<number> }>

/** The clock is read at these offsets of a source, wherever its batches are cut. */
const clockGridBytes = 65_536

/**
 * Walks through a batch: the records around what the scan proposes, in the order of the proposing lines, and on a fixed grid of
 * offsets a line for the clock. What it yields depends on the bytes alone. Returns where to go on.
 */
export function* walk(
  batch: Batch,
  resume: Resume,
  { scan, hints }: { scan: Scan; hints: Hints },
): Generator<Step, Resume> {
  const { bytes: all, ending } = batch
  const windowEnd = batch.base + all.length
  const begin = resume.skipping ? endOfLine(all, resume.position - batch.base) : resume.position - batch.base
  if (begin < 0) return { ...resume, position: windowEnd }
  const base = batch.base + begin
  const bytes = all.subarray(begin)
  const decidedTo = new Map(Object.entries(resume.decidedTo))
  const framer = createFramer({ bytes, base, ending, hints, decidedTo: (stream) => decidedTo.get(stream) ?? 0 })

  let clockAt = Math.ceil(base / clockGridBytes) * clockGridBytes
  function* clocks(to: number): Generator<Step> {
    for (; clockAt < to; clockAt += clockGridBytes) {
      const line = framer.lineFrom(clockAt)
      if (line && line.start < to) yield { kind: 'clock', line }
    }
  }

  let stoppedAt = Infinity
  for (let at = base; ;) {
    const hit = scan.next(bytes, at - base)
    const lineStart = hit < 0 ? windowEnd : framer.lineStart(base + hit + 1)
    yield* clocks(lineStart)
    if (hit < 0) break
    const stream = framer.streamAt(lineStart)
    const lineEnd = framer.lineEnd(lineStart)
    if (stream === undefined || lineEnd === undefined) break
    if (lineStart < (decidedTo.get(stream) ?? 0)) {
      at = lineEnd
      continue
    }
    const found = framer.recordAround(lineStart)
    if (!found) break
    const { record, state } = found
    const hits = hitLines(record, { scan, bytes, base })
    if (record.lines.length > 0) yield { kind: 'record', state, record, hits }
    if (state !== 'closed') {
      stoppedAt = record.start
      break
    }
    decidedTo.set(stream, record.end)
    at = isUnbroken(record) ? record.end : lineEnd
    const inLine = at > base && at < windowEnd && bytes[at - base - 1] !== 10
    if (!inLine) continue
    // The record ended inside a line too long to keep: its rest is passed over.
    const next = endOfLine(bytes, at - base)
    if (next < 0) return { position: windowEnd, skipping: ending !== 'end', decidedTo: {} }
    at = base + next
  }

  const lastLine = framer.lineStart(windowEnd)
  if (ending !== 'more' && windowEnd > base) {
    // Read to the end: the clock need not wait for the next place on the grid.
    const line = framer.lineFrom(lastLine === windowEnd ? framer.lineStart(windowEnd - 1) : lastLine)
    if (line) yield { kind: 'clock', line }
  }
  if (stoppedAt === Infinity && ending !== 'end' && windowEnd - lastLine > recordBytesMax)
    return { position: windowEnd, skipping: true, decidedTo: {} }
  const open = framer.openFrom()
  const position = stoppedAt === Infinity ? open : Math.min(open, framer.reachingOver(stoppedAt))
  const ahead = [...decidedTo].filter(([, offset]) => offset > position)
  return { position, skipping: false, decidedTo: Object.fromEntries(ahead) }
}

/** No line of another stream stands between its lines. */
const isUnbroken = ({ stream, start, end, lines }: LogRecord): boolean =>
  stream === '' && lines.reduce((sum, line) => sum + line.end - line.start, 0) === end - start

/** The offset behind the next line break, or -1. */
function endOfLine(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(10, from)
  return found < 0 ? -1 : found + 1
}

/** The lines of a record that the scan proposes, by their offsets. */
function hitLines(
  record: LogRecord,
  { scan, bytes, base }: { scan: Scan; bytes: Buffer; base: number },
): Set<number> {
  const hits = new Set<number>()
  let index = 0
  for (let hit = scan.next(bytes, record.start - base); hit >= 0 && base + hit < record.end;) {
    while (index < record.lines.length && (record.lines[index]?.end ?? Infinity) <= base + hit) index++
    const line = record.lines[index]
    if (!line) break
    if (base + hit >= line.start) hits.add(line.start)
    // Between the lines of a record may stand those of another stream.
    const next = base + hit >= line.start ? line.end : base + hit + 1
    hit = scan.next(bytes, next - base)
  }
  return hits
}

const evidenceLinesMax = 5
const evidenceCharactersMax = 500

/** Up to five lines that end at `offset`, within the lead that every batch brings. */
export function linesBefore(batch: Batch, offset: number): string[] {
  const from = Math.max(batch.base, offset - leadBytes)
  const text = batch.bytes.toString('utf8', from - batch.base, offset - batch.base)
  const lines = text.split('\n')
  // The first is whole only where the source begins.
  return evidence(from === 0 ? lines.slice(0, -1) : lines.slice(1, -1)).slice(-evidenceLinesMax)
}

/** The whole lines that begin at or after `from` and end at or before `to`, as far as the batch holds them. */
export function* linesBetween({ bytes, base }: Batch, from: number, to: number): Generator<string> {
  for (let start = Math.max(0, from - base); start < to - base;) {
    const lineBreak = bytes.indexOf(10, start)
    if (lineBreak < 0 || lineBreak >= to - base) return
    yield bytes.toString('utf8', start, Math.min(lineBreak, start + lineBytesMax))
    start = lineBreak + 1
  }
}

/** Up to five whole lines from `offset` on, as far as they have come; undefined while more may come. */
export function linesAfter(batch: Batch, offset: number): string[] | undefined {
  if (offset < batch.base) return []
  const text = batch.bytes.toString(
    'utf8',
    offset - batch.base,
    Math.min(batch.bytes.length, offset - batch.base + leadBytes),
  )
  const lines = text.split('\n').slice(0, -1)
  const enough = lines.length >= evidenceLinesMax || text.length >= leadBytes || batch.ending !== 'more'
  return enough ? evidence(lines).slice(0, evidenceLinesMax) : undefined
}

const evidence = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.trim() !== '').map((line) => line.replace(/\r$/, '').slice(0, evidenceCharactersMax))

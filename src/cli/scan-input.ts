import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { createGunzip } from 'node:zlib'
import { addCounters, noCounters, type Change, type Counters } from '../changes.js'
import { timeOf } from '../lines/decode.js'
import { batchBytesMax, leadBytes, type Batch } from '../lines/walk.js'
import type { Outcome, Pipeline } from '../pipeline.js'
import { identityOfBytes } from '../sources/file-identity.js'
import { serviceOfPath, sourceOfPath } from '../sources/file.js'

/** Something to scan, a batch at a time. */
export type ScanInput = Readonly<{
  name: string
  id: string
  source: string
  /** The next batch from a position on; undefined when there is no more. */
  next(position: number): Promise<Batch | undefined>
  /** The time at the front of what comes next; inputs take turns by it. */
  nextTimeMs(position: number): number
  close(): void
}>

/** Who is told of what a scan finds, and of inputs that cannot be read. */
export type ScanReport = Readonly<{
  change: (change: Change) => void
  problem: (name: string, message: string) => void
}>

/** Reads the inputs side by side, always the one whose records are oldest, so that causes come before their effects. */
export async function scanInputs(
  pipeline: Pipeline,
  names: readonly string[],
  report: ScanReport,
): Promise<Counters> {
  const total = noCounters()
  const take = ({ changes, counters }: Outcome): void => {
    for (const change of changes) report.change(change)
    addCounters(total, counters)
  }
  const open: ScanInput[] = []
  for (const name of new Set(names)) {
    try {
      const input = openInput(name, Date.now())
      open.push(input)
      take(pipeline.setUnread({ id: input.id, source: input.source }, true))
    } catch (error) {
      report.problem(name, error instanceof Error ? error.message : String(error))
    }
  }
  while (open.length > 0) {
    const times = open.map((input) => input.nextTimeMs(pipeline.positionOf(input.id)))
    const input = open[times.indexOf(Math.min(...times))] ?? open[0]
    if (!input) break
    try {
      const batch = await input.next(pipeline.positionOf(input.id))
      if (batch) {
        take(pipeline.deliver(batch))
        continue
      }
    } catch (error) {
      report.problem(input.name, error instanceof Error ? error.message : String(error))
    }
    take(pipeline.setUnread({ id: input.id, source: input.source }, false))
    input.close()
    open.splice(open.indexOf(input), 1)
  }
  return total
}

/** Enough for most batches to settle most of what they hold, and little enough for files to take turns. */
const firstBytes = 1_048_576

/**
 * @param name a path (`.gz` is decompressed) or `-` for standard input
 * @throws {NodeJS.ErrnoException} when it cannot be opened
 */
export function openInput(name: string, nowMs: number): ScanInput {
  if (name === '-')
    return streamed(process.stdin, { name, id: 'stdin', source: 'stdin', service: 'stdin', arrivalMs: nowMs })
  const path = resolve(name)
  const descriptor = openSync(path, 'r')
  const stats = fstatSync(descriptor)
  if (stats.isDirectory()) {
    closeSync(descriptor)
    throw new Error(`EISDIR: ${name} is a directory; name its files, or let the shell do it with ${name}/*.log`)
  }
  const facts = {
    name,
    id: `file:${path}`,
    source: sourceOfPath(path),
    service: serviceOfPath(path.replace(/\.gz$/, '')),
    arrivalMs: Math.floor(stats.mtimeMs),
  }
  if (path.endsWith('.gz')) return streamed(createReadStream('', { fd: descriptor }).pipe(createGunzip()), facts)
  return stats.isFile() ? fileInput(descriptor, facts) : streamed(createReadStream('', { fd: descriptor }), facts)
}

type Facts = { name: string; id: string; source: string; service: string; arrivalMs: number }

function fileInput(descriptor: number, { name, id, source, service, arrivalMs }: Facts): ScanInput {
  const { size } = fstatSync(descriptor)
  let wanted = firstBytes
  let lastPosition = -1
  let done = false
  let identity: string | undefined
  let buffer = Buffer.alloc(0)
  return {
    name,
    id,
    source,
    next(position) {
      // A batch that settled nothing was too small for its record.
      wanted = position === lastPosition ? Math.min(batchBytesMax, wanted * 2) : firstBytes
      lastPosition = position
      if (done) return Promise.resolve(undefined)
      const base = Math.max(0, position - leadBytes)
      const length = Math.min(size - base, position - base + wanted)
      if (buffer.length < length) buffer = Buffer.alloc(leadBytes + wanted)
      const read = length > 0 ? readSync(descriptor, buffer, 0, length, base) : 0
      const bytes = buffer.subarray(0, read)
      identity ??= identityOfBytes(bytes)
      done = base + read >= size || read === 0
      return Promise.resolve({
        id,
        source,
        service,
        bytes,
        base,
        from: position,
        ending: done ? 'end' : 'more',
        unread: !done,
        arrivalMs,
        identity,
      })
    },
    nextTimeMs(position) {
      return timeAtFront(peeked.subarray(0, readSync(descriptor, peeked, 0, peeked.length, position)), arrivalMs)
    },
    close: () => closeSync(descriptor),
  }
}

const peeked = Buffer.alloc(8192)
const peekedLinesMax = 20

/** The first time that some lines name; what names none, or has not been read yet, is taken first. */
function timeAtFront(bytes: Buffer, arrivalMs: number): number {
  const hints = { toUtcMs: () => 0, arrivalMs }
  for (const line of bytes.toString('utf8', 0, peeked.length).split('\n', peekedLinesMax)) {
    const timeMs = timeOf(line, hints)
    if (timeMs !== undefined) return timeMs
  }
  return -Infinity
}

function streamed(stream: NodeJS.ReadableStream, { name, id, source, service, arrivalMs }: Facts): ScanInput {
  // An input may fail before its turn comes: reading it then says so.
  stream.on('error', () => undefined)
  const chunks = stream[Symbol.asyncIterator]()
  let base = 0
  let kept = Buffer.alloc(0)
  let done = false
  let identity: string | undefined
  return {
    name,
    id,
    source,
    async next(position) {
      if (done) return undefined
      const pieces = [kept.subarray(Math.max(0, position - leadBytes - base))]
      base = Math.max(base, position - leadBytes)
      let length = pieces[0]?.length ?? 0
      const wanted = length + firstBytes
      while (length < wanted && !done) {
        const { value, done: isLast } = await chunks.next()
        if (isLast) done = true
        else {
          const piece = Buffer.from(value as Uint8Array)
          pieces.push(piece)
          length += piece.length
        }
      }
      kept = Buffer.concat(pieces)
      identity ??= identityOfBytes(kept)
      return {
        id,
        source,
        service,
        bytes: kept,
        base,
        from: position,
        ending: done ? 'end' : 'more',
        unread: !done,
        arrivalMs,
        identity,
      }
    },
    nextTimeMs: (position) => timeAtFront(kept.subarray(Math.max(0, position - base)), arrivalMs),
    close: () => undefined,
  }
}

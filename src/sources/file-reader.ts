import { closeSync, fstatSync, readSync, watch, type FSWatcher } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { batchBytesMax, leadBytes } from '../lines/walk.js'
import type { Ending } from '../lines/record.js'
import type { Extra, Intake } from '../pipeline.js'
import {
  beginsAlike,
  contentIdentity,
  fingerprintOf,
  openPlainFile,
  printBytesMax,
  printToMark,
  type Fingerprint,
} from './file-identity.js'

/** One open file, read as it grows. Renaming it changes nothing: reading hangs on the descriptor. */
export type FileReader = Readonly<{
  id: string
  print(): Fingerprint
  /**
   * Reads all there is. `truncated`: the file is shorter than what was read of it, or begins otherwise than before.
   * `waiting`: a commit failed; try again after a pause.
   */
  pump(signal: AbortSignal): Promise<'read' | 'truncated' | 'waiting'>
  /** Something is read but not settled, and no byte has come for the hold time: settles it. */
  settle(nowMs: number): void
  /** When `settle` will have something to do; undefined when all is settled. */
  settleDueMs(): number | undefined
  position(): number
  size(): number
  /** No more bytes will come. Whether what was left is committed; if not, try again after a pause. */
  finish(): boolean
  close(): void
}>

export type FileReaderOptions = Readonly<{
  path: string
  /** As people know it; a rotated file keeps the name it grew under. */
  source: string
  service: string
  id: string
  /** Where reading begins when the store knows nothing of this file. */
  startAt: number
  holdMs: number
  intake: Intake
  now: () => number
  onGrowth: () => void
}>

/** Little enough that a batch in which every line matches does not hold up the rest of the service for long. */
const batchBytesFirst = 262_144

/** Reading is synchronous from the page cache into one buffer, and `deliver` is too: no two readers ever use it at once. */
const buffer = Buffer.alloc(leadBytes + batchBytesMax)

/** @throws {NodeJS.ErrnoException} when the file cannot be opened */
export function openFileReader(options: FileReaderOptions): FileReader {
  const { path, source, service, id, holdMs, intake, now } = options
  const descriptor = openPlainFile(path)
  let print = fingerprintOf(descriptor)
  let identity = contentIdentity(descriptor)
  let grownAtMs = now()
  let seenSize = -1
  let settledSize = -1
  /** The position after everything there was had been delivered. */
  let cameTo = -1
  let batchBytes = batchBytesFirst
  const known = intake.positionOf(id)
  let startAt: number | undefined = known > 0 ? undefined : options.startAt
  const watcher = watchGrowth(path, options.onGrowth)

  const position = (): number => startAt ?? intake.positionOf(id)

  /** Delivers what lies between the position and the end, at most a batch of it. Whether that was all; undefined if it failed. */
  function deliver(ending: Ending, size: number): boolean | undefined {
    const from = position()
    const base = Math.max(0, from - leadBytes)
    const wanted = Math.min(size, ending === 'more' ? from + batchBytes : size) - base
    const length = readSync(descriptor, buffer, 0, Math.min(wanted, buffer.length), base)
    const whole = base + length >= size
    const batch = {
      id, source, service, bytes: buffer.subarray(0, length), base, from,
      ending: whole ? ending : 'more', unread: !whole, arrivalMs: now(), identity,
    } as const // prettier-ignore
    const { ok } = intake.deliver(batch, newerPrint())
    if (!ok) return undefined
    startAt = undefined
    return whole
  }

  /** While the file is young its fingerprint covers more at each look; it is kept with the position. */
  function newerPrint(): Extra | undefined {
    const first = startAt !== undefined
    if (!first && print.hashedBytes >= printBytesMax) return undefined
    const newer = fingerprintOf(descriptor)
    if (!first && newer.hashedBytes === print.hashedBytes) return undefined
    print = newer
    identity = contentIdentity(descriptor)
    return { mark: printToMark(print) }
  }

  /** Clean bytes wait for the next commit; before the file is let go they are not to. */
  function committed(): boolean {
    const from = position()
    const batch = {
      id,
      source,
      service,
      bytes: Buffer.alloc(0),
      base: from,
      from,
      ending: 'end',
      unread: false,
      arrivalMs: now(),
      identity,
    } as const
    return intake.deliver(batch, { commitNow: true }).ok
  }

  return {
    id,
    position,
    print: () => print,
    size: () => fstatSync(descriptor).size,
    async pump(signal) {
      while (!signal.aborted) {
        const { size } = fstatSync(descriptor)
        if (size < position() || (size > 0 && !beginsAlike(descriptor, print))) return 'truncated'
        // A position that went back means that a commit failed, perhaps another source's: what follows it is read again.
        if (size === seenSize && position() === cameTo) return 'read'
        if (size !== seenSize) grownAtMs = now()
        seenSize = size
        settledSize = -1
        const before = position()
        const whole = deliver('more', size)
        if (whole === undefined) {
          cameTo = -1
          return 'waiting'
        }
        cameTo = whole ? position() : -1
        // A batch that settled nothing was too small for its record.
        batchBytes = whole || position() > before ? batchBytesFirst : Math.min(batchBytesMax, batchBytes * 2)
        await nextTurn()
      }
      return 'read'
    },
    settleDueMs: () => (position() < seenSize && settledSize !== seenSize ? grownAtMs + holdMs : undefined),
    settle(nowMs) {
      const { size } = fstatSync(descriptor)
      if (size !== seenSize || settledSize === size || nowMs < grownAtMs + holdMs) return
      if (deliver('idle', size) === undefined) return
      settledSize = size
      cameTo = position()
    },
    finish() {
      const { size } = fstatSync(descriptor)
      return size <= position() ? committed() : deliver('end', size) !== undefined && committed()
    },
    close() {
      watcher?.close()
      closeSync(descriptor)
      intake.close(id)
    },
  }
}

/** The kernel's word that a file grew. Where it has no watch left to give, the poll alone finds out. */
function watchGrowth(path: string, onGrowth: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { persistent: false }, onGrowth)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

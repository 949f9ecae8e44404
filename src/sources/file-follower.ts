import { closeSync, fstatSync, readSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Intake, KnownSource } from '../pipeline.js'
import {
  fingerprintOf,
  isSameFile,
  openPlainFile,
  printFromMark,
  siblingsOf,
  type Fingerprint,
  type Sibling,
} from './file-identity.js'
import { openFileReader, type FileReader } from './file-reader.js'

/** Which file is read under which name, so that a rotated file that another name's glob matches too is not read twice. */
export type Claims = Map<string, { owner: string; print: () => Fingerprint }>

export type FollowerOptions = Readonly<{
  service: string
  /** A file that was there before the service, and that the store does not know, is read from its end. */
  startAtEnd: boolean
  /** The name was given as it is; others were found by a glob and are given up when their file is gone for good. */
  isNamed: boolean
  claims: Claims
  holdMs: number
  intake: Intake
  known: readonly KnownSource[]
  now: () => number
  log: Pick<Logger, 'info' | 'warn'>
}>

export type FileStatus = Readonly<{
  name: string
  state: 'reading' | 'waiting' | 'problem'
  position: number
  lagBytes: number
  lastEventMs: number | undefined
}>

/** Every open file is looked at this often, whatever the kernel said of it. */
const pollMs = 250
/** An event may come before the bytes it tells of, so the end is looked at once more. */
const againMs = 25
/** A renamed file is kept open this long: its writer may still hold it. */
const graceMs = 10_000
const readPrintsMax = 100
/** Older claims are forgotten; by then their files have long been rotated away. */
const claimsMax = 10_000
const retryMsMin = 500
const retryMsMax = 30_000

export type Follower = Readonly<{
  status(): FileStatus
  run(signal: AbortSignal): Promise<void>
  wake(): void
  /** Whether the file is there was looked at for the first time. */
  opened: Promise<void>
  /** All that was there at the start has been read. */
  caughtUp: Promise<void>
}>

/** Follows one name, through every file that bears it. */
export function createFollower(path: string, options: FollowerOptions): Follower {
  const { intake, holdMs, now, log, service, claims } = options
  const source = `file:${path}`
  const opened = deferred()
  const caughtUp = deferred()
  let current: FileReader | undefined
  /** Files that had this name, the oldest first; each with the time until which it is kept. */
  const former: { reader: FileReader; untilMs: number }[] = []
  const readIds = new Set<string>()
  /** What was read under this name, to know it again under another. */
  const readPrints: (() => Fingerprint)[] = []
  let woken = false
  let wakeUp: (() => void) | undefined
  let problem: { message: string; retryMs: number } | undefined

  /** What the store knows of files that had this name, the latest first. */
  const known = options.known
    .filter(({ name, mark }) => name === source && mark !== null)
    .map((each) => ({ ...each, print: printFromMark(each.mark ?? '') }))

  const wake = (): void => wakeUp?.()

  function openReader(at: string, { id, startAt }: { id: string; startAt: number }): FileReader {
    const reader = openFileReader({ path: at, source, service, id, startAt, holdMs, intake, now, onGrowth: wake })
    readIds.add(id)
    claims.set(claimOf(reader.print()), { owner: source, print: reader.print })
    if (claims.size > claimsMax) claims.delete([...claims.keys()][0] ?? '')
    readPrints.push(reader.print)
    if (readPrints.length > readPrintsMax) readPrints.shift()
    return reader
  }

  const claimOf = ({ device, inode }: Fingerprint): string => `${device}:${inode}`
  const hasRead = (sibling: Sibling): boolean => readPrints.some((print) => isSameSibling(sibling, print()))

  /** What the store knows of this name, as far as the file is still there; its rest is read before what follows it. */
  async function resumeFormer(): Promise<{ resumed: boolean }> {
    if (known.length === 0) return { resumed: false }
    const isKnownNow = known.some(({ print }) => isSameSibling({ path }, print))
    let following = false
    for (const sibling of await siblingsOf(path, new Set(known.map(({ print }) => print.inode)))) {
      const stored = known.find(({ print }) => isSameSibling(sibling, print))
      if (stored) following = true
      // A file that is younger than one we knew, and that we did not, came and went while nobody looked. A copy of one we knew did not.
      const missed =
        sibling.isRotated && following && !isKnownNow && !known.some(({ print }) => print.hash === sibling.print.hash)
      if (stored ? stored.position >= sibling.size : !missed) continue
      if (claims.has(claimOf(sibling.print))) continue
      keepFormer(openReader(sibling.path, { id: stored?.id ?? idOf(sibling), startAt: stored?.position ?? 0 }))
    }
    return { resumed: true }
  }

  function isSameSibling({ path: at }: Pick<Sibling, 'path'>, print: Fingerprint): boolean {
    let descriptor: number
    try {
      descriptor = openPlainFile(at)
    } catch {
      return false // It was there a moment ago; whoever opens it next will say what is wrong.
    }
    try {
      return isSameFile(descriptor, print)
    } finally {
      closeSync(descriptor)
    }
  }

  const idOf = ({ print }: Pick<Sibling, 'print'>): string => `${source}#${print.device}:${print.inode}:${print.hash}`

  function keepFormer(reader: FileReader): void {
    former.push({ reader, untilMs: now() + graceMs })
  }

  /** What the store knows of an open file that had another name: it was renamed, and is read on from where it was left. */
  const knownElsewhere = (descriptor: number): KnownSource | undefined =>
    options.known.find(
      ({ name, mark }) => name !== source && mark !== null && isSameFile(descriptor, printFromMark(mark)),
    )

  /** Opens the file that bears the name now. */
  function openCurrent(startAtEnd: boolean): void {
    const descriptor = openPlainFile(path)
    try {
      const stored =
        known.find(({ id, print }) => !readIds.has(id) && isSameFile(descriptor, print)) ?? knownElsewhere(descriptor)
      const print = fingerprintOf(descriptor)
      const claim = claims.get(claimOf(print))
      if (claim && claim.owner !== source && isSameFile(descriptor, claim.print())) return
      const id = stored?.id ?? uniqueId(idOf({ print }))
      const startAt = stored?.position ?? (startAtEnd ? lastLineEnd(descriptor) : 0)
      current = openReader(path, { id, startAt })
    } finally {
      closeSync(descriptor)
    }
  }

  /** A file that was truncated and begins as before has the same inode and hash, and is another all the same. */
  function uniqueId(id: string): string {
    let unique = id
    for (let n = 2; readIds.has(unique); n++) unique = `${id}~${n}`
    return unique
  }

  /** What happened to the name since the last look: the file under it may be another, or gone. */
  async function lookAtName(signal: AbortSignal): Promise<void> {
    const stats = await stat(path).catch(() => undefined)
    const print = current?.print()
    if (current && print && stats?.ino === print.inode && stats.dev === print.device) return
    if (current) {
      await current.pump(signal)
      keepFormer(current)
      current = undefined
      if (stats) await catchMissed()
    }
    if (stats) openCurrent(false)
  }

  /** Files that had this name for less than a poll: younger than the last one we read, and not read. */
  async function catchMissed(): Promise<void> {
    const last = former.at(-1)?.reader.print()
    const siblings = last ? await siblingsOf(path, new Set([last.inode])) : []
    const from = siblings.findIndex(({ print }) => print.inode === last?.inode && print.device === last.device)
    if (from < 0) return
    for (const sibling of siblings.slice(from + 1))
      if (sibling.isRotated && !hasRead(sibling))
        keepFormer(openReader(sibling.path, { id: idOf(sibling), startAt: 0 }))
  }

  async function readAll(signal: AbortSignal): Promise<boolean> {
    let waiting = false
    for (const { reader } of former) waiting = (await reader.pump(signal)) === 'waiting' || waiting
    if (waiting || !current) return waiting
    const result = await current.pump(signal)
    if (result === 'truncated') {
      log.info({ path }, 'file was truncated; reading it from its start')
      current.close()
      current = undefined
      openCurrent(false)
      return readAll(signal)
    }
    return result === 'waiting'
  }

  function settle(): void {
    const nowMs = now()
    for (const { reader } of former) reader.settle(nowMs)
    current?.settle(nowMs)
    for (let [oldest] = former; oldest && oldest.untilMs <= nowMs && oldest.reader.finish(); [oldest] = former) {
      oldest.reader.close()
      former.shift()
    }
  }

  function nextLookMs(): number {
    const dues = [current, ...former.map(({ reader }) => reader)].map((reader) => reader?.settleDueMs() ?? Infinity)
    return Math.max(1, Math.min(woken ? againMs : pollMs, ...dues.map((dueMs) => dueMs - now())))
  }

  function report(message: string): void {
    if (problem?.message !== message) intake.report({ type: 'source_problem', source, message, solved: false })
    problem = { message, retryMs: Math.min(retryMsMax, (problem?.retryMs ?? retryMsMin / 2) * 2) }
    // What cannot be read holds nobody back.
    intake.setUnread({ id: source, source }, false)
  }

  function solved(): void {
    if (problem) intake.report({ type: 'source_problem', source, message: `${path} can be read again`, solved: true })
    problem = undefined
  }

  /** One look: what became of the name, what is new in the files. Returns how long nothing needs to be done. */
  async function look(signal: AbortSignal): Promise<number> {
    try {
      await lookAtName(signal)
      const waiting = await readAll(signal)
      intake.setUnread({ id: source, source }, waiting)
      settle()
      if (current) solved()
      return waiting ? retryMsMin : nextLookMs()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      report(error.message)
      return problem?.retryMs ?? retryMsMin
    }
  }

  return {
    opened: opened.promise,
    caughtUp: caughtUp.promise,
    wake,
    status() {
      const position = current?.position() ?? 0
      const lagBytes = Math.max(0, (current?.size() ?? 0) - position)
      const state = problem ? 'problem' : current ? 'reading' : 'waiting'
      return { name: source, state, position, lagBytes, lastEventMs: intake.clockOf(source) }
    },
    async run(signal) {
      intake.setUnread({ id: source, source }, true)
      try {
        const { resumed } = await resumeFormer()
        const stats = await stat(path).catch(() => undefined)
        if (stats) openCurrent(options.startAtEnd && !resumed)
        else if (known.length === 0) report(`${path} does not exist yet; it is read from its start when it appears`)
      } catch (error) {
        report(error instanceof Error ? error.message : String(error))
      }
      opened.resolve()
      // A name that only a glob found is given up when its file is gone for good; it is found again if it comes back.
      let seenAtMs = now()
      while (!signal.aborted && (options.isNamed || now() - seenAtMs < 2 * graceMs)) {
        const restMs = await look(signal)
        if (current || former.length > 0) seenAtMs = now()
        caughtUp.resolve()
        woken = await rest(restMs, signal)
      }
      caughtUp.resolve()
      for (const { reader } of former) reader.close()
      current?.close()
    },
  }

  /** Waits for `ms` or until woken; whether it was. */
  function rest(ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((done) => {
      const finish = (byEvent: boolean): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        wakeUp = undefined
        done(byEvent)
      }
      const onAbort = (): void => finish(false)
      const timer = setTimeout(onAbort, ms)
      signal.addEventListener('abort', onAbort)
      wakeUp = () => finish(true)
      if (signal.aborted) finish(false)
    })
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolvePromise: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolvePromise = done
  })
  return { promise, resolve: () => resolvePromise() }
}

/** Where the last whole line ends: reading begun in the middle of a line would take its rest for one. */
function lastLineEnd(descriptor: number): number {
  const { size } = fstatSync(descriptor)
  const tail = Buffer.alloc(Math.min(size, 65_536))
  readSync(descriptor, tail, 0, tail.length, size - tail.length)
  const found = tail.lastIndexOf(10)
  return found < 0 ? size : size - tail.length + found + 1
}

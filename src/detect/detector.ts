import { createHash } from 'node:crypto'
import type { FailureType } from '../catalog/compile.js'
import type { Clocks } from './clocks.js'
import { createDeadlines, type Deadlines } from './deadlines.js'
import {
  componentOf,
  countMatch,
  isWorthTelling,
  keyOf,
  openFailure,
  tell,
  type Failure,
  type Match,
} from './failure.js'
import { insertSighting, pruneSightings, windowAround, type Sighting } from './window.js'

/** Everything remembered of one type and key; what the store keeps, row by row. */
export type KeyState = Readonly<{
  type: string
  key: string
  sightings: readonly Sighting[]
  failure: Failure | undefined
}>

/** `moved`: a late match began it earlier; not worth telling, but what belongs together depends on it. */
export type FailureChange = Readonly<{ kind: 'detected' | 'updated' | 'moved' | 'resolved'; failure: Failure }>

export type Recovery = Readonly<{ type: string; service: string; atMs: number }>

export type Detector = Readonly<{
  add(match: Match): FailureChange[]
  /** A line said that this type of failure is over; it ends those of its service, and of the component its service is. */
  recover(recovery: Recovery): FailureChange[]
  /** Ends the failures whose silence has been watched for long enough, after the clock of `source` (or of none) moved. */
  advance(source?: string): FailureChange[]
  /** The same by the time since their last match arrived, where everything has been read. */
  tick(nowMs: number): FailureChange[]
  resolve(failureId: string, nowMs: number): FailureChange[]
  /** Lines that came after a failure was told. */
  addAfter(failureId: string, after: readonly string[]): FailureChange[]
  find(failureId: string): Failure | undefined
  /** What changed since the last call. `forgotten` keys are to be deleted. */
  takeDirty(): { states: KeyState[]; forgotten: { type: string; key: string }[]; keysRefused: number }
  setTypes(types: ReadonlyMap<string, FailureType>): void
}>

export type DetectorOptions = Readonly<{
  types: ReadonlyMap<string, FailureType>
  clocks: Clocks
  componentOfService: (service: string) => string
  /** At this many keys the oldest without an active failure is forgotten; when all are active, new ones are refused and counted. */
  keysMax: number
  restored: readonly KeyState[]
}>

type Entry = { type: string; key: string; sightings: Sighting[]; failure: Failure | undefined }

const nameOf = (type: string, key: string): string => `${type}\u0000${key}`
/** How many keys are looked at for one to forget, so that a full table costs the same for each new key. */
const forgetAttemptsMax = 64

/** Matches become failures: a window for each type and key, and what happens to its failure. */
export function createDetector(options: DetectorOptions): Detector {
  const { clocks, componentOfService, keysMax } = options
  let types = options.types
  const entries = new Map<string, Entry>()
  const byFailure = new Map<string, Entry>()
  const deadlines = new Map<string, Deadlines>()
  /** The sources by what becomes due in them: what waits for others to come so far, not for their own clock. */
  const dueSources = createDeadlines()
  const dirty = new Set<string>()
  const forgotten = new Map<string, { type: string; key: string }>()
  let keysRefused = 0

  function watch(name: string, failure: Failure): void {
    let own = deadlines.get(failure.source)
    if (!own) deadlines.set(failure.source, (own = createDeadlines()))
    own.add(name, failure.lastSeenMs + failure.quietMs)
    dueSources.add(failure.source, failure.lastSeenMs + failure.quietMs)
  }

  for (const state of options.restored) {
    const name = nameOf(state.type, state.key)
    const entry = { ...state, sightings: [...state.sightings] }
    entries.set(name, entry)
    if (state.failure) byFailure.set(state.failure.id, entry)
    if (state.failure?.state === 'active') watch(name, state.failure)
  }

  function entryOf(type: string, key: string): Entry | undefined {
    const name = nameOf(type, key)
    const known = entries.get(name)
    if (known) return known
    if (entries.size >= keysMax && !forgetOne()) {
      keysRefused++
      return undefined
    }
    const entry: Entry = { type, key, sightings: [], failure: undefined }
    entries.set(name, entry)
    forgotten.delete(name)
    return entry
  }

  function forgetOne(): boolean {
    let attempts = 0
    for (const [name, { type, key, failure }] of entries) {
      if (++attempts > forgetAttemptsMax) return false
      if (failure?.state === 'active') continue
      entries.delete(name)
      if (failure) byFailure.delete(failure.id)
      dirty.delete(name)
      forgotten.set(name, { type, key })
      return true
    }
    return false
  }

  function set(entry: Entry, failure: Failure): Failure {
    const name = nameOf(entry.type, entry.key)
    const before = entry.failure
    if (before && before.id !== failure.id) byFailure.delete(before.id)
    byFailure.set(failure.id, entry)
    entry.failure = failure
    dirty.add(name)
    const moved = before?.state !== 'active' || before.source !== failure.source
    if (failure.state === 'active' && moved) watch(name, failure)
    return failure
  }

  function add(match: Match): FailureChange[] {
    const type = types.get(match.type)
    if (!type) return []
    const key = keyOf(match, type.groupBy)
    const entry = entryOf(type.type, key)
    if (!entry) return []
    dirty.add(nameOf(entry.type, entry.key))
    const index = insertSighting(entry.sightings, { atMs: match.atMs, origin: `${match.identity}@${match.position}` })
    const changes = count(entry, type, { match, index })
    // While a failure is active its window is not asked; and what comes after it is a window's length behind these.
    const settledMs = entry.failure?.state === 'active' ? Infinity : clocks.settled()
    pruneSightings(entry.sightings, type.threshold, settledMs)
    return changes
  }

  function count(
    entry: Entry,
    type: FailureType,
    { match, index }: { match: Match; index: number },
  ): FailureChange[] {
    const { failure } = entry
    const past = failure?.state === 'resolved' && match.atMs >= failure.resolvedAtMs + type.threshold.windowMs
    if (!failure || past) return open(entry, type, { match, index })
    const counted = countMatch(failure, match)
    if (failure.state === 'resolved') {
      const stillSilent = match.atMs + failure.quietMs <= clocks.watchedTo(match.source)
      if (!stillSilent) {
        const { resolvedAtMs: _, ...rest } = { resolvedAtMs: 0, ...counted }
        return [{ kind: 'detected', failure: set(entry, tell({ ...rest, state: 'active', reopened: true })) }]
      }
    }
    if (!isWorthTelling(counted)) {
      set(entry, counted)
      return counted.firstSeenMs < failure.firstSeenMs ? [{ kind: 'moved', failure: counted }] : []
    }
    return [{ kind: 'updated', failure: set(entry, tell(counted)) }]
  }

  function open(entry: Entry, type: FailureType, { match, index }: { match: Match; index: number }): FailureChange[] {
    const sightings = windowAround(entry.sightings, index, type.threshold)
    const [first] = sightings ?? []
    if (!sightings || !first) return []
    const id = `f_${digest(type.type, entry.key, first.origin, String(first.atMs))}`
    const component = componentOf(type, match, componentOfService)
    return [
      {
        kind: 'detected',
        failure: set(entry, openFailure({ id, key: entry.key, match, type, component, sightings })),
      },
    ]
  }

  function end(entry: Entry, resolvedAtMs: number): FailureChange[] {
    if (entry.failure?.state !== 'active') return []
    const failure: Failure = { ...entry.failure, state: 'resolved', resolvedAtMs }
    return [{ kind: 'resolved', failure: set(entry, failure) }]
  }

  const activeEntries = (): Entry[] => [...entries.values()].filter(({ failure }) => failure?.state === 'active')

  function endIf(test: (failure: Failure) => boolean, atMs: (failure: Failure) => number): FailureChange[] {
    return activeEntries().flatMap((entry) =>
      entry.failure && test(entry.failure) ? end(entry, atMs(entry.failure)) : [],
    )
  }

  /** What is due in one source. What its own clock has not reached is looked at when that moves. */
  function endDue(source: string): FailureChange[] {
    const own = deadlines.get(source)
    const watchedTo = clocks.watchedTo(source)
    return (own?.takeDue(watchedTo) ?? []).flatMap((name) => {
      const entry = entries.get(name)
      const failure = entry?.failure
      if (!entry || failure?.state !== 'active' || failure.source !== source) return []
      const dueMs = failure.lastSeenMs + failure.quietMs
      if (dueMs <= watchedTo) return end(entry, dueMs)
      watch(name, failure)
      return []
    })
  }

  function advance(source?: string): FailureChange[] {
    const changes = source === undefined ? [] : endDue(source)
    for (const each of dueSources.takeDue(clocks.settled())) if (each !== source) changes.push(...endDue(each))
    return changes
  }

  return {
    add,
    advance,
    recover: ({ type, service, atMs }) =>
      endIf(
        (failure) =>
          failure.type === type &&
          failure.lastSeenMs <= atMs &&
          (failure.service === service || failure.component === componentOfService(service)),
        () => atMs,
      ),
    tick: (nowMs) =>
      clocks.allRead()
        ? endIf(
            ({ lastArrivedMs, quietMs }) => nowMs - lastArrivedMs >= quietMs,
            ({ lastSeenMs, quietMs }) => lastSeenMs + quietMs,
          )
        : [],
    resolve(failureId, nowMs) {
      const entry = byFailure.get(failureId)
      return entry?.failure ? end(entry, Math.max(entry.failure.lastSeenMs, nowMs)) : []
    },
    addAfter(failureId, after) {
      const entry = byFailure.get(failureId)
      if (!entry?.failure) return []
      const failure = { ...entry.failure, evidence: { ...entry.failure.evidence, after } }
      set(entry, failure)
      // Of one that is over nobody wants to hear again.
      return failure.state === 'active' ? [{ kind: 'updated', failure }] : []
    },
    find: (failureId) => byFailure.get(failureId)?.failure,
    takeDirty() {
      const states = [...dirty]
        .flatMap((name) => entries.get(name) ?? [])
        .map((entry) => ({ ...entry, sightings: [...entry.sightings] }))
      const taken = { states, forgotten: [...forgotten.values()], keysRefused }
      dirty.clear()
      forgotten.clear()
      keysRefused = 0
      return taken
    },
    setTypes(next) {
      types = next
    },
  }
}

/** A short name that the same facts always give. */
export function digest(...facts: readonly string[]): string {
  return createHash('sha256').update(facts.join('\u0000')).digest('base64url').slice(0, 16)
}

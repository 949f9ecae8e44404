import type { Catalog } from './catalog/compile.js'
import { addCounters, noCounters } from './changes.js'
import type { Match } from './detect/failure.js'
import {
  createPipeline,
  type Extra,
  type Intake,
  type Outcome,
  type Pipeline,
  type PipelineOptions,
} from './pipeline.js'
import type { Commit, Store, StoredEvent } from './store/store.js'

/** The one seam of core and shell: bytes go in, what they cause is committed, and only then anyone is told. */
export type Ingest = Intake &
  Readonly<{
    /** Once a second: silence is concluded, and the positions of clean bytes are committed. */
    tick(nowMs: number): void
    count(matches: readonly Match[]): boolean
    resolveFailure(failureId: string, nowMs: number): boolean
    acknowledge(incidentId: string, nowMs: number): boolean
    setCatalog(catalog: Catalog): void
  }>

export type IngestOptions = Readonly<{
  store: Pick<Store, 'restore' | 'commit'>
  pipeline: Omit<PipelineOptions, 'restored'>
  now: () => number
  /** Called after the commit, in the order of the sequence numbers. */
  onEvents: (events: readonly StoredEvent[]) => void
  log: Readonly<Record<'error' | 'warn', (facts: object, message: string) => void>>
}>

const isEmpty = ({ changes, keys, forgottenKeys, incidents }: Outcome): boolean =>
  changes.length === 0 && keys.length === 0 && forgottenKeys.length === 0 && incidents.length === 0

/** Bytes that come once, as a request's, have no position to go on from. */
const keptOutcome = (outcome: Outcome, extra: Extra | undefined): Outcome =>
  extra?.once ? { ...outcome, source: undefined } : outcome

export function createIngest({ store, pipeline: options, now, onEvents, log }: IngestOptions): Ingest {
  let { catalog } = options
  let pipeline = rebuild()
  /** Positions of clean bytes, by source, that go along with the next commit. */
  const waiting = new Map<string, Commit>()
  let counters = noCounters()

  function rebuild(): Pipeline {
    return createPipeline({ ...options, catalog, restored: store.restore() })
  }

  /** Commits, and if that fails throws the core away: what is not committed never happened. */
  function commit(outcome: Outcome, extra: Extra = {}): boolean {
    addCounters(counters, outcome.counters)
    if (outcome.source)
      waiting.set(outcome.source.id, {
        outcome: { ...outcome, counters: noCounters() },
        ...waitingMark(outcome),
        ...extra,
      })
    if (isEmpty(outcome) && extra.mark === undefined && !extra.answer && !extra.commitNow) return true
    return outcome.source ? flush() : flush({ ...extra, outcome: { ...outcome, counters: noCounters() } })
  }

  /** A mark that has not been committed yet goes along with the newer position. */
  function waitingMark(outcome: Outcome): Extra {
    const mark = waiting.get(outcome.source?.id ?? '')?.mark
    return mark === undefined ? {} : { mark }
  }

  function flush(more?: Commit): boolean {
    const total: Commit = {
      outcome: { changes: [], source: undefined, keys: [], forgottenKeys: [], incidents: [], counters },
    }
    const commits = [...waiting.values(), ...(more ? [more] : []), total]
    waiting.clear()
    counters = noCounters()
    let events: StoredEvent[]
    try {
      events = store.commit(commits, now())
    } catch (error) {
      log.error({ err: error }, 'commit failed; going back to the last one')
      pipeline = rebuild()
      return false
    }
    const { keysForgotten } = total.outcome.counters
    if (keysForgotten > 0)
      log.warn({ keysForgotten }, 'too many keys; the oldest without an active failure are forgotten')
    if (total.outcome.counters.keysRefused > 0)
      log.warn(
        { keysRefused: total.outcome.counters.keysRefused },
        'too many keys with active failures; new ones are not tracked',
      )
    if (events.length > 0) onEvents(events)
    return true
  }

  return {
    deliver(batch, extra) {
      return { ok: commit(keptOutcome(pipeline.deliver(batch), extra), extra) }
    },
    setUnread(bytes, unread) {
      commit(pipeline.setUnread(bytes, unread))
    },
    clockOf: (source) => pipeline.clockOf(source),
    positionOf: (id) => pipeline.positionOf(id),
    close(id) {
      pipeline.close(id)
    },
    tick(nowMs) {
      if (commit(pipeline.tick(nowMs)) && (waiting.size > 0 || counters.bytes > 0)) flush()
    },
    count: (matches) => commit(pipeline.count(matches)),
    resolveFailure: (failureId, nowMs) => commit(pipeline.resolveFailure(failureId, nowMs)),
    acknowledge: (incidentId, nowMs) => commit(pipeline.acknowledge(incidentId, nowMs)),
    report(problem) {
      const nothing = { source: undefined, keys: [], forgottenKeys: [], incidents: [], counters: noCounters() }
      commit({ ...nothing, changes: [problem] })
    },
    setCatalog(next) {
      catalog = next
      pipeline.setCatalog(next)
    },
  }
}

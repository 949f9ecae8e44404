import type { Catalog } from './catalog/compile.js'
import { createMatcher, type Finding } from './catalog/matcher.js'
import {
  noCounters,
  reportFailures,
  reportIncident,
  type Change,
  type Counters,
  type ProblemEvent,
  type ReportSources,
} from './changes.js'
import { createCorrelator, type RestoredIncident } from './correlate/correlator.js'
import type { Incident } from './correlate/incident.js'
import { createTopology } from './correlate/topology.js'
import { createClocks } from './detect/clocks.js'
import { createDetector, type FailureChange, type KeyState } from './detect/detector.js'
import type { Match } from './detect/failure.js'
import { decodeRecord, timeOf, type Decoded } from './lines/decode.js'
import { eventTime, type Dated } from './lines/event-time.js'
import type { Line, LogRecord } from './lines/record.js'
import { createScan } from './lines/scan.js'
import { zoneRule, type Hints, type ZoneRule } from './lines/timestamp.js'
import {
  linesAfter,
  linesBefore,
  linesBetween,
  startOfSource,
  walk,
  type Batch,
  type Resume,
  type Step,
} from './lines/walk.js'

/**
 * The path of a log line: scan → record → decode → match → detect → correlate → explain. Pure: bytes and times in, changes out. The
 * same bytes give the same changes however they were cut, live or replayed.
 */
export type Pipeline = Readonly<{
  deliver(batch: Batch): Outcome
  /** Time passes where everything has been read. */
  tick(nowMs: number): Outcome
  /** A source appeared with bytes to read, has none left, or cannot be read. */
  setUnread(bytes: { id: string; source: string }, unread: boolean): Outcome
  /** A source's bytes will not be delivered again. */
  close(id: string): void
  /** Counts matches that did not come from bytes, such as a text someone asked to record. */
  count(matches: readonly Match[]): Outcome
  resolveFailure(failureId: string, nowMs: number): Outcome
  acknowledge(incidentId: string, nowMs: number): Outcome
  setCatalog(catalog: Catalog): void
  /** Where a source's bytes are to be delivered from. */
  positionOf(id: string): number
  clockOf(source: string): number | undefined
}>

/** What must be remembered of a source, besides what was found in it. */
export type SourceState = Readonly<{
  resume: Resume
  /** Types that open records have been counted for already, by the offset of the record. */
  decided: readonly (readonly [offset: number, type: string])[]
  clockMs: number | null
  previous: Dated | null
  /** Where its lines have been read for the time, and the last time read. */
  reading: Reading
}>

type Reading = Readonly<{ to: number; atMs: number | null }>

/** All that one step changed; it is committed as one. */
export type Outcome = Readonly<{
  changes: readonly Change[]
  source: { id: string; name: string; state: SourceState } | undefined
  keys: readonly KeyState[]
  forgottenKeys: readonly { type: string; key: string }[]
  incidents: readonly Incident[]
  counters: Counters
}>

/** What a source delivers to. `ok: false`: nothing of the batch happened; deliver again from `positionOf`, after a pause. */
export type Intake = Readonly<{
  deliver(batch: Batch, extra?: Extra): { ok: boolean }
  positionOf(id: string): number
  /** The newest event time seen in a source. */
  clockOf(source: string): number | undefined
  setUnread(bytes: { id: string; source: string }, unread: boolean): void
  close(id: string): void
  report(problem: ProblemEvent): void
}>

/** What is committed with a batch besides: how the source knows its bytes again, and what a push was answered. */
export type Extra = Readonly<{
  mark?: string | undefined
  commitNow?: boolean | undefined
  /** These bytes will never be asked for again. */
  once?: boolean | undefined
  answer?: { key: string; status: number; body: string } | undefined
}>

export type KnownSource = Readonly<{ id: string; name: string; position: number; mark: string | null }>

export type PipelineOptions = Readonly<{
  catalog: Catalog
  redact: (text: string) => string
  latenessMs: number
  timeZone: string
  timeZoneOf?: ((source: string) => string | undefined) | undefined
  keysMax: number
  /** Told of every match that counts, before what it causes. */
  observe?: ((match: Match) => void) | undefined
  restored?: Restored | undefined
}>

export type Restored = Readonly<{
  sources: readonly { id: string; name: string; state: SourceState }[]
  keys: readonly KeyState[]
  incidents: readonly RestoredIncident[]
}>

const evidenceCharactersMax = 8192
const newSource: SourceState = {
  resume: startOfSource,
  decided: [],
  clockMs: null,
  previous: null,
  reading: { to: 0, atMs: null },
}

type Source = {
  resume: Resume
  decided: Map<number, Set<string>>
  previous: Dated | null
  reading: Reading
  /** Failures that were told before the lines after them had come. */
  awaiting: { failureId: string; offset: number }[]
}

export function createPipeline(options: PipelineOptions): Pipeline {
  let { catalog } = options
  let scan = createScanOf(catalog)
  let matcher = createMatcher(catalog)
  let topology = createTopology(catalog.topology)
  const { restored } = options
  const clocks = createClocks(options)
  const sources = new Map<string, Source>()
  for (const { id, name, state } of restored?.sources ?? []) {
    sources.set(id, openSource(state))
    if (state.clockMs !== null) clocks.seen(name, state.clockMs)
  }
  const detector = createDetector({
    types: catalog.types,
    clocks,
    componentOfService: (service) => topology.componentOf(service),
    keysMax: options.keysMax,
    restored: restored?.keys ?? [],
  })
  const correlator = createCorrelator({
    declared: { types: catalog.types, topology },
    cascades: catalog.cascades,
    restored: restored?.incidents ?? [],
  })

  let changes: Change[] = []
  let counters = noCounters()
  const zones = new Map<string, ZoneRule>()

  const zoneOf = (source: string): string => options.timeZoneOf?.(source) ?? options.timeZone

  /** @param before the time of the line before, for wall clocks in the hour that autumn repeats */
  function hintsOf({ source, arrivalMs }: Batch, before?: () => number | undefined): Hints {
    const zone = zoneOf(source)
    let rule = zones.get(zone)
    if (!rule) zones.set(zone, (rule = zoneRule(zone)))
    const known = rule
    return { toUtcMs: (wallMs) => known(wallMs, before), arrivalMs }
  }

  /** The time of the last line before `offset` that has one. Clean lines are read for it too: only they tell when an hour began anew. */
  function timeBefore(batch: Batch, source: Source, offset: number): number | undefined {
    let { atMs } = source.reading
    const hints = hintsOf(batch, () => atMs ?? undefined)
    for (const line of linesBetween(batch, source.reading.to, offset)) atMs = timeOf(line, hints) ?? atMs
    source.reading = { to: Math.max(offset, source.reading.to), atMs }
    return atMs ?? undefined
  }

  /** What is settled is not delivered again: where a zone repeats an hour, its last time is read now. */
  function readLast(batch: Batch, source: Source, position: number): void {
    if (zoneOf(batch.source) === 'UTC') return
    const [line] = linesBefore(batch, position).slice(-1)
    const hints = hintsOf(batch, () => timeBefore(batch, source, position))
    const atMs = line === undefined ? undefined : timeOf(line, hints)
    source.reading = { to: position, atMs: atMs ?? source.reading.atMs }
  }

  const sourceOf = (id: string): Source => {
    let source = sources.get(id)
    if (!source) sources.set(id, (source = openSource(newSource)))
    return source
  }

  const reportSources = (): ReportSources => ({ correlator, find: (id) => detector.find(id), catalog })
  const report = (found: readonly FailureChange[]): void => {
    if (found.length > 0) changes.push(...reportFailures(found, reportSources()))
  }

  /**
   * A record's own time moves its source's clock; what became quiet by that ends before the record counts. Times that were made
   * up never move a clock: one bad stamp in yesterday's log would end everything that was still to come in it.
   */
  function timePasses(batch: Batch, source: Source, ownMs: number | undefined): number {
    const { atMs, own } = eventTime({ ownMs, previous: source.previous, arrivalMs: batch.arrivalMs })
    if (own) {
      source.previous = { atMs, arrivedMs: batch.arrivalMs }
      clocks.seen(batch.source, atMs)
      report(detector.advance(batch.source))
    }
    return atMs
  }

  function handle(batch: Batch, step: Step): void {
    const source = sourceOf(batch.id)
    const { start } = step.kind === 'clock' ? step.line : step.record
    const hints = hintsOf(batch, () => timeBefore(batch, source, start))
    const decoding = { hints, redact: options.redact }
    if (step.kind === 'clock') {
      const { timeMs } = decodeRecord(lineRecord(step.line), decoding)
      if (timeMs !== undefined) timePasses(batch, source, timeMs)
      return
    }
    const { record, hits, state } = step
    const decoded = decodeRecord(record, decoding)
    const origin = { service: decoded.service ?? batch.service, source: batch.source }
    const atMs = timePasses(batch, source, decoded.timeMs)
    const decided = source.decided.get(record.start) ?? new Set<string>()
    source.decided.set(record.start, decided)

    let linesMatched = 0
    for (const [index, line] of decoded.oneObject ? [] : decoded.lines.entries()) {
      if (!hits.has(record.lines[index]?.start ?? -1)) continue
      const { findings, matched } = matcher.line(line, origin, { first: index === 0 })
      if (matched) linesMatched++
      const soFar = { ...decoded, text: decoded.text.slice(0, line.at + line.text.length) }
      for (const finding of findings) decide(finding, { batch, record, decoded: soFar, origin, atMs, decided })
    }
    if (state === 'open') return
    const findings = matcher.record(decoded, origin)
    for (const finding of findings) decide(finding, { batch, record, decoded, origin, atMs, decided })
    if (state !== 'closed') return
    if (findings.length > 0) {
      counters.recordsMatched++
      linesMatched = Math.max(1, linesMatched)
      if (atMs < clocks.watchedTo(batch.source)) counters.lateRecords++
    }
    counters.linesMatched += linesMatched
    source.decided.delete(record.start)
  }

  type Context = {
    batch: Batch
    record: LogRecord
    decoded: Decoded
    origin: { service: string; source: string }
    atMs: number
    decided: Set<string>
  }

  /** Counts a finding, once for each type and record. */
  function decide({ type, pattern, captures }: Finding, context: Context): void {
    const { batch, record, decoded, origin, atMs, decided } = context
    const name = pattern.recovers ? pattern.id : type
    if (decided.has(name)) return
    decided.add(name)
    if (pattern.recovers) return report(detector.recover({ type, service: origin.service, atMs }))
    counters.matches[type] = (counters.matches[type] ?? 0) + 1
    const text = decoded.text.slice(0, evidenceCharactersMax)
    const match: Match = {
      type,
      patternId: pattern.id,
      confidence: pattern.confidence,
      message: pattern.message,
      captures,
      service: origin.service,
      keys: decoded.keys,
      source: batch.source,
      identity: batch.identity,
      position: record.start,
      atMs,
      arrivedMs: batch.arrivalMs,
      evidence: {
        text,
        before: linesBefore(batch, record.start).map(options.redact),
        after: [],
        cut: record.cut || text.length < decoded.text.length,
      },
    }
    options.observe?.(match)
    const found = detector.add(match)
    report(found)
    // A late match can open what the clock says is long over; that is told at once, not when some batch happens to end.
    report(detector.advance(batch.source))
    const source = sourceOf(batch.id)
    for (const { kind, failure } of found)
      if (kind === 'detected' && !failure.reopened)
        source.awaiting.push({ failureId: failure.id, offset: record.end })
  }

  function take(source?: Outcome['source']): Outcome {
    const { states, forgotten, keysRefused } = detector.takeDirty()
    counters.keysRefused += keysRefused
    counters.keysForgotten += forgotten.length
    const outcome = {
      changes,
      source,
      keys: states,
      forgottenKeys: forgotten,
      incidents: correlator.takeDirty(),
      counters,
    }
    changes = []
    counters = noCounters()
    return outcome
  }

  /** The lines after a failure are told when they have come, and never waited for. */
  function tellAfter(batch: Batch, source: Source): void {
    const still: Source['awaiting'] = []
    for (const waiting of source.awaiting) {
      const after = linesAfter(batch, waiting.offset)
      if (!after) still.push(waiting)
      else if (after.length > 0) report(detector.addAfter(waiting.failureId, after.map(options.redact)))
    }
    source.awaiting = still
  }

  return {
    deliver(batch) {
      // Another position than the one we gave back: the bytes began anew, and nothing of them is settled.
      if (sources.get(batch.id)?.resume.position !== batch.from) sources.delete(batch.id)
      const source = sourceOf(batch.id)
      clocks.setUnread(batch, true)
      const steps = walk(batch, { ...source.resume, position: batch.from }, { scan, hints: hintsOf(batch) })
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done) {
          source.resume = step.value
          break
        }
        handle(batch, step.value)
      }
      const { position } = source.resume
      for (const offset of source.decided.keys()) if (offset < position) source.decided.delete(offset)
      readLast(batch, source, position)
      const settled = batch.bytes.subarray(batch.from - batch.base, position - batch.base)
      counters.bytes += settled.length
      counters.lines += countLines(settled, batch.ending === 'end')
      clocks.setUnread(batch, batch.unread)
      report(detector.advance())
      tellAfter(batch, source)
      if (batch.ending === 'end') source.awaiting = []
      return take({ id: batch.id, name: batch.source, state: stateOf(batch.source, source) })
    },
    tick(nowMs) {
      report(detector.tick(nowMs))
      return take()
    },
    setUnread(bytes, unread) {
      clocks.setUnread(bytes, unread)
      report(detector.advance())
      return take()
    },
    close(id) {
      sources.delete(id)
    },
    count(matches) {
      for (const match of matches) {
        counters.matches[match.type] = (counters.matches[match.type] ?? 0) + 1
        report(detector.add(match))
      }
      if (matches.length > 0) counters.recordsMatched++
      return take()
    },
    resolveFailure(failureId, nowMs) {
      report(detector.resolve(failureId, nowMs))
      return take()
    },
    acknowledge(incidentId, nowMs) {
      for (const change of correlator.acknowledge(incidentId, nowMs))
        changes.push(reportIncident(change, reportSources()))
      return take()
    },
    setCatalog(next) {
      catalog = next
      scan = createScanOf(catalog)
      matcher = createMatcher(catalog)
      topology = createTopology(catalog.topology)
      detector.setTypes(catalog.types)
      correlator.setDeclared({ types: catalog.types, topology }, catalog.cascades)
    },
    clockOf: (source) => finite(clocks.of(source)),
    positionOf: (id) => sources.get(id)?.resume.position ?? 0,
  }

  function stateOf(name: string, { resume, decided, previous, reading }: Source): SourceState {
    const clockMs = finite(clocks.of(name)) ?? null
    return {
      resume,
      decided: [...decided].flatMap(([offset, types]) => [...types].map((type) => [offset, type] as const)),
      clockMs,
      previous,
      reading,
    }
  }
}

const finite = (ms: number): number | undefined => (Number.isFinite(ms) ? ms : undefined)

function openSource({ resume, decided, previous, reading }: SourceState): Source {
  const byOffset = new Map<number, Set<string>>()
  for (const [offset, type] of decided) byOffset.set(offset, (byOffset.get(offset) ?? new Set()).add(type))
  return { resume, decided: byOffset, previous, reading, awaiting: [] }
}

function createScanOf({ patterns }: Catalog) {
  const atoms = patterns.flatMap((pattern) => pattern.atoms ?? [])
  return createScan({ atoms, everything: patterns.some((pattern) => pattern.atoms === undefined) })
}

const lineRecord = (line: Line): LogRecord => ({
  start: line.start,
  end: line.end,
  stream: line.wrapper.stream,
  lines: [line],
  cut: false,
})

function countLines(bytes: Buffer, isEnd: boolean): number {
  let lines = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++
  return isEnd && bytes.length > 0 && bytes.at(-1) !== 10 ? lines + 1 : lines
}

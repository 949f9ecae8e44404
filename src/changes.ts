import type { Catalog } from './catalog/compile.js'
import type { Correlator, IncidentChange } from './correlate/correlator.js'
import { explainFailure, explainIncident, type Explanation } from './correlate/explain.js'
import type { Incident } from './correlate/incident.js'
import type { FailureChange } from './detect/detector.js'
import type { Failure } from './detect/failure.js'

/** Everything that can happen. The store keeps these, the stream sends them, the tests compare them. */
export type Change = FailureEvent | IncidentEvent | ProblemEvent

export type FailureEvent = Readonly<{
  type: 'failure_detected' | 'failure_updated' | 'failure_resolved'
  failure: Failure
  incidentId: string
  explanation: Explanation
}>

export type IncidentEvent = Readonly<{
  type: 'incident_opened' | 'incident_updated' | 'incident_resolved'
  incident: Incident
  explanation: Explanation
}>

export type ProblemEvent =
  | Readonly<{ type: 'source_problem'; source: string; message: string; solved: boolean }>
  | Readonly<{ type: 'pattern_problem'; file: string; pattern: string | undefined; message: string }>

/** What a batch added to the running totals. */
export type Counters = {
  bytes: number
  lines: number
  linesMatched: number
  recordsMatched: number
  lateRecords: number
  keysRefused: number
  keysForgotten: number
  /** Matched records by failure type, whatever the thresholds. */
  matches: Record<string, number>
}

export const noCounters = (): Counters => ({
  bytes: 0,
  lines: 0,
  linesMatched: 0,
  recordsMatched: 0,
  lateRecords: 0,
  keysRefused: 0,
  keysForgotten: 0,
  matches: {},
})

export function addCounters(total: Counters, { matches, ...more }: Counters): void {
  for (const [name, value] of Object.entries(more) as [Exclude<keyof Counters, 'matches'>, number][])
    total[name] += value
  for (const [type, value] of Object.entries(matches)) total.matches[type] = (total.matches[type] ?? 0) + value
}

/** What reports need: where incidents are made, where failures are found again, and the texts in force. */
export type ReportSources = Readonly<{
  correlator: Pick<Correlator, 'apply'>
  find: (failureId: string) => Failure | undefined
  catalog: Catalog
}>

/** Changes of failures and of the incidents they belong to, each in its order, explained. */
export function reportFailures(found: readonly FailureChange[], sources: ReportSources): Change[] {
  return found.flatMap((change): Change[] => {
    const { failure } = change
    const { incidentId, changes } = sources.correlator.apply(change)
    if (change.kind === 'moved') return changes.map((each) => reportIncident(each, sources))
    const explanation = explainFailure(failure, sources.catalog)
    const event: FailureEvent = { type: `failure_${change.kind}`, failure, incidentId, explanation }
    return [event, ...changes.map((each) => reportIncident(each, sources))]
  })
}

/** An incident is explained by its known shape, or by its root. */
export function reportIncident(
  { kind, incident }: IncidentChange,
  { find, catalog }: Omit<ReportSources, 'correlator'>,
): IncidentEvent {
  const { rootCause } = incident
  const rootId = rootCause.kind === 'found' ? rootCause.failureId : rootCause.candidates[0]?.failureId
  const failure = rootId === undefined ? undefined : find(rootId)
  const root = failure && explainFailure(failure, catalog)
  const cascade = catalog.cascades.find(({ type }) => type === incident.cascade)
  return { type: `incident_${kind}`, incident, explanation: explainIncident(incident, { root, cascade }) }
}

import type { Explanation } from './correlate/explain.js'
import type { Incident } from './correlate/incident.js'
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

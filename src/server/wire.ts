import type { CompiledPattern, FailureType, Problem } from '../catalog/compile.js'
import { severities, type Severity } from '../catalog/schema.js'
import type { Change } from '../changes.js'
import type { Explanation } from '../correlate/explain.js'
import type { Incident } from '../correlate/incident.js'
import type { Detection } from '../correlate/text.js'
import type { Failure } from '../detect/failure.js'
import type { StoredEvent } from '../store/store.js'

/** Our nouns as clients see them: snake_case, times as ISO 8601 in UTC. CONTRACT.md fixes the names. */

const time = (ms: number): string => new Date(ms).toISOString()

const levelOf: Readonly<Record<Severity, string>> = {
  low: 'info',
  medium: 'warning',
  high: 'error',
  critical: 'critical',
}

export function explanationToWire(explanation: Explanation) {
  const { impact } = explanation
  return {
    root_cause: explanation.rootCause,
    recommendations: explanation.recommendations,
    confidence: explanation.confidence,
    user_action_required: explanation.userActionRequired,
    impact: {
      services: impact.services,
      users: impact.users,
      data_loss_risk: impact.dataLossRisk,
      recovery_time: impact.recoveryTime,
    },
    recovery: explanation.recovery,
    escalation_level: explanation.escalationLevel,
    mttr_target_seconds: explanation.mttrTargetSeconds,
  }
}

type FailureFacts = Readonly<{ failure: Failure; incidentId: string; explanation: Explanation }>

export function failureToWire({ failure, incidentId, explanation }: FailureFacts) {
  const { evidence, threshold } = failure
  return {
    failure_id: failure.id,
    failure_type: failure.type,
    category: failure.category,
    title: failure.title,
    message: failure.message,
    severity: failure.severity,
    level: levelOf[failure.severity],
    confidence: failure.confidence,
    component: failure.component,
    service: failure.service,
    keys: failure.keys,
    captures: failure.captures,
    state: failure.state,
    reopened: failure.reopened,
    count: failure.count,
    threshold: { count: threshold.count, window_seconds: threshold.windowMs / 1000 },
    first_seen: time(failure.firstSeenMs),
    last_seen: time(failure.lastSeenMs),
    ...(failure.state === 'resolved' ? { resolved_at: time(failure.resolvedAtMs) } : {}),
    evidence: {
      text: evidence.text,
      before: evidence.before,
      after: evidence.after,
      cut: evidence.cut,
      source: evidence.source,
      position: evidence.position,
      pattern: failure.patternId,
    },
    explanation: explanationToWire(explanation),
    incident_id: incidentId,
  }
}

export function incidentToWire(incident: Incident, explanation?: Explanation) {
  const { rootCause } = incident
  return {
    incident_id: incident.id,
    title: incident.title,
    severity: incident.severity,
    level: levelOf[incident.severity],
    state: incident.state,
    reopened: incident.reopened,
    root_cause:
      rootCause.kind === 'found'
        ? {
            failure_id: rootCause.failureId,
            failure_type: rootCause.type,
            confidence: rootCause.confidence,
            evidence: rootCause.evidence,
          }
        : {
            inconclusive: rootCause.candidates.map(({ failureId, type }) => ({
              failure_id: failureId,
              failure_type: type,
            })),
          },
    symptoms: incident.symptoms,
    failure_count: incident.memberCount,
    timeline: incident.timeline.map(({ atMs, failureId, text }) => ({
      time: time(atMs),
      failure_id: failureId,
      text,
    })),
    components: incident.components,
    services: incident.services,
    cascade: incident.cascade,
    merged: incident.merged,
    ...(incident.state === 'merged' ? { merged_into: incident.into } : {}),
    opened_at: time(incident.openedAtMs),
    acknowledged_at: incident.acknowledgedAtMs === undefined ? null : time(incident.acknowledgedAtMs),
    ...(incident.state === 'resolved' ? { resolved_at: time(incident.resolvedAtMs) } : {}),
    ...(explanation ? { explanation: explanationToWire(explanation) } : {}),
  }
}

function changeToWire(change: Change): object {
  if ('failure' in change) return failureToWire(change)
  if ('incident' in change) return incidentToWire(change.incident, change.explanation)
  if (change.type === 'source_problem')
    return { source: change.source, message: change.message, solved: change.solved }
  return problemToWire(change)
}

export const problemToWire = ({ file, pattern, message }: Problem): object => ({
  file,
  pattern: pattern ?? null,
  message,
})

/** An event of the stream. `demo` marks those of the bundled outage. */
export function eventToWire({ seq, atMs, change }: StoredEvent, { demo }: { demo: boolean }): object {
  return { type: change.type, seq, time: time(atMs), ...(demo ? { demo } : {}), ...changeToWire(change) }
}

export function detectionToWire({ type, component, message, match }: Detection) {
  return {
    failure_type: type.type,
    pattern: match.patternId,
    severity: type.severity,
    category: type.category,
    confidence: match.confidence,
    component,
    title: type.title,
    message,
    captures: match.captures,
  }
}

export function typeToWire(type: FailureType, patterns: readonly CompiledPattern[]) {
  const { threshold, advice } = type
  return {
    type: type.type,
    title: type.title,
    family: type.family,
    file: type.file,
    severity: type.severity,
    category: type.category,
    component: type.component,
    enabled: type.enabled,
    threshold: {
      count: threshold.count,
      window_seconds: threshold.windowMs / 1000,
      from: threshold.from,
      why: threshold.why ?? null,
    },
    group_by: type.groupBy,
    caused_by: type.causedBy,
    suppresses: type.suppresses,
    explanation: advice.explanation ?? null,
    patterns: patterns
      .filter((pattern) => pattern.type === type.type)
      .map(({ id, confidence, captures, atoms, recovers }) => ({
        id,
        confidence,
        captures,
        atoms: atoms ?? [],
        recovers,
      })),
  }
}

/** Which events a subscriber wants; everything where nothing is said. */
export type EventFilter = Readonly<{
  types?: readonly string[] | undefined
  severity?: Severity | undefined
  failureTypes?: readonly string[] | undefined
  services?: readonly string[] | undefined
}>

export function passes(change: Change, { types, severity, failureTypes, services }: EventFilter): boolean {
  if (types && !types.includes(change.type)) return false
  if ('failure' in change) {
    const { failure } = change
    return (
      isAtLeast(failure.severity, severity) &&
      isAmong([failure.type], failureTypes) &&
      isAmong([failure.service], services)
    )
  }
  if ('incident' in change) {
    const { incident } = change
    const { rootCause } = incident
    const rootTypes = rootCause.kind === 'found' ? [rootCause.type] : rootCause.candidates.map(({ type }) => type)
    return (
      isAtLeast(incident.severity, severity) &&
      isAmong(rootTypes, failureTypes) &&
      isAmong(incident.services, services)
    )
  }
  return failureTypes === undefined && services === undefined
}

const isAtLeast = (severity: Severity, least: Severity | undefined): boolean =>
  least === undefined || severities.indexOf(severity) >= severities.indexOf(least)
const isAmong = (values: readonly string[], wanted: readonly string[] | undefined): boolean =>
  wanted === undefined || values.some((value) => wanted.includes(value))

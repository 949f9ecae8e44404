import type { FailureType, Threshold } from '../catalog/compile.js'
import type { Severity } from '../catalog/schema.js'
import type { Sighting } from './window.js'

/** One match of a pattern in a record, counted once for its type. */
export type Match = Readonly<{
  type: string
  patternId: string
  confidence: number
  message: string | undefined
  captures: Readonly<Record<string, string>>
  service: string
  keys: Readonly<Record<string, string>>
  source: string
  /** What the source's bytes are told apart by, wherever they are read from. */
  identity: string
  position: number
  atMs: number
  arrivedMs: number
  evidence: Evidence
}>

export type Evidence = Readonly<{ text: string; before: readonly string[]; after: readonly string[]; cut: boolean }>

/** A failure that passed its threshold. Times are event times, but for `lastArrivedMs`. */
export type Failure = Readonly<{
  id: string
  type: string
  /** What the matches were grouped by; one failure is active for each type and key. */
  key: string
  title: string
  message: string
  severity: Severity
  category: string
  component: string
  service: string
  keys: Readonly<Record<string, string>>
  captures: Readonly<Record<string, string>>
  confidence: number
  threshold: Threshold
  quietMs: number
  patternId: string
  /** Where its newest match stands; its silence is watched there. */
  source: string
  evidence: Evidence & { readonly source: string; readonly position: number }
  firstSeenMs: number
  lastSeenMs: number
  lastArrivedMs: number
  count: number
  reopened: boolean
  /** The count and the time of the last event that told of it. */
  toldCount: number
  toldAtMs: number
}> &
  (Readonly<{ state: 'active' }> | Readonly<{ state: 'resolved'; resolvedAtMs: number }>)

/** The values that a match is grouped by, as one text. */
export function keyOf(match: Match, groupBy: readonly string[]): string {
  return groupBy.map((name) => groupValue(match, name)).join('\u0000')
}

function groupValue(match: Match, name: string): string {
  if (name === 'service') return match.service
  return match.captures[name] ?? match.keys[name] ?? ''
}

/**
 * Fills `{capture}`s. One that the match does not have reads as the words behind its bar, as in `{model|the model}`, or else as a
 * dash.
 */
export function fillCaptures(text: string, captures: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\{(\w+)(?:\|([^{}]*))?\}/g,
    (_, name: string, otherwise: string | undefined) =>
      (Object.hasOwn(captures, name) ? captures[name] : otherwise) ?? '—',
  )
}

/** The component a match blames: a capture, the record's service, or what the type says. */
export function componentOf(
  type: FailureType,
  match: Match,
  componentOfService: (service: string) => string,
): string {
  if (type.component === '$service') return componentOfService(match.service)
  const filled = fillCaptures(type.component, match.captures)
  return filled.includes('—') ? componentOfService(match.service) : filled
}

type Opening = Readonly<{
  id: string
  key: string
  match: Match
  type: FailureType
  component: string
  sightings: readonly Sighting[]
}>

/** A failure is born with the match that completes its window. */
export function openFailure({ id, key, match, type, component, sightings }: Opening): Failure {
  const grouped = type.groupBy
    .filter((name) => name !== 'service')
    .map((name) => [name, groupValue(match, name)] as const)
    .filter(([, value]) => value !== '')
  const lastSeenMs = Math.max(...sightings.map(({ atMs }) => atMs))
  return {
    id,
    type: type.type,
    key,
    title: type.title,
    message: `${match.service}: ${match.message === undefined ? type.title : fillCaptures(match.message, match.captures)}`,
    severity: type.severity,
    category: type.category,
    component,
    service: match.service,
    keys: { ...match.keys, ...Object.fromEntries(grouped) },
    captures: match.captures,
    confidence: match.confidence,
    threshold: type.threshold,
    quietMs: type.quietMs,
    patternId: match.patternId,
    source: match.source,
    evidence: { ...match.evidence, source: match.source, position: match.position },
    firstSeenMs: Math.min(...sightings.map(({ atMs }) => atMs)),
    lastSeenMs,
    lastArrivedMs: match.arrivedMs,
    count: sightings.length,
    reopened: false,
    toldCount: sightings.length,
    toldAtMs: lastSeenMs,
    state: 'active',
  }
}

/** The failure with one more match. */
export function countMatch(failure: Failure, match: Match): Failure {
  const newest = match.atMs >= failure.lastSeenMs
  return {
    ...failure,
    count: failure.count + 1,
    firstSeenMs: Math.min(failure.firstSeenMs, match.atMs),
    lastSeenMs: Math.max(failure.lastSeenMs, match.atMs),
    lastArrivedMs: Math.max(failure.lastArrivedMs, match.arrivedMs),
    source: newest ? match.source : failure.source,
  }
}

const minuteMs = 60_000

/** Growth is told at each power of two, and once a minute of event time. */
export function isWorthTelling(failure: Failure): boolean {
  const powerOfTwo = Number.isInteger(Math.log2(failure.count))
  return (powerOfTwo && failure.count > failure.toldCount) || failure.lastSeenMs - failure.toldAtMs >= minuteMs
}

export const tell = (failure: Failure): Failure => ({
  ...failure,
  toldCount: failure.count,
  toldAtMs: failure.lastSeenMs,
})

import { severities, type Cascade, type Severity } from '../catalog/schema.js'
import { durationMs } from '../catalog/schema.js'
import type { Failure } from '../detect/failure.js'
import { explains, type Declared } from './links.js'

/** The member that explains the others, or the members among which the evidence does not decide. */
export type RootCause =
  | Readonly<{ kind: 'found'; failureId: string; type: string; confidence: number; evidence: readonly string[] }>
  | Readonly<{ kind: 'inconclusive'; candidates: readonly { failureId: string; type: string }[] }>

export type Moment = Readonly<{ atMs: number; failureId: string; text: string }>

/** Failures that belong together. A lone failure is an incident of one, its own root. */
export type Incident = Readonly<{
  id: string
  title: string
  severity: Severity
  rootCause: RootCause
  /** The other members, the oldest first; the first hundred. */
  symptoms: readonly string[]
  memberCount: number
  components: readonly string[]
  services: readonly string[]
  timeline: readonly Moment[]
  cascade: string | null
  merged: readonly string[]
  reopened: boolean
  openedAtMs: number
  acknowledgedAtMs: number | undefined
}> &
  (
    | Readonly<{ state: 'open' }>
    | Readonly<{ state: 'resolved'; resolvedAtMs: number }>
    | Readonly<{ state: 'merged'; into: string }>
  )

/** Below this share of the best candidate's score, the lead over the next one decides nothing. */
const marginMin = 0.15
const evidenceMax = 6

const severityRank = (severity: Severity): number => severities.indexOf(severity)

/** The gravest of some severities. */
export const worst = (all: readonly Severity[]): Severity =>
  all.reduce((a, b) => (severityRank(b) > severityRank(a) ? b : a), 'low')

/**
 * Finds the root among failures that belong together: each is scored by how much it explains of the others, and the margin over the
 * next is the confidence.
 * @param members one failure for each type and component, the oldest first
 */
export function findRootCause(members: readonly Failure[], declared: Declared): RootCause {
  const [only] = members
  if (only && members.length === 1)
    return {
      kind: 'found',
      failureId: only.id,
      type: only.type,
      confidence: only.confidence,
      evidence: ['it is the only failure'],
    }
  const scored = members
    .map((cause) => {
      const evidence = members.flatMap((effect) => (effect === cause ? [] : explains(cause, effect, declared)))
      return { cause, evidence, score: evidence.reduce((sum, { weight }) => sum + weight, 0) }
    })
    .toSorted((a, b) => b.score - a.score)
  const [best, second] = scored
  if (!best || !second) return { kind: 'inconclusive', candidates: [] }
  const margin = best.score > 0 ? (best.score - second.score) / best.score : 0
  if (margin < marginMin) {
    const close = scored.filter(({ score }) => score >= best.score * (1 - marginMin))
    return { kind: 'inconclusive', candidates: close.map(({ cause }) => ({ failureId: cause.id, type: cause.type })) }
  }
  const strongest = best.evidence.toSorted((a, b) => b.weight - a.weight).map(({ text }) => text)
  const confidence = Math.round(Math.min(0.99, 0.5 + margin / 2) * 100) / 100
  return {
    kind: 'found',
    failureId: best.cause.id,
    type: best.cause.type,
    confidence,
    evidence: [...new Set(strongest)].slice(0, evidenceMax),
  }
}

/** The first known shape that the members have. */
export function findCascade(
  cascades: readonly Cascade[],
  members: readonly Failure[],
  { rootCause, declared }: { rootCause: RootCause; declared: Declared },
): Cascade | undefined {
  return cascades.find((cascade) =>
    cascade.all ? hasAll(cascade, members) : hasRoot(cascade, members, { rootCause, declared }),
  )
}

/** Whether a failure and others that are not linked to it make up a known shape together. */
export function completesCascade(cascade: Cascade, members: readonly Failure[]): boolean {
  return cascade.all !== undefined && hasAll(cascade, members)
}

function hasAll({ all = [], within, same }: Cascade, members: readonly Failure[]): boolean {
  const byType = all.map((type) => members.filter((member) => member.type === type))
  const withinMs = durationMs(within)
  return (byType[0] ?? []).some((first) =>
    byType.every((group) =>
      group.some(
        (member) =>
          Math.abs(member.firstSeenMs - first.firstSeenMs) <= withinMs &&
          same.every((name) => member.keys[name] !== undefined && member.keys[name] === first.keys[name]),
      ),
    ),
  )
}

function hasRoot(
  { root, then_at_least: least, within, same }: Cascade,
  members: readonly Failure[],
  { rootCause, declared }: { rootCause: RootCause; declared: Declared },
): boolean {
  if (rootCause.kind !== 'found' || (root !== '*' && root !== rootCause.type)) return false
  const cause = members.find(({ id }) => id === rootCause.failureId)
  if (!cause) return false
  const explained = members.filter(
    (member) =>
      member !== cause &&
      member.firstSeenMs - cause.firstSeenMs <= durationMs(within) &&
      same.every((name) => member.keys[name] !== undefined && member.keys[name] === cause.keys[name]) &&
      explains(cause, member, declared).length > 0,
  )
  return new Set(explained.map(({ type }) => type)).size >= least
}

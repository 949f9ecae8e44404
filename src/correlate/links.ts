import type { FailureType } from '../catalog/compile.js'
import type { Failure } from '../detect/failure.js'
import type { Topology } from './topology.js'

/** Evidence that two failures belong together: each piece says why, and how much that weighs. */
export type Evidence = Readonly<{ weight: number; text: string }>

/** Types and topology: what is declared about failures, apart from any one of them. */
export type Declared = Readonly<{ types: ReadonlyMap<string, FailureType>; topology: Topology }>

const secondMs = 1000
/** Two failures that began further apart than this have no evidence from time. */
const onsetMsMax = 300 * secondMs
/** Clocks of two machines may differ by this much; a cause may seem to come later by as much. */
export const skewMs = 5 * secondMs
/** From this much evidence on, two failures are one incident: a structural reason and closeness in time, or two reasons. */
const linkedFrom = 0.55

const weights = {
  cause: 0.45,
  dependsDirectly: 0.35,
  dependsFar: 0.3,
  sameComponent: 0.35,
  sharedKey: 0.35,
  onset: 0.3,
}

/** The evidence that two failures belong together, the strongest first; empty when it is not enough. */
export function linkEvidence(a: Failure, b: Failure, declared: Declared): Evidence[] {
  const structural = [
    ...causeEvidence(a, b, declared),
    ...causeEvidence(b, a, declared),
    ...componentEvidence(a, b, declared),
    ...keyEvidence(a, b),
  ]
  if (structural.length === 0) return []
  const apartMs = Math.abs(a.firstSeenMs - b.firstSeenMs)
  const closeness = weights.onset * Math.max(0, 1 - apartMs / onsetMsMax)
  const evidence = [
    ...structural,
    ...(closeness > 0 ? [{ weight: closeness, text: `began ${seconds(apartMs)} apart` }] : []),
  ]
  const total = evidence.reduce((sum, { weight }) => sum + weight, 0)
  return total >= linkedFrom ? evidence.toSorted((x, y) => y.weight - x.weight) : []
}

/** All declared causes of each type, worked out once for each catalogue. */
const closures = new WeakMap<Declared['types'], Map<string, ReadonlySet<string>>>()

/** Whether `effect`'s type is declared to be caused by `cause`'s, directly or through other types. */
export function isDeclaredCause(cause: string, effect: string, types: Declared['types']): boolean {
  let closure = closures.get(types)
  if (!closure) closures.set(types, (closure = new Map()))
  let causes = closure.get(effect)
  if (!causes) closure.set(effect, (causes = causesOf(effect, types)))
  return causes.has(cause)
}

function causesOf(effect: string, types: Declared['types']): ReadonlySet<string> {
  const causes = new Set<string>()
  for (let reached: readonly string[] = [effect]; reached.length > 0;) {
    reached = reached.flatMap((type) => types.get(type)?.causedBy ?? []).filter((type) => !causes.has(type))
    for (const type of reached) causes.add(type)
  }
  return causes
}

function causeEvidence(cause: Failure, effect: Failure, { types }: Declared): Evidence[] {
  if (!isDeclaredCause(cause.type, effect.type, types)) return []
  return [{ weight: weights.cause, text: `${cause.type} is a declared cause of ${effect.type}` }]
}

function componentEvidence(a: Failure, b: Failure, { topology }: Declared): Evidence[] {
  if (a.component === b.component) return [{ weight: weights.sameComponent, text: `both blame ${a.component}` }]
  const pairs = [[a, b] as const, [b, a] as const]
  for (const [from, on] of pairs) {
    const steps = topology.distance({ from: from.component, on: on.component })
    if (steps === 1)
      return [{ weight: weights.dependsDirectly, text: `${from.component} depends on ${on.component}` }]
    if (steps > 1)
      return [{ weight: weights.dependsFar, text: `${from.component} depends on ${on.component} through others` }]
  }
  return []
}

function keyEvidence(a: Failure, b: Failure): Evidence[] {
  const shared = Object.entries(a.keys).find(([name, value]) => b.keys[name] === value)
  return shared ? [{ weight: weights.sharedKey, text: `both have ${shared[0]}=${shared[1]}` }] : []
}

/** How much of `effect` is explained by `cause`, and why; nothing when the cause came later than it. */
export function explains(cause: Failure, effect: Failure, { types, topology }: Declared): Evidence[] {
  const leadMs = effect.firstSeenMs - cause.firstSeenMs
  if (leadMs < -skewMs) return []
  const evidence: Evidence[] = []
  if (isDeclaredCause(cause.type, effect.type, types))
    evidence.push({ weight: 1.5, text: `${cause.type} is a declared cause of ${effect.type}` })
  const steps = topology.distance({ from: effect.component, on: cause.component })
  if (steps > 0)
    evidence.push({ weight: steps === 1 ? 1 : 0.8, text: `${effect.component} depends on ${cause.component}` })
  if (evidence.length === 0 && cause.component !== effect.component) return []
  if (leadMs > 0)
    evidence.push({
      weight: 0.5 * Math.min(1, leadMs / (30 * secondMs)),
      text: `began ${seconds(leadMs)} before ${effect.type}`,
    })
  return evidence
}

const seconds = (ms: number): string =>
  ms < 10 * secondMs ? `${(ms / secondMs).toFixed(1)} s` : `${Math.round(ms / secondMs)} s`

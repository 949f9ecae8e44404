import type { Advice, Catalog, PatternAdvice } from '../catalog/compile.js'
import type { Cascade } from '../catalog/schema.js'
import { durationMs } from '../catalog/schema.js'
import { fillCaptures, type Failure } from '../detect/failure.js'
import type { Incident } from './incident.js'

/** What happened and what to do, in plain sentences with the captured values filled in. */
export type Explanation = Readonly<{
  rootCause: string
  recommendations: readonly string[]
  confidence: number
  userActionRequired: boolean
  impact: Readonly<{
    services: readonly string[]
    users: readonly string[]
    dataLossRisk: string
    recoveryTime: string
  }>
  recovery: Readonly<Record<'immediate' | 'automated' | 'manual' | 'rollback' | 'prevention', readonly string[]>>
  escalationLevel: number
  mttrTargetSeconds: number | null
}>

const nothingKnown: Advice = {
  explanation: undefined,
  impact: undefined,
  recovery: undefined,
  escalationLevel: 1,
  mttrMs: undefined,
}

/** Explains one failure from what its pattern and its type say about it. */
export function explainFailure(failure: Failure, catalog: Pick<Catalog, 'types' | 'advice'>): Explanation {
  const values = { ...failure.keys, ...failure.captures, service: failure.service, component: failure.component }
  const known = catalog.types.get(failure.type)?.advice ?? nothingKnown
  const advice = withPattern(known, catalog.advice.get(failure.patternId))
  const explanation = explain(advice, { values, confidence: failure.confidence })
  const services = explanation.impact.services.length > 0 ? explanation.impact.services : [failure.service]
  const rootCause =
    explanation.rootCause ||
    `${failure.title} in ${failure.service}; no explanation is written for ${failure.type} yet.`
  return { ...explanation, rootCause, impact: { ...explanation.impact, services } }
}

/** Explains an incident: its known shape if it has one, else its root, else that the evidence does not decide. */
export function explainIncident(
  incident: Incident,
  { root, cascade }: { root: Explanation | undefined; cascade: Cascade | undefined },
): Explanation {
  const { rootCause } = incident
  const confidence = rootCause.kind === 'found' ? rootCause.confidence : 0
  const basis = cascade ? explain(adviceOf(cascade), { values: {}, confidence }) : root
  const shown = basis ?? explain(nothingKnown, { values: {}, confidence })
  const candidates = rootCause.kind === 'inconclusive' ? rootCause.candidates.map(({ type }) => type).join(', ') : ''
  const undecided =
    candidates === '' ? '' : `Inconclusive: the evidence does not tell which of ${candidates} came first. `
  const services = [...new Set([...incident.services, ...shown.impact.services])]
  return { ...shown, confidence, rootCause: undecided + shown.rootCause, impact: { ...shown.impact, services } }
}

/** The pattern knows the form: its cause replaces the type's, its steps come before them. */
function withPattern(advice: Advice, pattern: PatternAdvice | undefined): Advice {
  if (!pattern) return advice
  const { explanation, recovery } = pattern
  const steps = (kind: keyof NonNullable<Advice['recovery']>): string[] => [
    ...(recovery?.[kind] ?? []),
    ...(advice.recovery?.[kind] ?? []),
  ]
  return {
    ...advice,
    explanation: {
      root_cause: explanation?.root_cause ?? advice.explanation?.root_cause ?? '',
      recommendations: [...(explanation?.recommendations ?? []), ...(advice.explanation?.recommendations ?? [])],
      user_action_required: explanation?.user_action_required ?? advice.explanation?.user_action_required ?? true,
    },
    recovery: {
      immediate: steps('immediate'),
      automated: steps('automated'),
      manual: steps('manual'),
      rollback: steps('rollback'),
      prevention: steps('prevention'),
    },
  }
}

const adviceOf = (cascade: Cascade): Advice => ({
  explanation: cascade.explanation,
  impact: cascade.impact,
  recovery: cascade.recovery,
  escalationLevel: cascade.escalation_level,
  mttrMs: cascade.mttr_target === undefined ? undefined : durationMs(cascade.mttr_target),
})

function explain(
  { explanation, impact, recovery, escalationLevel, mttrMs }: Advice,
  { values, confidence }: { values: Readonly<Record<string, string>>; confidence: number },
): Explanation {
  const filled = (texts: readonly string[] | undefined): string[] =>
    (texts ?? []).map((text) => fillCaptures(text, values))
  return {
    rootCause: fillCaptures(explanation?.root_cause ?? '', values),
    recommendations: filled(explanation?.recommendations),
    confidence,
    userActionRequired: explanation?.user_action_required ?? true,
    impact: {
      services: filled(impact?.services),
      users: filled(impact?.users),
      dataLossRisk: impact?.data_loss_risk ?? 'unknown',
      recoveryTime: impact?.recovery_time ?? 'unknown',
    },
    recovery: {
      immediate: filled(recovery?.immediate),
      automated: filled(recovery?.automated),
      manual: filled(recovery?.manual),
      rollback: filled(recovery?.rollback),
      prevention: filled(recovery?.prevention),
    },
    escalationLevel,
    mttrTargetSeconds: mttrMs === undefined ? null : mttrMs / 1000,
  }
}

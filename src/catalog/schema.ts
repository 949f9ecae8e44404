import * as z from 'zod'

/** What pattern files, `topology.json` and `cascades.json` may hold. `patterns/schema.json` is generated from here. */

export const severities = ['low', 'medium', 'high', 'critical'] as const
export type Severity = (typeof severities)[number]
export const categories = [
  'pydantic', 'sdk', 'database', 'resource', 'composite', 'platform', 'security', 'provider', 'orchestration',
] as const // prettier-ignore
export const thresholdGroups = ['pydantic', 'sdk', 'db'] as const
export type ThresholdGroup = (typeof thresholdGroups)[number]

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const durationText = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** A duration as people write it (`200ms`, `30s`, `15m`, `1h`, `2d`), in milliseconds. */
export const durationMs = (text: string): number => {
  const parts = durationText.exec(text)
  if (!parts) throw new RangeError(`"${text}" is not a duration such as 30s, 15m or 1h`)
  return Number(parts[1]) * (unitMs[parts[2] ?? ''] ?? NaN)
}

export const Duration = z.string().regex(durationText, 'a duration such as 30s, 15m or 1h is expected')
const TypeName = z.string().regex(/^[A-Z][A-Z0-9_]{2,63}$/, 'a type is written in capitals, as in DATABASE_TIMEOUT')
const Text = z.string().min(1).max(2000)
const Texts = z.array(Text).max(30)

const Threshold = z.strictObject({
  count: z.int().min(1).max(100_000).optional(),
  group: z.enum(thresholdGroups).optional(),
  window: Duration.default('1h'),
  why: Text.optional(),
})

/** Scope by name globs: `service` is the record's, `source` its identity such as `file:/var/log/api.log`. */
const Scope = z.strictObject({ service: z.array(Text).optional(), source: z.array(Text).optional() })

export const exampleCharactersMax = 20_000

const Explanation = z.strictObject({
  root_cause: Text,
  recommendations: Texts.default([]),
  user_action_required: z.boolean().default(true),
})

const Recovery = z.strictObject({
  immediate: Texts.default([]),
  automated: Texts.default([]),
  manual: Texts.default([]),
  rollback: Texts.default([]),
  prevention: Texts.default([]),
})

export const Pattern = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'an id is lower-case words joined by "-"'),
  about: Text.optional(),
  match: z.string().min(1).max(4000),
  unless: z.string().min(1).max(4000).optional(),
  /** Records that name a lower level than this do not match. */
  min_level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  /** Match also where a line only talks about the failure: a test's name, a chat message, a help text, a request line. */
  quoted: z.boolean().default(false),
  confidence: z.number().min(0).max(1).default(0.9),
  message: Text.optional(),
  /** Values that every match has, like captures, where the expression does not find them in the text: `{"provider": "anthropic"}`. */
  set: z.record(z.string().regex(/^\w{1,64}$/, 'a name of letters, digits and "_" is expected'), Text).optional(),
  only: Scope.optional(),
  except: Scope.optional(),
  examples: z.strictObject({
    match: z.array(z.string().min(1).max(exampleCharactersMax)).min(1),
    ignore: z.array(z.string().min(1).max(exampleCharactersMax)).min(1),
  }),
  /** What this form of the failure means, where that is more than its type says: the cause is said instead, the steps come first. */
  explanation: Explanation.partial().optional(),
  recovery: Recovery.partial().optional(),
})
export type Pattern = z.infer<typeof Pattern>

const Impact = z.strictObject({
  services: Texts.default([]),
  users: Texts.default([]),
  data_loss_risk: z.enum(['none', 'low', 'medium', 'high']).default('low'),
  recovery_time: Text.optional(),
})

const Advice = {
  explanation: Explanation.optional(),
  impact: Impact.optional(),
  recovery: Recovery.optional(),
  escalation_level: z.int().min(1).max(3).default(1),
  mttr_target: Duration.optional(),
}

/** What a type is. Other families may add patterns to it by naming the type only. */
const definitionFields = {
  title: Text.optional(),
  severity: z.enum(severities).optional(),
  category: z.enum(categories).optional(),
  component: z.string().min(1).max(100).optional(),
  threshold: Threshold.optional(),
  quiet: Duration.optional(),
  group_by: z.array(z.string().min(1).max(64)).max(8).optional(),
  caused_by: z.array(TypeName).optional(),
  suppresses: z.array(TypeName).optional(),
  /** Listed before whatever else a record shows. */
  first: z.boolean().optional(),
  recovered_by: z.string().min(1).max(4000).optional(),
  only: Scope.optional(),
  except: Scope.optional(),
  explanation: Explanation.optional(),
  impact: Impact.optional(),
  recovery: Recovery.optional(),
  escalation_level: z.int().min(1).max(3).optional(),
  mttr_target: Duration.optional(),
}

export const Failure = z.strictObject({ type: TypeName, ...definitionFields, patterns: z.array(Pattern).default([]) })
export type FailureEntry = z.infer<typeof Failure>
export const definitionKeys = Object.keys(definitionFields) as (keyof typeof definitionFields)[]

export const Family = z.strictObject({
  $schema: z.string().optional(),
  family: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'a family is lower-case words joined by "-"'),
  about: Text.optional(),
  failures: z.array(Failure).min(1),
})
export type Family = z.infer<typeof Family>

export const TopologyFile = z.strictObject({
  $schema: z.string().optional(),
  about: Text.optional(),
  components: z.record(
    z.string().min(1).max(100),
    z.strictObject({ services: z.array(Text).optional(), depends_on: z.array(Text).default([]) }),
  ),
})
export type TopologyFile = z.infer<typeof TopologyFile>

export const Cascade = z
  .strictObject({
    type: TypeName,
    title: Text,
    about: Text.optional(),
    severity: z.enum(severities).default('critical'),
    category: z.enum(categories).default('composite'),
    all: z.array(TypeName).min(2).optional(),
    /** A type, or `*` for any. */
    root: z.union([TypeName, z.literal('*')]).optional(),
    then_at_least: z.int().min(1).default(2),
    within: Duration.default('2m'),
    same: z.array(z.string().min(1)).default([]),
    ...Advice,
  })
  .refine(({ all, root }) => (all === undefined) !== (root === undefined), 'either "all" or "root" is expected')
export type Cascade = z.infer<typeof Cascade>

/** JSON Schema of a family file, for editors. */
export function familyJsonSchema(): object {
  return z.toJSONSchema(Family, { io: 'input', target: 'draft-7' })
}

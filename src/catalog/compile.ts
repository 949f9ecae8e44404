import RE2 from 're2'
import picomatch from 'picomatch'
import { atomsOf } from './atoms.js'
import { canSpanLines, captureNames, parseRegex, printRegex, RegexError, some } from './regex.js'
import { levels } from '../lines/decode.js'
import {
  definitionKeys,
  durationMs,
  type Cascade,
  type Family,
  type FailureEntry,
  type Pattern,
  type Severity,
  type ThresholdGroup,
  type TopologyFile,
} from './schema.js'

/** One family file that could be read, and where it came from. Later folders win over earlier ones. */
export type FamilyFile = Readonly<{ file: string; folder: number; family: Family }>

/** What is wrong with a pattern file, for the person who wrote it. */
export type Problem = Readonly<{ file: string; pattern: string | undefined; message: string }>

export type Threshold = Readonly<{ count: number; windowMs: number; from: string; why: string | undefined }>

/** What a failure type is; see CONTRACT.md section 5. */
export type FailureType = Readonly<{
  type: string
  family: string
  file: string
  title: string
  severity: Severity
  category: string
  component: string
  threshold: Threshold
  quietMs: number
  groupBy: readonly string[]
  causedBy: readonly string[]
  suppresses: readonly string[]
  /** Listed before whatever else a record shows. */
  first: boolean
  enabled: boolean
  advice: Advice
}>

export type Advice = Readonly<Pick<FailureEntry, 'explanation' | 'impact' | 'recovery'>> & {
  readonly escalationLevel: number
  readonly mttrMs: number | undefined
}

/** What a pattern says about its form of the failure, before and instead of what the type says. */
export type PatternAdvice = Pick<Pattern, 'explanation' | 'recovery'>

export type CompiledPattern = Readonly<{
  /** `family.id`, unique in the catalogue. */
  id: string
  file: string
  type: string
  /** A match resolves the type's failures instead of counting towards one. */
  recovers: boolean
  source: string
  expression: RE2
  unless: RE2 | undefined
  captures: readonly string[]
  /** What every match is said to have captured besides. */
  set: Readonly<Record<string, string>>
  atoms: readonly string[] | undefined
  confidence: number
  minLevel: number
  /** Also matches in lines that only talk about the failure. */
  quoted: boolean
  message: string | undefined
  inScope: (service: string, source: string) => boolean
  /** `line`: a match inside one line stands, whatever follows. `record`: it is known when the record is. */
  decidedBy: 'line' | 'record'
  /** Holds `^`, which in a record means its first line. */
  atRecordStart: boolean
  examples: Pattern['examples'] | undefined
  advice: PatternAdvice | undefined
}>

export type Overrides = Readonly<
  Record<
    string,
    {
      count?: number | undefined
      window?: string | undefined
      severity?: Severity | undefined
      enabled?: boolean | undefined
    }
  >
>

export type CompileOptions = Readonly<{
  /** Thresholds of the groups, from the environment. */
  groups: Readonly<Partial<Record<ThresholdGroup, number>>>
  overrides: Overrides
}>

export type Catalog = Readonly<{
  types: ReadonlyMap<string, FailureType>
  patterns: readonly CompiledPattern[]
  /** By pattern id; only of patterns that say more than their type. */
  advice: ReadonlyMap<string, PatternAdvice>
  topology: TopologyFile
  cascades: readonly Cascade[]
  problems: readonly Problem[]
}>

export type CatalogSources = Readonly<{
  families: readonly FamilyFile[]
  topology: TopologyFile
  cascades: readonly Cascade[]
  problems: readonly Problem[]
}>

const hourMs = 3_600_000
const quietMsMax = 900_000

/** Compiles family files into a catalogue. A bad pattern becomes a problem; the others live. */
export function compileCatalog(sources: CatalogSources, options: CompileOptions): Catalog {
  const problems: Problem[] = [...sources.problems]
  const definitions = mergeDefinitions(sources.families, problems)
  const types = new Map(
    [...definitions].map(([name, definition]) => [name, buildType(name, definition, options)] as const),
  )
  const suppressed = new Set([...types.values()].flatMap(({ suppresses }) => suppresses))
  const patterns = new Map<string, CompiledPattern>()
  const folderOf = new Map(sources.families.map(({ file, folder }) => [file, folder] as const))
  for (const file of sources.families)
    for (const failure of file.family.failures) {
      if (!types.has(failure.type)) continue
      for (const compiled of compileFailure(file, failure, suppressed, problems)) {
        const known = patterns.get(compiled.id)
        if (known && known.file !== file.file && folderOf.get(known.file) === file.folder)
          problems.push({
            file: file.file,
            pattern: compiled.id,
            message: `stands in ${known.file} too; this one is used`,
          })
        patterns.set(compiled.id, compiled)
      }
    }
  checkNames(types, problems)
  for (const name of Object.keys(options.overrides))
    if (!types.has(name))
      problems.push({ file: 'overrides', pattern: undefined, message: `${name} is a type that no family defines` })
  const live = [...patterns.values()].filter(({ type }) => types.get(type)?.enabled)
  const advice = new Map(live.flatMap((pattern) => (pattern.advice ? [[pattern.id, pattern.advice] as const] : [])))
  return { types, patterns: live, advice, topology: sources.topology, cascades: sources.cascades, problems }
}

type Definition = { entry: FailureEntry; file: FamilyFile }

/** Every type's one definition: the last folder's. Two different ones in a folder are a problem, and the first stays. */
function mergeDefinitions(files: readonly FamilyFile[], problems: Problem[]): Map<string, Definition> {
  const definitions = new Map<string, Definition>()
  for (const file of files)
    for (const entry of file.family.failures) {
      if (!definitionKeys.some((key) => entry[key] !== undefined)) continue
      const known = definitions.get(entry.type)
      if (!known || known.file.folder < file.folder) definitions.set(entry.type, { entry, file })
      else if (JSON.stringify(definitionOf(known.entry)) !== JSON.stringify(definitionOf(entry)))
        problems.push({
          file: file.file,
          pattern: undefined,
          message: `${entry.type} is already defined in ${known.file.file}, differently; a family that only adds patterns names the type alone`,
        })
    }
  for (const file of files)
    for (const { type } of file.family.failures)
      if (!definitions.has(type)) {
        definitions.set(type, { entry: { type, patterns: [] }, file })
        problems.push({
          file: file.file,
          pattern: undefined,
          message: `${type} is not defined anywhere: it has no title, severity or category`,
        })
      }
  return definitions
}

const definitionOf = (entry: FailureEntry): unknown => definitionKeys.map((key) => entry[key])

function buildType(type: string, { entry, file }: Definition, { groups, overrides }: CompileOptions): FailureType {
  const override = overrides[type]
  const threshold = buildThreshold(entry, groups, override)
  return {
    type,
    family: file.family.family,
    file: file.file,
    title: entry.title ?? type.toLowerCase().replaceAll('_', ' '),
    severity: override?.severity ?? entry.severity ?? 'medium',
    category: entry.category ?? 'platform',
    component: entry.component ?? '$service',
    threshold,
    quietMs: entry.quiet === undefined ? Math.min(threshold.windowMs, quietMsMax) : durationMs(entry.quiet),
    groupBy: entry.group_by ?? ['service'],
    causedBy: entry.caused_by ?? [],
    suppresses: entry.suppresses ?? [],
    first: entry.first ?? false,
    enabled: override?.enabled ?? true,
    advice: {
      explanation: entry.explanation,
      impact: entry.impact,
      recovery: entry.recovery,
      escalationLevel: entry.escalation_level ?? 1,
      mttrMs: entry.mttr_target === undefined ? undefined : durationMs(entry.mttr_target),
    },
  }
}

/** `overrides` win over the pattern file, a group's count comes from the environment, and without either it is 1. */
function buildThreshold(
  entry: FailureEntry,
  groups: CompileOptions['groups'],
  override: Overrides[string] | undefined,
): Threshold {
  const { threshold } = entry
  const windowMs = override?.window ? durationMs(override.window) : threshold ? durationMs(threshold.window) : hourMs
  const because = { windowMs, why: threshold?.why }
  if (override?.count !== undefined) return { ...because, count: override.count, from: `overrides.${entry.type}` }
  if (threshold?.count !== undefined) return { ...because, count: threshold.count, from: 'pattern file' }
  const fromGroup = threshold?.group && groups[threshold.group]
  if (threshold?.group && fromGroup !== undefined)
    return { ...because, count: fromGroup, from: `group ${threshold.group}` }
  return { ...because, count: 1, from: 'default' }
}

function compileFailure(
  { file, family }: FamilyFile,
  failure: FailureEntry,
  suppressed: ReadonlySet<string>,
  problems: Problem[],
): CompiledPattern[] {
  const compiled: CompiledPattern[] = []
  const attempt = (id: string, make: () => CompiledPattern): void => {
    try {
      compiled.push(make())
    } catch (error) {
      if (!(error instanceof PatternError)) throw error
      problems.push({ file, pattern: id, message: error.message })
    }
  }
  const seen = new Set<string>()
  for (const pattern of failure.patterns) {
    const id = `${family.family}.${pattern.id}`
    if (seen.has(pattern.id))
      problems.push({ file, pattern: id, message: 'this id stands twice; the last one is used' })
    seen.add(pattern.id)
    const shared = { id, file, type: failure.type, recovers: false, waits: suppressed.has(failure.type) }
    attempt(id, () => compilePattern(pattern, failure, shared))
  }
  const { recovered_by: recovery } = failure
  if (recovery !== undefined) {
    const id = `${family.family}.${failure.type.toLowerCase().replaceAll('_', '-')}-recovered`
    const pattern = {
      match: recovery,
      min_level: 'trace',
      quoted: false,
      confidence: 1,
      unless: undefined,
      message: undefined,
    } as const
    attempt(id, () => compilePattern(pattern, failure, { id, file, type: failure.type, recovers: true, waits: true }))
  }
  return compiled
}

class PatternError extends Error {
  override readonly name = 'PatternError'
}

type Compilable = Pick<Pattern, 'match' | 'min_level' | 'quoted' | 'confidence'> &
  Partial<Pick<Pattern, 'unless' | 'message' | 'set' | 'only' | 'except' | 'examples' | 'explanation' | 'recovery'>>

function compilePattern(
  pattern: Compilable,
  failure: FailureEntry,
  shared: { id: string; file: string; type: string; recovers: boolean; waits: boolean },
): CompiledPattern {
  const { tree, source, expression } = compileExpression('match', pattern.match, 'gu')
  const unless =
    pattern.unless === undefined ? undefined : compileExpression('unless', pattern.unless, 'u').expression
  const captures = captureNames(tree)
  const set = pattern.set ?? {}
  if (captures.includes('__proto__')) throw new PatternError('match: a capture cannot be called __proto__')
  const unknown = [...(pattern.message ?? '').matchAll(/\{(\w+)(?:\|[^{}]*)?\}/g)].find(
    ([, name = '']) => !captures.includes(name) && !Object.hasOwn(set, name),
  )
  if (unknown) throw new PatternError(`message: {${unknown[1]}} is no capture of "match"`)
  const { waits, ...identity } = shared
  const atRecordStart = some(tree, (node) => node.kind === 'assert' && node.what === 'textStart')
  const endsText = some(tree, (node) => node.kind === 'assert' && node.what === 'textEnd')
  const waitsForRecord = waits || unless !== undefined || endsText || canSpanLines(tree)
  return {
    ...identity,
    source,
    expression,
    unless,
    captures,
    set,
    atoms: atomsOf(tree),
    confidence: pattern.confidence,
    minLevel: levels.indexOf(pattern.min_level),
    quoted: pattern.quoted,
    message: pattern.message,
    inScope: scopeOf([failure, pattern]),
    decidedBy: waitsForRecord ? 'record' : 'line',
    atRecordStart,
    examples: pattern.examples,
    advice:
      pattern.explanation || pattern.recovery
        ? { explanation: pattern.explanation, recovery: pattern.recovery }
        : undefined,
  }
}

/** Parses for what RE2 does not tell, rewrites `(?i)`, and lets RE2 judge. */
function compileExpression(field: string, text: string, flags: 'u' | 'gu') {
  try {
    const tree = parseRegex(text)
    const source = printRegex(tree)
    return { tree, source, expression: new RE2(source, flags) }
  } catch (error) {
    if (error instanceof RegexError)
      throw new PatternError(`${field}: ${error.message} (at character ${error.at + 1})`)
    if (error instanceof SyntaxError) throw new PatternError(`${field}: RE2 refuses it: ${error.message}`)
    throw error
  }
}

function scopeOf(scoped: readonly Partial<Pick<Pattern, 'only' | 'except'>>[]): CompiledPattern['inScope'] {
  const tests = scoped.flatMap(({ only, except }) => [
    ...(only ? [{ wanted: true, ...globs(only) }] : []),
    ...(except ? [{ wanted: false, ...globs(except) }] : []),
  ])
  if (tests.length === 0) return () => true
  return (service, source) =>
    tests.every(({ wanted, byService, bySource }) => {
      const inside = wanted
        ? (byService?.(service) ?? true) && (bySource?.(source) ?? true)
        : (byService?.(service) ?? false) || (bySource?.(source) ?? false)
      return inside === wanted
    })
}

const globs = ({ service, source }: { service?: string[] | undefined; source?: string[] | undefined }) => ({
  byService: service && picomatch(service, { dot: true }),
  // A source is a path with a scheme in front; "*" stays within one folder, as in a shell.
  bySource: source && picomatch(source, { dot: true }),
})

/** Names of types that no family defines are most often spelt wrong. */
function checkNames(types: ReadonlyMap<string, FailureType>, problems: Problem[]): void {
  for (const { type, file, suppresses } of types.values())
    for (const name of suppresses)
      if (!types.has(name))
        problems.push({ file, pattern: undefined, message: `${type} suppresses ${name}, which no family defines` })
}

import { levels, type Decoded, type DecodedLine } from '../lines/decode.js'
import { hearsay } from '../lines/hearsay.js'
import { createAtomIndex } from './atom-index.js'
import type { Catalog, CompiledPattern } from './compile.js'

/** One pattern's match in a record: what kind of failure the record shows, and what it says about it. */
export type Finding = Readonly<{
  type: string
  pattern: CompiledPattern
  captures: Readonly<Record<string, string>>
  /** Where in the text the match begins. */
  at: number
}>

export type Origin = Readonly<{ service: string; source: string }>

export type Matcher = Readonly<{
  /** The best finding for each type, the most specific type first; suppressed types are left out. */
  record(decoded: Decoded, origin: Origin): Finding[]
  /** The findings inside one line of a record that stand whatever lines follow; and whether any pattern matches the line at all. */
  line(line: DecodedLine, origin: Origin, position: { first: boolean }): { findings: Finding[]; matched: boolean }
}>

export function createMatcher({ patterns, types }: Pick<Catalog, 'patterns' | 'types'>): Matcher {
  const candidates = createAtomIndex(patterns.map((pattern) => ({ item: pattern, atoms: pattern.atoms })))
  const rank = specificity(types)

  return {
    record(decoded, { service, source }) {
      const best = new Map<string, Finding>()
      for (const pattern of candidates(decoded.text)) {
        if (!pattern.inScope(service, source)) continue
        const key = pattern.recovers ? pattern.id : pattern.type
        const known = best.get(key)
        if (known && known.pattern.confidence >= pattern.confidence) continue
        const finding = matchPattern(pattern, decoded)
        if (finding) best.set(key, finding)
      }
      const suppressed = new Set(
        [...best.values()].flatMap(({ type, pattern }) =>
          pattern.recovers ? [] : (types.get(type)?.suppresses ?? []),
        ),
      )
      return [...best.values()]
        .filter(({ type, pattern }) => pattern.recovers || !suppressed.has(type))
        .toSorted(
          (a, b) => descending(rank(a), rank(b)) || b.pattern.confidence - a.pattern.confidence || a.at - b.at,
        )
    },
    line(line, { service, source }, { first }) {
      const matched = candidates(line.text).filter((pattern) => matchesIn(pattern, line.text))
      const best = new Map<string, Finding>()
      for (const pattern of matched) {
        if (pattern.decidedBy !== 'line' || (pattern.atRecordStart && !first) || !pattern.inScope(service, source))
          continue
        const known = best.get(pattern.type)
        if (known && known.pattern.confidence >= pattern.confidence) continue
        const finding = matchPattern(pattern, { text: line.text, lines: [{ ...line, at: 0 }] })
        if (finding) best.set(pattern.type, finding)
      }
      return { findings: [...best.values()], matched: matched.length > 0 }
    },
  }
}

const matchesIn = ({ expression }: CompiledPattern, text: string): boolean => {
  expression.lastIndex = 0
  return expression.test(text)
}

/**
 * One pattern's finding in a text: its first match that stands. A match does not stand when the line in which it begins names too
 * low a level, or only talks about the failure (`hearsay`); none does when `unless` matches.
 */
export function matchPattern(
  pattern: CompiledPattern,
  decoded: Pick<Decoded, 'text' | 'lines'>,
): Finding | undefined {
  for (const found of occurrences(pattern, decoded.text))
    if (doubt(pattern, decoded, found.index) === undefined)
      return pattern.unless?.test(decoded.text) ? undefined : findingOf(pattern, found)
  return undefined
}

/** Why none of a pattern's matches in a text stands, in words; nothing when one does or there are none. */
export function doubts(pattern: CompiledPattern, decoded: Pick<Decoded, 'text' | 'lines'>): string[] {
  if (matchPattern(pattern, decoded)) return []
  const vetoed = pattern.unless?.exec(decoded.text)?.[0]
  const reasons = [...occurrences(pattern, decoded.text)].flatMap(({ index }) => doubt(pattern, decoded, index) ?? [])
  return vetoed === undefined ? reasons : [...reasons, `"unless" matches ${JSON.stringify(vetoed)}`]
}

function* occurrences({ expression }: CompiledPattern, text: string): Generator<RegExpExecArray> {
  expression.lastIndex = 0
  for (let tries = 0; tries < triesMax; tries++) {
    const found = expression.exec(text)
    if (!found) return
    // Whoever takes a match may use the expression for something else meanwhile.
    const next = expression.lastIndex + (found[0] === '' ? 1 : 0)
    yield found
    expression.lastIndex = next
  }
}

/** So many matches of a pattern in one record are looked at for one that stands. */
const triesMax = 64

/** Why a match that begins at `at` does not stand; undefined when it does. */
function doubt(
  { minLevel, quoted }: CompiledPattern,
  { lines }: Pick<Decoded, 'lines'>,
  at: number,
): string | undefined {
  const line = lines.findLast((each) => each.at <= at)
  if (!line) return undefined
  if (line.level !== undefined && levels.indexOf(line.level) < minLevel)
    return `its line is at level ${line.level}, and min_level is ${levels[minLevel]}`
  const reason = quoted ? undefined : hearsay(line, at - line.at)
  return reason && `its line is ${reason}`
}

function findingOf(pattern: CompiledPattern, found: RegExpExecArray): Finding {
  const captures: Record<string, string> = { ...pattern.set }
  for (const name of pattern.captures) {
    const value: string | undefined = found.groups?.[name]
    if (value !== undefined) captures[name] = value
  }
  return { type: pattern.type, pattern, captures, at: found.index }
}

/** Two that are to be first come as equals. */
const descending = (a: number, b: number): number => (a === b ? 0 : b - a)

/** A type that suppresses others is more specific than they are; one that is to be first outranks all. */
function specificity(types: Catalog['types']): (finding: Finding) => number {
  const depth = new Map<string, number>()
  const measure = (type: string, seen: readonly string[]): number => {
    const known = depth.get(type)
    if (known !== undefined) return known
    if (seen.includes(type)) return 0
    const below = (types.get(type)?.suppresses ?? []).map((name) => measure(name, [...seen, type]))
    const own = below.length === 0 ? 0 : 1 + Math.max(...below)
    depth.set(type, own)
    return own
  }
  return ({ type }) => (types.get(type)?.first ? Infinity : measure(type, []))
}

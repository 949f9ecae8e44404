import RE2 from 're2'
import { levels, type Decoded, type DecodedLine } from '../lines/decode.js'
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

/** Behind the scan a Set sees single records; one Set of this size stays well inside RE2's memory. */
const setPatternsMax = 400

export function createMatcher({ patterns, types }: Pick<Catalog, 'patterns' | 'types'>): Matcher {
  const sets: { set: InstanceType<typeof RE2.Set>; patterns: readonly CompiledPattern[] }[] = []
  for (let from = 0; from < patterns.length; from += setPatternsMax) {
    const part = patterns.slice(from, from + setPatternsMax)
    sets.push({ set: new RE2.Set(part.map(({ source }) => source)), patterns: part })
  }
  const candidates = (text: string): CompiledPattern[] =>
    sets.flatMap((part) => part.set.match(text).flatMap((index) => part.patterns[index] ?? []))
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
        .toSorted((a, b) => rank(b) - rank(a) || b.pattern.confidence - a.pattern.confidence || a.at - b.at)
    },
    line(line, { service, source }, { first }) {
      const matched = candidates(line.text)
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

/** One pattern's finding in a text: its expression, `unless`, and the level of the line it begins in. */
export function matchPattern(
  pattern: CompiledPattern,
  { text, lines }: Pick<Decoded, 'text' | 'lines'>,
): Finding | undefined {
  const found = pattern.expression.exec(text)
  if (!found || pattern.unless?.test(text)) return undefined
  if (pattern.minLevel > 0 && belowLevel(lines, found.index, pattern.minLevel)) return undefined
  const captures: Record<string, string> = {}
  for (const name of pattern.captures) {
    const value: string | undefined = found.groups?.[name]
    if (value !== undefined) captures[name] = value
  }
  return { type: pattern.type, pattern, captures, at: found.index }
}

/** The level that counts is that of the line in which the match begins. */
function belowLevel(lines: readonly DecodedLine[], at: number, minLevel: number): boolean {
  const level = lines.findLast((line) => line.at <= at)?.level
  return level !== undefined && levels.indexOf(level) < minLevel
}

/** A type that suppresses others is more specific than they are. */
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
  return ({ type }) => measure(type, [])
}

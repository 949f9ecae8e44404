import RE2 from 're2'
import type { Decoded } from '../lines/decode.js'
import type { Catalog, CompiledPattern } from './compile.js'
import { createMatcher, doubts, type Finding, type Origin } from './matcher.js'
import { parseRegex, printRegex, type Regex } from './regex.js'

/** Why a record shows what it shows: what each pattern that matched came to, and which patterns only nearly did. */

/** A pattern whose expression matched, and what became of it. */
export type Verdict = Readonly<{ pattern: CompiledPattern; printed: string; captures: Finding['captures'] }> &
  (
    | Readonly<{ outcome: 'counts' }>
    /** Another pattern of the same type is surer. */
    | Readonly<{ outcome: 'outranked'; by: string }>
    /** A more specific type says the same record better. */
    | Readonly<{ outcome: 'suppressed'; by: string }>
    /** It matched, and still is no finding. */
    | Readonly<{ outcome: 'refused'; why: string }>
  )

/** A pattern that matched as far as `matched`, and then wanted `wanted`. */
export type NearMiss = Readonly<{ pattern: CompiledPattern; literals: number; matched: string; wanted: string }>

export type Explained = Readonly<{ verdicts: readonly Verdict[]; nearMisses: readonly NearMiss[] }>

const nearMissesMax = 3
/** Fewer characters in common are chance. */
const nearCharactersMin = 6

/** Explains one decoded record to the last clause. Costs a run of every pattern: for people, not for streams. */
export function explainMatches(catalog: Catalog, decoded: Decoded, origin: Origin): Explained {
  const counting = createMatcher(catalog).record(decoded, origin)
  const verdicts: Verdict[] = []
  const unmatched: CompiledPattern[] = []
  for (const pattern of catalog.patterns) {
    const found = pattern.expression.exec(resetTo(pattern, decoded.text))
    if (found) verdicts.push(verdictOn(pattern, { decoded, origin, counting, catalog, printed: found[0] }))
    else unmatched.push(pattern)
  }
  const nearMisses = kin(unmatched, decoded.text).flatMap((pattern) => nearMiss(pattern, decoded.text) ?? [])
  const order = ['counts', 'outranked', 'suppressed', 'refused']
  return {
    verdicts: verdicts.toSorted((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome)),
    nearMisses: nearMisses.toSorted((a, b) => b.literals - a.literals).slice(0, nearMissesMax),
  }
}

/** The expressions are global, so that a record can be searched on; here each search begins anew. */
function resetTo({ expression }: CompiledPattern, text: string): string {
  expression.lastIndex = 0
  return text
}

type Circumstances = Readonly<{
  decoded: Decoded
  origin: Origin
  counting: readonly Finding[]
  catalog: Catalog
  printed: string
}>

function verdictOn(
  pattern: CompiledPattern,
  { decoded, origin, counting, catalog, printed }: Circumstances,
): Verdict {
  const own = counting.find((finding) => finding.pattern === pattern)
  if (own) return { pattern, printed: textAt(own, decoded), captures: own.captures, outcome: 'counts' }
  const said = { pattern, printed, captures: {} }
  if (!pattern.inScope(origin.service, origin.source))
    return { ...said, outcome: 'refused', why: `it does not apply to service ${origin.service} in ${origin.source}` }
  const [why] = doubts(pattern, decoded)
  if (why !== undefined) return { ...said, outcome: 'refused', why }
  const surer = counting.find(({ type }) => type === pattern.type)
  if (surer) return { ...said, outcome: 'outranked', by: surer.pattern.id }
  const specific = counting.find(({ type }) => catalog.types.get(type)?.suppresses.includes(pattern.type))
  return specific
    ? { ...said, outcome: 'suppressed', by: specific.type }
    : { ...said, outcome: 'refused', why: 'a more specific type suppresses its type, and is itself suppressed' }
}

function textAt({ pattern, at }: Finding, { text }: Decoded): string {
  pattern.expression.lastIndex = at
  return pattern.expression.exec(text)?.[0] ?? ''
}

/** So many patterns are looked at clause by clause. */
const kinMax = 30

/** The patterns that share the most words with a text. */
function kin(patterns: readonly CompiledPattern[], text: string): CompiledPattern[] {
  const present = new Set(text.toLowerCase().match(/[a-z]{4,}/g) ?? [])
  const shared = ({ atoms = [] }: CompiledPattern): number =>
    Math.max(
      0,
      ...atoms.map((atom) => (atom.match(/[a-z]{4,}/g) ?? []).filter((word) => present.has(word)).join('').length),
    )
  return patterns
    .map((pattern) => ({ pattern, letters: shared(pattern) }))
    .filter(({ letters }) => letters >= nearCharactersMin)
    .toSorted((a, b) => b.letters - a.letters)
    .slice(0, kinMax)
    .map(({ pattern }) => pattern)
}

/** How far into an expression a text goes: the longest run of its clauses, from the front or else from the back, that matches. */
function nearMiss(pattern: CompiledPattern, text: string): NearMiss | undefined {
  const misses = alternatives(parseRegex(pattern.source)).flatMap((clauses): NearMiss[] => {
    const most = clauses.length - 1
    const forward = longest(most, (length) => clauses.slice(0, length), text)
    const backward = longest(most, (length) => clauses.slice(-length), text)
    if (forward && forward.literals >= (backward?.literals ?? 0)) {
      const { part, literals } = forward
      return [{ pattern, literals, matched: readable(part), wanted: readable(clauses.slice(part.length)) }]
    }
    if (!backward) return []
    const { part, literals } = backward
    const missing = clauses.slice(0, clauses.length - part.length)
    return [{ pattern, literals, matched: readable(part), wanted: `${readable(missing)} before it` }]
  })
  return misses.toSorted((a, b) => b.literals - a.literals)[0]
}

type Run = Readonly<{ part: readonly Regex[]; literals: number }>

/** The longest run that matches and holds enough text of its own: a wildcard matches anything. */
function longest(most: number, run: (length: number) => readonly Regex[], text: string): Run | undefined {
  for (let length = most; length > 0; length--) {
    const part = run(length)
    const literals = part.reduce((sum, clause) => sum + (clause.kind === 'sequence' ? clause.parts.length : 0), 0)
    if (literals < nearCharactersMin) return undefined
    if (new RE2(said(part), 'u').test(text)) return { part, literals }
  }
  return undefined
}

/** The clauses of each alternative that an expression begins with. */
function alternatives(regex: Regex): Regex[][] {
  if (regex.kind === 'group') return alternatives(regex.of)
  if (regex.kind === 'choice') return regex.options.flatMap(alternatives)
  if (regex.kind !== 'sequence') return [[regex]]
  const [first, ...rest] = regex.parts
  if (first?.kind === 'group' && first.of.kind === 'choice')
    return alternatives(first).map((clauses) => [...clauses, ...words(rest)])
  return [words(regex.parts)]
}

/** Characters side by side are one clause, so that what is missing reads as words. */
function words(parts: readonly Regex[]): Regex[] {
  const clauses: Regex[] = []
  let word: Regex[] = []
  const end = (): void => {
    if (word.length > 0) clauses.push({ kind: 'sequence', parts: word })
    word = []
  }
  for (const part of parts) {
    if (part.kind === 'class' && isOneCharacter(part)) {
      word.push(part)
      if (isSpace(part)) end()
    } else {
      end()
      clauses.push(part)
    }
  }
  end()
  return clauses
}

const isSpace = ({ ranges }: Extract<Regex, { kind: 'class' }>): boolean => ranges[0]?.[0] === 0x20

const isOneCharacter = ({ ranges, negated, unicode }: Extract<Regex, { kind: 'class' }>): boolean =>
  !negated && unicode.length === 0 && ranges.every(([low, high]) => low === high) && ranges.length <= 2

const said = (clauses: readonly Regex[]): string => printRegex({ kind: 'sequence', parts: clauses })

/** The printed form is written for RE2; people read letters rather than classes of two, and the short repeats. */
function readable(clauses: readonly Regex[]): string {
  return said(clauses)
    .replaceAll(/\[([a-z])([A-Z])\]/gi, (pair, a: string, b: string) =>
      a.toLowerCase() === b.toLowerCase() ? a : pair,
    )
    .replaceAll(/\\x\{([0-9a-f]+)\}/g, (_, code: string) => sayCharacter(parseInt(code, 16)))
    .replaceAll('{0,1}', '?')
    .replaceAll('{0,}', '*')
    .replaceAll('{1,}', '+')
}

const sayCharacter = (code: number): string =>
  ({ 9: '\\t', 10: '\\n', 13: '\\r' })[code] ?? String.fromCodePoint(code)

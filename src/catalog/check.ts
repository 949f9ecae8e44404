import { decodeText } from '../lines/decode.js'
import { atomBytesGood } from './atoms.js'
import type { Catalog, CompiledPattern, FailureType, Problem } from './compile.js'
import { unwritten } from './draft.js'
import { plainly } from './examples.js'
import { createMatcher, matchPattern, type Matcher } from './matcher.js'
import { parseRegex, some } from './regex.js'

/** What a pattern file's author would want to be told besides what keeps a pattern from going live. */

/** Examples are said to come from a service that nobody's scope names. */
const origin = { service: 'app', source: 'file:/app.log' }
/** Wide repeats with a higher count than this make a Set of patterns many times slower. */
const countedRepeatMax = 50
const wideCharacters = 64
/** What every failure has, whatever its pattern captures. */
const alwaysKnown = ['service', 'component']

/**
 * Warnings about the patterns and types of some files: cost, overlap, patterns that never win, texts with holes.
 * @param isAsked whether a file is one of those
 */
export function checkCatalog(catalog: Catalog, isAsked: (file: string) => boolean): Problem[] {
  const asked = catalog.patterns.filter(({ file, recovers }) => isAsked(file) && !recovers)
  const matcher = createMatcher(catalog)
  return [
    ...asked.flatMap(cost),
    ...asked.flatMap((pattern) => overlap(pattern, matcher, catalog)),
    ...[...catalog.types.values()].filter(({ file }) => isAsked(file)).flatMap((type) => holes(type, catalog)),
  ]
}

const about = ({ file, id }: CompiledPattern, message: string): Problem => ({ file, pattern: id, message })

function cost(pattern: CompiledPattern): Problem[] {
  const { atoms, source } = pattern
  const problems: Problem[] = []
  if (atoms === undefined)
    problems.push(
      about(
        pattern,
        'no text of four letters, digits or spaces is in every match, so every line of its sources has to be looked at',
      ),
    )
  const short = atoms?.filter((atom) => atom.length < atomBytesGood) ?? []
  if (short.length > 0)
    problems.push(
      about(
        pattern,
        `looks at every line that holds ${short.map((atom) => JSON.stringify(atom)).join(' or ')}; a longer text that its lines always have makes it cheaper`,
      ),
    )
  const isWide = some(
    parseRegex(source),
    (node) =>
      node.kind === 'repeat' && node.max !== Infinity && node.max > countedRepeatMax && some(node.of, isWideClass),
  )
  if (isWide)
    problems.push(
      about(pattern, 'a wide counted repeat, as in .{0,200}, is slow; [^\\n]* does the same within a line'),
    )
  return problems
}

const isWideClass = (node: ReturnType<typeof parseRegex>): boolean =>
  node.kind === 'any' ||
  (node.kind === 'class' &&
    (node.negated || node.ranges.reduce((sum, [low, high]) => sum + high - low + 1, 0) > wideCharacters))

/** Whose examples are whose. One type before another is how the specific is meant to win; one that says nothing of it is not. */
function overlap(pattern: CompiledPattern, matcher: Matcher, catalog: Catalog): Problem[] {
  const examples = pattern.examples?.match ?? []
  const winners = examples.map((text) => {
    const decoded = decodeText(text, plainly)
    const findings = matcher.record(decoded, origin)
    return { findings, wins: findings.some((finding) => finding.pattern === pattern) }
  })
  const others = winners.flatMap(({ findings, wins }) =>
    wins ? [] : (findings.find(({ type }) => type === pattern.type) ?? findings[0] ?? []),
  )
  const [first] = others
  if (first && others.length === examples.length) {
    const names = [...new Set(others.map((finding) => finding.pattern.id))].join(', ')
    return [about(pattern, `is never what is found: its examples are taken by ${names}`)]
  }
  return winners.flatMap(({ findings: [head] }, index) => {
    if (!head || head.type === pattern.type || suppresses(catalog, head.type, pattern.type)) return []
    return [
      about(
        pattern,
        `examples.match[${index}] is said to be ${head.type} first (${head.pattern.id}); which of the two is more specific is what "suppresses" is for`,
      ),
    ]
  })
}

const suppresses = ({ types }: Catalog, general: string, other: string): boolean =>
  types.get(general)?.suppresses.includes(other) ?? false

/** `{name}`s in a type's texts that some of its patterns leave empty, and that say no other words. */
function holes(type: FailureType, { patterns }: Catalog): Problem[] {
  const own = patterns.filter((pattern) => pattern.type === type.type && !pattern.recovers)
  if (own.length === 0) return [{ file: type.file, pattern: undefined, message: `${type.type} has no pattern` }]
  const texts = JSON.stringify([type.advice.explanation, type.advice.impact, type.advice.recovery])
  const names = [...new Set([...texts.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name))]
  const problems = names
    .filter((name) => !alwaysKnown.includes(name))
    .flatMap((name) => {
      const without = own.filter((pattern) => !alwaysCaptures(pattern, name))
      if (without.length === 0) return []
      const who = without.length === own.length ? 'none of its patterns' : `not ${without[0]?.id}`
      return [`{${name}} in its texts is captured by ${who}; {${name}|other words} says something without it`]
    })
  const drafted = texts.includes(unwritten) ? [`its texts still say ${unwritten}`] : []
  return [...problems, ...drafted].map((message) => ({
    file: type.file,
    pattern: undefined,
    message: `${type.type}: ${message}`,
  }))
}

function alwaysCaptures(pattern: CompiledPattern, name: string): boolean {
  return (
    pattern.set[name] !== undefined ||
    (pattern.captures.includes(name) &&
      (pattern.examples?.match ?? []).every(
        (text) => matchPattern(pattern, decodeText(text, plainly))?.captures[name],
      ))
  )
}

import { decodeText, type DecodeOptions } from '../lines/decode.js'
import type { Catalog, CompiledPattern, Problem } from './compile.js'
import { matchPattern } from './matcher.js'

/** Examples are read as if they had come just now, in UTC, with nothing redacted. */
export const plainly: DecodeOptions = { hints: { toUtcMs: () => 0, arrivalMs: 0 }, redact: (text) => text }
const shownCharactersMax = 120

/** Runs every pattern over its own examples; one that fails them does not go live and becomes a problem. */
export function proveExamples(catalog: Catalog): Catalog {
  const problems: Problem[] = []
  const patterns = catalog.patterns.filter((pattern) => {
    const wrong = wrongExample(pattern)
    if (wrong !== undefined) problems.push({ file: pattern.file, pattern: pattern.id, message: wrong })
    return wrong === undefined
  })
  return { ...catalog, patterns, problems: [...catalog.problems, ...problems] }
}

function wrongExample(pattern: CompiledPattern): string | undefined {
  const { examples } = pattern
  if (!examples) return undefined
  const matches = (text: string): boolean => matchPattern(pattern, decodeText(text, plainly)) !== undefined
  const missed = examples.match.findIndex((text) => !matches(text))
  if (missed >= 0) return `examples.match[${missed}] does not match: ${shown(examples.match[missed])}`
  const hit = examples.ignore.findIndex(matches)
  if (hit >= 0) return `examples.ignore[${hit}] matches, and must not: ${shown(examples.ignore[hit])}`
  return undefined
}

const shown = (text = ''): string =>
  JSON.stringify(text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text)

import type { Regex } from './regex.js'

/**
 * Atoms: literals of which a match must contain at least one, lower-cased. They are looked for in raw bytes, before
 * any decoding, so they hold only what no encoder changes: ASCII letters, digits, space and `_ - . : , ( ) [ ]`.
 * The idea is RE2's FilteredRE2 (re2/prefilter.cc).
 */
export const atomBytesMin = 4
/** A shorter atom stands in many healthy lines. */
export const atomBytesGood = 6
/** Longer literals find nothing more and make the scan's automaton larger. */
const atomBytesMax = 32
const exactStringsMax = 16
const atomCharacter = /^[a-z0-9 _\-.:,()[\]]$/
/** Between JSON tokens an encoder may or may not put a space, so punctuation at a quote's side is not the text's. */
const looseEdge = /^[:,[\] ]+|[:,[\] ]+$/g

/** `exact`: the node matches these strings and no others. `required`: one of these is in every match. */
type Known = { exact: readonly string[] | undefined; required: readonly string[] | undefined }

const nothing: Known = { exact: undefined, required: undefined }

/** The atoms of an expression, or undefined when it has no literal of four bytes that every match contains. */
export function atomsOf(regex: Regex): readonly string[] | undefined {
  const known = explore(regex)
  const atoms = better(known.required, usable(known.exact))
  return atoms && [...new Set(atoms.map((atom) => atom.slice(0, atomBytesMax)))]
}

function explore(regex: Regex): Known {
  switch (regex.kind) {
    case 'class':
      return { exact: charactersOf(regex), required: undefined }
    case 'any':
      return nothing
    case 'assert':
      return { exact: [''], required: undefined }
    case 'group':
      return explore(regex.of)
    case 'repeat':
      return exploreRepeat(explore(regex.of), regex)
    case 'sequence':
      return exploreSequence(regex.parts)
    case 'choice': {
      const options = regex.options.map(explore)
      const exact = all(options.map((option) => option.exact))
      const required = all(options.map((option) => better(option.required, usable(option.exact))))
      return { exact: exact && exact.length <= exactStringsMax ? exact : undefined, required }
    }
  }
}

const all = (lists: readonly (readonly string[] | undefined)[]): string[] | undefined =>
  lists.every((list) => list !== undefined) ? lists.flat() : undefined

function exploreRepeat(of: Known, { min, max }: { min: number; max: number }): Known {
  if (min === 1 && max === 1) return of
  if (min === 0 && max === 1 && of.exact && of.exact.length < exactStringsMax)
    return { exact: ['', ...of.exact], required: undefined }
  return { exact: undefined, required: min > 0 ? better(of.required, usable(of.exact)) : undefined }
}

function exploreSequence(parts: readonly Regex[]): Known {
  let run: string[] = ['']
  let required: readonly string[] | undefined
  let whole = true
  for (const part of parts) {
    const known = explore(part)
    required = better(required, known.required)
    const joined = known.exact && run.flatMap((left) => known.exact?.map((right) => left + right) ?? [])
    if (joined && joined.length <= exactStringsMax) {
      run = joined
    } else {
      whole = false
      required = better(better(required, usable(run)), usable(known.exact))
      run = known.exact && known.exact.length <= exactStringsMax ? [...known.exact] : ['']
    }
  }
  return whole ? { exact: run, required } : { exact: undefined, required: better(required, usable(run)) }
}

/** The few characters a class stands for, case folded; undefined when they are many. Others than the atoms' stay, and split later. */
function charactersOf(regex: Extract<Regex, { kind: 'class' }>): string[] | undefined {
  if (regex.negated || regex.unicode.length > 0) return undefined
  const characters = new Set<string>()
  for (const [low, high] of regex.ranges) {
    if (high - low > exactStringsMax) return undefined
    for (let value = low; value <= high; value++)
      characters.add(String.fromCodePoint(value >= 65 && value <= 90 ? value + 32 : value))
  }
  return characters.size > 4 ? undefined : [...characters]
}

/** The longest usable piece of each string; undefined when one of them has none. */
function usable(strings: readonly string[] | undefined): string[] | undefined {
  return all((strings ?? ['']).map((text) => longestPiece(text)))
}

function longestPiece(text: string): string[] | undefined {
  const pieces: string[] = []
  let piece = ''
  for (const [at, character] of [...text].entries()) {
    // A structured error's type and message are joined by ": " only when they are decoded; so a last ":" may be made, too.
    const joint = character === ':' && text[at + 1] === ' '
    const behindJoint = character === ' ' && text[at - 1] === ':'
    if (atomCharacter.test(character) && !joint && !behindJoint) piece += character
    else {
      pieces.push(piece)
      piece = ''
    }
  }
  pieces.push(piece)
  // Only the sides at which the text was split are loose; the ends of the whole literal are as the pattern says.
  const trimmed = pieces.map((each) => (pieces.length > 1 ? each.replaceAll(looseEdge, '') : each))
  const kept = trimmed.map((each) => each.replace(/:+$/, ''))
  const best = kept.reduce((a, b) => (b.length > a.length ? b : a))
  return best.length >= atomBytesMin ? [best] : undefined
}

/** The more selective of two requirements: the longer shortest literal, then the fewer. */
function better(a: readonly string[] | undefined, b: readonly string[] | undefined): readonly string[] | undefined {
  if (!a || a.length === 0) return b && b.length > 0 ? b : undefined
  if (!b || b.length === 0) return a
  const shortest = (list: readonly string[]): number => Math.min(...list.map((atom) => atom.length), atomBytesMax)
  const difference = shortest(a) - shortest(b)
  return difference > 0 || (difference === 0 && a.length <= b.length) ? a : b
}

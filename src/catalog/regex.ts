/**
 * RE2 syntax as a tree. RE2 stays the only judge of what matches; the tree is for what RE2 does not tell: which
 * literals a match must contain (atoms.ts), whether a match can cross lines, and `(?i)` written out as ASCII classes.
 * Grammar: https://github.com/google/re2/wiki/Syntax
 */

export type Range = readonly [low: number, high: number]

export type Regex =
  | { kind: 'class'; ranges: readonly Range[]; negated: boolean; unicode: readonly string[] }
  | { kind: 'any'; newline: boolean }
  | { kind: 'assert'; what: 'textStart' | 'textEnd' | 'lineStart' | 'lineEnd' | 'word' | 'notWord' }
  | { kind: 'sequence'; parts: readonly Regex[] }
  | { kind: 'choice'; options: readonly Regex[] }
  | { kind: 'repeat'; of: Regex; min: number; max: number; lazy: boolean }
  | { kind: 'group'; of: Regex; name: string | undefined }

/** What is wrong with an expression, in words for the one who wrote it. `at` is the offset in the expression. */
export class RegexError extends Error {
  override readonly name = 'RegexError'
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message)
  }
}

type Flags = { i: boolean; m: boolean; s: boolean; U: boolean }

const newline = 10
const code = (character: string): number => character.codePointAt(0) ?? 0
const range = (low: string, high = low): Range => [code(low), code(high)]
const perlClasses: Record<string, readonly Range[]> = {
  d: [range('0', '9')],
  w: [range('0', '9'), range('A', 'Z'), range('_'), range('a', 'z')],
  s: [range('\t', '\n'), range('\f', '\r'), range(' ')],
}
const posixClasses: Record<string, readonly Range[]> = {
  alnum: [range('0', '9'), range('A', 'Z'), range('a', 'z')],
  alpha: [range('A', 'Z'), range('a', 'z')],
  ascii: [[0, 127]],
  blank: [range('\t'), range(' ')],
  cntrl: [
    [0, 31],
    [127, 127],
  ],
  digit: [range('0', '9')],
  graph: [range('!', '~')],
  lower: [range('a', 'z')],
  print: [range(' ', '~')],
  punct: [range('!', '/'), range(':', '@'), range('[', '`'), range('{', '~')],
  space: [range('\t', '\r'), range(' ')],
  upper: [range('A', 'Z')],
  word: perlClasses['w'] ?? [],
  xdigit: [range('0', '9'), range('A', 'F'), range('a', 'f')],
}
const controlEscapes: Record<string, number> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }
const unicodeMax = 0x10ffff

/** The ranges with the other ASCII case of their letters added. RE2's own `(?i)` also folds U+017F and U+212A. */
function foldAscii(ranges: readonly Range[]): Range[] {
  const other = (from: number, to: number, shift: number): Range[] =>
    ranges
      .map(([low, high]): Range => [Math.max(low, from) + shift, Math.min(high, to) + shift])
      .filter(([low, high]) => low <= high)
  return [...ranges, ...other(65, 90, 32), ...other(97, 122, -32)]
}

function complement(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = []
  let next = 0
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (low > next) gaps.push([next, low - 1])
    next = Math.max(next, high + 1)
  }
  if (next <= unicodeMax) gaps.push([next, unicodeMax])
  return gaps
}

/**
 * Parses an expression in RE2 syntax.
 * @throws {RegexError} for what RE2 refuses and people bring along from other engines, with what to write instead
 */
export function parseRegex(source: string): Regex {
  return createParser(source).parse()
}

function createParser(source: string) {
  let at = 0
  let flags: Flags = { i: false, m: false, s: false, U: false }

  const more = (): boolean => at < source.length
  const peek = (text: string): boolean => source.startsWith(text, at)
  const fail = (message: string, where = at): never => {
    throw new RegexError(message, where)
  }
  const take = (text: string): boolean => {
    if (!peek(text)) return false
    at += text.length
    return true
  }
  const next = (): string => {
    const character = String.fromCodePoint(source.codePointAt(at) ?? 0)
    at += character.length
    return character
  }
  const fold = (ranges: readonly Range[]): readonly Range[] => (flags.i ? foldAscii(ranges) : ranges)

  function choice(): Regex {
    const kept = { ...flags }
    const options = [sequence()]
    while (take('|')) options.push(sequence())
    flags = kept
    return options.length === 1 && options[0] ? options[0] : { kind: 'choice', options }
  }

  function sequence(): Regex {
    const parts: Regex[] = []
    while (more() && !peek('|') && !peek(')')) {
      if (take('\\Q')) {
        const end = source.indexOf('\\E', at)
        const quoted = [...source.slice(at, end < 0 ? source.length : end)].map((each) => folded(code(each)))
        at = end < 0 ? source.length : end + 2
        const last = quoted.pop()
        parts.push(...quoted, ...(last ? [repeated(last)] : []))
      } else {
        const atom = one()
        if (atom) parts.push(repeated(atom))
      }
    }
    return parts.length === 1 && parts[0] ? parts[0] : { kind: 'sequence', parts }
  }

  const folded = (low: number): Regex => ({ kind: 'class', ranges: fold([[low, low]]), negated: false, unicode: [] })

  function repeated(of: Regex): Regex {
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(source.slice(at, at + 16))
    const sign = source[at] ?? ''
    if (!counted && !'*+?'.includes(sign)) return of
    if (!counted && sign === '') return of
    const [min, max] = counted
      ? [Number(counted[1]), counted[2] === undefined ? Number(counted[1]) : Number(counted[3] || Infinity)]
      : sign === '*'
        ? [0, Infinity]
        : sign === '+'
          ? [1, Infinity]
          : [0, 1]
    at += counted ? counted[0].length : 1
    if (peek('+')) fail('RE2 has no possessive repeats such as a++; its time is linear anyway: drop the second +')
    const lazy = take('?') !== flags.U
    return repeated({ kind: 'repeat', of, min, max, lazy })
  }

  function one(): Regex | undefined {
    if (take('(')) return group()
    if (take('[')) return bracket()
    if (take('.')) return { kind: 'any', newline: flags.s }
    if (take('^')) return { kind: 'assert', what: flags.m ? 'lineStart' : 'textStart' }
    if (take('$')) return { kind: 'assert', what: flags.m ? 'lineEnd' : 'textEnd' }
    if (take('\\')) return escape()
    if ('*+?'.includes(source[at] ?? '')) fail(`"${source[at]}" has nothing to repeat`)
    return folded(code(next()))
  }

  function group(): Regex | undefined {
    const start = at - 1
    if (!take('?')) return closed({ kind: 'group', of: choice(), name: '' }, start)
    for (const look of ['=', '!', '<=', '<!'])
      if (peek(look))
        fail(
          `look-around "(?${look}" is not available in RE2: match the neighbouring text itself, ` +
            'and put what must not be there into "unless"',
          start,
        )
    if (peek('>'))
      fail('atomic groups "(?>" are not available in RE2, and its time is linear anyway: use "(?:"', start)
    const named = /^P?<(\w+)>/.exec(source.slice(at))
    if (named) {
      at += named[0].length
      return closed({ kind: 'group', of: choice(), name: named[1] }, start)
    }
    const set = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(source.slice(at))
    if (!set) return fail(`"(?${source[at] ?? ''}" is not a group of RE2`, start)
    at += set[0].length
    const kept = { ...flags }
    for (const flag of set[1] ?? '') flags[flag as keyof Flags] = true
    for (const flag of set[2] ?? '') flags[flag as keyof Flags] = false
    if (set[3] === ')') return undefined
    const inner = choice()
    flags = kept
    return closed({ kind: 'group', of: inner, name: undefined }, start)
  }

  function closed(regex: Regex, start: number): Regex {
    if (!take(')')) fail('this "(" is never closed', start)
    return regex
  }

  function escape(): Regex {
    const start = at - 1
    if (!more()) fail('a lone "\\" at the end', start)
    const letter = next()
    const asserts: Record<string, Regex> = {
      A: { kind: 'assert', what: 'textStart' },
      z: { kind: 'assert', what: 'textEnd' },
      b: { kind: 'assert', what: 'word' },
      B: { kind: 'assert', what: 'notWord' },
    }
    const assertion = asserts[letter]
    if (assertion) return assertion
    if (letter === 'C') fail('"\\C" matches a lone byte; a record is text: use "."', start)
    if (/[1-9]/.test(letter) && !/^[0-7]{2}/.test(source.slice(at - 1)))
      fail(
        `back-reference "\\${letter}" is not available in RE2: write the two cases out, or use "when" later`,
        start,
      )
    if (letter === 'k') fail('back-references are not available in RE2: write the cases out', start)
    if (letter === 'Z') fail('"\\Z" is not available in RE2: use "\\z"', start)
    at = start + 1
    const item = classEscape(start)
    return item.unicode
      ? { kind: 'class', ranges: [], negated: false, unicode: [item.unicode] }
      : asClass(item.ranges)
  }

  const asClass = (ranges: readonly Range[]): Regex => ({
    kind: 'class',
    ranges: fold(ranges),
    negated: false,
    unicode: [],
  })

  /** An escape that stands for characters; `at` is behind the backslash. */
  function classEscape(start: number): { ranges: readonly Range[]; unicode?: string } {
    const letter = next()
    const perl = perlClasses[letter.toLowerCase()]
    if (perl) return { ranges: letter === letter.toLowerCase() ? perl : complement(perl) }
    if (letter === 'p' || letter === 'P') {
      const property =
        /^(?:\{\^?\w+\}|\w)/.exec(source.slice(at)) ??
        fail('a property such as \\pL or \\p{Greek} is expected', start)
      at += property[0].length
      return { ranges: [], unicode: `\\${letter}${property[0]}` }
    }
    const control = controlEscapes[letter]
    if (control !== undefined) return { ranges: [[control, control]] }
    if (letter === 'x' || letter === 'u') {
      const hex = /^(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))/.exec(source.slice(at))
      const wide = letter === 'u' ? /^()([0-9a-fA-F]{4})/.exec(source.slice(at)) : hex
      const digits = wide ?? fail('hexadecimal digits are expected, as in \\x41 or \\x{263a}', start)
      at += digits[0].length
      const value = parseInt(digits[1] || digits[2] || '0', 16)
      return { ranges: [[value, value]] }
    }
    const octal = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(source.slice(at - 1))
    if (octal) {
      at += octal[0].length - 1
      const value = parseInt(octal[0], 8)
      return { ranges: [[value, value]] }
    }
    if (/[A-Za-z0-9]/.test(letter)) fail(`"\\${letter}" is not an escape of RE2`, start)
    return { ranges: [[code(letter), code(letter)]] }
  }

  function bracket(): Regex {
    const start = at - 1
    const negated = take('^')
    const ranges: Range[] = []
    const unicode: string[] = []
    for (let first = true; first || !peek(']'); first = false) {
      if (!more()) fail('this "[" is never closed', start)
      const posix = /^\[:(\^?)(\w+):\]/.exec(source.slice(at, at + 16))
      if (posix) {
        const named = posixClasses[posix[2] ?? ''] ?? fail(`"[:${posix[2]}:]" is not a class of RE2`)
        ranges.push(...(posix[1] ? complement(named) : named))
        at += posix[0].length
        continue
      }
      const item = bracketItem()
      if (item.unicode) unicode.push(item.unicode)
      const low = item.ranges[0]?.[0]
      const isOne = item.ranges.length === 1 && low === item.ranges[0]?.[1]
      if (low !== undefined && isOne && peek('-') && !peek('-]')) {
        at += 1
        const high = bracketItem().ranges[0]?.[0] ?? low
        if (high < low) fail('a range in "[…]" runs backwards', start)
        ranges.push([low, high])
      } else ranges.push(...item.ranges)
    }
    at += 1
    return { kind: 'class', ranges: fold(ranges), negated, unicode }
  }

  function bracketItem(): { ranges: readonly Range[]; unicode?: string } {
    if (take('\\')) return classEscape(at - 1)
    const character = code(next())
    return { ranges: [[character, character]] }
  }

  return {
    parse(): Regex {
      const regex = choice()
      if (more()) fail('this ")" closes nothing')
      return regex
    },
  }
}

const hex = (value: number): string => `\\x{${value.toString(16)}}`
const printCharacter = (value: number): string =>
  (value >= 48 && value <= 57) || (value >= 65 && value <= 90) || (value >= 97 && value <= 122) || value === 32
    ? String.fromCodePoint(value)
    : hex(value)

/** The tree as an expression for RE2 that needs no flags: `(?i)` has become classes, `^` and `$` say which they are. */
export function printRegex(regex: Regex): string {
  switch (regex.kind) {
    case 'class': {
      const only = regex.ranges[0]
      if (!regex.negated && regex.unicode.length === 0 && regex.ranges.length === 1 && only && only[0] === only[1])
        return printCharacter(only[0])
      const body = regex.ranges
        .map(([low, high]) => (low === high ? printCharacter(low) : `${printCharacter(low)}-${printCharacter(high)}`))
        .join('')
      return `[${regex.negated ? '^' : ''}${body}${regex.unicode.join('')}]`
    }
    case 'any':
      return regex.newline ? '(?s:.)' : '[^\\n]'
    case 'assert':
      return {
        textStart: '\\A',
        textEnd: '\\z',
        lineStart: '(?m:^)',
        lineEnd: '(?m:$)',
        word: '\\b',
        notWord: '\\B',
      }[regex.what]
    case 'sequence':
      return regex.parts.map((part) => printRegex(part)).join('')
    case 'choice':
      return regex.options.map(printRegex).join('|')
    case 'repeat': {
      const of =
        regex.of.kind === 'class' || regex.of.kind === 'group' ? printRegex(regex.of) : `(?:${printRegex(regex.of)})`
      const max = regex.max === Infinity ? '' : String(regex.max)
      return `${of}{${regex.min},${max}}${regex.lazy ? '?' : ''}`
    }
    case 'group':
      return regex.name === undefined
        ? `(?:${printRegex(regex.of)})`
        : regex.name === ''
          ? `(${printRegex(regex.of)})`
          : `(?P<${regex.name}>${printRegex(regex.of)})`
  }
}

/** Whether some node of the tree passes the test. */
export function some(regex: Regex, test: (node: Regex) => boolean): boolean {
  if (test(regex)) return true
  switch (regex.kind) {
    case 'sequence':
      return regex.parts.some((part) => some(part, test))
    case 'choice':
      return regex.options.some((option) => some(option, test))
    case 'repeat':
    case 'group':
      return some(regex.of, test)
    default:
      return false
  }
}

/** Whether a match may contain a line break, so that it is known only when its whole record is. */
export function canSpanLines(regex: Regex): boolean {
  return some(regex, (node) => {
    if (node.kind === 'any') return node.newline
    if (node.kind !== 'class') return false
    const listed = node.ranges.some(([low, high]) => low <= newline && newline <= high)
    // Line breaks are control characters, which is the category C.
    const byProperty = node.unicode.some((property) => /^\\(?:P|p\{?\^|p\{?C)/.test(property))
    return node.negated ? !listed : listed || byProperty
  })
}

/** The names of the captures, in order. */
export function captureNames(regex: Regex): string[] {
  const names: string[] = []
  some(regex, (node) => {
    if (node.kind === 'group' && node.name) names.push(node.name)
    return false
  })
  return names
}

import * as fc from 'fast-check'
import RE2 from 're2'
import { describe, expect, test } from 'vitest'
import { canSpanLines, captureNames, parseRegex, printRegex, RegexError } from '../../src/catalog/regex.js'

const cache = new Map<string, RE2>()
function compiled(expression: string): RE2 {
  const known = cache.get(expression) ?? new RE2(expression, 'gu')
  cache.set(expression, known)
  return known
}

/** Every match of an expression in a text. Not by `matchAll`, which compiles the expression anew for each text. */
function matchesOf(expression: string, text: string): RegExpExecArray[] {
  const re = compiled(expression)
  const matches: RegExpExecArray[] = []
  re.lastIndex = 0
  for (let found = re.exec(text); found; found = re.exec(text)) {
    matches.push(found)
    if (found[0] === '') re.lastIndex += (text.codePointAt(re.lastIndex) ?? 0) > 0xffff ? 2 : 1
  }
  return matches
}

/** Where an expression matches in a text, and what its groups hold there. */
const spans = (expression: string, text: string): unknown[] =>
  matchesOf(expression, text).map((found) => ({ at: found.index, groups: [...found], named: { ...found.groups } }))

const printed = (expression: string): string => printRegex(parseRegex(expression))

const expressions = [
  // literals and escapes
  'abc',
  'a.c',
  String.raw`a\.b\*c\?`,
  String.raw`\x41\x{62}\x{e9}`,
  String.raw`\u0041\u65e5`,
  String.raw`\t|\n|\r|\f|\v|\a`,
  String.raw`\012|\07|\0`,
  String.raw`\/\-\_\"`,
  String.raw`\Qa.b[c]\E-c`,
  String.raw`x\Q(a|b)`,
  '日|é|😀',
  '[😀日é]+',
  // classes
  '[abc]+',
  '[^abc]+',
  '[a-c1-3]+',
  '[]a]+',
  '[^]a]+',
  '[a-]+',
  '[-a]+',
  String.raw`[a\-c\]\\]+`,
  String.raw`[\x41-\x{43}\t ]+`,
  String.raw`\d+`,
  String.raw`\D+`,
  String.raw`\w+`,
  String.raw`\W+`,
  String.raw`\s+`,
  String.raw`\S+`,
  String.raw`[\d.]+`,
  String.raw`[^\d\s]+`,
  String.raw`[\W\d]+`,
  '[[:alpha:]]+',
  '[[:^alpha:]]+',
  '[[:alnum:]_]+',
  '[[:punct:]]+',
  '[[:space:]]+|[[:blank:]]+|[[:cntrl:]]+',
  '[[:upper:]][[:lower:]]*|[[:digit:]]+',
  '[[:word:]]+|[[:xdigit:]]+|[[:print:]]|[[:graph:]]|[[:ascii:]]',
  '[^[:space:]a]+',
  // Unicode classes
  String.raw`\pL+`,
  String.raw`\PL+`,
  String.raw`\p{Lu}+|\p{Greek}+`,
  String.raw`\p{^Lu}+`,
  String.raw`[\pL\d]+`,
  String.raw`[^\pL\s]+`,
  // groups
  '(a)(b)?',
  '(?P<left>a+)(?P<right>b*)',
  '(?<left>a)|(?<right>b)',
  '(?:ab|a)(c|)',
  '(|a)b',
  'a||b',
  '((a)|(b))+',
  // repeats
  'a*b+c?',
  'a*?b|a+?|c??',
  'a{2}',
  'a{1,}b{0,2}',
  'a{1,2}?',
  '(?:ab){2}',
  '(?:a{2}){2}',
  '(?:a*)*b',
  'a{|{,3}|x{a}',
  // anchors
  '^a|b$',
  '(?m)^a|b$',
  String.raw`\Aa|b\z`,
  String.raw`\bab?\b`,
  String.raw`\Ba\B`,
  '(?m:^)a(?m:$)',
  '(?:^|b)a*(?:$|c)',
  // flags
  '(?s)a.b',
  '(?s:a.)b.',
  '(?s)a(?-s).|b.',
  '(?U)a+b*',
  '(?U)a+?',
  'a(?s).|b.',
  '(?ms)^.$',
  '(?m-s:^.)a',
  '(a(?s).)b.',
]

const character = fc.constantFrom(
  ...Array.from('aaaabbbccABC13 \t\n\r\f\v-_.:,()[]{}\\^$/|*+?"x0'), 'é', '日', '😀', 'Ω', 'ſ', '\u212a', '\u0007', '\u0000',
) // prettier-ignore
/** What the longer expressions ask for, which single characters hardly ever make up. */
const snippet = fc.constantFrom('a.b*c?', 'Abé', '/-_"', 'a.b[c]-c', 'x(a|b)', 'x{a}', 'A日', 'abab', 'aaaa')
const text = fc
  .array(fc.oneof({ weight: 9, arbitrary: character }, snippet), { maxLength: 24 })
  .map((pieces) => pieces.join(''))

describe('the printed expression finds the same spans and captures as the one it was parsed from', () => {
  test.each(expressions)('%s', (expression) => {
    const again = printed(expression)

    fc.assert(
      fc.property(text, (each) => {
        expect(spans(again, each)).toEqual(spans(expression, each))
      }),
      { numRuns: 300 },
    )
  })

  test('each expression of the list is found in some text, so that the comparison says something', () => {
    const texts = fc.sample(text, { numRuns: 3000, seed: 1 })

    const never = expressions.filter((expression) => !texts.some((each) => spans(expression, each).length > 0))

    expect(never).toEqual([])
  })
})

describe('(?i) folds ASCII letters and no others', () => {
  test.each([
    ['(?i)disk', 'DiSK', true],
    ['(?i)disk', 'diſk', false],
    ['(?i)disk', 'dis\u212a', false],
    ['(?i)[k-s]', '\u212a', false],
    ['(?i)[k-s]', 'ſ', false],
    ['(?i)[k-s]', 'K', true],
    ['(?i)[^k]', 'K', false],
    ['(?i)[^k]', '\u212a', true],
    [String.raw`(?i)\Qk.s\E`, 'K.S', true],
    [String.raw`(?i)\x6b`, 'K', true],
    ['(?i:a)b', 'Ab', true],
    ['(?i:a)b', 'AB', false],
    ['(?i)a(?-i)b', 'Ab', true],
    ['(?i)a(?-i)b', 'AB', false],
    ['(?:(?i)a)b', 'AB', false],
    ['a(?i)b|c', 'C', true],
    ['(a(?i)b)c', 'aBC', false],
    ['(?i)é', 'É', false],
    ['(?i)[[:lower:]]', 'Q', true],
  ])('%s in %s: %s', (expression, within, expected) => {
    const matches = new RE2(printed(expression), 'u').test(within)

    expect(matches).toBe(expected)
  })

  test('on ASCII text it finds what RE2 itself does', () => {
    const ascii = fc
      .array(fc.constantFrom(...Array.from('aAbBcCkKsS 1_-[]')), { maxLength: 16 })
      .map((all) => all.join(''))
    const folding = [
      '(?i)ab+',
      '(?i)[a-k]+',
      '(?i)[^ks]+',
      '(?i:a)b',
      'a(?i)b|c',
      '(?i)[[:upper:]]',
      String.raw`(?i)\w\W`,
    ]
    fc.assert(
      fc.property(fc.constantFrom(...folding), ascii, (expression, each) => {
        expect(spans(printed(expression), each)).toEqual(spans(expression, each))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('what people bring along from other engines is refused with what to write instead, and where', () => {
  test.each([
    ['a(?=b)', 1, /look-around "\(\?=".*match the neighbouring text/],
    ['ab(?!c)', 2, /look-around "\(\?!".*"unless"/],
    ['(?<=a)b', 0, /look-around "\(\?<="/],
    ['(?<!a)b', 0, /look-around "\(\?<!"/],
    ['(?>a+)b', 0, /atomic.*use "\(\?:"/],
    ['a++', 2, /possessive.*drop the second \+/],
    ['a*+', 2, /possessive/],
    ['a{2}+', 4, /possessive/],
    [String.raw`(a)\1`, 3, /back-reference "\\1".*write the two cases out/],
    [String.raw`(?<n>a)\k<n>`, 7, /back-references.*write the cases out/],
    [String.raw`a\Z`, 1, /use "\\z"/],
    [String.raw`\C`, 0, /use "\."/],
    ['a(b', 1, /"\(" is never closed/],
    ['((a)', 0, /"\(" is never closed/],
    ['(?:a', 0, /"\(" is never closed/],
    ['(?P<n>a', 0, /"\(" is never closed/],
    ['a)b', 1, /"\)" closes nothing/],
    ['a[bc', 1, /"\[" is never closed/],
    ['[]', 0, /"\[" is never closed/],
    ['[b-a]', 0, /runs backwards/],
    ['[[:letter:]]', 1, /"\[:letter:\]" is not a class/],
    ['*a', 0, /"\*" has nothing to repeat/],
    ['(+a)', 1, /"\+" has nothing to repeat/],
    ['a|?', 2, /"\?" has nothing to repeat/],
    ['a\\', 1, /a lone "\\"/],
    [String.raw`\h`, 0, /"\\h" is not an escape/],
    [String.raw`\xg`, 0, /hexadecimal digits are expected/],
    [String.raw`\p`, 0, /a property such as \\pL/],
    ['(?#note)a', 0, /"\(\?#" is not a group/],
    ['(?x)a', 0, /"\(\?x" is not a group/],
  ])('%s at %d', (expression, at, message) => {
    const parse = (): unknown => parseRegex(expression)

    expect(parse).toThrow(RegexError)
    expect(parse).toThrow(message)
    expect(parse).toThrow(expect.objectContaining({ at }))
  })
})

describe('whether a match may hold a line break', () => {
  test.each([
    ['abc', false],
    ['a.*b', false],
    ['(?s)a.*b', true],
    ['(?s:a)b.', false],
    ['a(?s:.)b', true],
    ['(?s)a(?-s:.)', false],
    ['[^"]+', true],
    [String.raw`[^"\n]+`, false],
    [String.raw`[^\s]+`, false],
    [String.raw`\s`, true],
    [String.raw`\S\w\d`, false],
    [String.raw`\W`, true],
    [String.raw`\D`, true],
    [String.raw`[\D]`, true],
    [String.raw`a\nb`, true],
    [String.raw`a\x0ab`, true],
    [String.raw`\r|\t|\v`, false],
    [String.raw`[\t-\r]`, true],
    ['[[:space:]]', true],
    ['[[:blank:]]', false],
    ['[[:^alpha:]]', true],
    ['[[:cntrl:]]', true],
    [String.raw`\PL`, true],
    [String.raw`\p{^L}`, true],
    [String.raw`\pL`, false],
    [String.raw`[^\pL]`, true],
    ['(?m)^a$', false],
    ['(?:a|(b(?:c|[^d])))?', true],
    ['x\ny', true],
  ])('%s: %s', (expression, expected) => {
    expect(canSpanLines(parseRegex(expression))).toBe(expected)
  })

  test('an expression that cannot has no match that does', () => {
    const within = expressions.filter((expression) => !canSpanLines(parseRegex(expression)))
    fc.assert(
      fc.property(fc.constantFrom(...within), text, (expression, each) => {
        const matches = matchesOf(expression, each).map(([match]) => match)

        expect(matches.filter((match) => match.includes('\n'))).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })
})

test('captures are named in the order in which they stand, and those without a name are not', () => {
  const names = captureNames(parseRegex('(?P<b>x)(y)(?:(?<a>z)|(?P<c>w{2}))?'))

  expect(names).toEqual(['b', 'a', 'c'])
})

test.each([String.raw`[\w-.]+`, String.raw`[\d-x]+`, String.raw`\Qab\E+`, String.raw`\101`])(
  'RE2 takes %s, and so does the parser',
  (source) => {
    expect(() => parseRegex(source)).not.toThrow()
  },
)
test('a class and a hyphen are no range', () => {
  expect(printRegex(parseRegex(String.raw`[\d-x]`))).not.toBe('[0-x]')
})
test.each([String.raw`\pC`, String.raw`[\p{Cc}]`])('%s may hold a line break', (source) => {
  expect(canSpanLines(parseRegex(source))).toBe(true)
})

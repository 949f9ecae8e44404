import * as fc from 'fast-check'
import RE2 from 're2'
import { describe, expect, test } from 'vitest'
import { atomBytesMin, atomsOf } from '../../src/catalog/atoms.js'
import { parseRegex } from '../../src/catalog/regex.js'
import { createScan } from '../../src/lines/scan.js'

const atoms = (expression: string): readonly string[] | undefined => atomsOf(parseRegex(expression))?.toSorted()

describe('the atoms of an expression', () => {
  test.each([
    ['a literal', 'QueuePool limit', ['queuepool limit']],
    ['a group', '(?P<what>pool) limit', ['pool limit']],
    ['every branch gives its own', 'kafka broker|redis server', ['kafka broker', 'redis server']],
    ['branches inside a literal', 'disk (?:full|broken) now', ['disk broken now', 'disk full now']],
    ['an optional part', 'disks? full', ['disk full', 'disks full']],
    ['a few characters', 'disk[ _]full', ['disk full', 'disk_full']],
    ['the longer of two literals', String.raw`pool \d+ of connections`, [' of connections']],
    ['letters folded', '(?i)Disk Full', ['disk full']],
    ['one letter in two cases', '[Dd]isk full', ['disk full']],
    ['an assertion changes nothing', String.raw`\bdisk\b full$`, ['disk full']],
    ['what is repeated at least once', '(?:timeout, )+x', ['timeout, ']],
    ['a literal is split at a quote', 'relation "orders" does not exist', ['does not exist']],
    ['and at a slash, a backslash, a sign', String.raw`ab/cdefg\\hi=jklmno`, ['jklmno']],
    ['and outside ASCII', 'größe überschritten', ['berschritten']],
    ['and at a line break', 'one\\nanother', ['another']],
    ['and at ": "', 'TypeError: undefined is no function', ['undefined is no function']],
    ['but not at other colons', 'cache:6379 refused', ['cache:6379 refused']],
    ['no longer than thirty-two bytes', 'a'.repeat(40), ['a'.repeat(32)]],
    ['an exact repeat of one', '(?:disk full){1}', ['disk full']],
    [
      'a later branch without a literal does no harm to a literal outside',
      String.raw`disk full (?:now|\d)`,
      ['disk full '],
    ],
  ])('%s: %s', (_, expression, expected) => {
    expect(atoms(expression)).toEqual(expected.toSorted())
  })

  test.each([
    ['three bytes', 'abc'],
    ['a class', String.raw`[a-z]+`],
    ['anything', '.*'],
    ['a branch without a literal', String.raw`disk full|\d+`],
    ['a branch that is too short', 'disk full|oom'],
    ['an optional literal', '(?:disk full)?'],
    ['a literal that may be left out', '(?:disk full)*x'],
    ['only characters that encoders change', '"\'/\\\\<>'],
    ['nothing', ''],
  ])('there are none for %s: %s', (_, expression) => {
    expect(atoms(expression)).toBeUndefined()
  })
})

/** An expression, and one text that it matches. */
type Sampled = Readonly<{ source: string; sample: string }>

const escape = (literal: string): string => literal.replaceAll(/[\\^$.|?*+()[\]{}]/g, String.raw`\$&`)

const literal = fc
  .array(fc.constantFrom(...Array.from('abcDEF12 _-.:,()[]"/='), 'é', '日', '\n', ': ', 'disk', 'full'), {
    minLength: 1,
    maxLength: 8,
  })
  .map((pieces): Sampled => ({ source: escape(pieces.join('')), sample: pieces.join('') }))
const oneOf = (source: string, ...characters: readonly string[]): fc.Arbitrary<Sampled> =>
  fc.constantFrom(...characters).map((sample) => ({ source, sample }))
const characterClass = fc.oneof(
  oneOf('[ab]', 'a', 'b'),
  oneOf('[aA]', 'a', 'A'),
  oneOf('[_: ]', '_', ':', ' '),
  oneOf(String.raw`\d`, '0', '7'),
  oneOf('[^x]', 'a', '\n', '"'),
  oneOf('.', 'a', '"', 'é'),
  oneOf('[a-z]', 'a', 'q'),
  oneOf(String.raw`[\n"]`, '\n', '"'),
)

const { node } = fc.letrec<{ node: Sampled; sequence: Sampled }>((tie) => {
  const choice = fc
    .tuple(fc.array(tie('sequence'), { minLength: 2, maxLength: 4 }), fc.nat(3))
    .map(([options, at]): Sampled => ({
      source: `(?:${options.map(({ source }) => source).join('|')})`,
      sample: options[at % options.length]?.sample ?? '',
    }))
  const repeat = fc
    .tuple(tie('sequence'), fc.constantFrom('?', '*', '+', '{2}', '{1}', '{1,3}', '{0,2}', '??', '+?'), fc.nat(3))
    .map(([{ source, sample }, sign, times]): Sampled => {
      const [min, max] = { '?': [0, 1], '*': [0, 3], '+': [1, 3], '{2}': [2, 2], '{1}': [1, 1], '{1,3}': [1, 3],
        '{0,2}': [0, 2], '??': [0, 1], '+?': [1, 3] }[sign] ?? [1, 1] // prettier-ignore
      return { source: `(?:${source})${sign}`, sample: sample.repeat(Math.min(max ?? 1, Math.max(min ?? 1, times))) }
    })
  return {
    sequence: fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((parts): Sampled => ({
      source: parts.map(({ source }) => source).join(''),
      sample: parts.map(({ sample }) => sample).join(''),
    })),
    node: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'regex' },
      { weight: 4, arbitrary: literal },
      { weight: 2, arbitrary: characterClass },
      { weight: 2, arbitrary: choice },
      { weight: 2, arbitrary: repeat },
      { weight: 1, arbitrary: tie('sequence').map(({ source, sample }) => ({ source: `(${source})`, sample })) },
    ),
  }
})
const expression = fc
  .tuple(fc.array(node, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([parts, folded]): Sampled => ({
    source: (folded ? '(?i)' : '') + parts.map(({ source }) => source).join(''),
    sample: parts.map(({ sample }) => sample).join(''),
  }))

const lowerAscii = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
const swapCase = (text: string): string =>
  text.replaceAll(/[A-Za-z]/g, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  )

describe('for random expressions', () => {
  test('whatever RE2 matches holds one of the atoms, if there are any', () => {
    let withAtoms = 0
    const around = fc.string({ maxLength: 4 })
    fc.assert(
      fc.property(expression, around, around, ({ source, sample }, before, behind) => {
        const found = atomsOf(parseRegex(source))
        if (!found) return
        withAtoms++
        const text = before + (source.startsWith('(?i)') ? swapCase(sample) : sample) + behind

        const matches = [...text.matchAll(new RE2(source, 'gu'))].map(([match]) => lowerAscii(match))

        expect(matches.length).toBeGreaterThan(0)
        for (const match of matches) expect(found.some((atom) => match.includes(atom))).toBe(true)
      }),
      { numRuns: 3000 },
    )
    expect(withAtoms).toBeGreaterThan(300)
  })

  test('an atom is four to thirty-two bytes of what no encoder changes, and spans no ": "', () => {
    fc.assert(
      fc.property(expression, ({ source }) => {
        for (const atom of atomsOf(parseRegex(source)) ?? []) {
          expect(atom).toMatch(/^[a-z0-9 _\-.:,()[\]]+$/)
          expect(atom).not.toContain(': ')
          expect(atom.length).toBeGreaterThanOrEqual(atomBytesMin)
          expect(atom.length).toBeLessThanOrEqual(32)
        }
      }),
      { numRuns: 3000 },
    )
  })
})

test('an atom that ends at a colon does not need the raw line to have it', () => {
  const found = atomsOf(parseRegex(String.raw`PoolTimeoutError:\s+\w+`)) ?? []
  const raw = '{"level":50,"time":1795255200000,"err":{"type":"PoolTimeoutError","message":"nothing free"},"msg":"x"}'
  expect(
    createScan({ atoms: found, everything: found.length === 0 }).next(Buffer.from(raw), 0),
  ).toBeGreaterThanOrEqual(0)
})
test('a letter outside ASCII is not folded into an atom', () => {
  expect(atomsOf(parseRegex('abcd\u212a'))).toEqual(['abcd'])
})

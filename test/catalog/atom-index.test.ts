import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAtomIndex } from '../../src/catalog/atom-index.js'

const letter = fc.constantFrom('a', 'b', 'c', ' ', '.')
const word = fc.string({ unit: letter, minLength: 4, maxLength: 8 })

test('finds the items of which an atom stands in the text, and no others, in their order', () => {
  const items = fc.array(fc.array(word, { minLength: 1, maxLength: 3 }), { maxLength: 8 })
  fc.assert(
    fc.property(items, fc.string({ unit: letter, maxLength: 60 }), (all, text) => {
      const find = createAtomIndex(all.map((atoms, item) => ({ item, atoms })))

      const expected = all.flatMap((atoms, item) => (atoms.some((atom) => text.includes(atom)) ? [item] : []))
      expect(find(text)).toEqual(expected)
    }),
  )
})

test('folds the case of the text', () => {
  const find = createAtomIndex([{ item: 'it', atoms: ['queuepool limit'] }])

  expect(find('QUEUEPOOL Limit')).toEqual(['it'])
})

test('an item without atoms may always match', () => {
  const find = createAtomIndex([
    { item: 'first', atoms: ['abcd'] },
    { item: 'always', atoms: undefined },
  ])

  expect(find('')).toEqual(['always'])
  expect(find('abcd')).toEqual(['first', 'always'])
})

test('an atom beside characters that are not ASCII is found', () => {
  const find = createAtomIndex([{ item: 'it', atoms: ['pool'] }])

  expect(find('größe ✓ pool 日本')).toEqual(['it'])
})

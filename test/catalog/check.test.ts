import { expect, test } from 'vitest'
import { checkCatalog } from '../../src/catalog/check.js'
import { compileCatalog } from '../../src/catalog/compile.js'
import { Family } from '../../src/catalog/schema.js'

const examples = { match: ['disk is full on /data'], ignore: ['fine'] }
const definition = { title: 'Disk full', severity: 'high', category: 'resource' }

/** What is said about a family of these failures. */
function warnings(...failures: readonly object[]): string[] {
  const family = Family.parse({ family: 'disk', failures })
  const catalog = compileCatalog(
    {
      families: [{ file: 'disk.json', folder: 0, family }],
      topology: { components: {} },
      cascades: [],
      problems: [],
    },
    { groups: {}, overrides: {} },
  )
  expect(catalog.problems).toEqual([])
  return checkCatalog(catalog, (file) => file === 'disk.json').map(({ pattern, message }) => `${pattern}: ${message}`)
}

const failure = (patterns: readonly object[], more: object = {}): object => ({
  type: 'DISK_FULL',
  ...definition,
  patterns,
  ...more,
})

test('a sound pattern has no warning', () => {
  expect(warnings(failure([{ id: 'full', match: 'disk is full on (?P<path>\\S+)', examples }]))).toEqual([])
})

test.each([
  ['no fixed text', '\\w+ \\w+ \\w+ on', /every line of its sources/],
  ['a short text', 'disk [a-z]+ [f]?ull', /looks at every line that holds "disk "/],
  ['a wide counted repeat', 'disk is.{0,200}data', /\[\^\\n\]\*/],
])('the cost of a pattern with %s is said', (_, match, said) => {
  expect(warnings(failure([{ id: 'full', match, examples }]))).toEqual([expect.stringMatching(said)])
})

test('a pattern that another one of its type always beats is said', () => {
  const patterns = [
    { id: 'sure', match: 'disk is full', confidence: 0.9, examples },
    { id: 'less', match: 'is full on', confidence: 0.5, examples },
  ]

  expect(warnings(failure(patterns))).toEqual([
    'disk.less: is never what is found: its examples are taken by disk.sure',
  ])
})

test('an example that another type takes first is said, unless that type suppresses this one', () => {
  const patterns = [{ id: 'full', match: 'disk is full', confidence: 0.5, examples }]
  const other = (suppresses: readonly string[]): object => ({
    type: 'DATA_FULL',
    ...definition,
    suppresses,
    patterns: [{ id: 'data', match: 'full on /data', confidence: 0.9, examples }],
  })

  expect(warnings(failure(patterns), other([]))).toEqual([
    expect.stringContaining('examples.match[0] is said to be DATA_FULL first'),
  ])
  expect(warnings(failure(patterns), other(['DISK_FULL']))).toEqual([expect.stringContaining('taken by disk.data')])
})

test('a text that names what not every pattern captures is said, unless it has other words', () => {
  const patterns = [{ id: 'full', match: 'disk is full on (?P<path>\\S+)', examples }]
  const saying = (text: string): string[] => warnings(failure(patterns, { explanation: { root_cause: text } }))

  expect(saying('{path} of {service} is full')).toEqual([])
  expect(saying('{volume|a volume} is full')).toEqual([])
  expect(saying('{volume} is full')).toEqual([
    expect.stringContaining('{volume} in its texts is captured by none of its patterns'),
  ])
})

import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../src')
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))

/** DESIGN's order: each may import those before it; of the shells, none another, but for the store. */
const order = [
  'lines',
  'catalog',
  'detect',
  'correlate',
  'changes',
  'pipeline',
  'config',
  'store',
  'ingest',
  'sources',
  'notify',
  'server',
  'app',
  'cli',
]
const shells = ['store', 'ingest', 'sources', 'notify', 'server']
const mayImportStore = ['ingest', 'notify', 'server']
/** The shells that stand in a pure folder. */
const impureFiles = ['catalog/pattern-files.ts', 'catalog/write-schema.ts']
const pureParts = ['lines', 'catalog', 'detect', 'correlate', 'changes', 'pipeline', 'config']

const partOf = (name: string): string => (name.split('/')[0] ?? '').replace(/\.[jt]s$/, '')
const read = (name: string): string => readFileSync(join(root, name), 'utf8')
const importsOf = (name: string): string[] =>
  [...read(name).matchAll(/(?:from|import) '(\.[^']+)'/g)].map(([, path = '']) =>
    relative(root, join(root, name, '..', path)),
  )
const packagesOf = (name: string): string[] =>
  [...read(name).matchAll(/from '([^.'][^']*)'/g)].map(([, path = '']) => path)

test('imports point up the flow', () => {
  const wrong = files.flatMap((name) =>
    importsOf(name)
      .map((imported) => ({ from: partOf(name), to: partOf(imported) }))
      .filter(({ from, to }) => {
        if (from === to) return false
        if (shells.includes(from) && shells.includes(to)) return !(to === 'store' && mayImportStore.includes(from))
        return order.indexOf(to) >= order.indexOf(from) || !order.includes(to)
      })
      .map(({ to }) => `${name} imports ${to}`),
  )

  expect(wrong).toEqual([])
})

test('pure files ask for no time, no chance and no input or output', () => {
  const pure = files.filter((name) => pureParts.includes(partOf(name)) && !impureFiles.includes(name))
  const wrong = pure.flatMap((name) => [
    ...packagesOf(name)
      .filter((each) => each.startsWith('node:') && each !== 'node:crypto')
      .map((each) => `${name} imports ${each}`),
    ...[
      /\bDate\.now\(/,
      /\bnew Date\(\)/,
      /\bMath\.random\(/,
      /\bperformance\./,
      /\bprocess\./,
      /\bsetTimeout\(/,
      /\bsetInterval\(/,
      /\brandomUUID\b/,
      /\bconsole\./,
    ]
      .filter((each) => each.test(read(name)))
      .map((each) => `${name} uses ${each.source}`),
  ])

  expect(pure.length).toBeGreaterThan(20)
  expect(wrong).toEqual([])
})

test('no file is named after nothing', () => {
  expect(
    files.filter((name) => /(?:^|\/)(?:utils?|helpers?|types|common|misc|constants|index)\.ts$/.test(name)),
  ).toEqual([])
})

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { bundledPatterns } from '../../src/app.js'
import type { Catalog } from '../../src/catalog/compile.js'
import { createPatternFiles, type PatternFiles } from '../../src/catalog/pattern-files.js'
import { matchPattern } from '../../src/catalog/matcher.js'
import { decodeText } from '../../src/lines/decode.js'
import { temporaryFolder } from '../support/folder.js'

const options = { groups: { pydantic: 5, sdk: 10, db: 15 }, overrides: {} }

const pattern = (id: string, match: string, more: object = {}): object => ({
  id,
  match,
  examples: { match: ['disk full on /data'], ignore: ['disk is fine'] },
  ...more,
})
const definition = { title: 'Disk full', severity: 'high', category: 'resource' }
const failure = (type: string, patterns: readonly object[], more: object = definition): object => ({
  type,
  ...more,
  patterns,
})
const family = (name: string, ...failures: readonly object[]): object => ({ family: name, failures })

type Folder = Readonly<{ path: string; write(name: string, content: object | string): string; files: PatternFiles }>

function folderOf(content: Readonly<Record<string, object | string>>, ...more: readonly string[]): Folder {
  const path = temporaryFolder()
  const write = (name: string, each: object | string): string => {
    const file = join(path, name)
    writeFileSync(file, typeof each === 'string' ? each : JSON.stringify(each, undefined, 2))
    return file
  }
  for (const [name, each] of Object.entries(content)) write(name, each)
  return { path, write, files: createPatternFiles([path, ...more], options) }
}

const idsOf = ({ patterns }: Catalog): string[] => patterns.map(({ id }) => id).toSorted()

const disk = family('disk', failure('DISK_FULL', [pattern('full', 'disk full')]))

describe('a folder of patterns', () => {
  test('becomes a catalogue without problems', async () => {
    const { files } = folderOf({ 'disk.json': disk })

    const catalog = await files.load()

    expect(catalog.problems).toEqual([])
    expect(idsOf(catalog)).toEqual(['disk.full'])
    expect(catalog.types.get('DISK_FULL')).toMatchObject({ title: 'Disk full', severity: 'high', family: 'disk' })
  })

  test('topology.json and cascades.json are read as what they are', async () => {
    const cascade = { type: 'ALL_LOST', title: 'All lost', all: ['DISK_FULL', 'NET_LOST'] }
    const { files } = folderOf({
      'disk.json': disk,
      'topology.json': { components: { api: { services: ['api-*'], depends_on: ['host'] } } },
      'cascades.json': [cascade, { type: 'BAD', title: 'neither all nor root' }],
    })

    const catalog = await files.load()

    expect(catalog.topology.components).toEqual({ api: { services: ['api-*'], depends_on: ['host'] } })
    expect(catalog.cascades.map(({ type, within }) => [type, within])).toEqual([['ALL_LOST', '2m']])
    expect(catalog.problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/\[1\].*either "all" or "root"/),
    ])
  })

  test('what is no pattern file is passed over', async () => {
    const { files } = folderOf({ 'disk.json': disk, 'schema.json': '{}', 'README.md': '#', '.disk.json': 'not JSON' })

    const catalog = await files.load()

    expect(catalog.problems).toEqual([])
  })

  test('that does not exist is an error that names it', async () => {
    const files = createPatternFiles(['/nowhere/patterns'], options)

    await expect(files.load()).rejects.toThrow('pattern folder /nowhere/patterns cannot be read')
  })
})

describe('what is wrong becomes a problem, and the rest lives', () => {
  test('broken JSON names file, line and column', async () => {
    const { files, path } = folderOf({
      'disk.json': disk,
      'broken.json': '{\n  "family": "broken",\n  "failures": [}\n',
    })

    const catalog = await files.load()

    const file = join(path, 'broken.json')
    expect(catalog.problems).toEqual([
      { file, pattern: undefined, message: expect.stringContaining(`${file}:3:16: `) as string },
    ])
    expect(idsOf(catalog)).toEqual(['disk.full'])
  })

  test.each([
    ['an unknown key', { threshhold: 3 }, /threshhold/],
    ['an id with a capital', { id: 'Bad' }, /lower-case/],
    ['a look-around', { match: 'disk full(?= on)' }, /match: look-around.*\(at character 10\)/],
    ['an expression that RE2 refuses', { match: 'disk full{2,1}' }, /match: RE2 refuses it: invalid repetition size/],
    ['an "unless" that RE2 refuses', { unless: 'a(b' }, /unless: this "\(" is never closed \(at character 2\)/],
    [
      'an example that does not match',
      { match: 'disk empty' },
      /examples\.match\[0\] does not match: "disk full on \/data"/,
    ],
    [
      'an innocent example that matches',
      { match: 'disk' },
      /examples\.ignore\[0\] matches, and must not: "disk is fine"/,
    ],
    ['an example that its own "unless" vetoes', { unless: '/data' }, /examples\.match\[0\] does not match/],
    [
      'an example below its level',
      { examples: { match: ['DEBUG disk full'], ignore: ['x'] } },
      /examples\.match\[0\] does not match/,
    ],
    ['no innocent example', { examples: { match: ['disk full'], ignore: [] } }, /examples\.ignore/],
    [
      'a message with a name that is no capture',
      { message: 'no room on {mount}' },
      /message: \{mount\} is no capture of "match"/,
    ],
    ['no expression', { match: '' }, /match/],
    ['a confidence above one', { confidence: 1.5 }, /confidence/],
  ])('%s', async (_, wrong, message) => {
    const bad = { ...pattern('bad', 'disk full'), ...wrong }
    const { files, path } = folderOf({
      'disk.json': family('disk', failure('DISK_FULL', [pattern('full', 'disk full'), bad])),
    })

    const catalog = await files.load()

    const [problem] = catalog.problems
    expect(catalog.problems).toHaveLength(1)
    expect(problem?.message).toMatch(message)
    expect(problem?.file).toBe(join(path, 'disk.json'))
    expect(problem?.pattern).toBe(`disk.${(bad as { id: string }).id}`)
    expect(idsOf(catalog)).toEqual(['disk.full'])
  })

  test('an unknown key of a failure names the type', async () => {
    const { files } = folderOf({
      'disk.json': family(
        'disk',
        failure('DISK_FULL', [pattern('full', 'disk full')]),
        failure('DISK_SLOW', [pattern('slow', 'disk full')], { ...definition, severty: 'low' }),
      ),
    })

    const catalog = await files.load()

    expect(catalog.problems.map(({ message }) => message)).toEqual([expect.stringMatching(/^DISK_SLOW: .*severty/)])
    expect(idsOf(catalog)).toEqual(['disk.full'])
  })

  test('an unknown key of a family names the file', async () => {
    const { files, path } = folderOf({
      'disk.json': disk,
      'net.json': { ...family('net', failure('NET_LOST', [])), famly: 1 },
    })

    const catalog = await files.load()

    expect(catalog.problems).toEqual([
      { file: join(path, 'net.json'), pattern: undefined, message: expect.stringContaining('famly') as string },
    ])
    expect(idsOf(catalog)).toEqual(['disk.full'])
  })

  test('an id that stands twice is told, and the last one used', async () => {
    const { files } = folderOf({
      'disk.json': family('disk', failure('DISK_FULL', [pattern('full', 'disk full'), pattern('full', 'full on')])),
    })

    const catalog = await files.load()

    expect(catalog.problems).toMatchObject([
      { pattern: 'disk.full', message: expect.stringContaining('twice') as string },
    ])
    expect(catalog.patterns.map(({ id, source }) => [id, source])).toEqual([['disk.full', 'full on']])
  })

  test('a type that no family defines is told', async () => {
    const { files } = folderOf({
      'disk.json': family('disk', failure('DISK_FULL', [pattern('full', 'disk full')], {})),
    })

    const catalog = await files.load()

    expect(catalog.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('DISK_FULL is not defined anywhere'),
    ])
    expect(idsOf(catalog)).toEqual(['disk.full'])
  })
})

describe('a type is defined once', () => {
  test('another family adds patterns by naming the type alone', async () => {
    const { files } = folderOf({
      'disk.json': disk,
      'zfs.json': family('zfs', failure('DISK_FULL', [pattern('full', 'full on')], {})),
    })

    const catalog = await files.load()

    expect(catalog.problems).toEqual([])
    expect(idsOf(catalog)).toEqual(['disk.full', 'zfs.full'])
    expect(catalog.types.get('DISK_FULL')?.family).toBe('disk')
  })

  test('two different definitions in one folder are a problem that names both files, and the first stays', async () => {
    const { files, path } = folderOf({
      'disk.json': disk,
      'zfs.json': family(
        'zfs',
        failure('DISK_FULL', [pattern('full', 'full on')], { ...definition, severity: 'low' }),
      ),
    })

    const catalog = await files.load()

    expect(catalog.problems).toMatchObject([
      { file: join(path, 'zfs.json'), message: expect.stringContaining(join(path, 'disk.json')) as string },
    ])
    expect(catalog.types.get('DISK_FULL')?.severity).toBe('high')
    expect(idsOf(catalog)).toEqual(['disk.full', 'zfs.full'])
  })

  test('the same definition twice is none', async () => {
    const { files } = folderOf({
      'disk.json': disk,
      'zfs.json': family('zfs', failure('DISK_FULL', [pattern('full', 'full on')])),
    })

    const catalog = await files.load()

    expect(catalog.problems).toEqual([])
  })
})

describe('a later folder wins over an earlier one', () => {
  test('with types, patterns, components and cascades of the same name', async () => {
    const own = temporaryFolder()
    const ownDisk = family(
      'disk',
      failure('DISK_FULL', [pattern('full', 'full on')], { ...definition, severity: 'low' }),
    )
    writeFileSync(join(own, 'disk.json'), JSON.stringify(ownDisk))
    writeFileSync(join(own, 'topology.json'), JSON.stringify({ components: { api: { depends_on: ['db'] } } }))
    writeFileSync(join(own, 'cascades.json'), JSON.stringify([{ type: 'ALL_LOST', title: 'Own', root: '*' }]))
    const { files } = folderOf(
      {
        'disk.json': family('disk', failure('DISK_FULL', [pattern('full', 'disk full'), pattern('other', 'disk f')])),
        'topology.json': { components: { api: { depends_on: [] }, db: { depends_on: [] } } },
        'cascades.json': [{ type: 'ALL_LOST', title: 'Bundled', root: '*' }],
      },
      own,
    )

    const catalog = await files.load()

    expect(catalog.problems).toEqual([])
    expect(catalog.types.get('DISK_FULL')?.severity).toBe('low')
    expect(catalog.patterns.map(({ id, source }) => `${id}: ${source}`).toSorted()).toEqual([
      'disk.full: full on',
      'disk.other: disk f',
    ])
    expect(catalog.topology.components['api']?.depends_on).toEqual(['db'])
    expect(catalog.topology.components['db']).toBeDefined()
    expect(catalog.cascades.map(({ title }) => title)).toEqual(['Own'])
  })
})

describe('a file that changes', () => {
  test('and breaks leaves its last good version, and a problem', async () => {
    const { files, write } = folderOf({ 'disk.json': disk })
    await files.load()
    write('disk.json', '{"family": "disk", ')

    const catalog = await files.load()

    expect(idsOf(catalog)).toEqual(['disk.full'])
    expect(catalog.problems).toHaveLength(1)
  })

  test('and is repaired has no problem any more', async () => {
    const { files, write } = folderOf({ 'disk.json': '{' })
    await files.load()
    write('disk.json', disk)

    const catalog = await files.load()

    expect(idsOf(catalog)).toEqual(['disk.full'])
    expect(catalog.problems).toEqual([])
  })

  test('and is removed takes its patterns along', async () => {
    const { files, path } = folderOf({ 'disk.json': disk })
    await files.load()
    rmSync(join(path, 'disk.json'))

    const catalog = await files.load()

    expect(idsOf(catalog)).toEqual([])
  })
})

/** Watches a folder; `next` resolves with the first catalogue that passes the test. */
async function watching({ files }: Folder): Promise<(wanted: (catalog: Catalog) => boolean) => Promise<Catalog>> {
  const controller = new AbortController()
  onTestFinished(() => controller.abort())
  const waiting: { wanted: (catalog: Catalog) => boolean; resolve: (catalog: Catalog) => void }[] = []
  await files.load()
  await files.watch((catalog) => {
    for (const { wanted, resolve } of waiting) if (wanted(catalog)) resolve(catalog)
  }, controller.signal)
  return (wanted) => new Promise((resolve) => waiting.push({ wanted, resolve }))
}

describe('watching', () => {
  test('tells of a file that changed', async () => {
    const folder = folderOf({ 'disk.json': disk })
    const next = await watching(folder)
    const changed = next((catalog) => idsOf(catalog).includes('disk.newer'))

    folder.write('disk.json', family('disk', failure('DISK_FULL', [pattern('newer', 'full on')])))

    expect(idsOf(await changed)).toEqual(['disk.newer'])
  })

  test('tells of a file that appeared, one that broke, and one that was removed', async () => {
    const folder = folderOf({ 'disk.json': disk })
    const next = await watching(folder)

    const appeared = next(({ patterns }) => patterns.length === 2)
    folder.write('zfs.json', family('zfs', failure('DISK_FULL', [pattern('full', 'full on')], {})))
    expect(idsOf(await appeared)).toEqual(['disk.full', 'zfs.full'])

    const broke = next(({ problems }) => problems.length === 1)
    folder.write('zfs.json', '{')
    expect(idsOf(await broke)).toEqual(['disk.full', 'zfs.full'])

    const removed = next(({ patterns }) => patterns.length === 1)
    rmSync(join(folder.path, 'zfs.json'))
    expect(idsOf(await removed)).toEqual(['disk.full'])
  })
})

describe('the bundled catalogue', () => {
  let catalog: Catalog
  beforeAll(async () => {
    catalog = await createPatternFiles([bundledPatterns], options).load()
  })

  test('has no problem', () => {
    expect(catalog.problems).toEqual([])
    expect(catalog.patterns.length).toBeGreaterThan(50)
  })

  test('has at least two examples and two innocent neighbours for every pattern', () => {
    const few = catalog.patterns.filter(
      ({ examples }) => examples && (examples.match.length < 2 || examples.ignore.length < 2),
    )

    expect(few.map(({ id }) => id)).toEqual([])
  })

  test('has no pattern without an atom', () => {
    const without = catalog.patterns.filter(({ atoms }) => atoms === undefined || atoms.length === 0)

    expect(without.map(({ id }) => id)).toEqual([])
  })

  test('has for every example of every pattern the values that its message names', () => {
    const plainly = { hints: { toUtcMs: () => 0, arrivalMs: 0 }, redact: (text: string) => text }
    const unfilled = catalog.patterns.flatMap((each) => {
      const names = [...(each.message ?? '').matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
      return (each.examples?.match ?? []).flatMap((text) => {
        const captures = matchPattern(each, decodeText(text, plainly))?.captures ?? {}
        return names.filter((name) => !captures[name]).map((name) => `${each.id}: {${name}} in ${text}`)
      })
    })

    expect(unfilled).toEqual([])
  })
})

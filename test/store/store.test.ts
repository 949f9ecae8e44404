import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { noCounters } from '../../src/changes.js'
import { createQueries } from '../../src/store/queries.js'
import { openStore } from '../../src/store/store.js'
import { temporaryFolder } from '../support/folder.js'

const problem = (message: string) => ({
  type: 'source_problem' as const,
  source: 'file:/a.log',
  message,
  solved: false,
})
const telling = (...messages: string[]) => ({
  outcome: {
    changes: messages.map(problem),
    source: undefined,
    keys: [],
    forgottenKeys: [],
    incidents: [],
    counters: noCounters(),
  },
})

test('a database that is damaged is refused with its name and left as it is', () => {
  const folder = temporaryFolder()
  const path = join(folder, 'faultline.db')
  writeFileSync(
    path,
    'this is no database, and never was one; but it is long enough to look like a file of some worth',
  )
  const before = readFileSync(path)

  expect(() => openStore(folder)).toThrow(new RegExp(`${path} is damaged or no database`))
  expect(readFileSync(path)).toEqual(before)
})

test('a database of another program, or of a newer version, is refused and left as it is', () => {
  const foreign = temporaryFolder()
  const newer = temporaryFolder()
  const other = new Database(join(foreign, 'faultline.db'))
  other.exec('CREATE TABLE theirs (x)')
  other.close()
  openStore(newer).close()
  const future = new Database(join(newer, 'faultline.db'))
  future.pragma('user_version = 99')
  future.close()
  const before = readFileSync(join(foreign, 'faultline.db'))

  expect(() => openStore(foreign)).toThrow(/another program/)
  expect(() => openStore(newer)).toThrow(/newer faultline \(its schema is 99/)
  expect(readFileSync(join(foreign, 'faultline.db'))).toEqual(before)
})

test('a folder that cannot be made is named', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'file'), '')

  expect(() => openStore(join(folder, 'file', 'data'))).toThrow(/data folder .*file\/data cannot be written/)
})

test('a second instance on the same folder is refused, and the first is not disturbed', () => {
  const folder = temporaryFolder()
  const first = openStore(folder)

  expect(() => openStore(folder)).toThrow(/in use by another faultline/)

  expect(first.commit([telling('still here')], 1)).toHaveLength(1)
  first.close()
})

test('sequence numbers go on after a restart and are never used again, even when all events are gone', () => {
  const folder = temporaryFolder()
  const first = openStore(folder)
  first.commit([telling('a', 'b', 'c')], 1000)
  first.retain(100_000_000, 1000)
  const emptied = createQueries(first.database).range()
  first.close()
  const second = openStore(folder)

  const [event] = second.commit([telling('d')], 2000)

  expect(emptied).toEqual({ newest: 3, oldest: 4 })
  expect(event?.seq).toBe(4)
  expect(second.streamId).toBe(first.streamId)
  second.close()
})

test('a commit is whole or not at all', () => {
  const folder = temporaryFolder()
  const store = openStore(folder)
  const broken = {
    outcome: {
      ...telling('kept?').outcome,
      keys: [{ type: null as unknown as string, key: 'k', sightings: [], failure: undefined }],
    },
  }

  expect(() => store.commit([telling('with it'), broken], 1)).toThrow(/NOT NULL/)

  expect(createQueries(store.database).events(0, 10)).toEqual([])
  store.close()
})

test('a copy of the data folder, write-ahead log included, opens as it was', () => {
  const folder = temporaryFolder()
  const copy = join(temporaryFolder(), 'copy')
  mkdirSync(copy)
  const store = openStore(folder)
  store.commit([telling('a')], 1)

  for (const name of ['faultline.db', 'faultline.db-wal'])
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name))
  store.close()
  const opened = openStore(copy)

  expect(createQueries(opened.database).events(0, 10)).toHaveLength(1)
  opened.close()
})

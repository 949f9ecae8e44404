import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createIngest } from '../../src/ingest.js'
import { createFileSource } from '../../src/sources/file.js'
import { createQueries } from '../../src/store/queries.js'
import { openStore } from '../../src/store/store.js'
import { createRedact } from '../../src/lines/redact.js'
import { someFamilies } from '../support/core.js'
import { temporaryFolder } from '../support/folder.js'
import { until } from '../support/service.js'

const line = (file: string, n: number): string =>
  `2026-11-21 10:00:${String(n).padStart(2, '0')},000 ERROR [${file}] redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.\n`

test('with every second commit refused, two files are read once and whole', async () => {
  const folder = temporaryFolder()
  const paths = ['a', 'b'].map((name) => join(folder, `${name}.log`))
  const store = openStore(join(folder, 'data'))
  const queries = createQueries(store.database)
  let commits = 0
  const silent = { error: () => undefined, warn: () => undefined, info: () => undefined }
  const intake = createIngest({
    store: {
      ...store,
      commit(...args) {
        if (commits++ % 2 === 0) throw new Error('disk full')
        return store.commit(...args)
      },
    },
    pipeline: {
      catalog: await someFamilies('redis'),
      redact: createRedact(),
      latenessMs: 120_000,
      timeZone: 'UTC',
      keysMax: 1000,
    },
    now: Date.now,
    onEvents: () => undefined,
    log: silent,
  })
  const source = createFileSource({
    paths,
    service: undefined,
    from: 'start',
    holdMs: 20,
    intake,
    known: [],
    now: Date.now,
    log: silent,
  })
  const stopping = new AbortController()
  const running = source.run(stopping.signal, () => undefined)

  for (let n = 0; n < 20; n++) for (const path of paths) appendFileSync(path, line(path, n))
  const matches = (): number => queries.counters()['matches.REDIS_CONNECTION_FAILURE'] ?? 0
  await until(() => {
    intake.tick(Date.now())
    return matches() >= 40
  }, 'forty matches')
  const bytes = paths.reduce((sum, path) => sum + Buffer.byteLength(line(path, 0)) * 20, 0)
  await until(() => {
    intake.tick(Date.now())
    return queries.counters()['bytes'] === bytes
  }, 'every byte, once')
  stopping.abort()
  await running

  expect(commits).toBeGreaterThan(2)
  expect(matches()).toBe(40)
  expect(queries.counters()['lines']).toBe(40)
  store.close()
})

import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Catalog } from '../src/catalog/compile.js'
import { createIngest, type Ingest } from '../src/ingest.js'
import { createRedact } from '../src/lines/redact.js'
import { createQueries } from '../src/store/queries.js'
import { openStore, type Store, type StoredEvent } from '../src/store/store.js'
import { batchOf, noon, someFamilies, withoutAfter } from './support/core.js'

let catalog: Catalog
beforeAll(async () => {
  catalog = await someFamilies('sqlalchemy', 'redis', 'postgres')
})

const python = (second: number): string =>
  new Date(Date.UTC(2026, 10, 21, 10) + second * 1000)
    .toISOString()
    .replace('T', ' ')
    .replace('.', ',')
    .replace('Z', '')
const pool =
  'sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00'
const refused = 'redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.'
const piece = fc.oneof(
  fc.nat(9000).map((s) => `${python(s)} INFO served in ${s} ms`),
  fc.nat(9000).map((s) => `${python(s)} ERROR ${pool}`),
  fc
    .nat(9000)
    .map(
      (s) => `${python(s)} ERROR failed\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n${refused}`,
    ),
  fc.nat(9000).map((s) =>
    JSON.stringify({
      time: Date.parse(`${python(s).replace(' ', 'T').replace(',', '.')}Z`),
      level: 50,
      workspace_id: `ws${s % 3}`,
      msg: refused,
    }),
  ),
)
const log = fc.array(piece, { minLength: 1, maxLength: 30 }).map((pieces) => `${pieces.join('\n')}\n`)

/** Where a run is to be hurt: at the n-th commit, killed before or after it, or the commit refused. */
type Harm = { at: number; kind: 'killed before' | 'killed after' | 'refused' }
const harm = fc.record({
  at: fc.nat(25),
  kind: fc.constantFrom<Harm['kind'][]>('killed before', 'killed after', 'refused'),
})

class Killed extends Error {}

const silent = { error: () => undefined, warn: () => undefined, info: () => undefined }

/** A killed process handles no errors: the kill passes through the handling of a refused commit. */
function dieIfKilled({ err }: { err?: unknown }): void {
  if (err instanceof Killed) throw err
}

type Run = { events: StoredEvent[]; stored: unknown }

/** Reads a file batch by batch into a real store, through every harm, restarting after each kill; like a subscriber that comes back with `since`. */
function run(content: Buffer, { cuts, harms }: { cuts: readonly number[]; harms: readonly Harm[] }): Run {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-crash-'))
  const seen: StoredEvent[] = []
  let commits = 0
  try {
    for (;;) {
      const store = openStore(folder)
      for (const event of createQueries(store.database).events(seen.at(-1)?.seq ?? 0, 10_000)) seen.push(event)
      try {
        const ingest = createIngest({
          store: { ...store, commit: (...args) => hurt(harms, commits++, () => store.commit(...args)) },
          pipeline: { catalog, redact: createRedact(), latenessMs: 120_000, timeZone: 'UTC', keysMax: 1000 },
          now: () => noon,
          onEvents: (events) => seen.push(...events),
          log: { ...silent, error: dieIfKilled },
        })
        readAll(ingest, content, cuts)
        return { events: seen, stored: stored(store) }
      } catch (error) {
        if (!(error instanceof Killed)) throw error
      } finally {
        store.close()
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function hurt<T>(harms: readonly Harm[], commit: number, act: () => T): T {
  const kind = harms.find(({ at }) => at === commit)?.kind
  if (kind === 'refused') throw new Error('disk full')
  if (kind === 'killed before') throw new Killed()
  const result = act()
  if (kind === 'killed after') throw new Killed()
  return result
}

/** A source that keeps to the protocol: it asks for its position, delivers from there, and delivers again what did not happen. */
function readAll(ingest: Ingest, content: Buffer, cuts: readonly number[]): void {
  const ends = [...new Set(cuts)].toSorted((a, b) => a - b).concat(content.length)
  // The positions of clean bytes are committed by the tick; when that is refused, they are read once more.
  do {
    for (const to of ends)
      for (let ok = false; !ok;) {
        const from = ingest.positionOf('app')
        if (from > to) break
        ok = ingest.deliver(batchOf(content, { from, to, ending: to === content.length ? 'end' : 'more' })).ok
      }
    ingest.tick(noon)
  } while (ingest.positionOf('app') < content.length)
}

/** What the store holds at the end, but for the lines that came after a failure. */
function stored({ database }: Store): unknown {
  const rows = (sql: string): Record<string, unknown>[] => database.prepare(sql).all() as Record<string, unknown>[]
  const hot = (text: unknown): unknown => ({ ...(JSON.parse(String(text)) as object), after: [] })
  return {
    failures: rows('SELECT * FROM failures ORDER BY id').map((row) => ({
      ...row,
      opened_seq: 0,
      hot: hot(row['hot']),
      body: withoutBodyAfter(row['body']),
    })),
    incidents: rows('SELECT id, state, severity, opened_ms, body FROM incidents ORDER BY id'),
    keys: rows('SELECT * FROM keys ORDER BY type, key'),
    counters: rows('SELECT * FROM counters WHERE value > 0 ORDER BY name'),
    positions: rows('SELECT id, position FROM sources ORDER BY id'),
  }
}

function withoutBodyAfter(text: unknown): unknown {
  const body = JSON.parse(String(text)) as { failure: { evidence: object } }
  return { ...body, failure: { ...body.failure, evidence: { ...body.failure.evidence, after: [] } } }
}

test('a crash is a pause: killed at any commit, or refused one, the stored result is that of an undisturbed run', () => {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(log, cuts, fc.array(harm, { minLength: 1, maxLength: 6 }), (text, at, harms) => {
      const content = Buffer.from(text)
      const offsets = at.map((share) => Math.floor(share * content.length))
      const undisturbed = run(content, { cuts: offsets, harms: [] })

      const disturbed = run(content, { cuts: offsets, harms })

      expect(disturbed.stored).toEqual(undisturbed.stored)
      expect(withoutAfter(disturbed.events.map(({ change }) => change))).toEqual(
        withoutAfter(undisturbed.events.map(({ change }) => change)),
      )
      const sequence = disturbed.events.map(({ seq }) => seq)
      expect(sequence).toEqual([...new Set(sequence)].toSorted((a, b) => a - b))
    }),
    { numRuns: 80 },
  )
})

test('events are told only after their commit, and a refused commit tells nothing', () => {
  const content = Buffer.from(`${python(1)} ERROR ${pool}\n${python(2)} INFO ok\n`)
  const folder = mkdtempSync(join(tmpdir(), 'faultline-order-'))
  const store = openStore(folder)
  const order: string[] = []
  let refuse = true
  const ingest = createIngest({
    store: {
      ...store,
      commit(...args) {
        if (refuse) throw new Error('disk full')
        order.push('committed')
        return store.commit(...args)
      },
    },
    pipeline: { catalog, redact: createRedact(), latenessMs: 120_000, timeZone: 'UTC', keysMax: 1000 },
    now: () => noon,
    onEvents: () => order.push('told'),
    log: silent,
  })

  const first = ingest.deliver(batchOf(content, { from: 0, to: content.length, ending: 'end' }))
  const afterRefusal = { told: [...order], position: ingest.positionOf('app') }
  refuse = false
  const accepted = ingest.deliver(batchOf(content, { from: 0, to: content.length, ending: 'end' }))

  expect(first.ok).toBe(false)
  expect(afterRefusal).toEqual({ told: [], position: 0 })
  expect(accepted.ok).toBe(true)
  expect(order).toEqual(['committed', 'told'])
  store.close()
  rmSync(folder, { recursive: true, force: true })
})

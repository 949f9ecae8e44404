import { beforeAll, expect, test } from 'vitest'
import type { Catalog } from '../src/catalog/compile.js'
import type { Change } from '../src/changes.js'
import { batchOf, deliverCut, newPipeline, noon, nothingTold, someFamilies, tell } from './support/core.js'

let catalog: Catalog
beforeAll(async () => {
  catalog = await someFamilies('sqlalchemy', 'redis')
})

const hourMs = 3_600_000
const dayStart = Date.UTC(2026, 10, 20)
const stamp = (ms: number): string => new Date(ms).toISOString()
const refused = 'redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.'
const pool =
  'sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00'
const line = (ms: number, text: string, service = 'shop'): string =>
  `${JSON.stringify({ time: stamp(ms), level: 'error', service, msg: text })}\n`
const clean = (ms: number): string =>
  `${JSON.stringify({ time: stamp(ms), level: 'info', service: 'shop', msg: 'served' })}\n`
const detected = (changes: readonly Change[]) =>
  changes.flatMap((change) => (change.type === 'failure_detected' ? [change.failure] : []))

/** A day of one match every hour in each of two files, half a minute apart: with a threshold of three, only together do they pass it. */
const morning = Array.from({ length: 20 }, (_, hour) => dayStart + hour * hourMs)
const dayOf = (offsetMs: number): Buffer =>
  Buffer.from(
    morning
      .map(
        (ms) =>
          line(ms + offsetMs, refused) + line(ms + offsetMs + 60_000, refused) + clean(ms + offsetMs + 30 * 60_000),
      )
      .join(''),
  )

test.each([
  ['the first before the second', ['a', 'b']],
  ['the second before the first', ['b', 'a']],
])('two files over the same day, read %s, pass every threshold that they pass together', (_, order) => {
  const contents: Record<string, Buffer> = { a: dayOf(0), b: dayOf(30_000) }
  const pipeline = newPipeline(catalog)
  const told = nothingTold()
  for (const name of order) tell(told, pipeline.setUnread({ id: name, source: `file:/${name}.log` }, true))

  for (const name of order) {
    const { changes, counters } = deliverCut(pipeline, contents[name] ?? Buffer.alloc(0), [], name)
    told.changes.push(...changes)
    expect(counters.matches['REDIS_CONNECTION_FAILURE']).toBe(40)
  }

  const [failure] = detected(told.changes)
  const counts = told.changes.flatMap((change) => (change.type === 'failure_updated' ? [change.failure.count] : []))
  expect(failure?.threshold.count).toBe(3)
  expect(Math.max(...counts, failure?.count ?? 0)).toBeGreaterThan(30)
})

test('a backlog of yesterday ends and begins failures by its own times', () => {
  const content = Buffer.from(
    [0, 3, 6].map((hour) => line(dayStart + hour * hourMs, pool) + clean(dayStart + (hour + 1) * hourMs)).join(''),
  )

  const { changes } = deliverCut(newPipeline(catalog), content, [])

  const failures = detected(changes)
  expect(failures.map(({ firstSeenMs }) => firstSeenMs)).toEqual([0, 3, 6].map((hour) => dayStart + hour * hourMs))
  expect(new Set(failures.map(({ id }) => id)).size).toBe(3)
  expect(changes.filter(({ type }) => type === 'failure_resolved')).toHaveLength(3)
})

test('a restart after a day counts all that came meanwhile, and concludes nothing from the silence it did not watch', () => {
  const content = Buffer.from(line(dayStart, pool))
  const pipeline = newPipeline(catalog)
  const told = nothingTold()
  tell(
    told,
    pipeline.deliver({
      ...batchOf(content, { from: 0, to: content.length, ending: 'idle' }),
      arrivalMs: dayStart + 24 * hourMs,
    }),
  )

  tell(told, pipeline.tick(dayStart + 24 * hourMs + 60_000))
  const early = told.changes.filter(({ type }) => type === 'failure_resolved').length
  tell(told, pipeline.tick(dayStart + 24 * hourMs + 16 * 60_000))

  expect(detected(told.changes)).toHaveLength(1)
  expect(early).toBe(0)
  expect(told.changes.filter(({ type }) => type === 'failure_resolved')).toHaveLength(1)
})

test('a source whose clock is twelve hours slow gives every match, and its failure lasts as long as its matches come', () => {
  const pipeline = newPipeline(catalog)
  const told = nothingTold()
  let content = Buffer.alloc(0)
  const slow = (ms: number): number => ms - 12 * hourMs
  for (let minute = 0; minute < 60; minute += 5) {
    const nowMs = noon + minute * 60_000
    content = Buffer.concat([content, Buffer.from(line(slow(nowMs), pool))])
    const from = pipeline.positionOf('slow')
    tell(
      told,
      pipeline.deliver({
        ...batchOf(content, { from, to: content.length, ending: 'idle', name: 'slow' }),
        arrivalMs: nowMs,
      }),
    )
    tell(told, pipeline.tick(nowMs + 1000))
  }

  expect(told.counters.matches['CONNECTION_POOL_EXHAUSTION']).toBe(12)
  expect(detected(told.changes)).toHaveLength(1)
  expect(told.changes.some(({ type }) => type === 'failure_resolved')).toBe(false)
})

test('times of 1970 and 2099 count at their arrival and never move a clock', () => {
  const content = Buffer.from(
    line(Date.UTC(2099, 0, 1), refused) + line(0, refused) + line(noon - 5000, pool) + line(noon - 4000, refused),
  )

  const { changes, counters } = deliverCut(newPipeline(catalog), content, [])

  const [first, second] = detected(changes)
  expect(counters.matches).toEqual({ REDIS_CONNECTION_FAILURE: 3, CONNECTION_POOL_EXHAUSTION: 1 })
  expect([first?.type, second?.type]).toEqual(['CONNECTION_POOL_EXHAUSTION', 'REDIS_CONNECTION_FAILURE'])
  expect(second?.firstSeenMs).toBe(noon - 4000)
  expect(second?.lastSeenMs).toBe(noon)
  expect(changes.some(({ type }) => type === 'failure_resolved')).toBe(false)
})

test('a source that cannot be read holds nobody back', () => {
  const pipeline = newPipeline(catalog)
  const told = nothingTold()
  tell(told, pipeline.setUnread({ id: 'other', source: 'file:/other.log' }, true))
  const content = Buffer.from(line(dayStart, pool) + clean(dayStart + hourMs))
  tell(told, pipeline.deliver(batchOf(content, { from: 0, to: content.length, ending: 'end' })))
  const held = told.changes.filter(({ type }) => type === 'failure_resolved').length

  tell(told, pipeline.setUnread({ id: 'other', source: 'file:/other.log' }, false))

  expect(held).toBe(0)
  expect(told.changes.filter(({ type }) => type === 'failure_resolved')).toHaveLength(1)
})

test('a failure that returns within its window is the same failure, and is told as reopened', () => {
  const content = Buffer.from(
    line(dayStart, pool) + clean(dayStart + 20 * 60_000) + line(dayStart + 40 * 60_000, pool),
  )

  const { changes } = deliverCut(newPipeline(catalog), content, [])

  const [first, again] = detected(changes)
  expect(again?.id).toBe(first?.id)
  expect(again?.reopened).toBe(true)
  expect(again?.count).toBe(2)
})

test('what a late match opens and the clock has passed is told as over at once', () => {
  const content = Buffer.from(
    line(dayStart + hourMs, refused) + line(dayStart, pool) + line(dayStart + hourMs, refused),
  )

  const { changes } = deliverCut(newPipeline(catalog), content, [])

  const [opened, incident, resolved] = changes
  expect([opened?.type, incident?.type, resolved?.type]).toEqual([
    'failure_detected',
    'incident_opened',
    'failure_resolved',
  ])
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { insertSighting, pruneSightings, windowAround, type Rule, type Sighting } from '../../src/detect/window.js'

/** Does some window that holds the new time hold `count` of all times ever seen? By looking at every pair of ends. */
function fires(times: readonly number[], newMs: number, { count, windowMs }: Rule): boolean {
  return times.some((from) => {
    const inside = times.filter((atMs) => atMs >= from && atMs < from + windowMs)
    return from <= newMs && newMs < from + windowMs && inside.length >= count
  })
}

type Step = Readonly<{ atMs: number; fired: boolean; expected: boolean }>

/** Counts times in the order of their arrival, as the detector does: insert, look, prune. */
function countAll(times: readonly number[], rule: Rule, settledMs: (newestMs: number) => number): Step[] {
  const sightings: Sighting[] = []
  const seen: number[] = []
  let newestMs = -Infinity
  return times.map((atMs, arrival) => {
    seen.push(atMs)
    newestMs = Math.max(newestMs, atMs)
    const index = insertSighting(sightings, { atMs, origin: String(arrival) })
    const fired = windowAround(sightings, index, rule) !== undefined
    pruneSightings(sightings, rule, settledMs(newestMs))
    return { atMs, fired, expected: fires(seen, atMs, rule) }
  })
}

const wrong = (steps: readonly Step[]): Step[] => steps.filter(({ fired, expected }) => fired !== expected)

const rule = fc.record({ count: fc.integer({ min: 1, max: 6 }), windowMs: fc.integer({ min: 2, max: 60 }) })
/** Steps in time that meet the edges of windows: none, one, the window's length, one less, one more, and anything. */
const gapsOf = (windowMs: number): fc.Arbitrary<number[]> =>
  fc.array(
    fc.oneof(
      fc.constantFrom(0, 0, 1, windowMs - 1, windowMs, windowMs + 1),
      fc.nat(Math.ceil(windowMs / 3)),
      fc.nat(windowMs * 2),
    ),
    { maxLength: 60 },
  )

describe('a threshold of n in a window is met just when some trailing window holds n', () => {
  test('for records in order', () => {
    const log = rule.chain((each) => fc.tuple(fc.constant(each), gapsOf(each.windowMs)))
    fc.assert(
      fc.property(log, ([each, gaps]) => {
        let atMs = 0
        const times = gaps.map((gap) => (atMs += gap))

        expect(wrong(countAll(times, each, (newestMs) => newestMs))).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  test('for records that come late, within a lateness shorter than the window', () => {
    const log = rule.chain((each) =>
      fc.record({
        rule: fc.constant(each),
        latenessMs: fc.nat(each.windowMs - 1),
        gaps: gapsOf(each.windowMs),
        late: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 60, maxLength: 60 }),
        isLate: fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
      }),
    )
    fc.assert(
      fc.property(log, ({ rule: each, latenessMs, gaps, late, isLate }) => {
        let newestMs = 0
        const times = gaps.map((gap, at) =>
          isLate[at] ? newestMs - Math.floor((late[at] ?? 0) * latenessMs) : (newestMs += gap),
        )

        expect(wrong(countAll(times, each, (newest) => newest - latenessMs))).toEqual([])
      }),
      { numRuns: 3000 },
    )
  })

  test('in whatever order a backlog comes, where nothing is settled', () => {
    const log = rule.chain((each) =>
      fc.tuple(fc.constant(each), fc.array(fc.nat(each.windowMs * 6), { maxLength: 60 })),
    )
    fc.assert(
      fc.property(log, ([each, times]) => {
        expect(wrong(countAll(times, each, () => -Infinity))).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  test('when a file is followed by an older one of the same day', () => {
    const each: Rule = { count: 5, windowMs: 3600 }
    const newer = Array.from({ length: 100 }, (_, index) => 50_000 + index * 1000)
    const older = [100, 200, 300, 400, 500]

    const steps = countAll([...newer, ...older], each, () => -Infinity)

    expect(steps.slice(-5).map(({ fired }) => fired)).toEqual([false, false, false, false, true])
  })
})

describe('a window is half-open', () => {
  const each: Rule = { count: 2, windowMs: 60_000 }

  test.each([
    [59_999, true],
    [60_000, false],
    [60_001, false],
    [0, true],
  ])('two matches %d ms apart are two in a minute: %s', (apartMs, expected) => {
    const [, second] = countAll([1_000_000, 1_000_000 + apartMs], each, () => -Infinity)

    expect(second?.fired).toBe(expected)
  })
})

const at = (...times: readonly number[]): Sighting[] => times.map((atMs) => ({ atMs, origin: `@${atMs}` }))

describe('the window that is told', () => {
  test('is the oldest that holds the new match, with as many as the threshold asks for', () => {
    const sightings = at(0, 10, 20, 30, 40)

    const found = windowAround(sightings, 2, { count: 3, windowMs: 25 })

    expect(found).toEqual(at(0, 10, 20))
  })

  test('may lie behind a match that came late', () => {
    const sightings = at(0, 100, 110, 120)

    const found = windowAround(sightings, 1, { count: 3, windowMs: 25 })

    expect(found).toEqual(at(100, 110, 120))
  })

  test('is not one that leaves the new match out', () => {
    const sightings = at(0, 10, 20, 100)

    expect(windowAround(sightings, 3, { count: 3, windowMs: 25 })).toBeUndefined()
  })

  test('of one is the match alone', () => {
    expect(windowAround(at(0, 10), 1, { count: 1, windowMs: 25 })).toEqual(at(10))
  })
})

describe('inserting', () => {
  test('keeps the times in order, those of one time in the order of their arrival', () => {
    const sightings: Sighting[] = []

    const indexes = [10, 30, 20, 10, 30].map((atMs, arrival) =>
      insertSighting(sightings, { atMs, origin: `${arrival}` }),
    )

    expect(indexes).toEqual([0, 1, 1, 1, 4])
    expect(sightings.map(({ atMs, origin }) => `${atMs}:${origin}`)).toEqual(['10:0', '10:3', '20:2', '30:1', '30:4'])
  })
})

const many = (length: number): Sighting[] => Array.from({ length }, (_, index) => ({ atMs: index, origin: '' }))

describe('pruning', () => {
  test('keeps the newest 2n − 2 of what is settled', () => {
    const sightings = many(100)

    pruneSightings(sightings, { count: 5, windowMs: 10 }, 1000)

    expect(sightings.map(({ atMs }) => atMs)).toEqual([92, 93, 94, 95, 96, 97, 98, 99])
  })

  test('keeps one for a threshold of one', () => {
    const sightings = many(100)

    pruneSightings(sightings, { count: 1, windowMs: 10 }, 1000)

    expect(sightings.map(({ atMs }) => atMs)).toEqual([99])
  })

  test('keeps what a record still to come may join, however many that are', () => {
    const sightings = many(100)

    pruneSightings(sightings, { count: 2, windowMs: 10 }, 60)

    expect(sightings.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 49 }, (_, index) => 51 + index))
  })

  test('keeps no more than 4096 while nothing is settled, the newest', () => {
    const sightings = many(5000)

    pruneSightings(sightings, { count: 2, windowMs: 10 }, -Infinity)

    expect(sightings).toHaveLength(4096)
    expect(sightings[0]?.atMs).toBe(904)
  })

  test('keeps 2n − 2 where that is more', () => {
    const sightings = many(9000)

    pruneSightings(sightings, { count: 4000, windowMs: 10 }, -Infinity)

    expect(sightings).toHaveLength(7998)
  })
})

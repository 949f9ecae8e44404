import { expect, test } from 'vitest'
import type { FailureType } from '../../src/catalog/compile.js'
import { createClocks } from '../../src/detect/clocks.js'
import { createDetector, type Detector, type FailureChange } from '../../src/detect/detector.js'
import type { Match } from '../../src/detect/failure.js'
import { noon } from '../support/core.js'

const hourMs = 3_600_000

const type: FailureType = {
  type: 'THING_BROKE', family: 'test', file: 'test.json', title: 'Thing broke', severity: 'high', category: 'platform', component: '$service',
  threshold: { count: 1, windowMs: hourMs, from: 'test', why: undefined }, quietMs: 900_000, groupBy: ['service'], causedBy: [],
  suppresses: [], first: false, enabled: true, advice: { explanation: undefined, impact: undefined, recovery: undefined, escalationLevel: 1, mttrMs: undefined },
} // prettier-ignore

const clocks = () => createClocks({ latenessMs: 120_000 })

function detectorOf(more: Partial<FailureType> = {}, keysMax = 100): Detector {
  const own = { ...type, ...more }
  return createDetector({
    types: new Map([[own.type, own]]),
    clocks: clocks(),
    componentOfService: (name) => name,
    keysMax,
    restored: [],
  })
}

const match = (atMs: number, service = 'api'): Match => ({
  type: type.type, patternId: 'test.broke', confidence: 0.9, message: undefined, captures: {}, service, keys: {}, source: 'file:/a.log',
  identity: 'a', position: atMs - noon, atMs, arrivedMs: atMs, evidence: { text: 'broke', before: [], after: [], cut: false },
}) // prettier-ignore

const told = (changes: readonly FailureChange[]) => changes.map(({ kind, failure }) => `${kind} ${failure.count}`)

test('growth is told at each power of two', () => {
  const detector = detectorOf()

  const changes = Array.from({ length: 40 }, (_, n) => detector.add(match(noon + n))).flat()

  expect(told(changes)).toEqual(['detected 1', 'updated 2', 'updated 4', 'updated 8', 'updated 16', 'updated 32'])
})

test('slow growth is told once a minute', () => {
  const detector = detectorOf()
  for (let n = 0; n < 4; n++) detector.add(match(noon + n))

  const changes = Array.from({ length: 12 }, (_, n) => detector.add(match(noon + (n + 1) * 15_000))).flat()

  expect(told(changes)).toEqual(['updated 8', 'updated 12', 'updated 16'])
})

test('a threshold counts each key for itself, and the failure counts those that opened it', () => {
  const detector = detectorOf({ threshold: { ...type.threshold, count: 3 } })

  const changes = ['a', 'b', 'a', 'b', 'a'].flatMap((service, n) => detector.add(match(noon + n * 1000, service)))

  expect(changes).toHaveLength(1)
  expect(changes[0]?.failure).toMatchObject({ service: 'a', count: 3, firstSeenMs: noon, lastSeenMs: noon + 4000 })
})

test('at the bound the oldest key without an active failure is forgotten, and its row with it', () => {
  const detector = detectorOf({ threshold: { ...type.threshold, count: 2 } }, 3)
  for (const service of ['a', 'a', 'b', 'c']) detector.add(match(noon, service))
  detector.takeDirty()

  const changes = ['d', 'd'].flatMap((service) => detector.add(match(noon + 1, service)))

  expect(told(changes)).toEqual(['detected 2'])
  expect(detector.takeDirty().forgotten).toEqual([{ type: type.type, key: 'b' }])
})

test('when every key has an active failure, a new one is refused and counted', () => {
  const detector = detectorOf({}, 2)
  for (const service of ['a', 'b']) detector.add(match(noon, service))

  const changes = detector.add(match(noon + 1, 'c'))

  expect(changes).toEqual([])
  expect(detector.takeDirty().keysRefused).toBe(1)
})

test('a line that says it is over ends the failures of its service, and of nobody else', () => {
  const detector = detectorOf()
  for (const service of ['a', 'b']) detector.add(match(noon, service))

  const changes = detector.recover({ type: type.type, service: 'a', atMs: noon + 5000 })

  expect(changes.map(({ kind, failure }) => [kind, failure.service])).toEqual([['resolved', 'a']])
  expect(changes[0]?.failure).toMatchObject({ state: 'resolved', resolvedAtMs: noon + 5000 })
})

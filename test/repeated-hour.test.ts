import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Catalog } from '../src/catalog/compile.js'
import { deliverCut, newPipeline, someFamilies, type Told } from './support/core.js'

let catalog: Catalog
beforeAll(async () => {
  catalog = await someFamilies('sqlalchemy')
})
const poolLine = 'QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00'

describe('the hour that autumn repeats', () => {
  const failed = (time: string): string => `2026-10-25 ${time},000 ERROR [app] ${poolLine}`
  const clean = (time: string): string => `2026-10-25 ${time},000 INFO [app] served`
  const timesOf = ({ changes }: Told): string[] =>
    changes.flatMap((change) =>
      'failure' in change && change.type === 'failure_detected'
        ? [new Date(change.failure.lastSeenMs).toISOString()]
        : [],
    )
  const inBerlin = (lines: readonly string[], cuts: readonly number[] = []): Told =>
    deliverCut(newPipeline(catalog, { timeZone: 'Europe/Berlin' }), Buffer.from(`${lines.join('\n')}\n`), cuts)

  test.each([
    ['a lone time is its first', [failed('02:30:00')], '2026-10-25T00:30:00.000Z'],
    ['after a later time it is its second', [clean('02:50:00'), failed('02:30:00')], '2026-10-25T01:30:00.000Z'],
    [
      'clean lines tell too',
      [clean('01:50:00'), clean('02:55:00'), clean('02:01:00'), failed('02:30:00')],
      '2026-10-25T01:30:00.000Z',
    ],
    [
      'two threads a little out of order are no second time',
      [clean('02:50:00'), failed('02:49:59'), clean('02:51:00')],
      '2026-10-25T00:49:59.000Z',
    ],
    [
      'before it nothing is asked',
      [clean('02:55:00'), clean('02:01:00'), failed('03:00:00')],
      '2026-10-25T02:00:00.000Z',
    ],
  ])('%s', (_, lines, expected) => {
    expect(timesOf(inBerlin(lines))[0]).toBe(expected)
  })

  test('is read the same however the log is cut', () => {
    const quarters = [
      '01:45:00',
      '02:00:00',
      '02:15:00',
      '02:30:00',
      '02:45:00',
      '02:00:00',
      '02:15:00',
      '02:45:00',
      '03:00:00',
    ]
    const lines = quarters.flatMap((time, index) => [clean(time), ...(index % 3 === 1 ? [failed(time)] : [])])
    const length = lines.join('\n').length
    const whole = timesOf(inBerlin(lines))
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: length }), { maxLength: 8 }), (cuts) => {
        expect(timesOf(inBerlin(lines, cuts))).toEqual(whole)
      }),
      { numRuns: 100 },
    )
  })
})

import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Catalog, CompiledPattern } from '../src/catalog/compile.js'
import { createMatcher } from '../src/catalog/matcher.js'
import { decodeText } from '../src/lines/decode.js'
import type { Pipeline } from '../src/pipeline.js'
import { bundledCatalog, deliverCut, newPipeline } from './support/core.js'
import { wrappers } from '../bench/wrappers.mjs'

let catalog: Catalog
let pipeline: Pipeline
let all: readonly Example[]
beforeAll(async () => {
  catalog = await bundledCatalog()
  pipeline = newPipeline(catalog)
  all = examples()
})

/** Each example goes through one wrapper in so many, and each wrapper takes one example in so many; SUPERSET=all takes every one. */
const share = process.env['SUPERSET'] === 'all' ? 1 : 7

type Example = { pattern: CompiledPattern; text: string; types: readonly string[] }

/** Every example with what it shows when it is read as one record. */
function examples(): Example[] {
  const matcher = createMatcher(catalog)
  const options = { hints: { toUtcMs: () => 0, arrivalMs: 0 }, redact: (text: string) => text }
  return catalog.patterns.flatMap((pattern) =>
    (pattern.examples?.match ?? []).map((text) => ({
      pattern,
      text,
      types: matcher
        .record(decodeText(text, options), { service: 'app', source: 'file:/app.log' })
        .map(({ type }) => type),
    })),
  )
}

/** The scan proposes the line, framing and decoding bring the record back, and the matcher finds what the bare text shows. */
let names = 0
function typesIn(log: string, cuts: readonly number[] = []): string[] {
  const name = `app${names++}`
  const { counters } = deliverCut(pipeline, Buffer.from(log), cuts, name)
  pipeline.close(name)
  return Object.keys(counters.matches)
}

test.each(Object.keys(wrappers))('the examples of the patterns are found in the wrapper %s', (name) => {
  const wrap = wrappers[name]
  const nth = Object.keys(wrappers).indexOf(name)
  const lost = all.filter(({ text, types }, index) => {
    if ((index + nth) % share !== 0) return false
    const found = typesIn(wrap?.(text) ?? '')
    return !types.every((type) => found.includes(type))
  })

  expect(lost.map(({ pattern, text }) => `${pattern.id}: ${text.slice(0, 100)}`)).toEqual([])
})

test('a cut anywhere in a wrapped example loses nothing', () => {
  const pick = fc.record({
    example: fc.constantFrom(...all),
    wrapper: fc.constantFrom(...Object.values(wrappers)),
    at: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }),
  })
  fc.assert(
    fc.property(pick, ({ example, wrapper, at }) => {
      const log = `2026-11-21 10:00:00,000 INFO before\n${wrapper(example.text)}\n2026-11-21 10:00:01,000 INFO behind\n`
      const length = Buffer.byteLength(log)
      const whole = typesIn(log)

      const cut = typesIn(
        log,
        at.map((share) => Math.floor(share * length)),
      )

      expect(cut.toSorted()).toEqual(whole.toSorted())
    }),
    { numRuns: 500 },
  )
})

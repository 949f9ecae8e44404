import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Catalog, CompiledPattern } from '../src/catalog/compile.js'
import { createMatcher, type Finding } from '../src/catalog/matcher.js'
import { parseRegex, some } from '../src/catalog/regex.js'
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

/**
 * Whether a pattern asks where a line begins or ends, or for JSON that is a line of its own, and the wrapper puts a logger's prefix before
 * it on the same line.
 */
function losesItsPlace({ source }: CompiledPattern, { text, wrapped }: { text: string; wrapped: string }): boolean {
  const asksForPlace = some(parseRegex(source), (node) => node.kind === 'assert' && places.includes(node.what))
  const [first = ''] = decodeText(text, plainly).text.split('\n')
  return (asksForPlace || text.startsWith('{')) && !decodeText(wrapped, plainly).text.split('\n').includes(first)
}
const places: readonly string[] = ['textStart', 'textEnd', 'lineStart', 'lineEnd']

/** Each example goes through one wrapper in so many, and each wrapper takes one example in so many; SUPERSET=all takes every one. */
const sampling = process.env['SUPERSET'] === 'all' ? 1 : 7

const plainly = { hints: { toUtcMs: () => 0, arrivalMs: 0 }, redact: (text: string) => text }

type Example = { text: string; findings: readonly Finding[] }

/** Every example with what it shows when it is read as one record. */
function examples(): Example[] {
  const matcher = createMatcher(catalog)
  return catalog.patterns.flatMap(({ examples: own }) =>
    (own?.match ?? []).map((text) => ({
      text,
      findings: matcher.record(decodeText(text, plainly), { service: 'app', source: 'file:/app.log' }),
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
  const lost = all.flatMap(({ text, findings }, index) => {
    if ((index + nth) % sampling !== 0) return []
    const wrapped = wrap?.(text) ?? ''
    const found = typesIn(wrapped)
    return findings
      .filter(({ type, pattern }) => !found.includes(type) && !losesItsPlace(pattern, { text, wrapped }))
      .map(({ pattern }) => `${pattern.id}: ${text.slice(0, 100)}`)
  })

  expect(lost).toEqual([])
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

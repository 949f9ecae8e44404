import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { Catalog } from '../src/catalog/compile.js'
import type { Change } from '../src/changes.js'
import { bundledScenario, readScenario, shiftLine } from '../src/cli/demo.js'
import { findStamp } from '../src/lines/timestamp.js'
import { batchOf, bundledCatalog, deliverCut, newPipeline, nothingTold, tell } from './support/core.js'

let catalog: Catalog
beforeAll(async () => {
  catalog = await bundledCatalog()
})

const logs = join(import.meta.dirname, '../fixtures/logs')

/** Plays a scenario line by line, as its services wrote it. */
function play(): Change[] {
  const { lines, logs: files } = readScenario(bundledScenario)
  const pipeline = newPipeline(catalog)
  const told = nothingTold()
  const contents = new Map<string, string>()
  for (const { file, text, atMs } of lines) {
    contents.set(file, `${contents.get(file) ?? ''}${text}\n`)
    const service = files.find((each) => each.file === file)?.service ?? file
    const content = Buffer.from(contents.get(file) ?? '')
    const batch = batchOf(content, { from: pipeline.positionOf(file), to: content.length, name: file })
    tell(told, pipeline.deliver({ ...batch, service, arrivalMs: atMs }))
  }
  return told.changes
}

test('the bundled outage is seen as what it is: each failure in turn, one incident, its root and its cascade', () => {
  const { expect: expected } = JSON.parse(readFileSync(join(bundledScenario, 'scenario.json'), 'utf8')) as {
    expect: { failures: string[]; root: string; cascade: string }
  }

  const changes = play()

  const failures = changes.flatMap((change) => (change.type === 'failure_detected' ? [change.failure.type] : []))
  const incident = changes.flatMap((change) => ('incident' in change ? [change.incident] : [])).at(-1)
  expect([...new Set(failures)]).toEqual([...new Set(expected.failures)])
  expect(incident?.rootCause).toMatchObject({ kind: 'found', type: expected.root })
  expect(incident?.cascade).toBe(expected.cascade)
  expect(new Set(changes.flatMap((change) => ('incident' in change ? [change.incident.id] : []))).size).toBe(1)
})

test('the first twelve seconds of the outage, healthy and full of the same words, show nothing', () => {
  const { lines } = readScenario(bundledScenario)
  const start = lines[0]?.atMs ?? 0
  const files = [...new Set(lines.map(({ file }) => file))]

  const matches = files.map((name) => {
    const text = lines
      .filter(({ file, atMs }) => file === name && atMs < start + 12_000)
      .map((line) => line.text)
      .join('\n')
    return deliverCut(newPipeline(catalog), Buffer.from(`${text}\n`), [], name).counters.matches
  })

  expect(lines.length).toBeGreaterThan(300)
  expect(matches).toEqual(files.map(() => ({})))
})

test('shifting a line moves its time and leaves the rest of it alone', () => {
  const utc = { toUtcMs: () => 0, arrivalMs: 0 }
  const { lines } = readScenario(bundledScenario)

  const wrong = lines.filter(({ text }) => {
    const [before, after] = [findStamp(text, utc)?.ms, findStamp(shiftLine(text, 3_661_000), utc)?.ms]
    return before !== undefined && !text.startsWith('{') && after !== before + 3_661_000
  })

  expect(wrong).toEqual([])
})

test.each([
  ['python-sqlalchemy-pool.log', 'CONNECTION_POOL_EXHAUSTION'],
  ['docker-json-pool.log', 'CONNECTION_POOL_EXHAUSTION'],
  ['cri-partial-pool.log', 'CONNECTION_POOL_EXHAUSTION'],
  ['java-hikari.log', 'CONNECTION_POOL_EXHAUSTION'],
  ['pydantic-v1-block.log', 'PYDANTIC_MISSING_FIELD'],
  ['pydantic-v2-traceback.log', 'PYDANTIC_INVALID_TYPE'],
])('%s shows %s and nothing else', (name, type) => {
  const content = readFileSync(join(logs, name))

  const { counters } = deliverCut(newPipeline(catalog), content, [])

  expect(readdirSync(logs)).toContain(name)
  expect(Object.keys(counters.matches)).toEqual([type])
})

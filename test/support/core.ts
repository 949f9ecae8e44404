import { createPatternFiles } from '../../src/catalog/pattern-files.js'
import type { Catalog } from '../../src/catalog/compile.js'
import { addCounters, noCounters, type Change, type Counters } from '../../src/changes.js'
import { createRedact } from '../../src/lines/redact.js'
import { leadBytes, type Batch } from '../../src/lines/walk.js'
import { createPipeline, type Outcome, type Pipeline, type PipelineOptions } from '../../src/pipeline.js'
import { bundledPatterns } from '../../src/app.js'

/** The core, driven by hand. */

let bundled: Promise<Catalog> | undefined
export const bundledCatalog = (): Promise<Catalog> =>
  (bundled ??= createPatternFiles([bundledPatterns], {
    groups: { pydantic: 5, sdk: 10, db: 15 },
    overrides: {},
  }).load())

export const noon = Date.UTC(2026, 10, 21, 12)

export const newPipeline = (catalog: Catalog, more: Partial<PipelineOptions> = {}): Pipeline =>
  createPipeline({ catalog, redact: createRedact(), latenessMs: 120_000, timeZone: 'UTC', keysMax: 10_000, ...more })

export type Told = { changes: Change[]; counters: Counters }

export function tell(told: Told, { changes, counters }: Outcome): void {
  told.changes.push(...changes)
  addCounters(told.counters, counters)
}

export const nothingTold = (): Told => ({ changes: [], counters: noCounters() })

/** A batch of a source's bytes from a position to `to`, with the lead that every source brings. */
export function batchOf(
  content: Buffer,
  { from, to, ending = 'more', name = 'app' }: { from: number; to: number; ending?: Batch['ending']; name?: string },
): Batch {
  const base = Math.max(0, from - leadBytes)
  return {
    id: name,
    source: `file:/${name}.log`,
    service: name,
    bytes: content.subarray(base, to),
    base,
    from,
    ending,
    unread: to < content.length,
    arrivalMs: noon,
    identity: name,
  }
}

/** Delivers a source up to each cut in turn, and then to its end. */
export function deliverCut(pipeline: Pipeline, content: Buffer, cuts: readonly number[], name = 'app'): Told {
  const told = nothingTold()
  for (const to of [...new Set(cuts)].toSorted((a, b) => a - b))
    tell(told, pipeline.deliver(batchOf(content, { from: pipeline.positionOf(name), to, name })))
  tell(
    told,
    pipeline.deliver(batchOf(content, { from: pipeline.positionOf(name), to: content.length, ending: 'end', name })),
  )
  return told
}

/** Only some families: compiling the whole catalogue for every run of a property takes longer than the run. */
export async function someFamilies(...names: readonly string[]): Promise<Catalog> {
  const catalog = await bundledCatalog()
  return { ...catalog, patterns: catalog.patterns.filter(({ id }) => names.includes(id.split('.')[0] ?? '')) }
}

/** The changes without the lines that came after a failure, and without the updates that tell of nothing else. */
export function withoutAfter(changes: readonly Change[]): unknown[] {
  const told = new Map<string, number>()
  return changes.flatMap((change): unknown[] => {
    if (!('failure' in change)) return [change]
    const { failure } = change
    // What grew is told with the count it grew to; lines that came later are told with the count of the event before.
    const saysNothingElse = change.type === 'failure_updated' && told.get(failure.id) === failure.toldCount
    told.set(failure.id, failure.toldCount)
    if (saysNothingElse) return []
    return [{ ...change, failure: { ...failure, evidence: { ...failure.evidence, after: [] } } }]
  })
}

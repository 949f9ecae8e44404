import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Catalog } from '../src/catalog/compile.js'
import { deliverCut, newPipeline, someFamilies, withoutAfter } from './support/core.js'

let catalog: Catalog
beforeAll(async () => {
  catalog = await someFamilies('sqlalchemy', 'redis', 'pydantic')
})

const stamp = (second: number): string => new Date(Date.UTC(2026, 10, 21, 10) + second * 1000).toISOString()
const python = (second: number): string => stamp(second).replace('T', ' ').replace('.', ',').replace('Z', '')
const pool =
  'sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00'
const refused = 'redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.'
const block = (model: string): string =>
  `1 validation error for ${model}\nrun_id\n  Field required [type=missing, input_value={}, input_type=dict]`
const traceback = `Traceback (most recent call last):\n  File "/app/a.py", line 2, in <module>\n    f()\n${pool}`
const docker = (text: string, stream: string): string => JSON.stringify({ log: text, stream, time: stamp(1) })

/** Pieces of logs as they come, each a few lines: clean ones, failures of every decision kind, and every wrapper. */
const piece = fc.oneof(
  fc.nat(5000).map((s) => `${python(s)} INFO api served /orders in ${s} ms`),
  fc.nat(5000).map((s) => `${python(s)} ERROR api ${pool}`),
  fc.nat(5000).map((s) => `${python(s)} ERROR api request failed\n${traceback}`),
  fc.nat(5000).map((s) => `${python(s)} ERROR api ${block('OrchestrationContext')}`),
  fc.constantFrom(
    traceback,
    pool,
    refused,
    block('Order'),
    block('OrchestrationContext'),
    '',
    '  indented',
    'plain',
    'größe ✓ 日本',
    '}',
    'Caused by: x',
  ),
  fc
    .nat(5000)
    .map((s) =>
      JSON.stringify({ time: stamp(s), level: 'error', msg: 'boom', err: { type: 'Error', message: refused } }),
    ),
  fc.nat(5000).map((s) => JSON.stringify({ time: Date.parse(stamp(s)), level: 30, msg: 'ok', trace_id: `t${s}` })),
  fc.constant(`{\n  "level": "error",\n  "error": "${pool}"\n}`),
  fc
    .constantFrom('stdout', 'stderr')
    .map((stream) =>
      [
        `${stamp(2)} ${stream} F Traceback (most recent call last):`,
        `${stamp(2)} ${stream} F   File "/a.py", line 1, in x`,
        `${stamp(2)} ${stream} P sqlalchemy.exc.TimeoutError: QueuePool lim`,
        `${stamp(2)} ${stream} F it of size 5 overflow 10 reached, connection timed out, timeout 30.00`,
      ].join('\n'),
    ),
  fc.constantFrom('stdout', 'stderr').map((stream) => `${stamp(3)} ${stream} F ok`),
  // journalctl -o short, -o export, docker compose, java.util.logging
  fc
    .nat(59)
    .map(
      (s) =>
        `Nov 21 10:00:${String(s).padStart(2, '0')} web-1 app[12]: ${traceback.replaceAll('\n', `\n${' '.repeat(31)}`)}`,
    ),
  fc
    .constantFrom(pool, `failed\n${traceback}`)
    .map((text) => `__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795255200000000\n_PID=12\nMESSAGE=${text}\nPRIORITY=3\n`),
  fc.constantFrom('api-1', 'worker-1').map((name) =>
    traceback
      .split('\n')
      .map((line) => `${name}  | ${line}`)
      .join('\n'),
  ),
  fc.constant(`Nov 21, 2026 10:00:00 AM com.example.Orders place\nSEVERE: ${pool}`),
  fc.constant(`${' '.repeat(40)}far in`),
  fc
    .constantFrom('stdout', 'stderr')
    .map((stream) =>
      [
        docker('sqlalchemy.exc.TimeoutError: QueuePool li', stream),
        docker('mit of size 5 overflow 10 reached, connection timed out, timeout 30.00\n', stream),
      ].join('\n'),
    ),
  fc.nat(59).map((s) => `Nov 21 10:00:${String(s).padStart(2, '0')} web-1 app[12]: ${refused}`),
  fc.nat(59).map((s) => `<11>1 ${stamp(s)} web-1 app 12 - - Traceback#012${pool}`),
  fc.constant(`level=error msg="write failed" err="${refused}"`),
  fc.nat(5000).map((s) => `${python(s)} ERROR \u001b[31mQueuePool\u001b[0m limit of size 5 overflow 10 reached`),
  fc.constant(`${'x'.repeat(2000)} ${pool}`),
)

test('the same bytes give the same changes however they are cut', () => {
  const log = fc.array(piece, { maxLength: 40 }).chain((pieces) => {
    const ending = fc.constantFrom('\n', '')
    const lineBreak = fc.constantFrom('\n', '\r\n')
    return fc.tuple(ending, lineBreak).map(([last, each]) => (pieces.join('\n') + last).replaceAll('\n', each))
  })
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 })
  fc.assert(
    fc.property(log, cuts, (text, at) => {
      const content = Buffer.from(text)
      const whole = deliverCut(newPipeline(catalog), content, [])
      const cut = deliverCut(
        newPipeline(catalog),
        content,
        at.map((share) => Math.floor(share * content.length)),
      )
      expect(withoutAfter(cut.changes)).toEqual(withoutAfter(whole.changes))
      expect(cut.counters).toEqual(whole.counters)
    }),
    { numRuns: Number(process.env['CUT_RUNS'] ?? 400) },
  )
})

test('cutting at every byte changes nothing', () => {
  const content = Buffer.from(
    `${python(1)} ERROR api request failed\n${traceback}\n${python(2)} INFO ok\n${block('OrchestrationContext')}\n${stamp(2)} stderr P sqlalchemy.exc.TimeoutError: QueuePool lim\n${stamp(2)} stdout F ok\n${stamp(2)} stderr F it of size 5 overflow 10 reached, x\n`,
  )

  const whole = deliverCut(newPipeline(catalog), content, [])
  const cut = deliverCut(newPipeline(catalog), content, Array.from(content.keys()))

  expect(withoutAfter(cut.changes)).toEqual(withoutAfter(whole.changes))
  expect(cut.counters).toEqual(whole.counters)
  expect(whole.counters.matches).toMatchObject({ CONNECTION_POOL_EXHAUSTION: 2, ORCHESTRATION_CONTEXT_MISSING: 1 })
})

import { beforeAll, expect, test } from 'vitest'
import type { Catalog } from '../src/catalog/compile.js'
import { createTextDetector, type TextDetector } from '../src/correlate/text.js'
import { bundledCatalog, noon } from './support/core.js'

let catalog: Catalog
let detect: TextDetector
beforeAll(async () => {
  catalog = await bundledCatalog()
  detect = createTextDetector(catalog, { redact: (text) => text })
})

const typesIn = (text: string) =>
  detect(text, { source: 'test', service: 'test', keys: {}, nowMs: noon }).map(({ type, match }) => ({
    type: type.type,
    confidence: match.confidence,
  }))

const block = (model: string, errors: string): string => `1 validation error for ${model}\n${errors}`
const missing = 'Field required [type=missing, input_value={}, input_type=dict]'
const wrongType = 'Input should be a valid string [type=string_type, input_value=1, input_type=int]'
const traceback = (last: string): string =>
  `Traceback (most recent call last):\n  File "/app/orchestration_context.py", line 3, in build\n    OrchestrationContext()\npydantic_core._pydantic_core.ValidationError: ${last}`
const exceptionThen = '\n\nDuring handling of the above exception, another exception occurred:\n\n'

test.each([
  ['one line', 'ValidationError: OrchestrationContext field required'],
  ['a v2 block', block('OrchestrationContext', `run_id\n  ${missing}`)],
  [
    'a v2 block whose missing field is not the first error',
    `2 validation errors for OrchestrationContext\nrun_id\n  ${wrongType}\nuser_id\n  ${missing}`,
  ],
  ['a v1 block', block('OrchestrationContext', 'run_id\n  field required (type=value_error.missing)')],
  [
    'the field that holds it, v1',
    block('AgentRequest', 'orchestration_context\n  field required (type=value_error.missing)'),
  ],
  ['the field that holds it, v2, nested', block('Task', `request.orchestration_context.run_id\n  ${missing}`)],
  [
    'a block on one line',
    `run failed: ${block('OrchestrationContext', `run_id\n  ${missing}`).replaceAll('\n', ' ')}`,
  ],
  [
    'a FastAPI detail',
    '{"detail":[{"type":"missing","loc":["body","orchestration_context"],"msg":"Field required","input":{}}]}',
  ],
  [
    'a repr of errors()',
    "rejected: [{'type': 'missing', 'loc': ('body', 'orchestration_context'), 'msg': 'Field required', 'input': {}}]",
  ],
  [
    'a repr with escaped line breaks',
    String.raw`run aborted: '1 validation error for OrchestrationContext\nrun_id\n  Field required [type=missing, input_value={}, input_type=dict]'`,
  ],
  [
    'JSON-escaped in a traceback',
    JSON.stringify({
      level: 'error',
      message: 'boom',
      exc_info: traceback(block('OrchestrationContext', `run_id\n  ${missing}`)),
    }),
  ],
  ['a missing argument', "TypeError: run() missing 1 required positional argument: 'orchestration_context'"],
  [
    'a missing argument of its own',
    "TypeError: OrchestrationContext.__init__() missing 1 required positional argument: 'workspace_id'",
  ],
  ['a qualified model name', block('app.models.OrchestrationContext', `run_id\n  ${missing}`)],
  [
    'a validator of the field that holds it',
    block(
      'AgentRequest',
      'orchestration_context\n  Value error, orchestration_context is required [type=value_error, input_value=None, input_type=NoneType]',
    ),
  ],
])('a missing OrchestrationContext is recognised in %s, first and surely', (_, text) => {
  const [first, ...others] = typesIn(text)

  expect(first?.type).toBe('ORCHESTRATION_CONTEXT_MISSING')
  expect(first?.confidence).toBeGreaterThanOrEqual(0.95)
  expect(others.filter(({ type }) => type.startsWith('PYDANTIC'))).toEqual([])
})

test.each([
  ['a wrong type in that model', block('OrchestrationContext', `run_id\n  ${wrongType}`), 'PYDANTIC_INVALID_TYPE'],
  [
    'another model without a field',
    block(
      'Order',
      `order_id\n  Field required [type=missing, input_value={'orchestration_context': {}}, input_type=dict]`,
    ),
    'PYDANTIC_MISSING_FIELD',
  ],
  [
    'another model, by way of a file of that name',
    traceback(block('Order', `id\n  ${missing}`)),
    'PYDANTIC_MISSING_FIELD',
  ],
  [
    'a wrong type in that model, then a missing field of another',
    traceback(block('OrchestrationContext', `run_id\n  ${wrongType}`)) +
      exceptionThen +
      traceback(block('Order', `id\n  ${missing}`)),
    'PYDANTIC_MISSING_FIELD',
  ],
])('%s is not a missing OrchestrationContext', (_, text, type) => {
  expect(typesIn(text)[0]?.type).toBe(type)
})

test.each([
  'INFO OrchestrationContext created for run 12',
  '0 validation errors for OrchestrationContext',
  'test_orchestration_context_missing PASSED',
  'DEBUG OrchestrationContext field required by spec v2',
])('silent: %s', (text) => {
  expect(typesIn(text)).toEqual([])
})

test('the gate comes first whatever else the record shows', () => {
  const gate =
    'pydantic_core._pydantic_core.ValidationError: 1 validation error for OrchestrationContext\nrun_id\n  Field required [type=missing, input_value={}, input_type=dict]'
  const wrong = catalog.patterns
    .flatMap(({ id, examples }) => (examples?.match ?? []).map((text) => ({ id, text })))
    .filter(({ text }) => typesIn(`${text}\n${gate}`)[0]?.type !== 'ORCHESTRATION_CONTEXT_MISSING')

  expect(wrong.map(({ id, text }) => `${id}: ${text.slice(0, 100)}`)).toEqual([])
})

import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { openStore } from '../../src/store/store.js'
import { temporaryFolder } from '../support/folder.js'
import { mark, markType, startService, until, type Service } from '../support/service.js'

async function started(more: object = {}, environment: Record<string, string> = {}): Promise<Service> {
  const service = await startService({ folder: temporaryFolder(), more, environment })
  onTestFinished(() => service.stop())
  return service
}

type Message = Record<string, unknown> & { type: string; seq: number }

/** A client of the stream, and what it was told. */
async function subscribed(
  service: Service,
  query = '',
  protocols: string[] = [],
): Promise<{ socket: WebSocket; messages: Message[]; closed: () => number | undefined }> {
  const messages: Message[] = []
  let code: number | undefined
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/api/v1/stream${query}`, protocols)
  socket.on('message', (text: Buffer) => messages.push(JSON.parse(text.toString()) as Message))
  socket.on('close', (closed) => (code = closed))
  onTestFinished(() => socket.terminate())
  await until(() => messages.length > 0, 'hello')
  return { socket, messages, closed: () => code }
}

const push = (
  service: Service,
  body: string | Buffer,
  {
    type = 'text/plain',
    query = '?service=shop',
    headers = {},
  }: { type?: string; query?: string; headers?: Record<string, string> } = {},
): Promise<Response> =>
  fetch(`${service.url}/api/v1/logs${query}`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body)),
    headers: { 'content-type': type, ...headers },
  })
const get = async (
  service: Service,
  path: string,
): Promise<{ status: number; body: Record<string, unknown> & { items: Record<string, unknown>[] } }> => {
  const response = await fetch(`${service.url}${path}`)
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown> & { items: Record<string, unknown>[] },
  }
}

test('a pushed line comes out of the stream as an explained alert, in the shape of the contract', async () => {
  const service = await started()
  const { messages } = await subscribed(service)

  const response = await push(service, `${mark(1)}\nall well\n`)

  expect(response.status).toBe(202)
  expect(await response.json()).toEqual({ accepted: 2 })
  await until(() => messages.some(({ type }) => type === 'incident_opened'), 'an incident')
  const [hello, failure, incident] = messages
  expect(hello).toMatchObject({ type: 'hello', seq: 0, oldest_seq: 1 })
  expect(failure).toMatchObject({
    type: 'failure_detected',
    seq: 1,
    failure_type: markType,
    severity: 'high',
    level: 'error',
    service: 'shop',
    count: 1,
    threshold: { count: 1, window_seconds: 3600 },
    first_seen: '2026-11-21T10:00:01.000Z',
    reopened: false,
    message: 'shop: mark 1',
    evidence: { text: mark(1), source: 'push:shop', position: 0, pattern: 'test.mark' },
    explanation: { user_action_required: true, recovery: { immediate: [] }, impact: { services: ['shop'] } },
  })
  expect(failure?.['incident_id']).toBe(incident?.['incident_id'])
  expect(incident).toMatchObject({
    root_cause: { failure_id: failure?.['failure_id'] },
    symptoms: [],
    cascade: null,
    merged: [],
  })
})

test.each([
  ['application/x-ndjson', `{"level":"error","msg":"failure mark number 1"}\n\n{"msg":"fine"}\n`, 2],
  ['application/json', JSON.stringify('failure mark number 1'), 1],
  ['application/json', JSON.stringify({ level: 'error', msg: 'failure mark number 1' }), 1],
  ['application/json', JSON.stringify(['a\nfailure mark number 1\nb', { msg: 'fine' }]), 2],
])('%s is taken: %s', async (type, body, accepted) => {
  const service = await started()

  const response = await push(service, body, { type })

  expect(await response.json()).toEqual({ accepted })
  await until(() => service.marks() === 1, 'the mark')
})

test('gzip is taken, and limited by what it holds', async () => {
  const service = await started({ sources: { http: { body_bytes_max: 2048 } } })
  const headers = { 'content-encoding': 'gzip' }

  const good = await push(service, gzipSync(`${mark(1)}\n`), { headers })
  const bomb = await push(service, gzipSync('x'.repeat(100_000)), { headers })
  const broken = await push(service, 'no gzip', { headers })

  expect([good.status, bomb.status, broken.status]).toEqual([202, 413, 400])
})

test.each([
  ['a body over the limit', 'x'.repeat(3000), 'text/plain', 413, /large/i],
  ['a broken line, which is named', `{"a":1}\n{"b":\n`, 'application/x-ndjson', 400, /line 2 /],
  ['broken JSON, with its place', '{"a":1,}', 'application/json', 400, /body:1:/],
  ['an entry that is neither text nor object, which is named', '["a", 3]', 'application/json', 400, /entry 2 /],
  ['another type', 'a', 'text/html', 415, /text\/html/],
])('a push is refused whole for %s', async (_, body, type, status, detail) => {
  const service = await started({ sources: { http: { body_bytes_max: 2048 } } })

  const response = await push(service, body, { type })

  const problem = (await response.json()) as { detail: string; status: number }
  expect(response.status).toBe(status)
  expect(response.headers.get('content-type')).toContain('application/problem+json')
  expect(problem.status).toBe(status)
  expect(problem.detail).toMatch(detail)
  expect((await get(service, '/api/v1/stats')).body['lines']).toBe(0)
})

test('a request with a known Idempotency-Key gets the first answer again and changes nothing', async () => {
  const service = await started()
  const headers = { 'idempotency-key': 'once' }

  const first = await push(service, `${mark(1)}\n`, { headers })
  const second = await push(service, `${mark(1)}\n${mark(2)}\n`, { headers })

  expect(await first.json()).toEqual({ accepted: 1 })
  expect(await second.json()).toEqual({ accepted: 1 })
  expect(service.marks()).toBe(1)
})

test('a request leaves no position behind', async () => {
  const folder = temporaryFolder()
  const service = await startService({ folder })
  for (let n = 0; n < 5; n++) await push(service, `${mark(n)}\n`)
  await service.stop()

  const store = openStore(join(folder, 'data'))
  const sources = store.sources()
  store.close()

  expect(sources).toEqual([])
})

test('who comes back with since gets what was missed, in order and without a gap; another stream or a future number is a reset', async () => {
  const service = await started()
  for (let n = 0; n < 40; n++) await push(service, `${mark(n)}\n`)
  const first = await subscribed(service, '?since=0')
  const streamId = String(first.messages[0]?.['stream_id'])
  await until(() => first.messages.at(-1)?.seq === service.events.length, 'everything')

  const rest = await subscribed(service, `?since=${streamId}:3`)
  const other = await subscribed(service, '?since=other:3')
  const future = await subscribed(service, '?since=9999')
  await until(() => rest.messages.at(-1)?.seq === service.events.length, 'the rest')

  expect(first.messages.slice(1).map(({ seq }) => seq)).toEqual(service.events.map(({ seq }) => seq))
  expect(rest.messages.slice(1).map(({ seq }) => seq)).toEqual(service.events.slice(3).map(({ seq }) => seq))
  await until(() => other.messages.length > 1 && future.messages.length > 1, 'gaps')
  expect(other.messages[1]).toEqual({ type: 'gap', oldest_seq: 1, reason: 'reset' })
  expect(future.messages[1]).toEqual({ type: 'gap', oldest_seq: 1, reason: 'reset' })
})

test('filters pass what was asked for, and can be changed by a message', async () => {
  const service = await started()
  const severe = await subscribed(service, '?severity=critical')
  const incidents = await subscribed(service, '?types=incident_opened,incident_resolved')
  const changed = await subscribed(service)
  changed.socket.send(JSON.stringify({ type: 'subscribe', filter: { service: 'nobody' } }))
  changed.socket.send('nonsense')
  await until(() => changed.messages.some(({ type }) => type === 'error'), 'an error message')

  await push(service, `${mark(1)}\n`)

  await until(() => incidents.messages.length === 2, 'the incident')
  expect(incidents.messages[1]?.type).toBe('incident_opened')
  expect(severe.messages).toHaveLength(1)
  expect(changed.messages.filter(({ type }) => type.startsWith('failure'))).toEqual([])
})

test('a client that takes nothing is closed with 1013', async () => {
  const service = await started()
  const { socket, closed } = await subscribed(service)
  socket.pause()
  const text = `${mark(1)} ${'x'.repeat(8000)}`

  for (let n = 0; n < 60; n++)
    await push(
      service,
      Array.from({ length: 60 }, (_, k) => JSON.stringify({ level: 'error', service: `s${n}-${k}`, msg: text })).join(
        '\n',
      ),
      { type: 'application/x-ndjson' },
    )

  socket.resume()
  await until(() => closed() !== undefined, 'the end')
  expect(closed()).toBe(1013)
})

test('failures and incidents can be listed, paged, filtered, resolved, acknowledged and noted', async () => {
  const service = await started()
  for (const shop of ['a', 'b', 'c']) await push(service, `${mark(1)}\n`, { query: `?service=${shop}` })

  const firstPage = await get(service, '/api/v1/failures?limit=2')
  const secondPage = await get(service, `/api/v1/failures?limit=2&cursor=${String(firstPage.body['next_cursor'])}`)
  const onlyB = await get(service, '/api/v1/failures?service=b&state=active&severity=high')
  const id = String(onlyB.body.items[0]?.['failure_id'])
  const incidentId = String(onlyB.body.items[0]?.['incident_id'])
  const resolved = await fetch(`${service.url}/api/v1/failures/${id}/resolve`, { method: 'POST' })
  const noted = await fetch(`${service.url}/api/v1/incidents/${incidentId}/notes`, {
    method: 'POST',
    body: JSON.stringify({ text: 'looked at it', author: 'me' }),
  })
  const acked = await fetch(`${service.url}/api/v1/incidents/${incidentId}/ack`, { method: 'POST' })
  const incident = await get(service, `/api/v1/incidents/${incidentId}`)

  expect([...firstPage.body.items, ...secondPage.body.items].map(({ service: name }) => name)).toEqual([
    'c',
    'b',
    'a',
  ])
  expect(secondPage.body['next_cursor']).toBeNull()
  expect(await resolved.json()).toMatchObject({ failure_id: id, state: 'resolved' })
  expect([noted.status, acked.status]).toEqual([200, 200])
  expect(incident.body).toMatchObject({ notes: [{ text: 'looked at it', author: 'me' }] })
  expect(incident.body['acknowledged_at']).not.toBeNull()
})

test.each([
  ['/api/v1/failures/f_none', 404, /f_none/],
  ['/api/v1/incidents/i_none', 404, /i_none/],
  ['/api/v1/failures?severity=awful', 400, /severity/],
  ['/api/v1/failures?since=yesterday', 400, /since/],
  ['/api/v1/failures?colour=red', 400, /colour/],
  ['/api/v1/nothing', 404, /\/api\/v1\/nothing/],
])('%s is answered with %i and says what is wrong', async (path, status, detail) => {
  const service = await started()

  const { status: got, body } = await get(service, path)

  expect(got).toBe(status)
  expect(body['detail']).toMatch(detail)
})

test('a text can be asked about, and counts only when that is wished', async () => {
  const service = await started()
  const ask = async (record: boolean) =>
    (await (
      await fetch(`${service.url}/api/v1/detect`, {
        method: 'POST',
        body: JSON.stringify({
          text: 'ValidationError: OrchestrationContext field required',
          context: { workspace_id: 'ws_1' },
          record,
        }),
      })
    ).json()) as { detections: Record<string, unknown>[] }

  const asked = await ask(false)
  const before = (await get(service, '/api/v1/failures')).body.items.length
  await ask(true)
  const after = (await get(service, '/api/v1/failures')).body.items

  expect(asked.detections[0]).toMatchObject({ failure_type: 'ORCHESTRATION_CONTEXT_MISSING', severity: 'critical' })
  expect(Number(asked.detections[0]?.['confidence'])).toBeGreaterThanOrEqual(0.95)
  expect(before).toBe(0)
  expect(after[0]).toMatchObject({ failure_type: 'ORCHESTRATION_CONTEXT_MISSING', keys: { workspace_id: 'ws_1' } })
})

test('with tokens, each role may do its part and no more', async () => {
  const service = await started(
    {},
    { FAULTLINE_TOKENS: 'ship:ship:shipping-token,web:read:reading-token,boss:admin:admin-token-1' },
  )
  const as = (token: string | undefined, path: string, method = 'GET'): Promise<Response> =>
    fetch(`${service.url}${path}`, {
      method,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(method === 'POST' ? { body: 'x' } : {}),
    })

  const answers = await Promise.all([
    as(undefined, '/api/v1/failures'),
    as('wrong-token-1', '/api/v1/failures'),
    as('reading-token', '/api/v1/failures'),
    as('shipping-token', '/api/v1/failures'),
    as('reading-token', '/api/v1/logs', 'POST'),
    as('shipping-token', '/api/v1/logs', 'POST'),
    as('admin-token-1', '/api/v1/logs', 'POST'),
    as('reading-token', '/api/v1/failures/f/resolve', 'POST'),
    as(undefined, '/healthz'),
  ])
  const { messages } = await subscribed(service, '', ['bearer.reading-token'])

  expect(answers.map(({ status }) => status)).toEqual([401, 401, 200, 403, 403, 202, 202, 403, 200])
  expect(messages[0]?.type).toBe('hello')
})

test('another site, and a name that was rebound to loopback, are refused', async () => {
  const service = await started({ server: { port: 0, origins: ['https://ops.example'] } })
  const from = async (headers: Record<string, string>): Promise<number> =>
    new Promise((done) => {
      const socket = new WebSocket(`${service.url.replace('http', 'ws')}/api/v1/stream`, { headers })
      socket.on('open', () => done(101))
      socket.on('error', () => undefined)
      socket.on('unexpected-response', (_, response) => done(response.statusCode ?? 0))
      onTestFinished(() => socket.terminate())
    })

  const statuses = [
    await from({}),
    await from({ origin: 'https://ops.example' }),
    await from({ origin: 'https://evil.example' }),
    await from({ host: 'evil.example' }),
    await from({ origin: service.url }),
  ]

  expect(statuses).toEqual([101, 101, 403, 403, 101])
})

test('a listed page may ask before it sends a token, another may not', async () => {
  const service = await started({ server: { port: 0, origins: ['https://ops.example'] } })
  const ask = (origin: string): Promise<Response> =>
    fetch(`${service.url}/api/v1/logs`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    })

  const [listed, other] = await Promise.all([ask('https://ops.example'), ask('https://evil.example')])

  expect([listed.status, other.status]).toEqual([204, 403])
  expect(listed.headers.get('access-control-allow-headers')).toContain('authorization')
})

test('the stream can be switched off, with the reason', async () => {
  const service = await started({}, { ENABLE_FAILURE_WEBSOCKET_NOTIFICATIONS: 'false' })

  const response = await fetch(`${service.url}/api/v1/stream`, {
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
  }).catch(() => undefined)
  const plain = await new Promise<number>((done) => {
    const socket = new WebSocket(`${service.url.replace('http', 'ws')}/api/v1/stream`)
    socket.on('unexpected-response', (_, { statusCode }) => done(statusCode ?? 0))
    socket.on('error', () => undefined)
  })

  expect(response?.status ?? 403).toBe(403)
  expect(plain).toBe(403)
})

test('the metrics page agrees with the stats', async () => {
  const service = await started()
  await push(service, `${mark(1)}\nfine\n`)

  const page = await (await fetch(`${service.url}/metrics`)).text()
  const { body } = await get(service, '/api/v1/stats')

  expect(page).toContain(`faultline_lines_total ${String(body['lines'])}`)
  expect(page).toContain(`faultline_matches_total{type="${markType}"} 1`)
  expect(body).toMatchObject({
    lines: 2,
    records_matched: 1,
    active_failures: 1,
    total_failures_detected: 1,
    by_type: { [markType]: 1 },
  })
})

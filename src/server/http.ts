import websocket from '@fastify/websocket'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import * as z from 'zod'
import type { Catalog } from '../catalog/compile.js'
import { severities } from '../catalog/schema.js'
import type { AccessToken, Role } from '../config/config.js'
import { explainDetection, type TextDetector } from '../correlate/text.js'
import type { Match } from '../detect/failure.js'
import type { Intake } from '../pipeline.js'
import type { FailureFilter, Queries } from '../store/queries.js'
import { createAccess } from './access.js'
import { renderMetrics } from './metrics.js'
import { bodyJson, orFail, ProblemError, sendError, sendProblem } from './problem.js'
import { addPush, type Guard } from './push.js'
import { StreamQuery, type Stream } from './stream.js'
import {
  detectionToWire,
  explanationToWire,
  failureToWire,
  incidentToWire,
  problemToWire,
  typeToWire,
} from './wire.js'

/** What the server needs of the rest of the program. */
export type ServerOptions = Readonly<{
  host: string
  port: number
  tokens: readonly AccessToken[]
  origins: readonly string[]
  streamEnabled: boolean
  detectionEnabled: boolean
  bodyBytesMax: number
  version: string
  queries: Queries
  stream: Stream
  intake: Intake
  commands: Readonly<{
    count(matches: readonly Match[]): boolean
    resolveFailure(failureId: string, nowMs: number): boolean
    acknowledge(incidentId: string, nowMs: number): boolean
  }>
  catalog: () => Catalog
  detect: TextDetector
  sources: () => readonly SourceStatus[]
  isReady: () => boolean
  sinceMs: number
  now: () => number
}>

export type SourceStatus = Readonly<{
  name: string
  state: string
  position: number
  lagBytes: number
  lastEventMs: number | undefined
}>

export type Server = Readonly<{ url: string; close(): Promise<void> }>

const limitMax = 500
const moment = z.iso.datetime({ offset: true, message: 'a time such as 2026-11-21T10:00:00Z is expected' }).optional()
const ListQuery = z.strictObject({
  state: z.enum(['active', 'resolved', 'all']).default('all'),
  severity: z.enum(severities).optional(),
  failure_type: z.string().optional(),
  category: z.string().optional(),
  service: z.string().optional(),
  since: moment,
  until: moment,
  limit: z.coerce.number().int().min(1).max(limitMax).default(50),
  cursor: z.coerce.number().int().min(0).optional(),
})
const DetectBody = z.strictObject({
  text: z.string().min(1),
  context: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  record: z.boolean().default(false),
})
const NoteBody = z.strictObject({
  text: z.string().min(1).max(10_000),
  author: z.string().min(1).max(200).default('unknown'),
})

/** Starts listening; resolves when the port is open. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const app = fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    forceCloseConnections: true,
    frameworkErrors(error, request, reply) {
      void sendError(error, request as FastifyRequest, reply as FastifyReply)
    },
    routerOptions: { maxParamLength: 200 },
  })
  await app.register(websocket, { options: { maxPayload: 65_536, handleProtocols: acceptProtocol } })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, { status: 404, detail: `there is no ${request.method} ${request.url.split('?')[0]}` }),
  )
  addRoutes(app, options)
  await app.listen({ host: options.host, port: options.port })
  const address = app.server.address()
  const port = typeof address === 'object' && address ? address.port : options.port
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return { url: `http://${host}:${port}`, close: () => app.close() }
}

/** A browser that offers `bearer.TOKEN` wants one of its protocols named in the answer. */
const acceptProtocol = (protocols: Set<string>): string | false => [...protocols][0] ?? false

function addRoutes(app: FastifyInstance, options: ServerOptions): void {
  const access = createAccess(options)
  const needs = (role: Role) => ({
    onRequest: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const refusal = access.refusal(request, role)
      if (refusal) await sendProblem(reply, refusal)
      else if (request.headers.origin !== undefined)
        reply.header('access-control-allow-origin', request.headers.origin).header('vary', 'Origin')
    },
  })
  app.options('/*', (request, reply) => preflight(request, reply, options.origins))
  addHealth(app, options)
  addPush(app, options, needs('ship'))
  addReading(app, options, needs('read'))
  addDetect(app, options, needs('ship'))
  addActions(app, options, needs('admin'))
  app.get(
    '/api/v1/stream',
    { websocket: true, ...streamGuards(options, needs('read')) },
    (socket: WebSocket, request) => {
      options.stream.serve(socket, StreamQuery.parse(request.query))
    },
  )
}

/** A browser asks before it sends a header of its own from another site's page. */
function preflight(request: FastifyRequest, reply: FastifyReply, origins: readonly string[]): FastifyReply {
  const { origin } = request.headers
  if (origin === undefined || !origins.includes(origin))
    return sendProblem(reply, { status: 403, detail: `the origin "${origin ?? ''}" is not listed in server.origins` })
  return reply
    .status(204)
    .header('access-control-allow-origin', origin)
    .header('access-control-allow-methods', 'GET, POST')
    .header('access-control-allow-headers', 'authorization, content-type, content-encoding, idempotency-key')
    .header('access-control-max-age', '600')
    .header('vary', 'Origin')
    .send()
}

/** Refusals come as HTTP answers, before the connection becomes a WebSocket. */
function streamGuards({ streamEnabled }: ServerOptions, { onRequest }: Guard): Guard {
  return {
    async onRequest(request, reply) {
      await onRequest(request, reply)
      if (reply.sent) return
      if (!streamEnabled)
        throw new ProblemError(
          403,
          'the stream is switched off by ENABLE_FAILURE_WEBSOCKET_NOTIFICATIONS (server.stream)',
        )
      StreamQuery.parse(request.query)
    },
  }
}

function addHealth(app: FastifyInstance, options: ServerOptions): void {
  app.get('/healthz', () => ({ status: 'ok', version: options.version }))
  app.get('/readyz', (_request, reply) => {
    if (options.isReady()) return { status: 'ready' }
    return sendProblem(reply, { status: 503, detail: 'files that were there at the start are still being read' })
  })
}

function filterOf(query: unknown): FailureFilter {
  const {
    state,
    severity,
    failure_type: type,
    category,
    service,
    since,
    until,
    limit,
    cursor,
  } = ListQuery.parse(query)
  const ms = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text))
  return { state, severity, type, category, service, sinceMs: ms(since), untilMs: ms(until), limit, before: cursor }
}

const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id

function addReading(app: FastifyInstance, options: ServerOptions, guard: Guard): void {
  const { queries, catalog } = options
  app.get('/api/v1/failures', guard, (request) => {
    const { items, next } = queries.failures(filterOf(request.query))
    return { items: items.map(failureToWire), next_cursor: next === undefined ? null : String(next) }
  })
  app.get('/api/v1/failures/:id', guard, (request) => {
    const found = queries.failure(idOf(request))
    if (!found) throw new ProblemError(404, `there is no failure ${idOf(request)}`)
    return failureToWire(found)
  })
  app.get('/api/v1/incidents', guard, (request) => {
    const { items, next } = queries.incidents(filterOf(request.query))
    return {
      items: items.map((incident) => incidentToWire(incident)),
      next_cursor: next === undefined ? null : String(next),
    }
  })
  app.get('/api/v1/incidents/:id', guard, (request) => {
    const incident = queries.incident(idOf(request))
    if (!incident) throw new ProblemError(404, `there is no incident ${idOf(request)}`)
    const notes = queries
      .notes(incident.id)
      .map(({ atMs, author, text }) => ({ time: new Date(atMs).toISOString(), author, text }))
    return { ...incidentToWire(incident), failures: queries.failuresOf(incident.id).map(failureToWire), notes }
  })
  app.get('/api/v1/patterns', guard, () => ({
    items: [...catalog().types.values()].map((type) => typeToWire(type, catalog().patterns)),
  }))
  app.get('/api/v1/patterns/problems', guard, () => ({ items: catalog().problems.map(problemToWire) }))
  app.get('/api/v1/stats', guard, () => stats(options))
  app.get('/metrics', guard, async (_request, reply) => {
    const { type, text } = await renderMetrics({
      counters: queries.counters(),
      activeFailures: queries.activeFailures(),
      ...options,
    })
    return reply.type(type).send(text)
  })
}

function stats({ queries, catalog, sources, sinceMs }: ServerOptions): object {
  const counters = queries.counters()
  const byType = Object.fromEntries(
    Object.entries(counters).flatMap(([name, value]) =>
      name.startsWith('matches.') ? [[name.slice('matches.'.length), value] as const] : [],
    ),
  )
  return {
    total_failures_detected: queries.totalFailures(),
    active_failures: queries.activeFailures(),
    pattern_count: catalog().patterns.length,
    problem_count: catalog().problems.length,
    lines: counters['lines'] ?? 0,
    bytes: counters['bytes'] ?? 0,
    records_matched: counters['recordsMatched'] ?? 0,
    late_records: counters['lateRecords'] ?? 0,
    keys_refused: counters['keysRefused'] ?? 0,
    keys_forgotten: counters['keysForgotten'] ?? 0,
    by_type: byType,
    sources: sources().map(({ name, state, position, lagBytes, lastEventMs }) => ({
      name,
      state,
      position,
      lag_bytes: lagBytes,
      last_event_time: lastEventMs === undefined ? null : new Date(lastEventMs).toISOString(),
      dropped: 0,
    })),
    since: new Date(sinceMs).toISOString(),
  }
}

function addDetect(app: FastifyInstance, options: ServerOptions, guard: Guard): void {
  app.post('/api/v1/detect', guard, (request) => detect(DetectBody.parse(bodyJson(request)), options))
}

function addActions(app: FastifyInstance, options: ServerOptions, guard: Guard): void {
  const { queries, commands, now } = options
  app.post('/api/v1/failures/:id/resolve', guard, (request) => {
    const id = idOf(request)
    if (!queries.failure(id)) throw new ProblemError(404, `there is no failure ${id}`)
    orFail(commands.resolveFailure(id, now()))
    const after = queries.failure(id)
    return after && failureToWire(after)
  })
  const incidentAction = (path: string, act: (id: string, request: FastifyRequest) => void): void => {
    app.post(`/api/v1/incidents/:id/${path}`, guard, (request) => {
      const id = idOf(request)
      if (!queries.incident(id)) throw new ProblemError(404, `there is no incident ${id}`)
      act(id, request)
      const after = queries.incident(id)
      return after && incidentToWire(after)
    })
  }
  incidentAction('ack', (id) => orFail(commands.acknowledge(id, now())))
  incidentAction('resolve', (id) => {
    for (const { failure } of queries.failuresOf(id))
      if (failure.state === 'active') orFail(commands.resolveFailure(failure.id, now()))
  })
  incidentAction('notes', (id, request) => queries.addNote(id, { atMs: now(), ...NoteBody.parse(bodyJson(request)) }))
}

/** What a text shows; with `record` it counts like any other match, its context as keys. */
function detect({ text, context, record }: z.infer<typeof DetectBody>, options: ServerOptions): object {
  const keys = Object.fromEntries(Object.entries(context).map(([name, value]) => [name, String(value)]))
  const { service = 'api', ...others } = keys
  const found = options.detect(text, { source: 'push:detect', service, keys: others, nowMs: options.now() })
  if (record && found.length > 0) orFail(options.commands.count(found.map(({ match }) => match)))
  const detections = found.map((detection) => ({
    ...detectionToWire(detection),
    explanation: explanationToWire(explainDetection(detection, options.catalog())),
  }))
  return { detections, recorded: record && found.length > 0 }
}

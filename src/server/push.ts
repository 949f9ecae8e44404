import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import * as z from 'zod'
import type { ServerOptions } from './http.js'
import { readLogBody } from './log-body.js'
import { ProblemError, retrySeconds } from './problem.js'

const LogQuery = z.strictObject({
  service: z.string().min(1).max(200).optional(),
  source: z.string().min(1).max(200).optional(),
})

export type Guard = { onRequest: (request: FastifyRequest, reply: FastifyReply) => Promise<void> }

const idempotencyKeyMs = 3_600_000

/** Takes logs by push; the answer comes after what they caused is committed. */
export function addPush(app: FastifyInstance, options: ServerOptions, guard: Guard): void {
  const { intake, queries, now } = options
  let requests = 0
  app.post('/api/v1/logs', guard, async (request, reply) => {
    if (!options.detectionEnabled) throw new ProblemError(503, 'detection is switched off', { 'retry-after': '60' })
    const { service, source } = LogQuery.parse(request.query)
    const key = request.headers['idempotency-key']
    const given = typeof key === 'string' ? queries.answer(key, now() - idempotencyKeyMs) : undefined
    if (given) return reply.status(given.status).type('application/json').send(given.body)
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const { 'content-type': type = '', 'content-encoding': encoding } = request.headers
    const { bytes, accepted } = await readLogBody(body, { type, encoding, bytesMax: options.bodyBytesMax })
    const answer = JSON.stringify({ accepted })
    const name = source ?? service ?? 'http'
    const id = `push:${name}#${options.sinceMs}.${++requests}`
    const batch = {
      id, source: `push:${name}`, service: service ?? name, bytes, base: 0, from: 0,
      ending: 'end', unread: false, arrivalMs: now(), identity: contentName(bytes),
    } as const // prettier-ignore
    const stored = typeof key === 'string' ? { key, status: 202, body: answer } : undefined
    const { ok } = intake.deliver(batch, { once: true, commitNow: true, answer: stored })
    intake.close(id)
    if (!ok)
      throw new ProblemError(503, 'what these lines cause could not be stored; none of them is taken', {
        'retry-after': String(retrySeconds),
      })
    return reply.status(202).type('application/json').send(answer)
  })
}

/** The same request, sent again, names its failures alike. */
const contentName = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64url').slice(0, 16)

import type { FastifyReply, FastifyRequest } from 'fastify'
import * as z from 'zod'
import { BodyError } from './log-body.js'

/** An answer that is an error, as RFC 9457 has it. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  constructor(
    readonly status: number,
    detail: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
  }
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad request', 401: 'Not authenticated', 403: 'Forbidden', 404: 'Not found', 409: 'Conflict', 413: 'Too large',
  415: 'Unsupported media type', 503: 'Not available',
} // prettier-ignore

/** Any error as an answer: what the client did wrong is said, what went wrong here is not. */
export function sendError(error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ProblemError)
    return sendProblem(reply.headers(error.headers), { status: error.status, detail: error.message })
  if (error instanceof BodyError) return sendProblem(reply, { status: error.status, detail: error.message })
  if (error instanceof z.ZodError) {
    const [issue] = error.issues
    const where = issue?.path.map(String).join('.') ?? ''
    return sendProblem(reply, {
      status: 400,
      detail: where === '' ? (issue?.message ?? '') : `${where}: ${issue?.message ?? ''}`,
    })
  }
  const known = error as { statusCode?: number; message?: string }
  const status = known.statusCode !== undefined && known.statusCode < 500 ? known.statusCode : 500
  return sendProblem(reply, {
    status,
    detail: status === 500 ? 'an internal error; the log says more' : (known.message ?? ''),
  })
}

export function sendProblem(
  reply: FastifyReply,
  { status, detail }: { status: number; detail: string },
): FastifyReply {
  const problem = { type: 'about:blank', title: titles[status] ?? 'Error', status, detail }
  return reply.status(status).type('application/problem+json').send(JSON.stringify(problem))
}

/** @throws {ProblemError} for a body that is missing or no JSON */
export function bodyJson(request: FastifyRequest): unknown {
  const bytes = request.body
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) throw new ProblemError(400, 'a JSON body is expected')
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new ProblemError(400, `the body is not valid JSON: ${error instanceof Error ? error.message : ''}`)
  }
}

export const retrySeconds = 5

/** What could not be stored did not happen. */
export function orFail(ok: boolean): void {
  if (!ok)
    throw new ProblemError(503, 'it could not be stored; nothing has changed', {
      'retry-after': String(retrySeconds),
    })
}

import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { isLoopback, type AccessToken, type Role } from '../config/config.js'

/** Who may do what. Without tokens (possible on loopback only) everyone who reaches the port may do everything. */
export type Access = Readonly<{
  /** undefined when the request is allowed, else why not. */
  refusal(request: FastifyRequest, role: Role): Refusal | undefined
}>

export type Refusal = Readonly<{ status: 401 | 403; detail: string }>

/** An admin may do what the others may; a reader and a shipper only their own part. */
const allows = (has: Role, needed: Role): boolean => has === needed || has === 'admin'
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

export function createAccess({
  tokens,
  origins,
}: {
  tokens: readonly AccessToken[]
  origins: readonly string[]
}): Access {
  const known = tokens.map(({ token, ...rest }) => ({ ...rest, digest: digest(token) }))
  return {
    refusal(request, role) {
      const foreign = refuseOrigin(request, { origins, hasTokens: known.length > 0 })
      if (foreign || known.length === 0) return foreign
      const presented = presentedToken(request)
      if (presented === undefined) return { status: 401, detail: 'a token is required: Authorization: Bearer TOKEN' }
      const given = digest(presented)
      const holder = known.find((each) => timingSafeEqual(each.digest, given))
      if (!holder) return { status: 401, detail: 'the token is not known' }
      if (!allows(holder.role, role))
        return {
          status: 403,
          detail: `the token "${holder.name}" has the role "${holder.role}"; this call needs "${role}"`,
        }
      return undefined
    },
  }
}

/** Another site's page must not use the reader's browser to reach us; neither by a name that was rebound to loopback. */
function refuseOrigin(
  request: FastifyRequest,
  { origins, hasTokens }: { origins: readonly string[]; hasTokens: boolean },
): Refusal | undefined {
  const { origin, host = '' } = request.headers
  const hostName = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  if (!hasTokens && host !== '' && !isLoopback(hostName))
    return { status: 403, detail: `the host "${hostName}" is not served without a token` }
  if (origin === undefined || origins.includes(origin)) return undefined
  if (origin === `http://${host}` || origin === `https://${host}`) return undefined
  return { status: 403, detail: `the origin "${origin}" is not listed in server.origins` }
}

/** From the header, or from the WebSocket's subprotocol, which is all that a browser lets a page set. */
function presentedToken({ headers }: FastifyRequest): string | undefined {
  const fromHeader = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1]
  const protocols = headers['sec-websocket-protocol'] ?? ''
  const fromProtocol = protocols
    .split(',')
    .map((each) => each.trim())
    .find((each) => each.startsWith('bearer.'))
  return fromHeader ?? fromProtocol?.slice('bearer.'.length)
}

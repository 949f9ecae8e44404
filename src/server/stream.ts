import type { WebSocket } from 'ws'
import * as z from 'zod'
import { severities } from '../catalog/schema.js'
import type { Queries } from '../store/queries.js'
import type { StoredEvent } from '../store/store.js'
import { eventToWire, passes, type EventFilter } from './wire.js'

/** The live stream: every client gets each event once, in order, from where it asked for. */
export type Stream = Readonly<{
  publish(events: readonly StoredEvent[]): void
  /** Serves one client until it leaves. */
  serve(socket: WebSocket, query: StreamQuery): void
  clients(): number
  close(): void
}>

/** A client that has not taken this much is closed with 1013; it loses nothing by coming back with `since`. */
const pendingBytesMax = 4_194_304
const heartbeatMs = 30_000
const pageEvents = 500

const list = z
  .string()
  .optional()
  .transform((text) => (text === undefined || text === '' ? undefined : text.split(',').map((each) => each.trim())))

export const StreamQuery = z.strictObject({
  since: z
    .string()
    .regex(/^(?:[\w-]+:)?\d+$/, 'SEQ or STREAM_ID:SEQ is expected')
    .optional(),
  types: list,
  severity: z.enum(severities).optional(),
  failure_type: list,
  service: list,
})
export type StreamQuery = z.infer<typeof StreamQuery>

const Names = z.union([z.string().transform((name) => [name]), z.array(z.string())]).optional()
const Subscribe = z.strictObject({
  type: z.literal('subscribe'),
  filter: z
    .strictObject({ types: Names, severity: z.enum(severities).optional(), failure_type: Names, service: Names })
    .default({}),
})

type Client = { socket: WebSocket; filter: EventFilter; sentSeq: number; live: boolean; alive: boolean }

type StreamOptions = Readonly<{ queries: Queries; streamId: string; version: string; demo: boolean }>

export function createStream({ queries, streamId, version, demo }: StreamOptions): Stream {
  const clients = new Set<Client>()

  const say = ({ socket }: Client, message: object): void => socket.send(JSON.stringify(message))

  /** Whether the client still listens; one that cannot keep up is cut off, so that it cannot take the service down with it. */
  function keepsUp({ socket }: Client): boolean {
    if (socket.readyState !== socket.OPEN) return false
    if (socket.bufferedAmount <= pendingBytesMax) return true
    socket.close(1013, 'too slow; come back with since')
    return false
  }

  /** Kept events up to now, a page at a time; the client goes live when there are no more. */
  function catchUp(client: Client): void {
    while (keepsUp(client)) {
      if (client.socket.bufferedAmount > pendingBytesMax / 2) {
        setTimeout(() => catchUp(client), 20).unref()
        return
      }
      const events = queries.events(client.sentSeq, pageEvents)
      for (const event of events) {
        if (passes(event.change, client.filter)) say(client, eventToWire(event, { demo }))
        client.sentSeq = event.seq
      }
      if (events.length < pageEvents) {
        client.live = true
        return
      }
    }
  }

  const heartbeat = setInterval(() => {
    for (const client of clients) {
      if (!client.alive) client.socket.terminate()
      client.alive = false
      client.socket.ping()
    }
  }, heartbeatMs)
  heartbeat.unref()

  function begin(client: Client, since: string | undefined): void {
    const { newest, oldest } = queries.range()
    say(client, {
      type: 'hello',
      stream_id: streamId,
      seq: newest,
      oldest_seq: oldest,
      version,
      ...(demo ? { demo } : {}),
    })
    client.sentSeq = newest
    if (since !== undefined) {
      const [seq = '', id = streamId] = since.split(':').toReversed()
      const reset = id !== streamId || Number(seq) > newest
      if (reset || Number(seq) + 1 < oldest)
        say(client, { type: 'gap', oldest_seq: oldest, reason: reset ? 'reset' : 'retention' })
      client.sentSeq = reset ? oldest - 1 : Number(seq)
    }
    catchUp(client)
  }

  function listen(client: Client, text: string): void {
    try {
      const { filter } = Subscribe.parse(JSON.parse(text))
      const { types, severity, failure_type: failureTypes, service: services } = filter
      client.filter = { types, severity, failureTypes, services }
    } catch (error) {
      const detail = error instanceof z.ZodError ? (error.issues[0]?.message ?? 'not understood') : 'not valid JSON'
      say(client, { type: 'error', detail: `expected {"type":"subscribe","filter":{…}}: ${detail}` })
    }
  }

  return {
    publish(events) {
      for (const event of events) {
        let text: string | undefined
        for (const client of clients) {
          if (!client.live || event.seq <= client.sentSeq) continue
          client.sentSeq = event.seq
          if (!passes(event.change, client.filter) || !keepsUp(client)) continue
          text ??= JSON.stringify(eventToWire(event, { demo }))
          client.socket.send(text)
        }
      }
    },
    serve(socket, { since, types, severity, failure_type: failureTypes, service: services }) {
      const client: Client = {
        socket,
        filter: { types, severity, failureTypes, services },
        sentSeq: 0,
        live: false,
        alive: true,
      }
      clients.add(client)
      socket.on('pong', () => {
        client.alive = true
      })
      socket.on('close', () => clients.delete(client))
      socket.on('error', () => socket.terminate())
      socket.on('message', (message: Buffer) => listen(client, message.toString('utf8')))
      begin(client, since)
    },
    clients: () => clients.size,
    close() {
      clearInterval(heartbeat)
      for (const { socket } of clients) socket.close(1001, 'shutting down')
    },
  }
}

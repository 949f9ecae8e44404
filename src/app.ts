import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setInterval } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import RE2 from 're2'
import type { Catalog } from './catalog/compile.js'
import { createPatternFiles } from './catalog/pattern-files.js'
import { isLoopback, ConfigError, type Config } from './config/config.js'
import { createTextDetector } from './correlate/text.js'
import { createIngest } from './ingest.js'
import { createRedact } from './lines/redact.js'
import { startServer, type Server } from './server/http.js'
import { createStream } from './server/stream.js'
import { createFileSource } from './sources/file.js'
import { createQueries } from './store/queries.js'
import { openStore, type StoredEvent } from './store/store.js'

export type AppOptions = Readonly<{
  config: Config
  from: 'start' | 'end'
  /** Events are marked as those of the bundled outage. */
  demo: boolean
  log: Logger
  now: () => number
  /** Called for every event after it was committed. */
  onEvents: (events: readonly StoredEvent[]) => void
}>

export type App = Readonly<{
  url: string
  catalog: () => Catalog
  /** Resolves when everything has stopped, or rejects when something that must run has failed. */
  stopped: Promise<void>
}>

export const bundledPatterns = fileURLToPath(new URL('../patterns', import.meta.url))
export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version

const tickMs = 1000
const retainMs = 3_600_000
const dayMs = 86_400_000

/** @throws {ConfigError} for an expression that RE2 refuses */
export function redactOf(config: Pick<Config, 'redact'>): (text: string) => string {
  return createRedact(
    config.redact.map(({ name, match }) => {
      try {
        return { name, match: new RE2(match, 'gu') }
      } catch (cause) {
        throw new ConfigError(`redact: "${name}": ${cause instanceof Error ? cause.message : String(cause)}`, {
          cause,
        })
      }
    }),
  )
}

export const loadPatterns = (
  config: Pick<Config, 'patterns' | 'groups' | 'overrides'>,
  { bundled }: { bundled: boolean },
) =>
  createPatternFiles(
    [...(bundled ? [bundledPatterns] : []), ...config.patterns.map((folder) => resolve(folder))],
    config,
  )

/**
 * Starts the service: store, core, sources, server, in this order; on abort they stop in the reverse.
 * @throws what keeps it from starting: a bad configuration, a store that cannot be used, a port in use
 */
export async function startApp(options: AppOptions, signal: AbortSignal): Promise<App> {
  const { config, log, now, demo } = options
  refuseOpenDoor(config)
  // Every file and timer listens for the end; that is no leak.
  setMaxListeners(0, signal)
  const redact = redactOf(config)
  const patternFiles = loadPatterns(config, { bundled: true })
  let catalog = await patternFiles.load()
  for (const problem of catalog.problems) log.warn(problem, 'pattern problem')
  let detect = createTextDetector(catalog, { redact })

  const store = openStore(resolve(config.store.path))
  const queries = createQueries(store.database)
  const stream = createStream({ queries, streamId: store.streamId, version, demo })
  const ingest = createIngest({
    store,
    pipeline: {
      catalog,
      redact,
      latenessMs: config.time.latenessMs,
      timeZone: config.time.zone,
      timeZoneOf: zoneOf(config),
      keysMax: config.limits.keys_max,
    },
    now,
    log,
    onEvents(events) {
      stream.publish(events)
      options.onEvents(events)
    },
  })

  const known = store.sources()
  const fileSources = (config.enabled ? config.sources.files : []).map(({ paths, service }) =>
    createFileSource({
      paths,
      service,
      from: options.from,
      holdMs: config.time.holdMs,
      intake: ingest,
      known,
      now,
      log,
    }),
  )
  let unready = fileSources.length
  const server = await startServer({
    host: config.server.host,
    port: config.server.port,
    tokens: config.server.tokens,
    origins: config.server.origins,
    streamEnabled: config.server.stream,
    detectionEnabled: config.enabled,
    bodyBytesMax: config.sources.http.body_bytes_max,
    version,
    queries,
    stream,
    intake: ingest,
    commands: ingest,
    catalog: () => catalog,
    detect: (text, origin) => detect(text, origin),
    sources: () => fileSources.flatMap((source) => source.status()),
    isReady: () => unready === 0,
    sinceMs: now(),
    now,
  }).catch((error: unknown) => {
    store.close()
    throw namePort(error, config.server)
  })

  const running = fileSources.map((source) => source.run(signal, () => unready--))
  const ticking = tick(signal, () => ingest.tick(now()), tickMs)
  const retaining = tick(signal, () => store.retain(now(), config.store.keep_days * dayMs), retainMs)
  await patternFiles.watch((next) => {
    catalog = next
    detect = createTextDetector(next, { redact })
    ingest.setCatalog(next)
    log.info({ patterns: next.patterns.length, problems: next.problems.length }, 'patterns reloaded')
    for (const { file, pattern, message } of next.problems)
      ingest.report({ type: 'pattern_problem', file, pattern, message })
  }, signal)

  return {
    url: server.url,
    catalog: () => catalog,
    stopped: stop([...running, ticking, retaining], { server, stream, ingest, store, now }),
  }
}

type Parts = Readonly<{
  server: Server
  stream: { close(): void }
  ingest: { tick(nowMs: number): void }
  store: { close(): void }
  now: () => number
}>

async function stop(running: readonly Promise<void>[], { server, stream, ingest, store, now }: Parts): Promise<void> {
  try {
    await Promise.all(running)
  } finally {
    stream.close()
    await server.close()
    ingest.tick(now())
    store.close()
  }
}

/** Calls every `ms` until `signal` aborts. */
async function tick(signal: AbortSignal, call: () => void, ms: number): Promise<void> {
  try {
    for await (const _ of setInterval(ms, undefined, { signal })) call()
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function refuseOpenDoor({ server }: Config): void {
  if (isLoopback(server.host) || server.tokens.length > 0) return
  throw new ConfigError(
    `server.host: ${server.host} can be reached from other machines, and no token is set; set FAULTLINE_TOKENS=name:admin:TOKEN or server.tokens, or listen on 127.0.0.1`,
  )
}

function namePort(error: unknown, { host, port }: Config['server']): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE')
    return new ConfigError(
      `server.port: ${port} on ${host} is in use by another process; choose another with --port`,
      { cause: error },
    )
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL')
    return new ConfigError(`server.host: cannot listen on ${host}:${port} (${code})`, { cause: error })
  return error
}

function zoneOf({ sources }: Config): (source: string) => string | undefined {
  const zones = sources.files.flatMap(({ paths, time_zone: zone }) =>
    zone === undefined ? [] : paths.map((path) => ({ path: `file:${resolve(path)}`, zone })),
  )
  return (source) => zones.find(({ path }) => path === source)?.zone
}

import { pino } from 'pino'
import { startApp } from '../app.js'
import { parseConfig, unknownVariables, type Config } from '../config/config.js'
import { readArguments, UsageError, wholeNumber } from './arguments.js'
import { readConfigFile } from './config-file.js'
import { createPrinter, wantsColour } from './print.js'
import { bundledScenario, startDemo, type Demo } from './demo.js'

export const serveHelp = `faultline serve [PATH|GLOB …] [options]

Watches log files, takes logs by push, and serves the API and the live stream.

  --config FILE     configuration (default: ./faultline.json where it is there)
  --data DIR        data folder (default: ./data)
  --host H          address to listen on (default: 127.0.0.1; others need a token)
  --port N          port to listen on (default: 7710; 0 takes a free one)
  --from start|end  where to begin in files never seen before (default: end);
                    files that appear later are read from their start
  --patterns DIR    a folder of pattern files, besides the bundled ones; may be given several times
  --demo            with nothing to watch, play the bundled outage
`

/** Runs the service until SIGINT or SIGTERM. */
export async function serve(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    config: { type: 'string' },
    data: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
    from: { type: 'string', default: 'end' },
    patterns: { type: 'string', multiple: true },
    demo: { type: 'boolean', default: false },
  })
  const { from } = values
  if (from !== 'start' && from !== 'end') throw new UsageError(`--from: start or end is expected, not "${from}"`)
  const flags = {
    ...(positionals.length > 0 ? { sources: { files: [{ paths: positionals }] } } : {}),
    ...(values.patterns ? { patterns: values.patterns } : {}),
    server: { host: values.host, port: wholeNumber(values.port, 'port') },
    store: { path: values.data },
  }
  const file = readConfigFile(values.config)
  const config = parseConfig({ file, environment: process.env, flags })
  for (const name of unknownVariables(process.env))
    process.stderr.write(`faultline: ${name}: there is no such setting; it is passed over\n`)
  const isDemo = values.demo && !file && config.sources.files.length === 0
  const stopping = new AbortController()
  const exitCode = onSignals(stopping)
  const demo = isDemo ? await startDemo(bundledScenario, stopping.signal) : undefined
  try {
    await run(demo ? withDemo(config, demo, values.data) : config, { from: demo ? 'start' : from, demo, stopping })
  } finally {
    await demo?.remove()
  }
  return exitCode()
}

const withDemo = (config: Config, { folder, paths }: Demo, data: string | undefined): Config => ({
  ...config,
  sources: { ...config.sources, files: paths.map(({ path, service }) => ({ paths: [path], service })) },
  store: { ...config.store, path: data ?? `${folder}/data` },
})

type RunOptions = { from: 'start' | 'end'; demo: Demo | undefined; stopping: AbortController }

async function run(config: Config, { from, demo, stopping }: RunOptions): Promise<void> {
  const printer = createPrinter({ colour: wantsColour(process.stdout) })
  const log = pino({ level: process.env['FAULTLINE_LOG_LEVEL'] ?? 'warn' }, pino.destination({ fd: 2, sync: true }))
  const say = (text: string): void => {
    process.stdout.write(`${text}\n`)
  }
  // What is found while the service starts is said after where it listens.
  let early: string[] | undefined = []
  const app = await startApp(
    {
      config, from, log, demo: demo !== undefined, now: Date.now,
      onEvents: (events) => {
        for (const { change } of events) {
          const text = printer.change(change)
          if (text !== undefined && early) early.push(text)
          else if (text !== undefined) say(text)
        }
      },
    },
    stopping.signal,
  ) // prettier-ignore
  app.stopped.catch(() => stopping.abort())
  const { patterns, types, problems } = app.catalog()
  say(`faultline listens on ${app.url}, with ${patterns.length} patterns for ${types.size} failure types`)
  if (problems.length > 0)
    say(`${problems.length} problems in pattern files; see ${app.url}/api/v1/patterns/problems`)
  say(`times without a zone are read as ${config.time.zone}`)
  if (demo) for (const line of demo.introduction(app.url)) say(line)
  else for (const { paths } of config.sources.files) say(`watching ${paths.join(' ')}`)
  if (!demo && config.sources.files.length === 0) say('watching no files; logs are taken by POST /api/v1/logs')
  for (const text of early) say(text)
  early = undefined
  demo?.play()
  await app.stopped
}

/** Ctrl-C ends with 130, as shells expect; being told to terminate is no failure. */
function onSignals(stopping: AbortController): () => number {
  let code = 0
  for (const [signal, exit] of [
    ['SIGINT', 130],
    ['SIGTERM', 0],
  ] as const)
    process.once(signal, () => {
      code = exit
      stopping.abort()
    })
  return () => code
}

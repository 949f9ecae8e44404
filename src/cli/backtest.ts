import { resolve } from 'node:path'
import { glob } from 'tinyglobby'
import { loadPatterns, redactOf } from '../app.js'
import type { Catalog } from '../catalog/compile.js'
import type { FailureEvent } from '../changes.js'
import type { Match } from '../detect/failure.js'
import { createPipeline } from '../pipeline.js'
import { readArguments, UsageError, wholeNumber } from './arguments.js'
import { configHere } from './config-file.js'
import { columnsOf, counted, createPainter, sayProblem, visible, wantsColour, wrapped } from './print.js'
import { scanInputs } from './scan-input.js'

const samplesDefault = 3

export const backtestHelp = `faultline patterns backtest [options] FILE --against GLOB …

Reads logs as \`scan\` does and says what the patterns of a file would have raised, and when. The bundled patterns run along, because
a more specific type of theirs suppresses yours in the same record, as it would live.

  --against GLOB      logs (plain or .gz) to read; may be given several times
  --no-bundled        without the bundled patterns
  --json              one JSON object for each pattern, then one for each failure
  --samples N         so many sample records for each pattern (default ${samplesDefault})
`

const hourMs = 3_600_000
const sampleCharactersMax = 240
const bars = '▁▂▃▄▅▆▇█'
const barsMax = 48

type Tally = { count: number; hours: Map<number, number>; samples: { atMs: number; source: string; text: string }[] }

/** Runs a pattern file over logs with the engine of the service. Exit code 2 when a log or the file cannot be used. */
export async function backtest(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    against: { type: 'string', multiple: true },
    'no-bundled': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    samples: { type: 'string' },
  })
  const [name, ...others] = positionals
  if (name === undefined || others.length > 0) throw new UsageError('patterns backtest: one pattern file is expected')
  if (!name.endsWith('.json')) throw new UsageError(`patterns backtest: a .json file is expected, not ${name}`)
  if (!values.against) throw new UsageError('patterns backtest: --against GLOB is expected: the logs to read')
  const samplesMax = wholeNumber(values.samples, 'samples') ?? samplesDefault
  const file = resolve(name)
  const config = configHere([file])
  const catalog = await loadPatterns(config, { bundled: !values['no-bundled'] }).load()
  const logs = (await Promise.all(values.against.map(filesOf))).flat()
  const own = new Map(catalog.patterns.filter((pattern) => pattern.file === file).map(({ id }) => [id, newTally()]))
  const raised: FailureEvent[] = []
  let unreadable = 0
  const pipeline = createPipeline({
    catalog,
    redact: redactOf(config),
    latenessMs: config.time.latenessMs,
    timeZone: config.time.zone,
    keysMax: config.limits.keys_max,
    observe: (match) => count(own.get(match.patternId), match, samplesMax),
  })
  const { lines } = await scanInputs(pipeline, logs, {
    change(change) {
      if (change.type === 'failure_detected' && own.has(change.failure.patternId)) raised.push(change)
    },
    problem(log, message) {
      unreadable++
      process.stderr.write(`faultline: ${log}: ${message}\n`)
    },
  })
  const problems = catalog.problems.filter((problem) => problem.file === file)
  for (const problem of problems)
    process.stderr.write(`faultline: ${sayProblem(problem)}
`)
  const report = { catalog, own, raised, lines, logs: logs.length }
  if (own.size > 0) process.stdout.write(values.json ? asJson(report) : asText(report))
  return unreadable > 0 || problems.length > 0 ? 2 : 0
}

const newTally = (): Tally => ({ count: 0, hours: new Map(), samples: [] })

/** A path is taken as it is, so that names with brackets work; anything else is a glob. */
async function filesOf(pattern: string): Promise<string[]> {
  const found = await glob(pattern, { dot: true, onlyFiles: true, absolute: true })
  if (found.length === 0 && /[*?{[]/.test(pattern)) throw new UsageError(`--against: no file matches ${pattern}`)
  return found.length > 0 ? found.toSorted() : [pattern]
}

function count(tally: Tally | undefined, { atMs, source, evidence }: Match, samplesMax: number): void {
  if (!tally) return
  tally.count++
  const hour = Math.floor(atMs / hourMs)
  tally.hours.set(hour, (tally.hours.get(hour) ?? 0) + 1)
  if (tally.samples.length < samplesMax)
    tally.samples.push({ atMs, source, text: evidence.text.slice(0, sampleCharactersMax) })
}

type Report = Readonly<{
  catalog: Catalog
  own: ReadonlyMap<string, Tally>
  raised: readonly FailureEvent[]
  lines: number
  logs: number
}>

const time = (ms: number): string => new Date(ms).toISOString()
const perHour = ({ hours }: Tally): [number, number][] => [...hours].toSorted(([a], [b]) => a - b)

function asJson({ own, raised }: Report): string {
  const patterns = [...own].map(([pattern, tally]) => ({
    pattern,
    matches: tally.count,
    records_per_hour: Object.fromEntries(perHour(tally).map(([hour, n]) => [time(hour * hourMs), n])),
    samples: tally.samples.map(({ atMs, source, text }) => ({ time: time(atMs), source, text })),
  }))
  const failures = raised.map(({ failure }) => ({
    failure_type: failure.type,
    pattern: failure.patternId,
    raised_at: time(failure.lastSeenMs),
    service: failure.service,
    message: failure.message,
    reopened: failure.reopened,
  }))
  return [...patterns, ...failures].map((each) => `${JSON.stringify(each)}\n`).join('')
}

function asText({ catalog, own, raised, lines, logs }: Report): string {
  const paint = createPainter(wantsColour(process.stdout))
  const columns = columnsOf(process.stdout)
  const out: string[] = [`${counted(lines, 'line')} of ${counted(logs, 'file')}`]
  for (const [id, tally] of own) {
    const type = catalog.patterns.find((pattern) => pattern.id === id)?.type ?? ''
    const threshold = catalog.types.get(type)?.threshold
    const busiest = Math.max(0, ...tally.hours.values())
    out.push('', paint(`${id} (${type})`, '1'))
    out.push(
      `  ${counted(tally.count, 'record')} in ${counted(tally.hours.size, 'hour')}, ${busiest} in the busiest hour; threshold ${threshold?.count ?? 1} in ${(threshold?.windowMs ?? hourMs) / 60_000} min`,
    )
    if (tally.count > 0) out.push(...histogram(tally))
    for (const { atMs, source, text } of tally.samples)
      out.push(
        `  ${time(atMs)}  ${visible(source)}`,
        ...text.split('\n').flatMap((line) => wrapped(visible(line), { columns, indent: 4, hanging: 6 })),
      )
  }
  out.push(
    '',
    paint(raised.length === 0 ? 'Nothing would have been raised' : `Would have raised ${raised.length}`, '1'),
  )
  for (const { failure } of raised)
    out.push(
      `  ${time(failure.lastSeenMs)}  ${failure.severity.toUpperCase().padEnd(8)}  ${failure.type}${failure.reopened ? ' again' : ''}`,
      ...wrapped(visible(failure.message), { columns, indent: 4, hanging: 6 }),
    )
  return `${out.join('\n')}\n`
}

/** Records per hour from the first to the last; many hours are put together. */
function histogram(tally: Tally): string[] {
  const hours = perHour(tally)
  const first = hours[0]?.[0] ?? 0
  const last = hours.at(-1)?.[0] ?? first
  const hoursPerBar = Math.ceil((last - first + 1) / barsMax)
  const heights = Array.from({ length: Math.ceil((last - first + 1) / hoursPerBar) }, () => 0)
  for (const [hour, n] of hours) heights[Math.floor((hour - first) / hoursPerBar)]! += n
  const highest = Math.max(...heights)
  const line = heights.map((n) => (n === 0 ? ' ' : bars[Math.ceil((n / highest) * bars.length) - 1])).join('')
  const each = hoursPerBar === 1 ? 'an hour' : `${hoursPerBar} hours`
  return [`  ${line}  ${each} each, from ${time(first * hourMs).slice(0, 16)}Z`]
}

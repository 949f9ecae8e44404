import { loadPatterns, redactOf } from '../app.js'
import { severities, type Severity } from '../catalog/schema.js'
import { createPipeline } from '../pipeline.js'
import { eventToWire, problemToWire } from '../server/wire.js'
import { readArguments, UsageError } from './arguments.js'
import { configHere } from './config-file.js'
import { counted, createPrinter, sayProblem, wantsColour } from './print.js'
import { scanInputs, type ScanReport } from './scan-input.js'

export const scanHelp = `faultline scan [options] FILE…|-

Reads files (plain or .gz; - is standard input) to their end and reports the failures and incidents in them.

  --json              print events and a summary as JSON, one a line
  --patterns DIR      a folder of pattern files, besides the bundled ones; may be given several times
  --no-bundled        without the bundled patterns
  --fail-on SEVERITY  exit with 1 when a failure of this severity (${severities.join(', ')}) or worse was found
`

/** Scans files to their end with the same engine as the service. */
export async function scan(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    json: { type: 'boolean', default: false },
    patterns: { type: 'string', multiple: true },
    'no-bundled': { type: 'boolean', default: false },
    'fail-on': { type: 'string' },
  })
  const failOn = severityOf(values['fail-on'])
  if (positionals.length === 0) throw new UsageError('name the files to scan, or - for standard input')
  const startedMs = Date.now()
  const config = configHere(values.patterns)
  const catalog = await loadPatterns(config, { bundled: !values['no-bundled'] }).load()
  const pipeline = createPipeline({
    catalog,
    redact: redactOf(config),
    latenessMs: config.time.latenessMs,
    timeZone: config.time.zone,
    keysMax: config.limits.keys_max,
  })
  const printer = createPrinter({ colour: wantsColour(process.stdout) })
  const tally = { failures: 0, incidents: 0, worst: -1, unreadable: 0, seq: 0 }
  const report: ScanReport = {
    change(change) {
      tally.seq++
      if (change.type === 'failure_detected') {
        if (!change.failure.reopened) tally.failures++
        tally.worst = Math.max(tally.worst, severities.indexOf(change.failure.severity))
      }
      if (change.type === 'incident_opened' && !change.incident.reopened) tally.incidents++
      const text = values.json
        ? JSON.stringify(eventToWire({ seq: tally.seq, atMs: Date.now(), change }, { demo: false }))
        : printer.change(change)
      if (text !== undefined) process.stdout.write(`${text}\n`)
    },
    problem(name, message) {
      tally.unreadable++
      process.stderr.write(`faultline: ${name}: ${message}\n`)
    },
  }
  const counters = await scanInputs(pipeline, positionals, report)
  for (const problem of catalog.problems)
    process.stderr.write(`faultline: ${sayProblem(problem)}
`)
  const summary = {
    type: 'summary',
    bytes: counters.bytes,
    lines: counters.lines,
    lines_matched: counters.linesMatched,
    records_matched: counters.recordsMatched,
    elapsed_ms: Date.now() - startedMs,
    matches: counters.matches,
    failures: tally.failures,
    incidents: tally.incidents,
    late_records: counters.lateRecords,
    problems: catalog.problems.map(problemToWire),
  }
  process.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : sayText(summary))
  if (tally.unreadable > 0) return 2
  return failOn !== undefined && tally.worst >= severities.indexOf(failOn) ? 1 : 0
}

function severityOf(text: string | undefined): Severity | undefined {
  const found = severities.find((severity) => severity === text)
  if (text !== undefined && !found)
    throw new UsageError(`--fail-on: one of ${severities.join(', ')} is expected, not "${text}"`)
  return found
}

type Summary = {
  bytes: number
  lines: number
  records_matched: number
  elapsed_ms: number
  matches: Record<string, number>
  failures: number
  incidents: number
}

function sayText(summary: Summary): string {
  const matches = Object.entries(summary.matches)
    .toSorted(([, a], [, b]) => b - a)
    .map(([type, count]) => `  ${String(count).padStart(8)}  ${type}\n`)
  const head = `${counted(summary.lines, 'line')} (${counted(summary.bytes, 'byte')}) in ${(summary.elapsed_ms / 1000).toFixed(2)} s: ${counted(summary.records_matched, 'record')} matched, ${counted(summary.failures, 'failure')}, ${counted(summary.incidents, 'incident')}\n`
  return `${head}${matches.join('')}`
}

import { Counter, Gauge, Registry } from 'prom-client'
import type { Catalog } from '../catalog/compile.js'

type Facts = Readonly<{
  counters: Readonly<Record<string, number>>
  activeFailures: number
  catalog: () => Catalog
  stream: { clients(): number }
}>

const totals: Readonly<Record<string, readonly [name: string, help: string]>> = {
  bytes: ['faultline_bytes_total', 'Bytes of log read'],
  lines: ['faultline_lines_total', 'Lines of log read'],
  linesMatched: ['faultline_lines_matched_total', 'Lines that hold a match of some pattern'],
  recordsMatched: ['faultline_records_matched_total', 'Records that matched'],
  lateRecords: [
    'faultline_late_records_total',
    'Records that came later than the lateness allows; they are counted all the same',
  ],
  keysForgotten: [
    'faultline_keys_forgotten_total',
    'Keys without an active failure that were forgotten because the table was full',
  ],
  keysRefused: [
    'faultline_keys_refused_total',
    'Matches whose key was not tracked because the table was full of active failures',
  ],
}

/** The Prometheus page, from the committed counters, so that it agrees with the stats. */
export async function renderMetrics({
  counters,
  activeFailures,
  catalog,
  stream,
}: Facts): Promise<{ type: string; text: string }> {
  const registry = new Registry()
  const registers = [registry]
  for (const [key, [name, help]] of Object.entries(totals))
    new Counter({ name, help, registers }).inc(counters[key] ?? 0)
  const matches = new Counter({
    name: 'faultline_matches_total',
    help: 'Matched records by failure type',
    labelNames: ['type'],
    registers,
  })
  for (const [name, value] of Object.entries(counters))
    if (name.startsWith('matches.')) matches.inc({ type: name.slice('matches.'.length) }, value)
  new Gauge({ name: 'faultline_active_failures', help: 'Failures that are active', registers }).set(activeFailures)
  new Gauge({ name: 'faultline_patterns', help: 'Patterns in force', registers }).set(catalog().patterns.length)
  new Gauge({ name: 'faultline_pattern_problems', help: 'Problems of pattern files', registers }).set(
    catalog().problems.length,
  )
  new Gauge({ name: 'faultline_stream_clients', help: 'Clients of the WebSocket stream', registers }).set(
    stream.clients(),
  )
  new Gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory', registers }).set(
    process.memoryUsage.rss(),
  )
  return { type: registry.contentType, text: await registry.metrics() }
}

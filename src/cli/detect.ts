import { createInterface } from 'node:readline'
import { loadPatterns, redactOf } from '../app.js'
import { createTextDetector } from '../correlate/text.js'
import { detectionToWire } from '../server/wire.js'
import { readArguments, UsageError } from './arguments.js'
import { configHere } from './config-file.js'
import { sayProblem } from './print.js'

export const detectHelp = `faultline detect [options]

Standard input: one JSON object a line, {"id":…,"text":…}, or plain text lines. Standard output: for each, in order,
{"id":…,"detections":[…]}, the most specific first. Thresholds play no part. A text may hold many lines: it is one record.

  --patterns DIR      a folder of pattern files, besides the bundled ones; may be given several times
  --no-bundled        without the bundled patterns
`

/** Detects failures in texts from standard input. */
export async function detect(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    patterns: { type: 'string', multiple: true },
    'no-bundled': { type: 'boolean', default: false },
  })
  if (positionals.length > 0) throw new UsageError(`detect reads standard input; "${positionals[0]}" is too much`)
  const config = configHere(values.patterns)
  const catalog = await loadPatterns(config, { bundled: !values['no-bundled'] }).load()
  for (const problem of catalog.problems)
    process.stderr.write(`faultline: ${sayProblem(problem)}
`)
  const detectIn = createTextDetector(catalog, { redact: redactOf(config) })
  let broken = 0
  let number = 0
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    number++
    if (line.trim() === '') continue
    const item = readItem(line, number)
    if ('error' in item) broken++
    const answer =
      'error' in item
        ? item
        : {
            id: item.id,
            detections: detectIn(item.text, { source: 'stdin', service: 'stdin', keys: {}, nowMs: Date.now() }).map(
              detectionToWire,
            ),
          }
    if (!process.stdout.write(`${JSON.stringify(answer)}\n`))
      await new Promise((done) => process.stdout.once('drain', done))
  }
  return broken > 0 ? 2 : 0
}

type Item = { id: unknown; text: string } | { id: unknown; error: string }

/** A JSON object with a text, or else a line that is itself the text; a line's number is its id then. */
function readItem(line: string, number: number): Item {
  if (!line.startsWith('{')) return { id: number, text: line }
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (error) {
    return {
      id: null,
      error: `line ${number} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
  const { id = number, text } = parsed as { id?: unknown; text?: unknown }
  if (text === undefined && !('id' in (parsed as object))) return { id: number, text: line }
  return typeof text === 'string' ? { id, text } : { id, error: `line ${number}: "text" is to be a string` }
}

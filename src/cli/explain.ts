import { loadPatterns, redactOf } from '../app.js'
import type { Catalog, FailureType } from '../catalog/compile.js'
import { explainMatches, type NearMiss, type Verdict } from '../catalog/verdicts.js'
import type { Config } from '../config/config.js'
import { createTextDetector, explainDetection, type Detection } from '../correlate/text.js'
import { decodeText, type Decoded } from '../lines/decode.js'
import { createFramer, type LogRecord } from '../lines/record.js'
import { zoneRule, type Hints } from '../lines/timestamp.js'
import { readArguments, textArgument } from './arguments.js'
import { configHere } from './config-file.js'
import { columnsOf, createPainter, sayProblem, visible, wantsColour, wrapped } from './print.js'

export const explainHelp = `faultline explain [options] [TEXT|-]

Says what a log line, or a record of several, shows and why: how it was framed and decoded, each pattern that matched and what
came of it, the nearest that did not match and the clause that failed, the threshold, the explanation and the steps.
Without a text, or with -, standard input is read.

  --patterns DIR      a folder of pattern files, besides the bundled ones; may be given several times
  --no-bundled        without the bundled patterns
  --service NAME      the service the text comes from, for patterns that apply to some only
`

const origin = 'stdin'

/** Explains a text, record by record, for people. */
export async function explain(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, {
    patterns: { type: 'string', multiple: true },
    'no-bundled': { type: 'boolean', default: false },
    service: { type: 'string', default: origin },
  })
  const text = await textArgument(positionals, 'explain')
  const config = configHere(values.patterns)
  const catalog = await loadPatterns(config, { bundled: !values['no-bundled'] }).load()
  for (const problem of catalog.problems)
    process.stderr.write(`faultline: ${sayProblem(problem)}
`)
  const records = frame(text, config)
  const say = createSayer(catalog, { config, service: values.service })
  for (const [index, record] of records.slice(0, recordsMax).entries())
    process.stdout.write(`${say(record, `Record ${index + 1} of ${records.length}`)}\n`)
  if (records.length > recordsMax)
    process.stdout.write(
      `${records.length - recordsMax} more records are not explained; "faultline scan -" reads them all\n`,
    )
  return 0
}

/** For people: who pastes more wants a report. */
const recordsMax = 20
const shownLinesMax = 60

const shownCharactersMax = 300
const shortened = (text: string): string =>
  text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text

type FramedText = { record: LogRecord; text: string }

/** The records of a text, as the same lines in a log file would be framed. */
function frame(text: string, config: Config): FramedText[] {
  const bytes = Buffer.from(text)
  const hints = hintsOf(config)
  const framer = createFramer({ bytes, base: 0, ending: 'end', hints, decidedTo: () => 0 })
  const records = new Map<number, FramedText>()
  for (let at = 0; at < bytes.length; at = framer.lineEnd(at) ?? bytes.length) {
    const found = framer.recordAround(at)
    if (!found || found.record.lines.every(({ text: line }) => line.trim() === '')) continue
    const { record } = found
    const pieces = record.lines.map(({ start, end }) => bytes.toString('utf8', start, end))
    records.set(record.start, { record, text: pieces.join('').replace(/\r?\n$/, '') })
  }
  return [...records.values()].toSorted((a, b) => a.record.start - b.record.start)
}

const hintsOf = ({ time }: Config): Hints => ({ toUtcMs: zoneRule(time.zone), arrivalMs: Date.now() })

function createSayer(catalog: Catalog, { config, service }: { config: Config; service: string }) {
  const redact = redactOf(config)
  const detectIn = createTextDetector(catalog, { redact })
  const paint = createPainter(wantsColour(process.stdout))
  const columns = columnsOf(process.stdout)
  const heading = (text: string): string => paint(text, '1')

  /** Text of others, and ours with their values in it: made visible, broken between words, with a hanging indent. */
  const paragraph = (text: string, indent = 2, hanging = indent): string[] =>
    wrapped(visible(text), { columns, indent, hanging })

  function decoding({ record }: FramedText, decoded: Decoded): string[] {
    const { lines } = record
    const [first] = lines
    const wrapper = first && first.wrapper.stream !== '' ? `, unwrapped (stream ${first.wrapper.stream.trim()})` : ''
    const keys = Object.entries(decoded.keys).map(([name, value]) => `${name}=${value}`)
    return [
      `  framed     ${lines.length} ${lines.length === 1 ? 'line' : 'lines'}${visible(wrapper)}${record.cut ? ', cut at the limit' : ''}`,
      `  time       ${decoded.timeMs === undefined ? 'none: the time of the record before, or of arrival' : new Date(decoded.timeMs).toISOString()}`,
      `  level      ${decoded.level ?? 'none'}`,
      `  service    ${visible(decoded.service ?? `none: ${service}`)}`,
      ...(keys.length > 0 ? paragraph(`keys       ${keys.join(' ')}`, 2, 13) : []),
      '  text',
      ...decoded.text
        .split('\n', shownLinesMax)
        .flatMap((line) => wrapped(visible(shortened(line)), { columns, indent: 4, hanging: 6 })),
    ]
  }

  function verdict(each: Verdict, type: FailureType | undefined): string[] {
    const { pattern, printed } = each
    const name = pattern.recovers ? `recovery of ${pattern.type}` : pattern.type
    const captures = Object.entries(each.captures).map(([capture, value]) => `${capture} = ${JSON.stringify(value)}`)
    const came = {
      counts: () => threshold(type),
      outranked: () => `left out: ${'by' in each ? each.by : ''} is a surer pattern of the same type`,
      suppressed: () => `left out: ${'by' in each ? each.by : ''} is more specific and suppresses ${pattern.type}`,
      refused: () => `does not count: ${'why' in each ? each.why : ''}`,
    }[each.outcome]()
    const colour = each.outcome === 'counts' ? '31' : '2'
    return [
      `  ${paint(name, colour)}  ${pattern.id}  confidence ${pattern.confidence}`,
      ...paragraph(`matched ${JSON.stringify(shortened(printed))}`, 4, 6),
      ...(captures.length > 0 ? paragraph(captures.join(', '), 4, 6) : []),
      ...paragraph(pattern.recovers && each.outcome === 'counts' ? 'ends active failures of its type' : came, 4, 6),
    ]
  }

  function threshold(type: FailureType | undefined): string {
    if (!type) return ''
    const { count, windowMs, from, why } = type.threshold
    const minutes = windowMs / 60_000
    const limit = `${count} in ${minutes % 60 === 0 ? `${minutes / 60} h` : `${minutes} min`} for each ${type.groupBy.join(', ')}`
    const effect = count === 1 ? 'this record alone raises it' : `this is 1 of ${count}`
    return `threshold ${limit} (${from}): ${effect}${why === undefined ? '' : `; ${why}`}`
  }

  function near({ pattern, matched, wanted }: NearMiss): string[] {
    return [
      `  ${pattern.type}  ${pattern.id}`,
      ...paragraph(`matched     ${shortened(matched)}`, 4, 16),
      ...paragraph(`but wanted  ${shortened(wanted)}`, 4, 16),
    ]
  }

  function meaning(detection: Detection): string[] {
    const { type, component, message } = detection
    const said = explainDetection(detection, catalog)
    const { immediate } = said.recovery
    const steps = (immediate.length > 0 ? immediate : said.recommendations).map(
      (step, index) => `${index + 1}. ${step}`,
    )
    const target = said.mttrTargetSeconds === null ? '' : `, to be over in ${said.mttrTargetSeconds} s`
    return [
      heading(type.type),
      ...paragraph(
        `${type.severity}, ${type.category}, component ${component}, escalation level ${said.escalationLevel}${target}`,
      ),
      ...paragraph(message),
      ...paragraph(`Why: ${said.rootCause}`),
      ...(steps.length > 0 ? ['  Do:', ...steps.flatMap((step) => paragraph(step, 4, 7))] : []),
      ...(said.recovery.rollback.length > 0
        ? ['  Undo:', ...said.recovery.rollback.flatMap((step) => paragraph(`- ${step}`, 4, 6))]
        : []),
      ...(said.recovery.prevention.length > 0
        ? ['  Prevent:', ...said.recovery.prevention.flatMap((step) => paragraph(`- ${step}`, 4, 6))]
        : []),
    ]
  }

  return (framed: FramedText, title: string): string => {
    const nowMs = Date.now()
    const decoded = decodeText(framed.text, { hints: hintsOf(config), redact })
    const known = { service: decoded.service ?? service, source: origin }
    const { verdicts, nearMisses } = explainMatches(catalog, decoded, known)
    const detections = detectIn(framed.text, { source: origin, service, keys: {}, nowMs })
    const counts = verdicts.some(({ outcome }) => outcome === 'counts')
    return [
      heading(title),
      ...decoding(framed, decoded),
      '',
      heading(verdicts.length === 0 ? 'No pattern matched' : 'Patterns that matched'),
      ...verdicts.flatMap((each) => verdict(each, catalog.types.get(each.pattern.type))),
      ...(!counts && nearMisses.length > 0
        ? ['', heading('The nearest that did not'), ...nearMisses.flatMap(near)]
        : []),
      ...detections.flatMap((detection) => ['', ...meaning(detection)]),
      '',
    ].join('\n')
  }
}

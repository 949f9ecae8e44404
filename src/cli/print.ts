import type { Problem } from '../catalog/compile.js'
import type { Severity } from '../catalog/schema.js'
import type { Change } from '../changes.js'

/** What people read in a terminal. Log text is data: control characters in it are made visible, so that it cannot drive the terminal. */

const colours: Readonly<Record<Severity, string>> = { low: '36', medium: '33', high: '31', critical: '1;31' }

/** What is wrong with a pattern file, in a line. */
export const sayProblem = ({ file, pattern, message }: Problem): string =>
  `${file}: ${pattern === undefined ? '' : `${pattern}: `}${message}`

/** A number with its noun: 1 line, 2 lines. */
export const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

export const visible = (text: string): string =>
  text.replaceAll(
    // Control characters, and those that turn the direction of text around.
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )

/** Paints with an SGR code where colour is wanted. */
export const createPainter =
  (colour: boolean) =>
  (text: string, code: string): string =>
    colour ? `\u001b[${code}m${text}\u001b[0m` : text

const columnsDefault = 80
const columnsMax = 120

/** How wide to print: the terminal's width within reason, 80 elsewhere. */
export const columnsOf = (stream: NodeJS.WriteStream): number =>
  Math.min(stream.columns ?? columnsDefault, columnsMax)

/** Breaks a text between words; what has none to break at stays whole. */
export function wrapped(
  text: string,
  { columns, indent, hanging }: { columns: number; indent: number; hanging: number },
): string[] {
  const lines: string[] = []
  let line = ' '.repeat(indent)
  let isEmpty = true
  for (const word of text.split(/(?<=\S)(?= )/)) {
    if (!isEmpty && line.length + word.length > columns) {
      lines.push(line)
      line = ' '.repeat(hanging) + word.trimStart()
    } else line += word
    isEmpty = false
  }
  return [...lines, line]
}

export function createPrinter({ colour }: { colour: boolean }) {
  const paint = createPainter(colour)
  const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 19)
  const bullets = (texts: readonly string[]): string[] =>
    texts.slice(0, 3).map((text) => `             - ${visible(text)}`)

  return {
    paint,
    /** A change as a few lines; undefined for one that is not worth a line. */
    change(change: Change): string | undefined {
      switch (change.type) {
        case 'failure_detected': {
          const { failure, explanation } = change
          const head = `${clock(failure.lastSeenMs)}  ${paint(failure.severity.toUpperCase().padEnd(8), colours[failure.severity])}  ${paint(failure.type, '1')}${failure.reopened ? ' again' : ''}  ${visible(failure.message)}`
          return [
            head,
            `          why: ${visible(explanation.rootCause)}`,
            '          do:',
            ...bullets(
              explanation.recovery.immediate.length > 0
                ? explanation.recovery.immediate
                : explanation.recommendations,
            ),
          ].join('\n')
        }
        case 'failure_resolved': {
          const { failure } = change
          const atMs = failure.state === 'resolved' ? failure.resolvedAtMs : failure.lastSeenMs
          return `${clock(atMs)}  ${paint('RESOLVED', '32')}  ${failure.type}  ${visible(failure.service)}, ${failure.count} matches`
        }
        case 'incident_opened':
        case 'incident_updated':
        case 'incident_resolved': {
          const { incident } = change
          const { rootCause } = incident
          const root =
            rootCause.kind === 'found'
              ? `root cause ${rootCause.type} (confidence ${rootCause.confidence})`
              : 'root cause inconclusive'
          const verb = { incident_opened: 'opened', incident_updated: 'updated', incident_resolved: 'resolved' }[
            change.type
          ]
          const cascade = incident.cascade === null ? '' : `, ${incident.cascade}`
          return `          ${paint(`INCIDENT ${verb}`, '35')}  ${visible(incident.title)} [${incident.memberCount}]: ${root}${cascade}`
        }
        case 'source_problem':
          return `          ${paint(change.solved ? 'SOURCE ok' : 'SOURCE problem', '33')}  ${visible(change.message)}`
        case 'pattern_problem':
          return `          ${paint('PATTERN problem', '33')}  ${visible(`${change.file} ${change.pattern ?? ''}: ${change.message}`)}`
        case 'failure_updated':
          return undefined
      }
    },
  }
}

/** Colours are for terminals, and for those who have not said no (https://no-color.org). */
export const wantsColour = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY && (process.env['NO_COLOR'] ?? '') === ''

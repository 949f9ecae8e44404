import RE2 from 're2'
import { hearsay } from '../lines/hearsay.js'
import { levels, type Decoded } from '../lines/decode.js'
import { type FailureEntry, type Family, type Pattern } from './schema.js'

/** A first version of a pattern, from one line that it should match. */

/** What stands in a draft where its author is to write; `patterns check` says so while it does. */
export const unwritten = 'TODO'

export type DraftOptions = Readonly<{ family: string; type: string | undefined }>

/** What changes from one line to the next, as people print it, and the expression that stands for it. First ones first. */
const changing: readonly (readonly [text: string, expression: string])[] = [
  ['[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}', '[0-9a-fA-F-]+'],
  ['\\d{4}-\\d{2}-\\d{2}[T ]\\d{2}:\\d{2}:\\d{2}(?:[.,]\\d+)?(?:Z|[+-]\\d{2}:?\\d{2})?', '[0-9TZ:., +-]+'],
  ['\\d{1,3}(?:\\.\\d{1,3}){3}(?::\\d+)?', '[0-9.:]+'],
  ['0x[0-9a-fA-F]+', '0x[0-9a-f]+'],
  ['"[^"\\n]*"', '"[^"\\n]*"'],
  ["'[^'\\n]*'", "'[^'\\n]*'"],
  ['(?:/[\\w.@-]+){2,}/?', '\\S+'],
  ['\\b[0-9a-f]{12,}\\b', '[0-9a-f]+'],
  ['\\d+\\.\\d+', '\\d+(?:\\.\\d+)?'],
  ['\\d+', '\\d+'],
]
const anyChanging = new RE2(changing.map(([text]) => `(${text})`).join('|'), 'g')
/** A name in front of a value, as in "batch 4711" or "pool_size=5", becomes the capture's. */
const nameBefore = /([A-Za-z][A-Za-z_]{1,30})[ \t]*[=:#]?[ \t]*$/
/** What stands before the message in a line: a time, a level, a logger's or thread's name in brackets. */
const leadingLevel = new RegExp(
  `^[\\s\\]|:,-]*(?:\\[[^\\]]*\\][\\s:|-]*)*(?:${levels.join('|')}|warning|critical|err)?\\b[\\s\\]:|,-]*(?:\\[[^\\]]*\\][\\s:|-]*)*`,
  'i',
)
const literalMax = 120

/**
 * A family file with one pattern that matches the record.
 * @param decoded the record: its first line that is no traceback's, without time, level and logger, becomes the expression
 * @param raw the record as it was pasted: the example
 */
export function draftFamily(decoded: Decoded, raw: string, { family, type }: DraftOptions): Family {
  const line = messageOf(decoded)
  const { match, message } = generalise(line)
  const name = type ?? typeName(line)
  const id = name.toLowerCase().replaceAll('_', '-').slice(0, 40).replace(/-+$/, '')
  const pattern: Pattern = {
    id,
    match,
    min_level: 'info',
    quoted: hearsay({ at: 0, text: decoded.text, level: decoded.level }, decoded.text.indexOf(line)) !== undefined,
    confidence: 0.9,
    message,
    examples: {
      match: [raw],
      ignore: [`${unwritten}: the nearest line that is no failure, for instance the same operation when it succeeds`],
    },
  }
  const failure: FailureEntry = {
    type: name,
    title: name.charAt(0) + name.slice(1).toLowerCase().replaceAll('_', ' '),
    severity: 'medium',
    category: 'platform',
    component: '$service',
    threshold: {
      count: 1,
      window: '1h',
      why: `${unwritten}: why so many in an hour are a failure and one less is not`,
    },
    group_by: ['service'],
    patterns: [pattern],
    caused_by: [],
    suppresses: [],
    explanation: {
      root_cause: `${unwritten}: what it means here, in one or two sentences`,
      recommendations: [`${unwritten}: what to check first, with the command`],
      user_action_required: true,
    },
    impact: {
      services: [],
      users: [`${unwritten}: what users notice`],
      data_loss_risk: 'low',
      recovery_time: '5-15 minutes',
    },
    recovery: {
      immediate: [`${unwritten}: the first thing to do`],
      automated: [],
      manual: [],
      rollback: [`${unwritten}: how to undo it`],
      prevention: [`${unwritten}: what prevents it`],
    },
    escalation_level: 1,
  }
  return { family, failures: [failure] }
}

/** The line that says what went wrong: the last one of a traceback, else the first. */
function messageOf({ text, lines }: Decoded): string {
  const all = text.split('\n')
  const isTraceback = all.some((line) => line.startsWith('Traceback (most recent call last)'))
  const shown = all.filter((line) => line.trim() !== '')
  const line = (isTraceback ? shown.findLast((each) => /^\S*\w(?:Error|Exception)\b/.test(each)) : shown[0]) ?? ''
  const withoutTime =
    lines.length > 0 ? line.replace(/^.*?\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?/, '') : line
  const message = withoutTime.replace(leadingLevel, '')
  return (message.trim() === '' ? line : message).slice(0, literalMax).trimEnd()
}

function generalise(line: string): { match: string; message: string } {
  const names = new Set<string>()
  let match = ''
  let message = ''
  let from = 0
  for (const found of line.matchAll(anyChanging)) {
    const before = line.slice(from, found.index)
    const [, expression = '\\S+'] = changing[found.slice(1).findIndex((group) => group !== undefined)] ?? []
    const word = nameBefore.exec(line.slice(0, found.index))?.[1]?.toLowerCase() ?? 'value'
    const base = fillers.has(word) ? 'value' : word
    let name = base
    for (let number = 2; names.has(name); number++) name = `${base}${number}`
    names.add(name)
    match += `${escaped(before)}(?P<${name}>${expression})`
    message += `${plain(before)}{${name}}`
    from = found.index + found[0].length
  }
  return { match: match + escaped(line.slice(from)), message: message + plain(line.slice(from)) }
}

/** Braces would be captures. */
const plain = (text: string): string => text.replaceAll('{', '(').replaceAll('}', ')')
const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')

const typeWordsMax = 4
/** Words that say nothing about what failed. */
const fillers = new Set([
  'the',
  'a',
  'an',
  'of',
  'to',
  'for',
  'in',
  'on',
  'at',
  'is',
  'was',
  'with',
  'and',
  'by',
  'from',
])

function typeName(line: string): string {
  const words = (line.match(/[A-Za-z]{2,}/g) ?? []).filter((word) => !fillers.has(word.toLowerCase()))
  const name = words.slice(0, typeWordsMax).join('_').toUpperCase()
  return name.length >= 3 ? name.slice(0, 60) : 'NEW_FAILURE'
}

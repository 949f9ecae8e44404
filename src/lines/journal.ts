/**
 * systemd's journal, as `journalctl` writes it to a pipe: `-o json` (one object a line) and `-o export` (one field a line, entries
 * apart by an empty line). Formats: https://systemd.io/JOURNAL_EXPORT_FORMATS/
 */

/** What an entry says; `time` is in microseconds since 1970, as text. */
export type JournalEntry = Readonly<{
  text: string
  time: string | undefined
  service: string | undefined
  host: string | undefined
  process: string | undefined
}>

/** `-o json`: a message with bytes that are no printable text, colours for instance, comes as an array of numbers. */
export function journalJson(line: string): JournalEntry | undefined {
  if (!line.includes('"__REALTIME_TIMESTAMP"')) return undefined
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch {
    return undefined // Torn, or not the journal's: the line itself is what we have.
  }
  const fields = entry as Record<string, unknown>
  const message = fields['MESSAGE']
  const text = Array.isArray(message) ? Buffer.from(message as number[]).toString() : message
  if (typeof text !== 'string') return undefined
  const field = (name: string): string | undefined => {
    const value = fields[name]
    return typeof value === 'string' ? value : undefined
  }
  return entryOf(field, text)
}

export const isJournalExport = (firstLine: string): boolean => firstLine.startsWith('__CURSOR=')

const exportField = /^([A-Z_][A-Z0-9_]*)=(.*)$/
const longField = /^[A-Z_][A-Z0-9_]*$/

/** `-o export`: the lines of one entry. A field that holds a line break has its name alone on a line, then its length, then its bytes. */
export function journalExport(lines: readonly string[]): JournalEntry {
  const fields = new Map<string, string>()
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    const [, name, value] = exportField.exec(line) ?? []
    if (name !== undefined) fields.set(name, value ?? '')
    else if (longField.test(line)) {
      const from = index + 1
      while (index + 1 < lines.length && !exportField.test(lines[index + 1] ?? '')) index++
      fields.set(line, withoutLength(lines.slice(from, index + 1).join('\n')))
    }
  }
  return entryOf((name) => fields.get(name), fields.get('MESSAGE') ?? '')
}

/** Takes the length off the front of a value: eight bytes, little-endian, of which decoding has left those that are not zero. */
function withoutLength(value: string): string {
  const size = Buffer.alloc(8)
  const trimmed = value.replace(/\n+$/, '')
  for (let prefix = 0; prefix <= 8; prefix++) {
    const text = trimmed.slice(prefix)
    size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)))
    if (size.toString().replaceAll('\u0000', '') === trimmed.slice(0, prefix)) return text
  }
  return trimmed.replace(/^[\u0000-\u001f\u0080-\u00ff\ufffd]+/, '')
}

const entryOf = (field: (name: string) => string | undefined, text: string): JournalEntry => ({
  text,
  time: field('_SOURCE_REALTIME_TIMESTAMP') ?? field('__REALTIME_TIMESTAMP'),
  service: field('SYSLOG_IDENTIFIER') ?? field('_COMM') ?? field('_SYSTEMD_UNIT'),
  host: field('_HOSTNAME'),
  process: field('_PID') ?? field('SYSLOG_PID'),
})

/** Event times as programs print them. Pure: what the text leaves out (zone, year) comes in as `Hints`. */

export type Hints = Readonly<{
  /** Milliseconds to add to a wall-clock reading, taken as UTC, to get UTC; for times that name no zone. */
  toUtcMs: (wallMs: number) => number
  /** When the text arrived: a time without a year gets the year that puts it nearest to this. */
  arrivalMs: number
}>

export type Stamp = Readonly<{ ms: number; start: number; end: number }>

const months = 'janfebmaraprmayjunjulaugsepoctnovdec'
const monthName = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
const clock = String.raw`(?<hour>[01]?\d|2[0-3]):(?<minute>[0-5]\d):(?<second>[0-5]\d|60)(?:[.,:](?<fraction>\d{1,9}))?`
const zone = String.raw`(?: ?(?<zone>Z|UTC|GMT|[ECMP][SD]T|CES?T|EES?T|WES?T|BST|MSK|JST|AE[SD]T|NZ[SD]T|[+-]\d{2}:?\d{2}|[+-]\d{2}(?![\d:]))(?![A-Za-z]))?`

/** What may stand before the time in the first line of a record: a bracket, a few short words (level, pid, host, file). */
const lead = String.raw`^(?:[^\s]{1,64}[ \t]+){0,3}?[[("'|<]{0,2}`

/** Tried in order; each is anchored by `lead`, and all name their groups alike. */
const shapes = [
  // ISO 8601, RFC 3339, Python logging (comma milliseconds), Postgres, Java, RabbitMQ
  String.raw`(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})[T _-]{1,2}${clock}${zone}`,
  // nginx, Go's log, NATS
  String.raw`(?<year>\d{4})/(?<month>\d{2})/(?<day>\d{2})[ T]${clock}${zone}`,
  // Redis, RFC 1123: 21 Nov 2026 21:36:07.287
  String.raw`(?<day>\d{1,2})[ -](?<name>${monthName})[ -](?<year>\d{4}),? ${clock}${zone}`,
  // Common log format: [21/Nov/2026:10:00:00 +0000]
  String.raw`(?<day>\d{2})/(?<name>${monthName})/(?<year>\d{4}):${clock}${zone}`,
  // ctime, Apache's error log: Sat Nov 21 10:00:00.123 2026
  String.raw`(?<name>${monthName}) +(?<day>\d{1,2}) ${clock} (?<year>\d{4})`,
  // java.util.logging: Nov 21, 2026 10:00:00 AM
  String.raw`(?<name>${monthName}) +(?<day>\d{1,2}), (?<year>\d{4}),? ${clock}(?: |\u202f)(?<half>AM|PM)`,
  // RFC 3164: Nov 21 10:00:00
  String.raw`(?<name>${monthName}) +(?<day>\d{1,2}) ${clock}${zone}`,
  // klog: I1121 10:00:00.000000
  String.raw`[IWEF](?<month>\d{2})(?<day>\d{2}) ${clock}`,
  // compact ISO 8601: 20261121T100000Z
  String.raw`(?<year>\d{4})(?<month>\d{2})(?<day>\d{2})T(?<hour>\d{2})(?<minute>\d{2})(?<second>\d{2})(?:\.(?<fraction>\d{1,9}))?${zone}`,
].map((shape) => new RegExp(`${lead}(?<stamp>${shape})`, 'd'))

const epoch = /^[[("']?(?<stamp>(?:1\d{9}(?:\.\d{1,9})?|1\d{12}|1\d{15}|1\d{18})(?![\d.:\-/\w]))/d
const bareEpoch = /^(?:1\d{9}(?:\.\d{1,9})?|1\d{12}|1\d{15}|1\d{18})$/
const dayMs = 86_400_000
/** A time stands near the front of a record; looking further costs on every line and finds dates in prose. */
const frontCharacters = 160

/** The time at the front of a line: where it stands and what it says. */
export function findStamp(line: string, hints: Hints): Stamp | undefined {
  const front = line.length > frontCharacters ? line.slice(0, frontCharacters) : line
  if (!/\d{4}|:\d/.test(front)) return undefined
  for (const shape of shapes) {
    const found = shape.exec(front)
    const groups = found?.groups
    const span = found?.indices?.groups?.['stamp']
    if (!groups || !span) continue
    const ms = fromGroups(groups, hints)
    if (ms !== undefined) return { ms, start: span[0], end: span[1] }
  }
  const found = epoch.exec(front)
  const span = found?.indices?.groups?.['stamp']
  const ms = found && span && parseEpoch(front.slice(span[0], span[1]))
  return ms === undefined || ms === null || !span ? undefined : { ms, start: span[0], end: span[1] }
}

/** A time that is a value of its own, as in a JSON field: text in any of the shapes, or an epoch number. */
export function parseTime(value: unknown, hints: Hints): number | undefined {
  if (typeof value === 'number') return parseEpoch(String(value))
  if (typeof value !== 'string') return undefined
  return parseEpoch(value) ?? findStamp(value, hints)?.ms
}

/** Seconds, milliseconds, microseconds and nanoseconds are told apart by their digits. By text: doubles lose nanoseconds. */
function parseEpoch(text: string): number | undefined {
  if (!bareEpoch.test(text)) return undefined
  const [whole = '', fraction = ''] = text.split('.')
  return whole.length === 10 ? Number(whole + fraction.padEnd(3, '0').slice(0, 3)) : Number(whole.slice(0, 13))
}

function fromGroups(groups: Record<string, string | undefined>, hints: Hints): number | undefined {
  const month = groups['name'] ? months.indexOf(groups['name'].toLowerCase()) / 3 : Number(groups['month']) - 1
  const day = Number(groups['day'])
  if (month < 0 || month > 11 || day < 1 || day > 31) return undefined
  const hour =
    groups['half'] === undefined
      ? Number(groups['hour'])
      : (Number(groups['hour']) % 12) + (groups['half'] === 'PM' ? 12 : 0)
  const millisecond = Number((groups['fraction'] ?? '').padEnd(3, '0').slice(0, 3))
  const wall = (year: number): number =>
    Date.UTC(year, month, day, hour, Number(groups['minute']), Number(groups['second']), millisecond)
  const isInMonth = (year: number): boolean => new Date(Date.UTC(year, month, day)).getUTCDate() === day
  const offset = zoneOffsetMs(groups['zone'])
  const toUtc = (ms: number): number => (offset === undefined ? ms + hints.toUtcMs(ms) : ms - offset)
  const year = Number(groups['year'])
  if (groups['year'] !== undefined) return isInMonth(year) ? toUtc(wall(year)) : undefined
  const arrivalYear = new Date(hints.arrivalMs).getUTCFullYear()
  const candidates = [arrivalYear, arrivalYear - 1, arrivalYear + 1]
    .filter(isInMonth)
    .map((each) => toUtc(wall(each)))
  return candidates.toSorted((a, b) => Math.abs(a - hints.arrivalMs) - Math.abs(b - hints.arrivalMs))[0]
}

/** Abbreviations that servers print, as Postgres reads them by default (its Default abbreviation set); CST is the American one. */
const zoneHours: Readonly<Record<string, number>> = {
  EST: -5, EDT: -4, CST: -6, CDT: -5, MST: -7, MDT: -6, PST: -8, PDT: -7, CET: 1, CEST: 2, EET: 2, EEST: 3, WET: 0, WEST: 1,
  BST: 1, MSK: 3, JST: 9, AEST: 10, AEDT: 11, NZST: 12, NZDT: 13,
} // prettier-ignore

function zoneOffsetMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const named = zoneHours[text]
  if (named !== undefined) return named * 3_600_000
  const parts = /^([+-])(\d{2}):?(\d{2})?$/.exec(text)
  if (!parts) return 0
  const minutes = Number(parts[2]) * 60 + Number(parts[3] ?? 0)
  return (parts[1] === '-' ? -minutes : minutes) * 60_000
}

/**
 * What to add to a wall-clock reading, taken as UTC, to get UTC.
 * @param before the time of the record before; asked only in the hour that autumn repeats
 */
export type ZoneRule = (wallMs: number, before?: () => number | undefined) => number

/** Records of several threads are a little out of order; a repeated hour goes back by much more. */
const disorderMsMax = 60_000

/**
 * The zone rule for wall-clock times. In the hour that autumn repeats, the reading is the first one that is not before the record before.
 * @param timeZone an IANA name such as `Europe/Berlin`
 * @throws {RangeError} when the zone is not known
 */
export function zoneRule(timeZone: string): ZoneRule {
  if (timeZone === 'UTC') return () => 0
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const offsetAt = (utcMs: number): number => {
    const part = Object.fromEntries(format.formatToParts(utcMs).map(({ type, value }) => [type, Number(value)]))
    const wall = Date.UTC(
      part['year'] ?? 0,
      (part['month'] ?? 1) - 1,
      part['day'],
      part['hour'],
      part['minute'],
      part['second'],
    )
    return wall - Math.floor(utcMs / 1000) * 1000
  }
  /** The offsets a day before and a day after, the earlier reading first: asked for each line, and the same for a whole day. */
  let known: { day: number; offsets: readonly number[] } = { day: NaN, offsets: [] }
  const offsetsAround = (wallMs: number): readonly number[] => {
    const day = Math.floor(wallMs / dayMs)
    if (known.day !== day) {
      const around = [offsetAt((day - 1) * dayMs), offsetAt((day + 2) * dayMs)]
      known = { day, offsets: [...new Set(around)].toSorted((a, b) => b - a) }
    }
    return known.offsets
  }
  return (wallMs, before) => {
    const offsets = offsetsAround(wallMs)
    const [first = 0] = offsets
    if (offsets.length === 1) return -first
    const readings = offsets.filter((offset) => offsetAt(wallMs - offset) === offset)
    // None fits in the hour that spring leaves out: then the rule before the change is read on.
    if (readings.length === 0) return -Math.min(...offsets)
    const notBeforeMs = readings.length === 1 ? undefined : before?.()
    const fitting =
      notBeforeMs === undefined
        ? readings[0]
        : readings.find((offset) => wallMs - offset >= notBeforeMs - disorderMsMax)
    return -(fitting ?? readings.at(-1) ?? first)
  }
}

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findStamp, parseTime, zoneRule, type Hints } from '../../src/lines/timestamp.js'

const utc: Hints = { toUtcMs: () => 0, arrivalMs: Date.UTC(2026, 10, 21, 12) }
const arriving = (time: string): Hints => ({ toUtcMs: () => 0, arrivalMs: Date.parse(time) })
const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString()
const timeOf = (line: string, hints = utc): string | undefined => iso(findStamp(line, hints)?.ms)

const ten = '2026-11-21T10:00:00.000Z'
const tenAndMs = '2026-11-21T10:00:00.123Z'

describe('the time at the front of a line is read as its program meant it', () => {
  test.each([
    ['RFC 3339', '2026-11-21T10:00:00.123Z ERROR failed', tenAndMs],
    ['nanoseconds', '2026-11-21T10:00:00.123456789Z stdout', tenAndMs],
    ['no fraction', '2026-11-21T10:00:00Z', ten],
    ['one digit of fraction', '2026-11-21T10:00:00.5Z', '2026-11-21T10:00:00.500Z'],
    ['ISO 8601 without a zone', '2026-11-21T10:00:00.123 failed', tenAndMs],
    ['an offset ahead of UTC', '2026-11-21T12:00:00.123+02:00 failed', tenAndMs],
    ['an offset of half an hour', '2026-11-21T15:30:00+0530 failed', ten],
    ['an offset behind UTC, of hours only', '2026-11-21 02:00:00-08 failed', ten],
    ['an offset over midnight', '2026-11-22T00:30:00+14:30', ten],
    ['a leap second', '2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['java.util.logging', 'Nov 21, 2026 10:00:00 AM com.example.Orders place', ten],
    ['Postgres in a named zone', '2026-11-21 05:00:00.123 EST [12] FATAL:  sorry', tenAndMs],
    ['Postgres in summer', '2026-07-21 12:00:00 CEST [12] FATAL:  sorry', '2026-07-21T10:00:00.000Z'],
    ['java.util.logging, noon', 'Nov 21, 2026 12:00:00 PM com.example.Orders place', '2026-11-21T12:00:00.000Z'],
    ['java.util.logging, midnight', 'Nov 21, 2026 12:00:00 AM com.example.Orders place', '2026-11-21T00:00:00.000Z'],
    ['Python logging', '2026-11-21 10:00:00,123 - app.db - ERROR - failed', tenAndMs],
    ['Python logging, level first', 'ERROR 2026-11-21 10:00:00,123 views 12 34 failed', tenAndMs],
    ['loguru', '2026-11-21 10:00:00.123 | ERROR    | app.db:query:12 - failed', tenAndMs],
    ['Celery', '[2026-11-21 10:00:00,123: ERROR/ForkPoolWorker-1] Task failed', tenAndMs],
    ['gunicorn', '[2026-11-21 12:00:00 +0200] [7] [CRITICAL] WORKER TIMEOUT (pid:8)', ten],
    ['logback', '10:00:00 is not first: 2026-11-21 10:00:00.123 [main] ERROR c.e.App - x', undefined],
    ['Spring Boot', '2026-11-21T11:00:00.123+01:00 ERROR 1 --- [main] c.e.App : failed', tenAndMs],
    ['zap, tabs', '2026-11-21T11:00:00.123+0100\terror\tapp/main.go:12\tfailed', tenAndMs],
    ['RabbitMQ', '2026-11-21 10:00:00.123456+00:00 [error] <0.123.0> Channel error', tenAndMs],
    ['Postgres', '2026-11-21 10:00:00.123 UTC [812] shop@orders FATAL:  sorry', tenAndMs],
    ['MySQL', '2026-11-21T10:00:00.123456Z 0 [ERROR] [MY-010119] [Server] Aborting', tenAndMs],
    ['nginx, error log', '2026/11/21 10:00:00 [error] 29#29: *1 connect() failed', ten],
    ['nginx, access log', '10.0.0.1 - - [21/Nov/2026:12:00:00 +0200] "GET / HTTP/1.1" 502 0', ten],
    ['Apache, error log', '[Sat Nov 21 10:00:00.123456 2026] [proxy:error] [pid 12] AH00957', tenAndMs],
    ['ctime', 'Sat Nov 21 10:00:00 2026 failed', ten],
    ['ctime, day of one digit', 'Mon Nov  2 10:00:00 2026', '2026-11-02T10:00:00.000Z'],
    ['Go log', '2026/11/21 10:00:00 main.go:12: failed', ten],
    ['Go log, microseconds', '2026/11/21 10:00:00.123456 failed', tenAndMs],
    ['NATS', '[1] 2026/11/21 10:00:00.123456 [ERR] failed', tenAndMs],
    ['Redis', '1:M 21 Nov 2026 10:00:00.123 # Out of memory', tenAndMs],
    ['PHP', '[21-Nov-2026 10:00:00 UTC] PHP Fatal error:  Uncaught', ten],
    ['RFC 1123', 'Sat, 21 Nov 2026 10:00:00 GMT failed', ten],
    ['RFC 3164', 'Nov 21 10:00:00 web-1 app[12]: failed', ten],
    ['compact ISO 8601', '20261121T100000Z failed', ten],
    ['compact ISO 8601 with a fraction and an offset', '20261121T120000.123+0200 failed', tenAndMs],
    ['epoch seconds', '1795255200 failed', ten],
    ['epoch seconds with a fraction', '1795255200.123 120 10.0.0.1 TCP_MISS/200', tenAndMs],
    ['epoch milliseconds', '1795255200123 failed', tenAndMs],
    ['epoch microseconds', '1795255200123456 failed', tenAndMs],
    ['epoch nanoseconds', '[1795255200123456789] failed', tenAndMs],
  ])('%s: %s', (_, line, expected) => {
    const time = timeOf(line)

    expect(time).toBe(expected)
  })
})

test('a stamp says where in the line it stands, zone included', () => {
  const line = '[2026-11-21 12:00:00 +0200] [7] [INFO] booting'

  const stamp = findStamp(line, utc)

  expect(line.slice(stamp?.start, stamp?.end)).toBe('2026-11-21 12:00:00 +0200')
})

describe('what is no time is not taken for one', () => {
  test.each([
    ['a version', 'postgres 16.4.2026 started'],
    ['a version like a date', 'release v2026.11.21 deployed'],
    ['a date without a time', '2026-11-21 nightly report'],
    ['a clock without a date', '10:00:00 failed'],
    ['an address', '192.168.10.20:5432 refused'],
    ['an IPv6 address', '2001:0db8:85a3:0000:0000:8a2e:0370:7334 refused'],
    ['a duration', 'took 00:10:20.123 to load'],
    ['a month that is none', '2026-13-45 10:00:00 failed'],
    ['a day that is none', '2026-11-32 10:00:00 failed'],
    ['an hour that is none', '2026-11-21 24:00:00 failed'],
    ['a minute that is none', '2026-11-21 10:60:00 failed'],
    ['a time in prose', 'restored the backup that was taken at 2026-11-21 10:00:00'],
    [
      'a time beyond the front of the line',
      `${'x'.repeat(60)} ${'y'.repeat(60)} ${'z'.repeat(60)} 2026-11-21 10:00:00`,
    ],
    ['a number of nine digits', '179525520 rows'],
    ['a number of eleven digits', '17952552001 rows'],
    ['a uuid that begins like an epoch', '1795255200-aaaa-4bbb-8ccc-dddddddddddd'],
    ['a file of epoch name', '1795255200/out.log'],
    ['an empty line', ''],
  ])('%s: %s', (_, line) => {
    const stamp = findStamp(line, utc)

    expect(stamp).toBeUndefined()
  })
})

describe('a value of its own', () => {
  test.each([
    ['seconds', 1795255200, ten],
    ['seconds with a fraction', 1795255200.123, tenAndMs],
    ['milliseconds', 1795255200123, tenAndMs],
    ['seconds as text', '1795255200', ten],
    ['ISO text', '2026-11-21T10:00:00.123Z', tenAndMs],
    ['text without a zone', '2026-11-21 10:00:00,123', tenAndMs],
    ['a small number', 50, undefined],
    ['a word', 'yesterday', undefined],
    ['a boolean', true, undefined],
    ['an object', { $date: ten }, undefined],
    ['nothing', undefined, undefined],
  ])('%s is read as %s', (_, value, expected) => {
    const time = iso(parseTime(value, utc))

    expect(time).toBe(expected)
  })

  const instant = fc.integer({ min: 1_000_000_000_000, max: 1_999_999_999_999 })

  test('every instant is read back from its ISO text in any offset', () => {
    const offset = fc.integer({ min: -14 * 60, max: 14 * 60 })
    fc.assert(
      fc.property(instant, offset, (ms, minutes) => {
        const sign = minutes < 0 ? '-' : '+'
        const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
        const wall = new Date(ms + minutes * 60_000).toISOString().replace('Z', '')
        const text = `${wall}${sign}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`

        expect(parseTime(text, utc)).toBe(ms)
      }),
    )
  })
})

describe('a time without a year gets the year nearest to its arrival', () => {
  test.each([
    ['Dec 31 23:59:59 web-1 app: x', '2027-01-01T00:00:05Z', '2026-12-31T23:59:59.000Z'],
    ['Jan  1 00:00:03 web-1 app: x', '2026-12-31T23:59:58Z', '2027-01-01T00:00:03.000Z'],
    ['Jan  1 00:00:03 web-1 app: x', '2027-01-01T00:00:05Z', '2027-01-01T00:00:03.000Z'],
    ['Dec 31 23:59:59 web-1 app: x', '2026-12-31T23:59:59Z', '2026-12-31T23:59:59.000Z'],
    ['Feb 29 10:00:00 web-1 app: x', '2028-03-01T10:00:00Z', '2028-02-29T10:00:00.000Z'],
  ])('%s, arriving at %s', (line, arrival, expected) => {
    const time = timeOf(line, arriving(arrival))

    expect(time).toBe(expected)
  })
})

describe('a time without a zone is read by the zone it is given', () => {
  const berlin = { ...utc, toUtcMs: zoneRule('Europe/Berlin') }

  test.each([
    ['winter', '2026-01-15 12:00:00', '2026-01-15T11:00:00.000Z'],
    ['summer', '2026-07-15 12:00:00', '2026-07-15T10:00:00.000Z'],
    ['the last moment before the hour that spring leaves out', '2026-03-29 01:59:59', '2026-03-29T00:59:59.000Z'],
    ['the hour that spring leaves out', '2026-03-29 02:30:00', '2026-03-29T01:30:00.000Z'],
    ['the first moment after it', '2026-03-29 03:00:00', '2026-03-29T01:00:00.000Z'],
    ['the last moment before the repeated hour', '2026-10-25 01:59:59', '2026-10-24T23:59:59.000Z'],
    ['the repeated hour: its first time', '2026-10-25 02:30:00', '2026-10-25T00:30:00.000Z'],
    ['the first moment after it, in autumn', '2026-10-25 03:00:00', '2026-10-25T02:00:00.000Z'],
    ['a time that names its zone', '2026-07-15 12:00:00Z', '2026-07-15T12:00:00.000Z'],
    ['a time that names its offset', '2026-07-15 12:00:00-07:00', '2026-07-15T19:00:00.000Z'],
    ['milliseconds stay', '2026-07-15 12:00:00,123', '2026-07-15T10:00:00.123Z'],
  ])('%s: %s', (_, line, expected) => {
    const time = timeOf(line, berlin)

    expect(time).toBe(expected)
  })

  test('in a zone half an hour off', () => {
    const time = timeOf('2026-07-15 12:00:00', { ...utc, toUtcMs: zoneRule('Asia/Kolkata') })

    expect(time).toBe('2026-07-15T06:30:00.000Z')
  })

  test('every instant is read back from the wall clock of Berlin, or as the hour before in the repeated hour', () => {
    const rule = zoneRule('Europe/Berlin')
    const clock = new Intl.DateTimeFormat('sv-SE', {
      timeZone: 'Europe/Berlin',
      dateStyle: 'short',
      timeStyle: 'medium',
    })
    const wallOf = (ms: number): number => Date.parse(`${clock.format(ms).replace(' ', 'T')}Z`)
    const second = fc.integer({ min: Date.UTC(2020, 0) / 1000, max: Date.UTC(2030, 0) / 1000 })
    fc.assert(
      fc.property(second, (at) => {
        const wallMs = wallOf(at * 1000)

        const read = wallMs + rule(wallMs)

        expect(wallOf(read)).toBe(wallMs)
        expect([at * 1000, at * 1000 - 3_600_000]).toContain(read)
      }),
    )
  })

  test('a zone that nobody knows is refused', () => {
    expect(() => zoneRule('Europe/Atlantis')).toThrow(RangeError)
  })
})

test('klog at the start of a line', () => {
  expect(findStamp('E1121 10:00:00.123456       1 reflector.go:140] failed', utc)?.ms).toBe(
    Date.UTC(2026, 10, 21, 10, 0, 0, 123),
  )
})
test('a day that its month does not have is no time', () => {
  expect(findStamp('2026-02-30 10:00:00 x', utc)).toBeUndefined()
})
const instant = fc.integer({ min: 1_000_000_000_000, max: 1_999_999_999_999 })
test('every millisecond is read back from seconds with three digits', () => {
  fc.assert(
    fc.property(instant, (ms) => {
      expect(parseTime(`${Math.floor(ms / 1000)}.${String(ms % 1000).padStart(3, '0')}`, utc)).toBe(ms)
    }),
  )
})
test('every millisecond is read back from microseconds and nanoseconds', () => {
  fc.assert(
    fc.property(instant, fc.nat(999), (ms, more) => {
      const digits = String(more).padStart(3, '0')
      expect(parseTime(`${ms}${digits}`, utc)).toBe(ms)
      expect(parseTime(`${ms}${digits}000`, utc)).toBe(ms)
    }),
  )
})

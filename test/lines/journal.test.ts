import { describe, expect, test } from 'vitest'
import { decodeText } from '../../src/lines/decode.js'
import { journalExport } from '../../src/lines/journal.js'

const plainly = { hints: { toUtcMs: () => 0, arrivalMs: 0 }, redact: (text: string) => text }
const ten = Date.UTC(2026, 10, 21, 10)
const json = (fields: object): string =>
  JSON.stringify({
    __CURSOR: 's=1',
    __REALTIME_TIMESTAMP: `${ten}000`,
    _HOSTNAME: 'web-1',
    SYSLOG_IDENTIFIER: 'app',
    ...fields,
  })

describe('an entry of the journal as JSON', () => {
  test('is its message, with the time, the service and the host of the entry', () => {
    const decoded = decodeText(json({ MESSAGE: 'pool timed out', PRIORITY: '3' }), plainly)

    expect(decoded).toMatchObject({ text: 'pool timed out', timeMs: ten, service: 'app', keys: { host: 'web-1' } })
  })

  test('with colours comes as bytes', () => {
    const decoded = decodeText(json({ MESSAGE: [...Buffer.from('\u001b[31mpöol\u001b[0m')] }), plainly)

    expect(decoded.text).toBe('pöol')
  })

  test('holds a program’s JSON', () => {
    const decoded = decodeText(json({ MESSAGE: JSON.stringify({ level: 50, time: ten + 5, msg: 'boom' }) }), plainly)

    expect(decoded).toMatchObject({ text: 'boom\nlevel=50', timeMs: ten + 5, level: 'error' })
  })

  test('without a message, or too long for the journal to print, stays what it is', () => {
    const line = json({ MESSAGE: null })

    expect(decodeText(line, plainly).text).toContain('SYSLOG_IDENTIFIER')
  })
})

describe('an entry of the journal as export', () => {
  test.each([1, 10, 127, 128, 255, 256, 1000, 70_000])(
    'with a message of %i characters and a line break is read whole',
    (length) => {
      const message = `a\n${'x'.repeat(length)}`
      const size = Buffer.alloc(8)
      size.writeBigUInt64LE(BigInt(message.length))
      const bytes = Buffer.concat([
        Buffer.from('__CURSOR=s=1\nMESSAGE\n'),
        size,
        Buffer.from(`${message}\n_HOSTNAME=web-1\n`),
      ])
      const lines = bytes.toString().replaceAll('\u0000', '').split('\n')

      const entry = journalExport(lines)

      expect(entry.text).toBe(message)
      expect(entry.host).toBe('web-1')
    },
  )

  test('is its message when that is one line', () => {
    const entry = journalExport([
      '__CURSOR=s=1',
      `__REALTIME_TIMESTAMP=${ten}000`,
      'MESSAGE=level=info a=b',
      '_PID=12',
      '',
    ])

    expect(entry).toMatchObject({ text: 'level=info a=b', time: `${ten}000`, process: '12' })
  })
})

import { describe, expect, test } from 'vitest'
import { ConfigError, isLoopback, parseConfig, type Config } from '../../src/config/config.js'

type Given = Readonly<{ file?: unknown; environment?: Record<string, string>; flags?: object }>

const configOf = ({ file, environment = {}, flags = {} }: Given): Config =>
  parseConfig({ file: file === undefined ? undefined : { name: 'faultline.json', raw: file }, environment, flags })

/** What a wrong configuration is refused with. */
function refusal(given: Given): string {
  try {
    configOf(given)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('the configuration was taken')
}

describe('with nothing set', () => {
  test('the defaults are those of the contract', () => {
    const config = configOf({})

    expect(config).toMatchObject({
      enabled: true,
      sources: { files: [], http: { body_bytes_max: 10_485_760 } },
      time: { zone: 'UTC', latenessMs: 120_000, holdMs: 200 },
      overrides: {},
      redact: [],
      server: { host: '127.0.0.1', port: 7710, tokens: [], origins: [], stream: true },
      store: { path: './data', keep_days: 30 },
      groups: { pydantic: 5, sdk: 10, db: 15 },
    })
  })
})

describe('the file', () => {
  test('its values are taken, and the rest stays as it is by default', () => {
    const config = configOf({
      file: {
        sources: { files: [{ paths: ['/var/log/app/*.log'], service: 'api', time_zone: 'Europe/Berlin' }] },
        time: { lateness: '90s' },
        overrides: { DATABASE_TIMEOUT: { count: 3, severity: 'critical', enabled: true } },
        redact: [{ name: 'customer', match: 'cust_[a-z0-9]{12}' }],
        server: { port: 8080, origins: ['https://ops.example'] },
      },
    })

    expect(config.sources.files).toEqual([
      { paths: ['/var/log/app/*.log'], service: 'api', time_zone: 'Europe/Berlin' },
    ])
    expect(config.time).toEqual({ zone: 'UTC', latenessMs: 90_000, holdMs: 200 })
    expect(config.overrides).toEqual({ DATABASE_TIMEOUT: { count: 3, severity: 'critical', enabled: true } })
    expect(config.redact).toEqual([{ name: 'customer', match: 'cust_[a-z0-9]{12}' }])
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 8080, origins: ['https://ops.example'] })
  })

  test.each([
    ['an unknown key', { sever: {} }, /faultline\.json: .*sever/],
    ['an unknown key inside', { server: { prot: 1 } }, /faultline\.json: server: .*prot/],
    ['an unknown key in a list', { sources: { files: [{ paths: ['a'], glob: 'b' }] } }, /sources\.files\.0: .*glob/],
    ['a wrong kind', { server: { port: 'eighty' } }, /faultline\.json: server\.port: /],
    ['a port that is none', { server: { port: 70_000 } }, /server\.port: /],
    ['a duration that is none', { time: { lateness: '2 minutes' } }, /time\.lateness: .*30s, 15m or 1h/],
    ['a zone that is none', { time: { zone: 'Mars/Olympus' } }, /time\.zone: .*Europe\/Berlin/],
    ['a severity that is none', { overrides: { X: { severity: 'bad' } } }, /overrides\.X\.severity: /],
    ['a source without paths', { sources: { files: [{ paths: [] }] } }, /sources\.files\.0\.paths: /],
    ['a list', [], /faultline\.json: an object is expected/],
  ])('%s is refused by name', (_, file, message) => {
    expect(refusal({ file })).toMatch(message)
  })
})

describe('the environment', () => {
  test.each([
    ['FAULTLINE_SERVER_PORT', '9000', (config: Config): unknown => config.server.port, 9000],
    ['FAULTLINE_SERVER_HOST', '::1', (config: Config): unknown => config.server.host, '::1'],
    ['FAULTLINE_SERVER_STREAM', 'off', (config: Config): unknown => config.server.stream, false],
    ['FAULTLINE_STORE_PATH', '/data', (config: Config): unknown => config.store.path, '/data'],
    ['FAULTLINE_STORE_KEEP_DAYS', '7', (config: Config): unknown => config.store.keep_days, 7],
    ['FAULTLINE_TIME_ZONE', 'Asia/Tokyo', (config: Config): unknown => config.time.zone, 'Asia/Tokyo'],
    ['FAULTLINE_TIME_LATENESS', '1h', (config: Config): unknown => config.time.latenessMs, 3_600_000],
    [
      'FAULTLINE_SOURCES_HTTP_BODY_BYTES_MAX',
      '2048',
      (config: Config): unknown => config.sources.http.body_bytes_max,
      2048,
    ],
    ['FAULTLINE_LIMITS_KEYS_MAX', '500', (config: Config): unknown => config.limits.keys_max, 500],
    ['FAULTLINE_ENABLED', 'no', (config: Config): unknown => config.enabled, false],
  ])('%s=%s is taken', (name, value, read, expected) => {
    const config = configOf({ environment: { [name]: value } })

    expect(read(config)).toBe(expected)
  })

  test.each([
    ['FAILURE_DETECTION_ENABLED', 'false', (config: Config): unknown => config.enabled, false],
    ['FAILURE_DETECTION_ENABLED', 'TRUE', (config: Config): unknown => config.enabled, true],
    ['ENABLE_FAILURE_WEBSOCKET_NOTIFICATIONS', 'false', (config: Config): unknown => config.server.stream, false],
    ['PYDANTIC_ERROR_THRESHOLD_PER_HOUR', '2', (config: Config): unknown => config.groups.pydantic, 2],
    ['SDK_ERROR_THRESHOLD_PER_HOUR', '3', (config: Config): unknown => config.groups.sdk, 3],
    ['DB_ERROR_THRESHOLD_PER_HOUR', '4', (config: Config): unknown => config.groups.db, 4],
  ])('the older name %s=%s keeps working', (name, value, read, expected) => {
    const config = configOf({ environment: { [name]: value } })

    expect(read(config)).toBe(expected)
  })

  test('the newer name wins over the older one', () => {
    const config = configOf({ environment: { FAILURE_DETECTION_ENABLED: 'true', FAULTLINE_ENABLED: 'false' } })

    expect(config.enabled).toBe(false)
  })

  test('a variable that is set to nothing is not set', () => {
    const config = configOf({ environment: { FAULTLINE_SERVER_PORT: '', DB_ERROR_THRESHOLD_PER_HOUR: '' } })

    expect(config.server.port).toBe(7710)
    expect(config.groups.db).toBe(15)
  })

  test.each([
    ['FAULTLINE_SERVER_PORT', 'eighty'],
    ['FAULTLINE_SERVER_PORT', '70000'],
    ['FAULTLINE_SERVER_PORT', '80.5'],
    ['FAULTLINE_SERVER_STREAM', 'maybe'],
    ['FAULTLINE_TIME_LATENESS', 'soon'],
    ['FAULTLINE_TIME_ZONE', 'Mars/Olympus'],
    ['FAILURE_DETECTION_ENABLED', 'perhaps'],
    ['PYDANTIC_ERROR_THRESHOLD_PER_HOUR', 'many'],
    ['SDK_ERROR_THRESHOLD_PER_HOUR', '0'],
    ['DB_ERROR_THRESHOLD_PER_HOUR', '1.5'],
  ])('%s=%s is refused, naming the variable', (name, value) => {
    expect(refusal({ environment: { [name]: value } })).toMatch(new RegExp(`^${name}: `))
  })

  test('the variable is named also where the file sets the same key rightly', () => {
    const message = refusal({ file: { server: { port: 8080 } }, environment: { FAULTLINE_SERVER_PORT: '70000' } })

    expect(message).toMatch(/^FAULTLINE_SERVER_PORT: server\.port: /)
  })
})

describe('precedence', () => {
  const file = { server: { port: 1000, host: '127.0.0.2' }, store: { path: '/file' } }

  test('the environment wins over the file, key by key', () => {
    const config = configOf({ file, environment: { FAULTLINE_SERVER_PORT: '2000' } })

    expect(config.server).toMatchObject({ port: 2000, host: '127.0.0.2' })
    expect(config.store.path).toBe('/file')
  })

  test('a flag wins over both', () => {
    const config = configOf({
      file,
      environment: { FAULTLINE_SERVER_PORT: '2000' },
      flags: { server: { port: 3000 } },
    })

    expect(config.server).toMatchObject({ port: 3000, host: '127.0.0.2' })
  })

  test('a flag that was not given changes nothing', () => {
    const config = configOf({ file, flags: { server: { port: undefined }, store: undefined } })

    expect(config.server.port).toBe(1000)
    expect(config.store.path).toBe('/file')
  })

  test('a flag of the wrong kind is refused by its name', () => {
    expect(refusal({ file, flags: { server: { port: 70_000 } } })).toMatch(/^--port: server\.port: /)
  })

  test('the parsed file is left as it was', () => {
    const raw = structuredClone(file)

    configOf({ file: raw, environment: { FAULTLINE_SERVER_PORT: '2000' }, flags: { store: { path: '/flag' } } })

    expect(raw).toEqual(file)
  })
})

const token = (letter: string): string => letter.repeat(12)

describe('tokens', () => {
  test('come from the file, from the variables it names, and from FAULTLINE_TOKENS', () => {
    const config = configOf({
      file: {
        server: {
          tokens: [
            { name: 'web', role: 'read', token_env: 'FL_WEB' },
            { name: 'ops', role: 'admin', token: token('o') },
          ],
        },
      },
      environment: { FL_WEB: token('w'), FAULTLINE_TOKENS: ` fluent:ship:${token('f')} ,x:read:a:b:${token('c')},` },
    })

    expect(config.server.tokens).toEqual([
      { name: 'web', role: 'read', token: token('w') },
      { name: 'ops', role: 'admin', token: token('o') },
      { name: 'fluent', role: 'ship', token: token('f') },
      { name: 'x', role: 'read', token: `a:b:${token('c')}` },
    ])
  })

  test.each([
    [
      'a variable that is not set',
      { tokens: [{ name: 'web', role: 'read', token_env: 'FL_WEB' }] },
      {},
      /FL_WEB.*"web".*not set/,
    ],
    [
      'a variable that is too short',
      { tokens: [{ name: 'web', role: 'read', token_env: 'FL_WEB' }] },
      { FL_WEB: 'short' },
      /FL_WEB.*shorter than 8/,
    ],
    ['neither token nor variable', { tokens: [{ name: 'web', role: 'read' }] }, {}, /either "token_env" or "token"/],
    [
      'both',
      { tokens: [{ name: 'web', role: 'read', token_env: 'A', token: token('x') }] },
      {},
      /either "token_env" or "token"/,
    ],
    [
      'a role that is none',
      { tokens: [{ name: 'web', role: 'root', token: token('x') }] },
      {},
      /server\.tokens\.0\.role/,
    ],
    [
      'a listed role that is none',
      {},
      { FAULTLINE_TOKENS: `a:read:${token('x')},b:root:${token('y')}` },
      /FAULTLINE_TOKENS: entry 2/,
    ],
    ['a listed token that is too short', {}, { FAULTLINE_TOKENS: 'a:read:short' }, /FAULTLINE_TOKENS: entry 1/],
    ['a listed token without a role', {}, { FAULTLINE_TOKENS: token('x') }, /name:role:token/],
  ])('%s is refused', (_, server, environment, message) => {
    expect(refusal({ file: { server }, environment })).toMatch(message)
  })

  test('what is refused is named without the token itself', () => {
    const secret = 'sh0rt'

    expect(refusal({ environment: { FAULTLINE_TOKENS: `a:read:${secret}` } })).not.toContain(secret)
    expect(
      refusal({
        file: { server: { tokens: [{ name: 'web', role: 'read', token_env: 'FL_WEB' }] } },
        environment: { FL_WEB: secret },
      }),
    ).not.toContain(secret)
  })
})

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.8.8.8', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['example.com', false],
])('%s is on loopback: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})

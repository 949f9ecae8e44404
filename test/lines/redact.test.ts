import RE2 from 're2'
import { describe, expect, test } from 'vitest'
import { createRedact } from '../../src/lines/redact.js'

const redact = createRedact()
/** Made-up secrets, put together here so that no literal one stands in the file. */
const letters = (length: number): string => 'aB3dE5gH7jK9mN1pQ2sT4vW6yZ8'.repeat(8).slice(0, length)
const capitals = (length: number): string => letters(length).toUpperCase()
const join = (...parts: readonly string[]): string => parts.join('')
const jwt = join('eyJ', letters(20), '.', 'eyJ', letters(40), '.', letters(43))
const dashes = '-'.repeat(5)

describe('secrets go', () => {
  test.each([
    ['OpenAI', join('sk', '-', letters(48)), 'api-key'],
    ['OpenAI, project', join('sk', '-proj-', letters(60), '_', letters(20)), 'api-key'],
    ['OpenAI, service account', join('sk', '-svcacct-', letters(60)), 'api-key'],
    ['Anthropic', join('sk', '-ant-api03-', letters(80), '-AA'), 'api-key'],
    ['GitHub, personal', join('gh', 'p_', letters(36)), 'github-token'],
    ['GitHub, server', join('gh', 's_', letters(36)), 'github-token'],
    ['GitHub, fine-grained', join('github', '_pat_', letters(22), '_', letters(59)), 'github-token'],
    ['AWS', join('AK', 'IA', capitals(16)), 'aws-key'],
    ['AWS, temporary', join('AS', 'IA', capitals(16)), 'aws-key'],
    ['Slack, bot', join('xo', 'xb-', '123456789012-', letters(24)), 'slack-token'],
    ['Slack, user', join('xo', 'xp-', '123456789012-', letters(24)), 'slack-token'],
    ['Google', join('AI', 'za', letters(35)), 'google-key'],
    ['a JWT', jwt, 'jwt'],
    ['a JWT without a signature', join('eyJ', letters(20), '.', letters(40), '.'), 'jwt'],
  ])('%s', (_, secret, name) => {
    const text = redact(`request with ${secret} was refused`)

    expect(text).toBe(`request with [redacted:${name}] was refused`)
  })

  test.each([
    ['a bearer', `Authorization: Bearer ${letters(40)}`, 'Authorization: Bearer [redacted:bearer]'],
    ['a bearer that is a JWT', `authorization: bearer ${jwt}`, 'authorization: bearer [redacted:bearer]'],
    ['basic', `Authorization: Basic ${letters(20)}==`, 'Authorization: Basic [redacted:bearer]'],
    [
      'a password in a URL',
      `postgres://shop:${letters(9)}@db:5432/shop`,
      'postgres://shop:[redacted:url-password]@db:5432/shop',
    ],
    [
      'a password in a URL without a user',
      `redis://:${letters(9)}@cache:6379/0`,
      'redis://:[redacted:url-password]@cache:6379/0',
    ],
    [
      'a scheme with a driver',
      `postgresql+asyncpg://shop:${letters(9)}@db/shop`,
      'postgresql+asyncpg://shop:[redacted:url-password]@db/shop',
    ],
    [
      'key=value',
      `host=db user=shop password=${letters(9)} dbname=shop`,
      'host=db user=shop password=[redacted:password] dbname=shop',
    ],
    ['capitals', `PASSWORD=${letters(9)};`, 'PASSWORD=[redacted:password];'],
    ['pwd', `pwd=${letters(9)}`, 'pwd=[redacted:password]'],
    ['a query', `GET /v1?api_key=${letters(20)}&page=2`, 'GET /v1?api_key=[redacted:password]&page=2'],
    ['an access token', `access_token: ${letters(20)}`, 'access_token: [redacted:password]'],
    [
      'JSON',
      `{"user":"shop","password":"${letters(9)}","port":5432}`,
      '{"user":"shop","password":"[redacted:password]","port":5432}',
    ],
    ['JSON with spaces', `{"apiKey": "${letters(20)}"}`, '{"apiKey": "[redacted:password]"}'],
    ['a Python dict', `{'secret': '${letters(9)}'}`, "{'secret': '[redacted:password]'}"],
  ])('%s', (_, text, expected) => {
    expect(redact(text)).toBe(expected)
  })

  test('every one of several', () => {
    const text = redact(`password=${letters(9)} then ${join('gh', 'p_', letters(36))} and password=${letters(12)}`)

    expect(text).toBe('password=[redacted:password] then [redacted:github-token] and password=[redacted:password]')
  })

  test('a private key over its lines', () => {
    const key = [
      `${dashes}BEGIN RSA PRIVATE KEY${dashes}`,
      letters(64),
      letters(64),
      `${dashes}END RSA PRIVATE KEY${dashes}`,
    ]

    const text = redact(`loaded\n${key.join('\n')}\nlistening`)

    expect(text).toBe('loaded\n[redacted:private-key]\nlistening')
  })

  test('a private key that was cut', () => {
    const text = redact(`loaded ${dashes}BEGIN PRIVATE KEY${dashes}\n${letters(64)}\n${letters(10)}`)

    expect(text).toBe('loaded [redacted:private-key]')
  })
})

describe('what is no secret stays', () => {
  test.each([
    'request 550e8400-e29b-41d4-a716-446655440000 failed',
    'commit 9fceb02d0ae598e95dc970b74767f19372d61af8 deployed',
    'image sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1 pulled',
    'FATAL:  password authentication failed for user "shop"',
    'jwt: token expired at 10:00:00',
    'token expired',
    'Incorrect API key provided',
    'secret not found in namespace prod',
    'GET https://api.example.com:8443/v1/items?limit=10 200',
    'see https://example.com/a:b and mail ops@example.com',
    'connecting to postgres://db:5432/shop',
    'git@github.com:acme/shop.git',
    'task-0123456789abcdef0123 is done',
    'the bearer of bad news',
    'public key is missing',
    'trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7',
    'tokens: prompt=1200 completion=300 total=1500',
  ])('%s', (text) => {
    expect(redact(text)).toBe(text)
  })
})

describe('redactions of the user', () => {
  test('the whole match goes where no group is named secret', () => {
    const own = createRedact([{ name: 'customer', match: new RE2('cust_[a-z0-9]{12}', 'gu') }])

    expect(own('for cust_0123456789ab and cust_ba9876543210')).toBe('for [redacted:customer] and [redacted:customer]')
  })

  test('only the group named secret goes where there is one', () => {
    const own = createRedact([{ name: 'account', match: new RE2(String.raw`account (?P<secret>\d{8})`, 'gu') }])

    expect(own('account 12345678 is closed')).toBe('account [redacted:account] is closed')
  })

  test('they apply besides the built-in ones', () => {
    const own = createRedact([{ name: 'customer', match: /cust_\d+/g }])

    expect(own(`cust_12 password=${letters(9)}`)).toBe('[redacted:customer] password=[redacted:password]')
  })

  test('they apply to text without any sign of a secret', () => {
    const own = createRedact([{ name: 'city', match: /Ulm/g }])

    expect(own('in Ulm')).toBe('in [redacted:city]')
  })
})

test.each([
  ['DB_PASSWORD=hunter22', 'DB_PASSWORD=[redacted:password]'],
  ['client_secret=abcdef123', 'client_secret=[redacted:password]'],
  ['OPENAI_API_KEY=abcdef123456', 'OPENAI_API_KEY=[redacted:password]'],
  ['x-api-key: abcdef1234', 'x-api-key: [redacted:password]'],
  [String.raw`{"body":"{\"password\":\"hunter22\"}"}`, String.raw`{"body":"{\"password\":\"[redacted:password]\"}"}`],
  ['{"password":"correct horse battery"}', '{"password":"[redacted:password]"}'],
  ['postgres://u:p@ss@host/db', 'postgres://u:[redacted:url-password]@host/db'],
  ['basic authentication failed', 'basic authentication failed'],
  [join('api_key=', 'sk', '-', 'aB3dE5gH7jK9mN1pQ2sT'), 'api_key=[redacted:api-key]'],
  ['password=[redacted:password]', 'password=[redacted:password]'],
])('redact %s', (text, expected) => {
  expect(redact(text)).toBe(expected)
})
test('a secret that stands earlier in the match too', () => {
  expect(createRedact([{ name: 'login', match: /user=\w+ pass=(?<secret>\w+)/g }])('user=admin pass=admin')).toBe(
    'user=admin pass=[redacted:login]',
  )
})

import * as z from 'zod'
import { Duration, durationMs, severities, thresholdGroups, type ThresholdGroup } from '../catalog/schema.js'
import { zoneRule } from '../lines/timestamp.js'

/** What a person set wrong: in which file, variable or flag, and what is expected there. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const TimeZone = z.string().refine((zone) => {
  try {
    zoneRule(zone)
    return true
  } catch {
    return false
  }
}, 'a time zone such as UTC or Europe/Berlin is expected')

const FileSource = z.strictObject({
  paths: z.array(z.string().min(1)).min(1),
  service: z.string().min(1).optional(),
  time_zone: TimeZone.optional(),
})

export const roles = ['ship', 'read', 'admin'] as const
export type Role = (typeof roles)[number]

const Token = z
  .strictObject({
    name: z.string().min(1),
    role: z.enum(roles),
    token_env: z.string().optional(),
    token: z.string().min(8).optional(),
  })
  .refine(
    ({ token, token_env: fromEnv }) => (token === undefined) !== (fromEnv === undefined),
    'either "token_env" or "token" is expected',
  )

/** `faultline.json`. Every scalar may also be set by an environment variable: `server.port` by FAULTLINE_SERVER_PORT. */
export const ConfigFile = z.strictObject({
  $schema: z.string().optional(),
  enabled: z.boolean().default(true),
  sources: z
    .strictObject({
      files: z.array(FileSource).default([]),
      http: z.strictObject({ body_bytes_max: z.int().min(1024).max(1_073_741_824).default(10_485_760) }).prefault({}),
    })
    .prefault({}),
  patterns: z.array(z.string().min(1)).default([]),
  time: z
    .strictObject({
      zone: TimeZone.default('UTC'),
      lateness: Duration.default('2m'),
      hold: Duration.default('200ms'),
    })
    .prefault({}),
  overrides: z
    .record(
      z.string(),
      z.strictObject({
        count: z.int().min(1).optional(),
        window: Duration.optional(),
        severity: z.enum(severities).optional(),
        enabled: z.boolean().optional(),
      }),
    )
    .default({}),
  redact: z.array(z.strictObject({ name: z.string().regex(/^[\w-]+$/), match: z.string().min(1) })).default([]),
  limits: z.strictObject({ keys_max: z.int().min(100).max(10_000_000).default(200_000) }).prefault({}),
  server: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(7710),
      tokens: z.array(Token).default([]),
      origins: z.array(z.url()).default([]),
      stream: z.boolean().default(true),
    })
    .prefault({}),
  store: z
    .strictObject({ path: z.string().min(1).default('./data'), keep_days: z.int().min(1).max(3650).default(30) })
    .prefault({}),
})
type ConfigFile = z.infer<typeof ConfigFile>

export type AccessToken = Readonly<{ name: string; role: Role; token: string }>

export type Config = Readonly<Omit<ConfigFile, '$schema' | 'time' | 'server'>> & {
  readonly time: Readonly<{ zone: string; latenessMs: number; holdMs: number }>
  readonly server: Readonly<Omit<ConfigFile['server'], 'tokens'> & { tokens: readonly AccessToken[] }>
  readonly groups: Readonly<Record<ThresholdGroup, number>>
}

type Environment = Readonly<Record<string, string | undefined>>

/** Names of the detection engine that this program replaces. */
const legacyFlags: Readonly<Record<string, readonly string[]>> = {
  FAILURE_DETECTION_ENABLED: ['enabled'],
  ENABLE_FAILURE_WEBSOCKET_NOTIFICATIONS: ['server', 'stream'],
}
const groupVariables: Readonly<Record<ThresholdGroup, { name: string; count: number }>> = {
  pydantic: { name: 'PYDANTIC_ERROR_THRESHOLD_PER_HOUR', count: 5 },
  sdk: { name: 'SDK_ERROR_THRESHOLD_PER_HOUR', count: 10 },
  db: { name: 'DB_ERROR_THRESHOLD_PER_HOUR', count: 15 },
}

/**
 * Puts the configuration together: the file, then the environment over it, then flags over both.
 * @param file the parsed `faultline.json`, with its name for messages; undefined when there is none
 * @throws {ConfigError} naming the key, variable or flag at fault
 */
export function parseConfig({
  file,
  environment,
  flags,
}: {
  file?: { name: string; raw: unknown } | undefined
  environment: Environment
  flags: object
}): Config {
  const base = file?.raw ?? {}
  if (typeof base !== 'object' || base === null || Array.isArray(base))
    throw new ConfigError(`${file?.name}: an object is expected`)
  check(base, (where) => `${file?.name ?? 'faultline.json'}: ${where}`)
  const set = new Map<string, string>()
  const withEnvironment = structuredClone(base) as Record<string, unknown>
  for (const { name, path, schema } of variables()) {
    const text = environment[name]
    if (text === undefined || text === '') continue
    put(withEnvironment, path, parseScalar(text, { name, schema }))
    set.set(path.join('.'), name)
  }
  check(withEnvironment, (where, path) => `${set.get(path) ?? file?.name ?? 'faultline.json'}: ${where}`)
  const all = merge(withEnvironment, flags as Record<string, unknown>)
  const config = check(all, (where, path) => `--${path.split('.').at(-1) ?? path}: ${where}`)
  return {
    ...config,
    time: {
      zone: config.time.zone,
      latenessMs: durationMs(config.time.lateness),
      holdMs: durationMs(config.time.hold),
    },
    server: { ...config.server, tokens: resolveTokens(config, environment) },
    groups: Object.fromEntries(
      thresholdGroups.map((group) => [group, groupCount(group, environment)]),
    ) as Config['groups'],
  }
}

function check(raw: unknown, say: (where: string, path: string) => string): ConfigFile {
  const { data, error } = ConfigFile.safeParse(raw)
  if (data) return data
  const [issue] = error.issues
  const path = issue?.path.map(String).join('.') ?? ''
  throw new ConfigError(say(path === '' ? (issue?.message ?? '') : `${path}: ${issue?.message ?? ''}`, path), {
    cause: error,
  })
}

/** Read elsewhere: the tokens below, and how much the own log says. */
const otherVariables = ['FAULTLINE_TOKENS', 'FAULTLINE_LOG_LEVEL']

/** Variables that look like ours and set nothing, most often misspelt: to be warned of. */
export function unknownVariables(environment: Environment): string[] {
  const known = new Set([...variables().map(({ name }) => name), ...otherVariables])
  return Object.keys(environment).filter((name) => name.startsWith('FAULTLINE_') && !known.has(name))
}

type Variable = { name: string; path: readonly string[]; schema: z.ZodType }

/** Every scalar of the file has a variable. */
function variables(): Variable[] {
  const found: Variable[] = []
  const visit = (schema: unknown, path: readonly string[]): void => {
    const inner = unwrapSchema(schema)
    if (inner instanceof z.ZodObject)
      for (const [key, value] of Object.entries(inner.shape)) visit(value, [...path, key])
    else if (inner instanceof z.ZodString || inner instanceof z.ZodNumber || inner instanceof z.ZodBoolean)
      found.push({ name: `FAULTLINE_${path.join('_').toUpperCase()}`, path, schema: inner })
  }
  for (const [key, value] of Object.entries(ConfigFile.shape)) if (key !== '$schema') visit(value, [key])
  const legacy = Object.entries(legacyFlags).map(([name, path]) => ({ name, path, schema: z.boolean() }))
  return [...legacy, ...found]
}

function unwrapSchema(schema: unknown): unknown {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return unwrapSchema(schema.def.innerType)
  return schema
}

function parseScalar(text: string, { name, schema }: { name: string; schema: z.ZodType }): unknown {
  if (schema instanceof z.ZodBoolean) {
    const lower = text.trim().toLowerCase()
    if (['true', '1', 'yes', 'on'].includes(lower)) return true
    if (['false', '0', 'no', 'off'].includes(lower)) return false
    throw new ConfigError(`${name}: true or false is expected, not "${text}"`)
  }
  return schema instanceof z.ZodNumber ? parseNumber(text, name) : text
}

function parseNumber(text: string, name: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value))
    throw new ConfigError(`${name}: a number is expected, not "${text}"`)
  return value
}

function groupCount(group: ThresholdGroup, environment: Environment): number {
  const { name, count } = groupVariables[group]
  const text = environment[name]
  if (text === undefined || text === '') return count
  const value = parseNumber(text, name)
  if (!Number.isInteger(value) || value < 1)
    throw new ConfigError(`${name}: a whole number from 1 on is expected, not "${text}"`)
  return value
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head = '', ...rest] = path
  if (rest.length === 0) target[head] = value
  else {
    target[head] ??= {}
    put(target[head] as Record<string, unknown>, rest, value)
  }
}

function merge(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue
    const known = merged[key]
    const bothObjects = [known, value].every(
      (each) => typeof each === 'object' && each !== null && !Array.isArray(each),
    )
    merged[key] = bothObjects ? merge(known as Record<string, unknown>, value as Record<string, unknown>) : value
  }
  return merged
}

/** Tokens of the file, with their values from the environment, and those of FAULTLINE_TOKENS: `name:role:token`, comma-separated. */
function resolveTokens({ server }: ConfigFile, environment: Environment): AccessToken[] {
  const fromFile = server.tokens.map(({ name, role, token, token_env: variable }) => {
    const value = token ?? environment[variable ?? '']
    if (value === undefined || value.length < 8)
      throw new ConfigError(
        `server.tokens: ${variable} is to hold the token of "${name}" and is ${value === undefined ? 'not set' : 'shorter than 8 characters'}`,
      )
    return { name, role, token: value }
  })
  const listed = (environment['FAULTLINE_TOKENS'] ?? '').split(',').filter((entry) => entry.trim() !== '')
  const fromEnvironment = listed.map((entry, index) => {
    const [name = '', role = '', ...rest] = entry.trim().split(':')
    const token = rest.join(':')
    const isRole = (text: string): text is Role => (roles as readonly string[]).includes(text)
    if (!isRole(role) || token.length < 8)
      throw new ConfigError(
        `FAULTLINE_TOKENS: entry ${index + 1} is to read name:role:token, with a role of ${roles.join(', ')} and a token of at least 8 characters`,
      )
    return { name, role, token }
  })
  return [...fromFile, ...fromEnvironment]
}

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

import { existsSync, readFileSync } from 'node:fs'
import { parseJson } from '../catalog/json.js'
import { ConfigError, parseConfig, type Config } from '../config/config.js'

const configDefault = 'faultline.json'

/**
 * A configuration file as JSON: the one named, or `faultline.json` where the command is run, if there is one.
 * @throws {ConfigError} when it cannot be read
 */
export function readConfigFile(path?: string): { name: string; raw: unknown } | undefined {
  const name = path ?? configDefault
  if (path === undefined && !existsSync(name)) return undefined
  try {
    return { name, raw: parseJson(readFileSync(name, 'utf8'), name) }
  } catch (cause) {
    throw new ConfigError(
      cause instanceof Error && cause.name === 'JsonError'
        ? cause.message
        : `configuration ${name} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

/** What the service here would be configured with: a command that reads logs or patterns agrees with it. */
export const configHere = (patterns: readonly string[] | undefined): Config =>
  parseConfig({ file: readConfigFile(), environment: process.env, flags: patterns ? { patterns } : {} })

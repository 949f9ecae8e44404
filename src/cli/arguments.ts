import { text as readAll } from 'node:stream/consumers'
import { parseArgs, type ParseArgsConfig } from 'node:util'

/** A command called the wrong way; the message says what is expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

type Options = NonNullable<ParseArgsConfig['options']>

/**
 * The arguments of one command.
 * @throws {UsageError} for an unknown flag or a missing value
 */
export function readArguments<T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.replace(/\. To specify.*/s, '') : String(error))
  }
}

/** A whole number given to a flag. */
export function wholeNumber(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw new UsageError(`--${flag}: a whole number is expected, not "${text}"`)
  return Number(text)
}

/**
 * The one text a command is about: its argument, or standard input without one or with `-`.
 * @throws {UsageError} for more than one, and for an empty one
 */
export async function textArgument(positionals: readonly string[], command: string): Promise<string> {
  const [given = '-', second] = positionals
  if (second !== undefined)
    throw new UsageError(`${command} takes one text; put it in quotes ("${second}" is too much)`)
  const text = given === '-' ? await readAll(process.stdin) : given
  if (text.trim() === '') throw new UsageError(`${command}: there is no text`)
  return text
}

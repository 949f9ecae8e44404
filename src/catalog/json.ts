import { parse, printParseErrorCode, type ParseError } from 'jsonc-parser'

/** Text that is not JSON. The message names the file, the line and the column. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
}

/**
 * JSON.parse that says where.
 * @param file what to call the text in the message
 * @throws {JsonError}
 */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const errors: ParseError[] = []
    try {
      parse(text, errors, { disallowComments: true })
    } catch (error) {
      if (error instanceof RangeError) throw new JsonError(`${file}: nested too deeply`, { cause: error })
      throw error
    }
    const [first] = errors
    const before = text.slice(0, first?.offset ?? text.length)
    const line = before.split('\n').length
    const column = before.length - before.lastIndexOf('\n')
    const what = first
      ? printParseErrorCode(first.error)
          .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
          .toLowerCase()
      : 'not valid JSON'
    throw new JsonError(`${file}:${line}:${column}: ${what}`, { cause })
  }
}

import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { JsonError, parseJson } from '../catalog/json.js'

/** The lines of a push, ready to be read like a file. */
export type LogBody = Readonly<{ bytes: Buffer; accepted: number }>

/** A body that is not what its type says; `status` is the answer, and nothing of it is taken. */
export class BodyError extends Error {
  override readonly name = 'BodyError'
  constructor(
    readonly status: 400 | 413 | 415,
    message: string,
  ) {
    super(message)
  }
}

const unzip = promisify(gunzip)

/**
 * @param bytesMax limit of the body, before and after decompression
 * @throws {BodyError}
 */
export async function readLogBody(
  raw: Buffer,
  { type, encoding, bytesMax }: { type: string; encoding: string | undefined; bytesMax: number },
): Promise<LogBody> {
  const body = await decompress(raw, { encoding, bytesMax })
  switch (type.split(';')[0]?.trim().toLowerCase()) {
    case '':
    // What curl calls any --data-binary it is not told about.
    case 'application/x-www-form-urlencoded':
    case 'text/plain':
      return { bytes: body, accepted: countLines(body) }
    case 'application/x-ndjson':
    case 'application/jsonlines':
      return checkLines(body)
    case 'application/json':
      return readJson(body)
    default:
      throw new BodyError(
        415,
        `content type "${type}" is not taken; send text/plain, application/x-ndjson or application/json`,
      )
  }
}

async function decompress(
  raw: Buffer,
  { encoding, bytesMax }: { encoding: string | undefined; bytesMax: number },
): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return raw
  if (encoding !== 'gzip') throw new BodyError(415, `content encoding "${encoding}" is not taken; send gzip or none`)
  try {
    return await unzip(raw, { maxOutputLength: bytesMax })
  } catch (error) {
    const tooLarge = error instanceof RangeError
    throw new BodyError(
      tooLarge ? 413 : 400,
      tooLarge ? `the body is larger than ${bytesMax} bytes when decompressed` : 'the body is not valid gzip',
    )
  }
}

const text = (bytes: Buffer): string => bytes.toString('utf8')
const countLines = (bytes: Buffer): number =>
  text(bytes)
    .split('\n')
    .filter((line) => line.trim() !== '').length

function checkLines(bytes: Buffer): LogBody {
  let accepted = 0
  for (const [index, line] of text(bytes).split('\n').entries()) {
    if (line.trim() === '') continue
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      throw new BodyError(400, `line ${index + 1} is not valid JSON: ${line.slice(0, 80)}`)
    }
    if (typeof value !== 'string' && (typeof value !== 'object' || value === null || Array.isArray(value)))
      throw new BodyError(400, `line ${index + 1} is neither a string nor an object: ${line.slice(0, 80)}`)
    accepted++
  }
  return { bytes, accepted }
}

/** A string, an object, or an array of them; each entry is one record. */
function readJson(bytes: Buffer): LogBody {
  let value: unknown
  try {
    value = parseJson(text(bytes), 'body')
  } catch (error) {
    if (error instanceof JsonError) throw new BodyError(400, error.message)
    throw error
  }
  const entries = Array.isArray(value) ? (value as unknown[]) : [value]
  const lines = entries.map((entry, index) => {
    // A text of several lines is one record, which a JSON record's message says better than lines would.
    if (typeof entry === 'string') return /[\r\n]/.test(entry) ? JSON.stringify({ message: entry }) : entry
    if (typeof entry === 'object' && entry !== null && !Array.isArray(entry)) return JSON.stringify(entry)
    throw new BodyError(400, `entry ${index + 1} is neither a string nor an object`)
  })
  return { bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')), accepted: lines.length }
}

import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * A file is device, inode and a hash of its first bytes together: an inode is used again for another file, and two files may begin
 * alike. The hash says over how many bytes it is, because a young file has few.
 */
export type Fingerprint = Readonly<{ device: number; inode: number; hash: string; hashedBytes: number }>

export const printBytesMax = 1024
const buffer = Buffer.alloc(printBytesMax)
const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64url').slice(0, 16)

/** The first bytes of an open file; valid until the next call. */
function firstBytes(descriptor: number, lengthMax = printBytesMax): Buffer {
  return buffer.subarray(0, readSync(descriptor, buffer, 0, lengthMax, 0))
}

export function fingerprintOf(descriptor: number): Fingerprint {
  const { dev: device, ino: inode } = fstatSync(descriptor)
  const bytes = firstBytes(descriptor)
  return { device, inode, hash: hash(bytes), hashedBytes: bytes.length }
}

/** A fingerprint as the store keeps it. */
export const printToMark = ({ device, inode, hash: known, hashedBytes }: Fingerprint): string =>
  `${device}:${inode}:${hashedBytes}:${known}`

export function printFromMark(mark: string): Fingerprint {
  const [device, inode, hashedBytes, known = ''] = mark.split(':')
  return { device: Number(device), inode: Number(inode), hashedBytes: Number(hashedBytes), hash: known }
}

/** Whether an open file is the one a fingerprint was taken of, perhaps when it was shorter. */
export function isSameFile(descriptor: number, print: Fingerprint): boolean {
  const { dev, ino } = fstatSync(descriptor)
  return dev === print.device && ino === print.inode && beginsAlike(descriptor, print)
}

/** Whether the file still begins as it did: otherwise it was truncated and written anew. */
export function beginsAlike(descriptor: number, { hash: known, hashedBytes }: Fingerprint): boolean {
  const bytes = firstBytes(descriptor, hashedBytes)
  return bytes.length === hashedBytes && hash(bytes) === known
}

/** A hash of the first line: what the same log has in common wherever it lies, so that failures in it get the same ids. */
export const contentIdentity = (descriptor: number): string => identityOfBytes(firstBytes(descriptor))

/** The same for bytes that begin where the log begins. */
export function identityOfBytes(bytes: Buffer): string {
  const first = bytes.subarray(0, printBytesMax)
  const end = first.indexOf(10)
  return hash(end < 0 ? first : first.subarray(0, end))
}

/**
 * Opens a plain file for reading. Without blocking: a named pipe would hold up the whole service until somebody writes to it.
 * @throws {Error} when it cannot be opened, or is no plain file
 */
export function openPlainFile(path: string): number {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  throw new Error(`${path} is not a file`)
}

export type Sibling = Readonly<{
  path: string
  print: Fingerprint
  modifiedMs: number
  size: number
  isRotated: boolean
}>

/** So many files of a folder are looked at for one that was renamed. */
const siblingsMax = 5000

/**
 * Other plain files in the folder, the oldest first, that may have been `path` once: their names say so (`app.log.1`,
 * `app.log-20261121`, `app.1.log`), or they have one of the inodes asked for, whatever they are called now.
 */
export async function siblingsOf(path: string, inodes: ReadonlySet<number>): Promise<Sibling[]> {
  const name = basename(path)
  const stem = name.replace(/\.[^.]*$/, '')
  const names = await readdir(dirname(path)).catch(() => [])
  const siblings: Sibling[] = []
  for (const each of names.slice(0, siblingsMax)) {
    if (each === name || /\.(?:gz|bz2|xz|zst|zip|tmp|swp)$/.test(each)) continue
    const other = join(dirname(path), each)
    const isRotated = [`${name}.`, `${name}-`, `${stem}.`, `${stem}-`].some((start) => each.startsWith(start))
    const stats = await stat(other).catch(() => undefined)
    if (!stats?.isFile() || (!isRotated && !inodes.has(stats.ino))) continue
    const sibling = examine(other, isRotated)
    if (sibling) siblings.push(sibling)
  }
  return siblings.toSorted((a, b) => a.modifiedMs - b.modifiedMs || rotations(b.path) - rotations(a.path))
}

/** How often a file was rotated, by its name; it orders files whose times of change are the same tick of the clock. */
const rotations = (path: string): number => Number(/[.-](\d{1,3})(?:\.[a-z]+)?$/.exec(path)?.[1] ?? 0)

/** A file that vanished or cannot be read meanwhile is none that can be followed. */
function examine(path: string, isRotated: boolean): Sibling | undefined {
  let descriptor: number
  try {
    descriptor = openPlainFile(path)
  } catch {
    return undefined
  }
  try {
    const { mtimeMs: modifiedMs, size } = fstatSync(descriptor)
    return { path, print: fingerprintOf(descriptor), modifiedMs, size, isRotated }
  } finally {
    closeSync(descriptor)
  }
}

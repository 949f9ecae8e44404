import { createHash } from 'node:crypto'
import { fstatSync, readSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
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

export type Sibling = Readonly<{ path: string; print: Fingerprint; modifiedMs: number; size: number }>

/** Other plain files in the folder, the oldest first, whose names say that they were rotated away from `path`: `app.log.1`, `app.log-20261121`, `app.1.log`. */
export async function rotatedSiblings(path: string): Promise<Sibling[]> {
  const name = basename(path)
  const stem = name.replace(/\.[^.]*$/, '')
  const names = await readdir(dirname(path)).catch(() => [])
  const siblings: Sibling[] = []
  for (const each of names) {
    const isRotated =
      each !== name &&
      (each.startsWith(`${name}.`) ||
        each.startsWith(`${name}-`) ||
        each.startsWith(`${stem}.`) ||
        each.startsWith(`${stem}-`))
    if (!isRotated || /\.(?:gz|bz2|xz|zst|zip|tmp|swp)$/.test(each)) continue
    const sibling = await examine(join(dirname(path), each))
    if (sibling) siblings.push(sibling)
  }
  return siblings.toSorted((a, b) => a.modifiedMs - b.modifiedMs || rotations(b.path) - rotations(a.path))
}

/** How often a file was rotated, by its name; it orders files whose times of change are the same tick of the clock. */
const rotations = (path: string): number => Number(/[.-](\d{1,3})(?:\.[a-z]+)?$/.exec(path)?.[1] ?? 0)

/** A file that vanished or cannot be read meanwhile is none that can be followed. */
async function examine(path: string): Promise<Sibling | undefined> {
  const handle = await open(path, 'r').catch(() => undefined)
  if (!handle) return undefined
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) return undefined
    return { path, print: fingerprintOf(handle.fd), modifiedMs: stats.mtimeMs, size: stats.size }
  } finally {
    await handle.close()
  }
}

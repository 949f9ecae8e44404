import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { watch as watchNames } from 'chokidar'
import picomatch from 'picomatch'
import { glob } from 'tinyglobby'
import { createFollower, type Claims, type FileStatus, type Follower, type FollowerOptions } from './file-follower.js'

export type FileSourceOptions = Omit<FollowerOptions, 'startAtEnd' | 'isNamed' | 'claims' | 'service'> &
  Readonly<{
    paths: readonly string[]
    /** For records that name no service; by default the file's name without its ending. */
    service: string | undefined
    /** For files never seen before; files that appear later are read from their start. */
    from: 'start' | 'end'
  }>

export type FileSource = Readonly<{
  /** Follows the files until `signal` aborts. `onReady` is called when every file that is there has been read to its end. */
  run(signal: AbortSignal, onReady: () => void): Promise<void>
  status(): FileStatus[]
}>

/** New names are looked for this often, besides chokidar's word for them. */
const namesMs = 2000
/** What rotation added to a name: `.1`, `-20261121`, `.2.gz`. */
const rotation = /(?<=\.(?:log|txt|out|err|json|jsonl|ndjson))(?:[.-]\d[\d.-]*)?(?:\.gz)?$/

/** The source a file's lines belong to: a rotated file keeps the name it grew under. */
export const sourceOfPath = (path: string): string => `file:${path.replace(rotation, '')}`

/** The service a file's lines belong to, when nothing names one: `api` for `/var/log/api.log.1`. */
export const serviceOfPath = (path: string): string =>
  basename(path).replace(/\.(?:log|txt|out|err|json|jsonl|ndjson)(?:[.-].*)?$/, '') || basename(path)

/** Follows files by name: finds them, notices rotation and truncation, and reads each to its end before its successor. */
export function createFileSource(options: FileSourceOptions): FileSource {
  const { paths, log } = options
  const wanted = paths.map((path) => resolve(path))
  const matches = picomatch(
    wanted.map((path) => escapeLiteral(path)),
    { dot: true },
  )
  const followers = new Map<string, Follower>()
  const claims: Claims = new Map()
  let started = false

  async function findNames(): Promise<string[]> {
    const patterns = wanted.map((path) => escapeLiteral(path))
    const found = await glob(patterns, {
      absolute: true,
      dot: true,
      onlyFiles: true,
      expandDirectories: false,
      followSymbolicLinks: true,
    })
    return [...new Set([...found, ...wanted.filter((path) => !isGlob(path))])]
  }

  return {
    status: () => [...followers.values()].map((follower) => follower.status()),
    async run(signal, onReady) {
      const running = new Map<string, Promise<void>>()
      const follow = (path: string): void => {
        if (followers.has(path) || signal.aborted) return
        const follower = createFollower(path, {
          ...options,
          service: options.service ?? serviceOfPath(path),
          claims,
          startAtEnd: !started && options.from === 'end',
          isNamed: wanted.includes(path),
        })
        followers.set(path, follower)
        const done = follower.run(signal).then(() => {
          followers.delete(path)
          running.delete(path)
        })
        running.set(path, done)
      }
      const watcher = watchNames([...new Set(wanted.map(baseFolder))], {
        ignoreInitial: true,
        depth: depthOf(wanted),
      })
      const nameSeen = (path: string): void => {
        if (!matches(path)) return
        follow(path)
        followers.get(path)?.wake()
      }
      watcher.on('add', nameSeen).on('unlink', nameSeen).on('change', nameSeen)
      watcher.on('error', (error) =>
        log.warn({ err: error }, 'watching for new files failed; the folders are still listed every 2 s'),
      )
      for (const path of await findNames()) follow(path)
      await Promise.all([...followers.values()].map((follower) => follower.opened))
      started = true
      await Promise.all([...followers.values()].map((follower) => follower.caughtUp))
      onReady()
      while (!signal.aborted) {
        await pause(namesMs, undefined, { signal }).catch(() => undefined)
        if (!signal.aborted) for (const path of await findNames()) follow(path)
      }
      await watcher.close()
      await Promise.all(running.values())
    },
  }
}

/** A file may bear glob characters in its name; if it is there, it is meant. */
const isGlob = (path: string): boolean => picomatch.scan(path).isGlob && !existsSync(path)
/** Without glob characters a path is a name, brackets and all. */
const escapeLiteral = (path: string): string =>
  isGlob(path) ? path : path.replaceAll(/[[\](){}!*?\\]/g, String.raw`\$&`)
const baseFolder = (path: string): string =>
  isGlob(path) ? picomatch.scan(path).base : path.slice(0, Math.max(1, path.lastIndexOf('/')))
const depthOf = (paths: readonly string[]): number =>
  Math.max(
    ...paths.map((path) =>
      path.includes('**') ? 16 : path.split('/').length - baseFolder(path).split('/').length - 1,
    ),
  )

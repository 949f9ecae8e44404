import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { watch } from 'chokidar'
import * as z from 'zod'
import { compileCatalog, type Catalog, type CompileOptions, type FamilyFile, type Problem } from './compile.js'
import { proveExamples } from './examples.js'
import { JsonError, parseJson } from './json.js'
import { Cascade, Failure, Family, Pattern, TopologyFile } from './schema.js'

/** A folder of pattern files that is not there or cannot be read. */
export class PatternFolderError extends Error {
  override readonly name = 'PatternFolderError'
}

/** Reads pattern folders from disk and keeps the last good version of every file. */
export type PatternFiles = Readonly<{
  load(): Promise<Catalog>
  /** Calls back with the new catalogue within a second of a change; resolves when watching has begun. Stops on abort. */
  watch(onCatalog: (catalog: Catalog) => void, signal: AbortSignal): Promise<void>
}>

type Good = {
  families: Map<string, FamilyFile>
  topologies: Map<string, TopologyFile>
  cascades: Map<string, readonly Cascade[]>
}

/** Editors write a file in several steps; what is read in between is not judged. */
const settleMs = 150

/**
 * @param folders later ones win; a single file, its name ending in .json, is a folder of itself
 * `load` throws a {@link PatternFolderError} for a folder that cannot be read when it is first asked for
 */
export function createPatternFiles(folders: readonly string[], options: CompileOptions): PatternFiles {
  const good: Good = { families: new Map(), topologies: new Map(), cascades: new Map() }

  /** Names in each folder when it could last be read. */
  const lastNames = new Map<string, readonly string[]>()

  /** A folder that cannot be read is an error at the start; later it is a problem, and what it held stays in force. */
  async function list(folder: string, problems: Problem[]): Promise<readonly string[]> {
    try {
      const names = await listFolder(folder)
      lastNames.set(folder, names)
      return names
    } catch (error) {
      const known = lastNames.get(folder)
      if (!known) throw error
      problems.push({ file: folder, pattern: undefined, message: reason(error) })
      return known
    }
  }

  async function load(): Promise<Catalog> {
    const problems: Problem[] = []
    const present = new Set<string>()
    for (const [folder, path] of folders.entries())
      for (const name of (await list(path, problems)).toSorted()) {
        const file = path.endsWith('.json') ? path : join(path, name)
        present.add(file)
        await readInto(good, { file, folder }, problems)
      }
    for (const kind of [good.families, good.topologies, good.cascades])
      for (const file of kind.keys()) if (!present.has(file)) kind.delete(file)
    const sources = {
      families: [...good.families.values()].toSorted((a, b) => a.folder - b.folder || (a.file < b.file ? -1 : 1)),
      topology: {
        components: Object.assign({}, ...[...good.topologies.values()].map(({ components }) => components)),
      },
      cascades: mergeCascades([...good.cascades.values()]),
      problems,
    }
    return proveExamples(compileCatalog(sources, options))
  }

  return {
    load,
    async watch(onCatalog, signal) {
      const watcher = watch([...folders], { ignoreInitial: true, depth: 0 })
      let timer: NodeJS.Timeout | undefined
      let loading: Promise<void> = Promise.resolve()
      const reload = (): void => {
        loading = loading.then(load).then(onCatalog)
      }
      watcher.on('all', () => {
        clearTimeout(timer)
        timer = setTimeout(reload, settleMs)
      })
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        void watcher.close()
      })
      await new Promise<void>((resolve) => {
        watcher.once('ready', resolve)
      })
    },
  }
}

async function listFolder(path: string): Promise<string[]> {
  try {
    if (path.endsWith('.json') && (await stat(path)).isFile()) return [basename(path)]
    return (await readdir(path)).filter(
      (name) => name.endsWith('.json') && name !== 'schema.json' && !name.startsWith('.'),
    )
  } catch (cause) {
    throw new PatternFolderError(
      `pattern ${path.endsWith('.json') ? 'file' : 'folder'} ${path} cannot be read: ${reason(cause)}`,
      { cause },
    )
  }
}

/** Reads one file. What is wrong becomes problems, and the last good version stays. */
async function readInto(
  good: Good,
  { file, folder }: { file: string; folder: number },
  problems: Problem[],
): Promise<void> {
  const report = (message: string, pattern?: string): void => {
    problems.push({ file, pattern, message })
  }
  try {
    if (!(await stat(file)).isFile()) return report('is not a file')
    const raw = parseJson(await readFile(file, 'utf8'), file)
    if (basename(file) === 'topology.json') good.topologies.set(file, TopologyFile.parse(raw))
    else if (basename(file) === 'cascades.json') good.cascades.set(file, parseCascades(raw, report))
    else good.families.set(file, { file, folder, family: parseFamily(raw, report) })
  } catch (error) {
    if (error instanceof z.ZodError) for (const message of sayIssues(error)) report(message)
    else if (error instanceof JsonError || (error instanceof Error && 'code' in error)) report(error.message)
    else throw error
  }
}

function parseCascades(raw: unknown, report: (message: string) => void): Cascade[] {
  return z
    .array(z.unknown())
    .parse(raw)
    .flatMap((entry, index) => {
      const { success, data, error } = Cascade.safeParse(entry)
      if (!success) for (const message of sayIssues(error, [index])) report(message)
      return success ? [data] : []
    })
}

/** Takes a family pattern by pattern, so that a bad one costs only itself. */
export function parseFamily(raw: unknown, report: (message: string, pattern?: string) => void): Family {
  const Outer = z.strictObject({
    ...Family.shape,
    failures: z.array(z.looseObject({ patterns: z.array(z.unknown()).optional() })),
  })
  const outer = Outer.parse(raw)
  const failures = outer.failures.flatMap((entry, index) => {
    const name = typeof entry['type'] === 'string' ? entry['type'] : `failures[${index}]`
    const patterns = (entry.patterns ?? []).flatMap((each, at) => {
      const { success, data, error } = Pattern.safeParse(each)
      const id = z.looseObject({ id: z.string() }).safeParse(each).data?.id ?? `patterns[${at}]`
      if (!success) for (const message of sayIssues(error)) report(message, `${outer.family}.${id}`)
      return success ? [data] : []
    })
    const { success, data, error } = Failure.safeParse({ ...entry, patterns })
    if (!success) for (const message of sayIssues(error)) report(`${name}: ${message}`)
    return success ? [data] : []
  })
  return { ...outer, failures }
}

/** What zod found, a sentence for each: where, and what is expected there. */
export function sayIssues(error: z.ZodError, path: readonly PropertyKey[] = []): string[] {
  return error.issues.map((issue) => {
    const where = [...path, ...issue.path]
      .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
      .join('')
      .replace(/^\./, '')
    return where === '' ? issue.message : `${where}: ${issue.message}`
  })
}

/** A later folder's cascade replaces the one of the same type, in its place. */
function mergeCascades(lists: readonly (readonly Cascade[])[]): Cascade[] {
  const byType = new Map(lists.flat().map((cascade) => [cascade.type, cascade] as const))
  return [...byType.values()]
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

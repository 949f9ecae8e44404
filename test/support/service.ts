import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { startApp } from '../../src/app.js'
import type { Change } from '../../src/changes.js'
import { parseConfig } from '../../src/config/config.js'
import type { StoredEvent } from '../../src/store/store.js'

/** The whole service in this process, on a free port, with one pattern of the test's own besides the bundled ones. */
export type Service = Readonly<{
  url: string
  events: readonly StoredEvent[]
  changes(): Change[]
  /** Matched records of the test's own type that are committed. */
  marks(): number
  /** Resolves when the condition holds; it is looked at again and again, for a minute at most. */
  until(condition: () => boolean | Promise<boolean>, what: string): Promise<void>
  stop(): Promise<void>
}>

export const markType = 'TEST_MARK'
/** A line that the test's own pattern matches. */
export const mark = (n: number, second = n): string =>
  `${new Date(Date.UTC(2026, 10, 21, 10, 0, second)).toISOString()} ERROR failure mark number ${n}`

const family = {
  family: 'test',
  failures: [
    {
      type: markType,
      title: 'Test mark',
      severity: 'high',
      category: 'platform',
      threshold: { count: 1, window: '1h' },
      patterns: [
        {
          id: 'mark',
          match: 'failure mark number (?P<n>[0-9]+)',
          message: 'mark {n}',
          examples: { match: ['failure mark number 1'], ignore: ['failure mark'] },
        },
      ],
    },
  ],
}

export function writeMarkPatterns(folder: string): string {
  const patterns = join(folder, 'patterns')
  mkdirSync(patterns, { recursive: true })
  writeFileSync(join(patterns, 'test.json'), JSON.stringify(family))
  return patterns
}

type ServiceOptions = {
  paths?: readonly string[]
  folder: string
  from?: 'start' | 'end'
  more?: object
  environment?: Record<string, string>
}

export async function startService({
  paths = [],
  folder,
  from = 'start',
  more = {},
  environment = {},
}: ServiceOptions): Promise<Service> {
  const stopping = new AbortController()
  const events: StoredEvent[] = []
  const data = join(folder, 'data')
  const flags = {
    sources: { files: paths.length > 0 ? [{ paths }] : [] },
    patterns: [writeMarkPatterns(folder)],
    server: { port: 0 },
    store: { path: data },
    ...more,
  }
  const app = await startApp(
    {
      config: parseConfig({ environment, flags }),
      from,
      demo: false,
      log: pino({ level: 'silent' }),
      now: Date.now,
      onEvents: (news) => events.push(...news),
    },
    stopping.signal,
  )
  const reader = new Database(join(data, 'faultline.db'), { readonly: true })
  const counter = reader.prepare('SELECT value FROM counters WHERE name = ?')
  return {
    url: app.url,
    events,
    changes: () => events.map(({ change }) => change),
    marks: () => (counter.get(`matches.${markType}`) as { value: number } | undefined)?.value ?? 0,
    until,
    async stop() {
      reader.close()
      stopping.abort()
      await app.stopped
    },
  }
}

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let looks = 0; looks < 3000; looks++) {
    if (await condition()) return
    await pause(20)
  }
  throw new Error(`waited for a minute in vain: ${what}`)
}

import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { parseJson } from '../catalog/json.js'
import { findStamp } from '../lines/timestamp.js'

/** The bundled outage, played into temporary logs with its times shifted to now. */
export type Demo = Readonly<{
  folder: string
  paths: readonly { path: string; service: string }[]
  introduction(url: string): string[]
  play(): void
  remove(): Promise<void>
}>

export const bundledScenario = fileURLToPath(
  new URL('../../fixtures/scenarios/postgres-takes-down-checkout', import.meta.url),
)

const Scenario = z.looseObject({
  title: z.string(),
  about: z.string(),
  lasts_seconds: z.number(),
  logs: z.array(z.object({ file: z.string(), service: z.string() })),
})

type Line = { atMs: number; file: string; text: string }

/** Reads a scenario's logs as one sequence, each line with the time it was written at. */
export function readScenario(folder: string): {
  title: string
  about: string
  lastsSeconds: number
  logs: z.infer<typeof Scenario>['logs']
  lines: Line[]
} {
  const name = join(folder, 'scenario.json')
  const {
    title,
    about,
    lasts_seconds: lastsSeconds,
    logs,
  } = Scenario.parse(parseJson(readFileSync(name, 'utf8'), name))
  const lines = logs.flatMap(({ file }) => {
    let atMs = 0
    return readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((text) => {
        atMs = timeOf(text) ?? atMs
        return { atMs, file, text }
      })
  })
  return { title, about, lastsSeconds, logs, lines: lines.toSorted((a, b) => a.atMs - b.atMs) }
}

const epochMs = /(?<="time":)\d{13}/

function timeOf(line: string): number | undefined {
  const inJson = epochMs.exec(line)?.[0]
  if (inJson !== undefined) return Number(inJson)
  return findStamp(line, { toUtcMs: () => 0, arrivalMs: 0 })?.ms
}

/** The line as if it had been written `byMs` later, its time in the shape it had. */
export function shiftLine(line: string, byMs: number): string {
  const inJson = epochMs.exec(line)
  if (inJson) return line.replace(epochMs, String(Number(inJson[0]) + byMs))
  const stamp = findStamp(line, { toUtcMs: () => 0, arrivalMs: 0 })
  if (!stamp) return line
  const [year, month, day, hour, minute, second, ms] = new Date(stamp.ms + byMs).toISOString().split(/[-T:.Z]/)
  const name = new Date(stamp.ms + byMs).toUTCString().slice(8, 11)
  const shifted = line
    .slice(stamp.start, stamp.end)
    .replace(/\d{4}-\d{2}-\d{2}/, `${year}-${month}-${day}`)
    .replace(/\d{2} [A-Z][a-z]{2} \d{4}/, `${day} ${name} ${year}`)
    .replace(/\d{2}:\d{2}:\d{2}/, `${hour}:${minute}:${second}`)
    .replace(/(?<=\d{2}:\d{2}:\d{2}[.,])\d{3}/, String(ms))
  return line.slice(0, stamp.start) + shifted + line.slice(stamp.end)
}

/** Prepares the scenario in a temporary folder; `play` begins to write. Ends when `signal` aborts. */
export async function startDemo(scenarioFolder: string, signal: AbortSignal): Promise<Demo> {
  const { title, about, lastsSeconds, logs, lines } = readScenario(scenarioFolder)
  const folder = mkdtempSync(join(tmpdir(), 'faultline-demo-'))
  const paths = logs.map(({ file, service }) => ({ path: join(folder, file), service }))
  for (const { path } of paths) writeFileSync(path, '')
  let playing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    const byMs = Date.now() - (lines[0]?.atMs ?? 0)
    for (const { atMs, file, text } of lines) {
      const waitMs = atMs + byMs - Date.now()
      if (waitMs > 0) await pause(waitMs, undefined, { signal })
      appendFileSync(join(folder, file), `${shiftLine(text, byMs)}\n`)
    }
  }

  return {
    folder,
    paths,
    introduction: (url) => [
      '',
      `This is a demonstration: there was nothing to watch, so a bundled outage is played, with its times shifted to now.`,
      `  ${title}: ${about}`,
      `  It lasts ${lastsSeconds} seconds. Its logs and its data are in ${folder} and are removed at the end.`,
      `To watch your own logs:  npm start -- /var/log/app/*.log   (or ship them: curl --data-binary @app.log ${url}/api/v1/logs?service=app)`,
      '',
    ],
    play() {
      playing = write().catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
    },
    async remove() {
      await playing
      await rm(folder, { recursive: true, force: true })
    },
  }
}

import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { runCli } from './support/cli.js'
import { temporaryFolder } from './support/folder.js'
import { mark, markType, until, writeMarkPatterns } from './support/service.js'

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

type Event = { seq: number; type: string; failure_id?: string }

/** A service in a process of its own, that is killed and started again, with a subscriber that comes back with `since`. */
function createVictim(args: readonly string[]) {
  let child: ChildProcess | undefined
  let socket: WebSocket | undefined
  const events: Event[] = []
  let url = ''
  let streamId = ''

  async function start(): Promise<void> {
    const started = spawn(process.execPath, [main, 'serve', ...args, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = started
    let output = ''
    url = ''
    started.stdout.on('data', (text: Buffer) => {
      output += text.toString()
      url = /listens on (\S+),/.exec(output)?.[1] ?? url
    })
    await until(() => url !== '', 'the service listens')
    const since = streamId === '' ? '?since=0' : `?since=${streamId}:${events.at(-1)?.seq ?? 0}`
    socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/stream${since}`)
    socket.on('message', (text: Buffer) => {
      const message = JSON.parse(text.toString()) as Event & { stream_id?: string }
      if (message.type === 'hello') streamId = message.stream_id ?? ''
      else events.push(message)
    })
    socket.on('error', () => undefined)
    await until(() => streamId !== '' && socket?.readyState === WebSocket.OPEN, 'the subscriber is connected')
  }

  async function kill(): Promise<void> {
    const ended = new Promise((done) => child?.once('exit', done))
    const closed = new Promise((done) => socket?.once('close', done))
    child?.kill('SIGKILL')
    await ended
    await closed
    child = undefined
  }

  onTestFinished(() => {
    child?.kill('SIGKILL')
  })
  return { start, kill, events, get: async (path: string): Promise<unknown> => (await fetch(`${url}${path}`)).json() }
}

type Failure = {
  failure_id: string
  failure_type: string
  count: number
  first_seen: string
  last_seen: string
  incident_id: string
}
const facts = ({ failure_id, failure_type, count, first_seen, last_seen, incident_id }: Failure) => ({
  failure_id,
  failure_type,
  count,
  first_seen,
  last_seen,
  incident_id,
})

test('killed ten times while its log grows and rotates, it has found what a scan of the same bytes finds, and its subscriber saw each event once', async () => {
  const folder = temporaryFolder()
  const logs = join(folder, 'logs')
  mkdirSync(logs)
  const path = join(logs, 'app.log')
  const patterns = writeMarkPatterns(folder)
  let second = 0
  let marks = 0
  let rotations = 0
  const clean = (): string => `${mark(0, ++second).replace('failure mark number 0', 'all is well')}\n`
  const traceback = (): string =>
    `${mark(++marks, ++second)}\nTraceback (most recent call last):\n  File "a.py", line ${second}, in f\nredis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.\n`
  const grow = (): void =>
    appendFileSync(
      path,
      Array.from({ length: 40 }, (_, n) =>
        n % 7 === 3 ? traceback() : n % 5 === 0 ? `${mark(++marks, ++second)}\n` : clean(),
      ).join(''),
    )
  const rotate = (): void => {
    for (let n = ++rotations; n > 1; n--) renameSync(`${path}.${n - 1}`, `${path}.${n}`)
    renameSync(path, `${path}.1`)
    // The successor begins differently from its predecessors, as logs do.
    writeFileSync(path, clean())
  }
  writeFileSync(path, clean())
  const victim = createVictim([path, '--data', join(folder, 'data'), '--patterns', patterns, '--from', 'start'])

  for (let kills = 0; kills < 10; kills++) {
    await victim.start()
    const before = victim.events.length
    grow()
    if (kills % 3 === 1) rotate()
    grow()
    await until(() => victim.events.length > before, 'something happens')
    grow()
    await victim.kill()
    grow()
    if (kills % 2 === 0) rotate()
    grow()
  }
  await victim.start()
  const stats = async (): Promise<{ by_type: Record<string, number> }> =>
    (await victim.get('/api/v1/stats')) as { by_type: Record<string, number> }
  await until(async () => (await stats()).by_type[markType] === marks, `${marks} marks`)
  const { items } = (await victim.get('/api/v1/failures?state=all&limit=500')) as { items: Failure[] }
  const { by_type: found } = await stats()
  const { items: incidents } = (await victim.get('/api/v1/incidents?limit=500')) as {
    items: { incident_id: string }[]
  }
  await until(() => victim.events.some(({ seq }) => seq === victim.events.length), 'the subscriber has caught up')
  await victim.kill()

  const files = readdirSync(logs).map((name) => join(logs, name))
  const scan = await runCli(['scan', '--json', '--patterns', patterns, ...files])
  const lines = scan.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Failure & { type: string; matches?: Record<string, number> })
  const last = new Map(
    lines
      .filter(({ failure_id }) => failure_id !== undefined)
      .map((event) => [event.failure_id, facts(event)] as const),
  )

  expect(rotations).toBe(8)
  expect(found).toEqual(lines.at(-1)?.matches)
  const ids = new Set(items.map(({ failure_id }) => failure_id))
  expect(ids).toEqual(new Set(last.keys()))
  expect(new Set(incidents.map(({ incident_id }) => incident_id))).toEqual(
    new Set(lines.flatMap((line) => (line.type === 'incident_opened' ? [line.incident_id] : []))),
  )
  expect(items.map(({ first_seen }) => first_seen).toSorted()).toEqual(
    [...last.values()].map(({ first_seen }) => first_seen).toSorted(),
  )
  expect(victim.events.map(({ seq }) => seq)).toEqual(Array.from(victim.events.keys(), (index) => index + 1))
})

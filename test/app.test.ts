import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { bundledPatterns } from '../src/app.js'
import { temporaryFolder } from './support/folder.js'
import { mark, startService, until } from './support/service.js'

type Message = { type: string; message?: string; count?: number; failure_id?: string }

async function watching() {
  const folder = temporaryFolder()
  const path = join(folder, 'app.log')
  writeFileSync(path, '')
  const service = await startService({ folder, paths: [path] })
  onTestFinished(() => service.stop())
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/api/v1/stream`)
  onTestFinished(() => socket.terminate())
  const messages: Message[] = []
  socket.on('message', (text: Buffer) => messages.push(JSON.parse(text.toString()) as Message))
  await until(() => messages.length > 0, 'hello')
  return { folder, path, service, messages }
}

test('a line appended to a file comes out of the WebSocket', async () => {
  const { path, messages } = await watching()

  appendFileSync(path, `${mark(1)}\n`)

  await until(() => messages.some(({ type }) => type === 'failure_detected'), 'the alert')
  expect(messages.find(({ type }) => type === 'failure_detected')?.message).toBe('app: mark 1')
})

test('a changed pattern file is in force without a restart, and its counters are kept; a broken one is told and changes nothing', async () => {
  const { folder, path, service, messages } = await watching()
  const file = join(folder, 'patterns', 'test.json')
  const family = readFileSync(file, 'utf8')
  appendFileSync(path, `${mark(1)}\n`)
  await until(() => service.marks() === 1, 'the first mark')

  writeFileSync(file, family.replace('mark {n}', 'renamed {n}'))
  await until(
    async () => (await (await fetch(`${service.url}/api/v1/patterns`)).text()).includes('test.mark'),
    'the patterns',
  )
  writeFileSync(file, '{"family": ')
  await until(() => messages.some(({ type }) => type === 'pattern_problem'), 'the problem')
  appendFileSync(path, `${mark(2)}\n`)

  await until(() => messages.some(({ type, count }) => type === 'failure_updated' && count === 2), 'the second mark')
  const ids = new Set(messages.flatMap(({ failure_id: id }) => id ?? []))
  expect(ids.size).toBe(1)
  expect(messages.find(({ type }) => type === 'pattern_problem')?.message).toMatch(/test\.json:1:\d+/)
})

test('the schema that editors use is the one the program has', async () => {
  const { familyJsonSchema } = await import('../src/catalog/schema.js')

  const written = JSON.parse(readFileSync(join(bundledPatterns, 'schema.json'), 'utf8')) as object

  expect(written).toEqual(JSON.parse(JSON.stringify(familyJsonSchema())))
})

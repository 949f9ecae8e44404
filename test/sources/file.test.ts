import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../support/folder.js'
import { mark, startService, until, type Service } from '../support/service.js'

type Setting = { folder: string; logs: string; path: string }

function setting(): Setting {
  const folder = temporaryFolder()
  const logs = join(folder, 'logs')
  mkdirSync(logs)
  return { folder, logs, path: join(logs, 'app.log') }
}

async function started(options: Parameters<typeof startService>[0]): Promise<Service> {
  const service = await startService(options)
  let stopped = false
  onTestFinished(async () => {
    if (!stopped) await service.stop()
  })
  return {
    ...service,
    async stop() {
      stopped = true
      await service.stop()
    },
  }
}

const append = (path: string, ...numbers: number[]): void =>
  appendFileSync(path, numbers.map((n) => `${mark(n)}\n`).join(''))
const seen = (service: Service, count: number): Promise<void> =>
  until(() => service.marks() >= count, `${count} marks`)

/** The service has read all there is: what it was given last is in, and nothing more comes of it. */
async function onlySeen(service: Service, count: number): Promise<void> {
  await seen(service, count)
  const stats = async (): Promise<{ lag: number }> => {
    const { sources } = (await (await fetch(`${service.url}/api/v1/stats`)).json()) as {
      sources: { lag_bytes: number }[]
    }
    return { lag: sources.reduce((sum, { lag_bytes: lag }) => sum + lag, 0) }
  }
  await until(async () => (await stats()).lag === 0, 'no unread bytes')
  expect(service.marks()).toBe(count)
}

test('what is appended is seen, the last line too, though nothing comes after it', async () => {
  const { folder, path } = setting()
  append(path, 1)
  const service = await started({ folder, paths: [path] })
  await seen(service, 1)

  append(path, 2)
  append(path, 3)

  await onlySeen(service, 3)
})

test('a file never seen before is read from its end unless asked otherwise, and goes on there', async () => {
  const { folder, path } = setting()
  append(path, 1, 2)
  const service = await started({ folder, paths: [path], from: 'end' })
  await until(async () => (await fetch(`${service.url}/readyz`)).ok, 'ready')

  append(path, 3)

  await onlySeen(service, 1)
})

test('a file that appears later and matches a glob is read from its start', async () => {
  const { folder, logs } = setting()
  const service = await started({ folder, paths: [join(logs, '*.log')], from: 'end' })
  await until(async () => (await fetch(`${service.url}/readyz`)).ok, 'ready')

  append(join(logs, 'later.log'), 1, 2)
  append(join(logs, 'other.txt'), 3)

  await onlySeen(service, 2)
})

test('rotation by rename: the old file is read to its end, even what its writer adds after the rename, and the new one from its start', async () => {
  const { folder, path } = setting()
  append(path, 1)
  const service = await started({ folder, paths: [path] })
  await seen(service, 1)

  const writer = openSync(path, 'a')
  renameSync(path, `${path}.1`)
  writeSync(writer, `${mark(2)}\n`)
  append(path, 3)
  await seen(service, 3)
  writeSync(writer, `${mark(4)}\n`)
  closeSync(writer)

  await onlySeen(service, 4)
})

test('two rotations faster than any poll lose nothing', async () => {
  const { folder, path } = setting()
  append(path, 1)
  const service = await started({ folder, paths: [path] })
  await seen(service, 1)

  append(path, 2)
  renameSync(path, `${path}.1`)
  append(path, 3)
  renameSync(`${path}.1`, `${path}.2`)
  renameSync(path, `${path}.1`)
  append(path, 4)

  await onlySeen(service, 4)
})

test('a truncated file is read from its start', async () => {
  const { folder, path } = setting()
  append(path, 1, 2, 3)
  const service = await started({ folder, paths: [path] })
  await onlySeen(service, 3)

  truncateSync(path)
  append(path, 4)

  await onlySeen(service, 4)
})

test('a file that is overwritten with as many bytes is read from its start', async () => {
  const { folder, path } = setting()
  append(path, 1, 2)
  const service = await started({ folder, paths: [path] })
  await onlySeen(service, 2)
  const { size } = statSync(path)

  writeFileSync(path, `${mark(3)}\n${mark(4)}\n`)

  expect(statSync(path).size).toBe(size)
  await onlySeen(service, 4)
})

test('a file that is deleted and made anew is read from its start', async () => {
  const { folder, path } = setting()
  append(path, 1)
  const service = await started({ folder, paths: [path] })
  await onlySeen(service, 1)

  unlinkSync(path)
  append(path, 2, 3)

  await onlySeen(service, 3)
})

test('a last line without a line break is seen, and counted once when it is completed', async () => {
  const { folder, path } = setting()
  writeFileSync(path, mark(1))
  const service = await started({ folder, paths: [path] })
  await seen(service, 1)

  appendFileSync(path, ' at last\n')
  append(path, 2)

  await onlySeen(service, 2)
})

test('a line that comes in two halves, long apart, is one line', async () => {
  const { folder, path } = setting()
  append(path, 1)
  const service = await started({ folder, paths: [path] })
  await onlySeen(service, 1)
  const [first, second] = [mark(2).slice(0, 45), mark(2).slice(45)]

  appendFileSync(path, first)
  await until(
    async () =>
      JSON.stringify(await (await fetch(`${service.url}/api/v1/stats`)).json()).includes(
        `"lag_bytes":${first.length}`,
      ),
    'the half is there',
  )
  appendFileSync(path, `${second}\n`)

  await onlySeen(service, 2)
})

test('carriage returns, NUL bytes and characters cut between reads are no obstacle', async () => {
  const { folder, path } = setting()
  writeFileSync(path, '')
  const service = await started({ folder, paths: [path] })
  const bytes = Buffer.from(`größe ✓ ${mark(1)}\r\n\0\0\0${mark(2)}\r\n`)

  for (const byte of bytes) appendFileSync(path, Buffer.from([byte]))

  await onlySeen(service, 2)
})

test('a line of many megabytes is passed over in bounded memory, and what follows is read', async () => {
  const { folder, path } = setting()
  writeFileSync(path, `${mark(1)} `)
  for (let megabyte = 0; megabyte < 40; megabyte++) appendFileSync(path, 'x'.repeat(1_048_576))
  appendFileSync(path, ` failure mark number 99\n${mark(2)}\n`)

  const service = await started({ folder, paths: [path] })

  await onlySeen(service, 2)
  const [first] = service.changes().flatMap((change) => ('failure' in change ? [change.failure] : []))
  expect(first?.evidence.cut).toBe(true)
})

test('a path that cannot be read is a problem, and is read when it can be', async () => {
  const { folder, path } = setting()
  mkdirSync(path)
  const service = await started({ folder, paths: [path] })
  const problems = () => service.changes().flatMap((change) => (change.type === 'source_problem' ? [change] : []))
  await until(() => problems().length === 1, 'a problem')

  rmdirSync(path)
  append(path, 1)

  await onlySeen(service, 1)
  expect(problems().map(({ source, solved }) => ({ source, solved }))).toEqual([
    { source: `file:${path}`, solved: false },
    { source: `file:${path}`, solved: true },
  ])
  expect(problems()[0]?.message).toContain('is not a file')
})

test('positions survive a restart: nothing is read twice, and what came meanwhile is read', async () => {
  const { folder, path } = setting()
  append(path, 1, 2)
  const first = await started({ folder, paths: [path] })
  await onlySeen(first, 2)
  await first.stop()

  append(path, 3)
  const second = await started({ folder, paths: [path] })

  await onlySeen(second, 3)
})

test('a file that was rotated away while the service was down is read to its end, before its successor', async () => {
  const { folder, path } = setting()
  append(path, 1)
  const first = await started({ folder, paths: [path] })
  await onlySeen(first, 1)
  await first.stop()

  append(path, 2)
  renameSync(path, `${path}.2`)
  append(`${path}.1`, 3)
  append(path, 4)
  const second = await started({ folder, paths: [path] })

  await onlySeen(second, 4)
  const order = second
    .changes()
    .flatMap((change) => (change.type === 'failure_updated' ? [change.failure.count] : []))
  expect(order).toEqual(order.toSorted((a, b) => a - b))
})

test('a copy of a log beside it is not taken for a rotated one', async () => {
  const { folder, path } = setting()
  append(path, 1, 2)
  const first = await started({ folder, paths: [path] })
  await onlySeen(first, 2)
  await first.stop()

  writeFileSync(`${path}.bak`, `${mark(1)}\n${mark(2)}\n`)
  append(path, 3)
  const second = await started({ folder, paths: [path] })

  await onlySeen(second, 3)
  rmSync(`${path}.bak`)
})

test('a glob that matches rotated files too reads nothing twice, not even after a restart', async () => {
  const { folder, logs, path } = setting()
  append(path, 1, 2)
  const paths = [join(logs, '*.log*')]
  const first = await started({ folder, paths })
  await onlySeen(first, 2)

  renameSync(path, `${path}.1`)
  append(path, 3)
  await onlySeen(first, 3)
  await first.stop()
  renameSync(`${path}.1`, `${path}.2`)
  renameSync(path, `${path}.1`)
  append(path, 4)
  const second = await started({ folder, paths })

  await onlySeen(second, 4)
})

test('a file whose name holds glob characters is that file', async () => {
  const { folder, logs } = setting()
  const odd = join(logs, 'app[1] {a}.log')
  append(odd, 1)
  append(join(logs, 'app1 a.log'), 2)
  const service = await started({ folder, paths: [odd] })

  await onlySeen(service, 1)
})

test('a named pipe is a problem, and holds up nobody', async () => {
  const { folder, logs, path } = setting()
  execFileSync('mkfifo', [join(logs, 'pipe.log')])
  const service = await started({ folder, paths: [join(logs, 'pipe.log'), path] })

  append(path, 1)

  await seen(service, 1)
  const problem = service
    .changes()
    .find((change) => change.type === 'source_problem' && change.source.endsWith('pipe.log'))
  expect(problem).toMatchObject({ message: expect.stringContaining('is not a file') as string })
})

test('a file that got another name altogether while the service was down is read to its end', async () => {
  const { folder, logs, path } = setting()
  append(path, 1)
  const first = await started({ folder, paths: [path] })
  await onlySeen(first, 1)
  await first.stop()

  append(path, 2)
  renameSync(path, join(logs, 'yesterday'))
  append(path, 3)
  const second = await started({ folder, paths: [path] })

  await onlySeen(second, 3)
})

test('two names of one file are read once', async () => {
  const { folder, logs, path } = setting()
  append(path, 1)
  linkSync(path, join(logs, 'hard.log'))
  symlinkSync(path, join(logs, 'soft.log'))
  const service = await started({ folder, paths: [join(logs, '*.log')] })
  await onlySeen(service, 1)

  append(path, 2)

  await onlySeen(service, 2)
})

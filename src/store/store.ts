import { randomUUID } from 'node:crypto'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Change, Counters, FailureEvent } from '../changes.js'
import { severities } from '../catalog/schema.js'
import type { Incident } from '../correlate/incident.js'
import type { KeyState } from '../detect/detector.js'
import type { Failure } from '../detect/failure.js'
import type { Extra, KnownSource, Outcome, Restored, SourceState } from '../pipeline.js'
import { migrations } from './migrations.js'

/** A database that cannot be used, with what to do about it. It is left untouched. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}

export type StoredEvent = Readonly<{ seq: number; atMs: number; change: Change }>

export type Commit = Extra & { readonly outcome: Outcome }

export type Store = Readonly<{
  database: Database.Database
  streamId: string
  /** What the core needs to go on where the last commit left it. */
  restore(): Restored
  /** One transaction: what was found, the counters, and how far was read. */
  commit(commits: readonly Commit[], nowMs: number): StoredEvent[]
  /** Where every source was left, the latest first. */
  sources(): KnownSource[]
  /** Deletes what is older than `keepMs`: events, and failures and incidents that are over. */
  retain(nowMs: number, keepMs: number): void
  close(): void
}>

/** "FLTL": tells our databases from others. */
const applicationId = 0x464c544c
const sourceFile = 'faultline.db'

/**
 * Opens the database in a folder, which is made when it is missing.
 * @throws {StoreError} for a folder that cannot be written or is in use, and a database that is damaged, newer, or somebody else's
 */
export function openStore(folder: string): Store {
  makeWritable(folder)
  const path = join(folder, sourceFile)
  const lock = takeLock(folder)
  try {
    const database = openDatabase(path)
    return createStore(database, () => {
      database.close()
      lock.close()
    })
  } catch (error) {
    lock.close()
    throw error
  }
}

function makeWritable(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch (cause) {
    throw new StoreError(
      `data folder ${folder} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

/** A second instance on the same folder would count everything twice. The system frees the lock when its holder dies. */
function takeLock(folder: string): Database.Database {
  const lock = new Database(join(folder, 'lock'), { timeout: 0 })
  try {
    lock.pragma('journal_mode = DELETE')
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (cause) {
    lock.close()
    throw new StoreError(`data folder ${folder} is in use by another faultline`, { cause })
  }
}

function openDatabase(path: string): Database.Database {
  let database: Database.Database | undefined
  try {
    database = new Database(path)
    const version = Number(database.pragma('user_version', { simple: true }))
    const owner = Number(database.pragma('application_id', { simple: true }))
    const tables = database.prepare('SELECT count(*) AS tables FROM sqlite_master').get() as { tables: number }
    if (tables.tables > 0 && owner !== applicationId)
      throw new StoreError(`${path} is a database of another program; move it away, or set another data folder`)
    if (version > migrations.length)
      throw new StoreError(
        `${path} was written by a newer faultline (its schema is ${version}, this one knows ${migrations.length}); it is left as it is: run that version, or set another data folder`,
      )
    const check = database.pragma('quick_check(1)', { simple: true })
    if (check !== 'ok') throw new StoreError(damaged(path, String(check)))
    database.pragma('journal_mode = WAL')
    // A sequence number that a client has seen must outlive a power cut.
    database.pragma('synchronous = FULL')
    migrate(database, version)
    return database
  } catch (error) {
    database?.close()
    if (error instanceof Database.SqliteError) throw new StoreError(damaged(path, error.message), { cause: error })
    throw error
  }
}

const damaged = (path: string, what: string): string =>
  `${path} is damaged or no database (${what}); it is left as it is: restore it from a backup, or move it away to start anew`

function migrate(database: Database.Database, version: number): void {
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue
    database.transaction(() => {
      database.exec(step)
      database.pragma(`application_id = ${applicationId}`)
      database.pragma(`user_version = ${index + 1}`)
    })()
  }
  database.prepare("INSERT OR IGNORE INTO meta VALUES ('stream_id', ?)").run(randomUUID().slice(0, 8))
}

/** What changes about a failure with each match; the rest is written once. */
type Hot = Pick<Failure, 'lastArrivedMs' | 'reopened' | 'toldCount' | 'toldAtMs' | 'source'> & {
  resolvedAtMs: number | undefined
  after: readonly string[]
}

const hotOf = (failure: Failure): Hot => ({
  lastArrivedMs: failure.lastArrivedMs,
  reopened: failure.reopened,
  toldCount: failure.toldCount,
  toldAtMs: failure.toldAtMs,
  source: failure.source,
  resolvedAtMs: failure.state === 'resolved' ? failure.resolvedAtMs : undefined,
  after: failure.evidence.after,
})

export type FailureRow = {
  id: string
  opened_seq: number
  incident_id: string
  state: string
  count: number
  first_seen_ms: number
  last_seen_ms: number
  hot: string
  body: string
}

/** A failure as it stands in its row, with what was said of it when it was told. */
export function failureFromRow(row: FailureRow): Pick<FailureEvent, 'failure' | 'incidentId' | 'explanation'> {
  const { failure, explanation } = JSON.parse(row.body) as Pick<FailureEvent, 'failure' | 'explanation'>
  const { after, resolvedAtMs, ...hot } = JSON.parse(row.hot) as Hot
  const common = {
    ...failure,
    ...hot,
    evidence: { ...failure.evidence, after },
    count: row.count,
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: row.last_seen_ms,
  }
  const stated: Failure =
    row.state === 'resolved'
      ? { ...common, state: 'resolved', resolvedAtMs: resolvedAtMs ?? row.last_seen_ms }
      : { ...common, state: 'active' }
  return { failure: stated, incidentId: row.incident_id, explanation }
}

function createStore(database: Database.Database, close: () => void): Store {
  const { value: streamId } = database.prepare("SELECT value FROM meta WHERE name = 'stream_id'").get() as {
    value: string
  }
  const write = {
    event: database.prepare('INSERT INTO events (at_ms, body) VALUES (?, ?)'),
    source: database.prepare(
      `INSERT INTO sources VALUES (@id, @name, @position, @state, @mark, @nowMs) ON CONFLICT (id) DO UPDATE SET
       position = @position, state = @state, mark = coalesce(@mark, mark), updated_ms = @nowMs`,
    ),
    key: database.prepare('INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)'),
    forgetKey: database.prepare('DELETE FROM keys WHERE type = ? AND key = ?'),
    failure: database.prepare(
      `INSERT INTO failures VALUES (@id, @seq, @type, @category, @severity, @service, @component, @incidentId, @state, @count, @firstSeenMs, @lastSeenMs, @hot, @body)
       ON CONFLICT (id) DO UPDATE SET incident_id = @incidentId, severity = @severity, state = @state, count = @count,
       first_seen_ms = @firstSeenMs, last_seen_ms = @lastSeenMs, hot = @hot`,
    ),
    grown: database.prepare(
      'UPDATE failures SET state = @state, count = @count, first_seen_ms = @firstSeenMs, last_seen_ms = @lastSeenMs, hot = @hot WHERE id = @id',
    ),
    incident: database.prepare(
      `INSERT INTO incidents VALUES (@id, @seq, @state, @severity, @openedMs, @nowMs, @body)
       ON CONFLICT (id) DO UPDATE SET state = @state, severity = @severity, updated_ms = @nowMs, body = @body`,
    ),
    moved: database.prepare('UPDATE failures SET incident_id = @into WHERE incident_id = @id'),
    counter: database.prepare(
      'INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value',
    ),
    answer: database.prepare('INSERT OR REPLACE INTO answers VALUES (@key, @nowMs, @status, @body)'),
  }

  function writeFailure({ failure, incidentId, explanation }: FailureEvent, seq: number): void {
    write.failure.run({
      ...pickHot(failure),
      id: failure.id,
      seq,
      type: failure.type,
      category: failure.category,
      severity: severities.indexOf(failure.severity),
      service: failure.service,
      component: failure.component,
      incidentId,
      body: JSON.stringify({ failure, explanation }),
    })
  }

  const pickHot = (failure: Failure) => ({
    state: failure.state,
    count: failure.count,
    firstSeenMs: failure.firstSeenMs,
    lastSeenMs: failure.lastSeenMs,
    hot: JSON.stringify(hotOf(failure)),
  })

  function writeOutcome({ outcome, mark, answer }: Commit, nowMs: number): StoredEvent[] {
    const events = outcome.changes.map((change): StoredEvent => {
      const seq = Number(write.event.run(nowMs, JSON.stringify(change)).lastInsertRowid)
      if ('failure' in change) writeFailure(change, seq)
      return { seq, atMs: nowMs, change }
    })
    const seq = events[0]?.seq ?? 0
    for (const { type, key, sightings, failure } of outcome.keys) {
      write.key.run(type, key, JSON.stringify(sightings), failure?.id ?? null)
      if (failure) write.grown.run({ ...pickHot(failure), id: failure.id })
    }
    for (const { type, key } of outcome.forgottenKeys) write.forgetKey.run(type, key)
    for (const incident of outcome.incidents) {
      const { id, state, severity, openedAtMs: openedMs } = incident
      write.incident.run({
        id,
        seq,
        state,
        severity: severities.indexOf(severity),
        openedMs,
        nowMs,
        body: JSON.stringify(incident),
      })
      if (incident.state === 'merged') write.moved.run({ id, into: incident.into })
    }
    writeCounters(outcome.counters)
    if (outcome.source) {
      const { id, name, state } = outcome.source
      write.source.run({
        id,
        name,
        position: state.resume.position,
        state: JSON.stringify(state),
        mark: mark ?? null,
        nowMs,
      })
    }
    if (answer) write.answer.run({ ...answer, nowMs })
    return events
  }

  function writeCounters({ matches, ...totals }: Counters): void {
    for (const [name, value] of Object.entries(totals)) if (value > 0) write.counter.run(name, value)
    for (const [type, value] of Object.entries(matches)) if (value > 0) write.counter.run(`matches.${type}`, value)
  }

  const commit = database.transaction((commits: readonly Commit[], nowMs: number) =>
    commits.flatMap((each) => writeOutcome(each, nowMs)),
  )

  return {
    database,
    streamId,
    restore: () => restore(database),
    commit: (commits, nowMs) => commit.immediate(commits, nowMs),
    sources: () =>
      database
        .prepare('SELECT id, name, position, mark FROM sources ORDER BY updated_ms DESC')
        .all() as KnownSource[],
    retain(nowMs, keepMs) {
      const before = nowMs - keepMs
      database.transaction(() => {
        database.prepare('DELETE FROM events WHERE at_ms < ?').run(before)
        database
          .prepare(
            "DELETE FROM failures WHERE state = 'resolved' AND last_seen_ms < ? AND id NOT IN (SELECT failure_id FROM keys WHERE failure_id IS NOT NULL)",
          )
          .run(before)
        database.prepare("DELETE FROM incidents WHERE state <> 'open' AND updated_ms < ?").run(before)
        database.prepare('DELETE FROM notes WHERE incident_id NOT IN (SELECT id FROM incidents)').run()
        database.prepare('DELETE FROM sources WHERE updated_ms < ?').run(before)
        database.prepare('DELETE FROM answers WHERE at_ms < ?').run(nowMs - 3_600_000)
      })()
    },
    close,
  }
}

function restore(database: Database.Database): Restored {
  const sources = (
    database.prepare('SELECT id, name, state FROM sources').all() as { id: string; name: string; state: string }[]
  ).map(({ id, name, state }) => ({ id, name, state: JSON.parse(state) as SourceState }))
  const keyRows = database
    .prepare(
      'SELECT k.type AS key_type, k.key AS key, k.sightings AS sightings, f.* FROM keys k LEFT JOIN failures f ON f.id = k.failure_id',
    )
    .all() as ({ key_type: string; key: string; sightings: string } & Partial<FailureRow>)[]
  const keys = keyRows.map((row): KeyState => ({
    type: row.key_type,
    key: row.key,
    sightings: JSON.parse(row.sightings) as KeyState['sightings'],
    failure: row.id === undefined || row.id === null ? undefined : failureFromRow(row as FailureRow).failure,
  }))
  // Besides the open incidents, those whose failures may still come back.
  const incidentRows = database
    .prepare(
      `SELECT body FROM incidents WHERE state = 'open' OR (state = 'resolved' AND id IN
       (SELECT incident_id FROM failures WHERE id IN (SELECT failure_id FROM keys WHERE failure_id IS NOT NULL)))
       ORDER BY opened_ms`,
    )
    .all() as { body: string }[]
  const members = database.prepare('SELECT * FROM failures WHERE incident_id = ? ORDER BY opened_seq')
  const incidents = incidentRows.map(({ body }) => {
    const incident = JSON.parse(body) as Incident
    const failures = (members.all(incident.id) as FailureRow[]).map((row) => failureFromRow(row).failure)
    return { incident, failures }
  })
  return { sources, keys, incidents }
}

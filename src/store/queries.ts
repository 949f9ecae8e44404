import type Database from 'better-sqlite3'
import { severities, type Severity } from '../catalog/schema.js'
import type { Change, FailureEvent } from '../changes.js'
import type { Incident } from '../correlate/incident.js'
import { failureFromRow, type FailureRow, type StoredEvent } from './store.js'

export type FailureFilter = Readonly<{
  state: 'active' | 'resolved' | 'all'
  severity?: Severity | undefined
  type?: string | undefined
  category?: string | undefined
  service?: string | undefined
  sinceMs?: number | undefined
  untilMs?: number | undefined
  limit: number
  /** Rows opened before this sequence number. */
  before?: number | undefined
}>

export type Page<T> = Readonly<{ items: readonly T[]; next: number | undefined }>
export type KnownFailure = Pick<FailureEvent, 'failure' | 'incidentId' | 'explanation'>
export type Note = Readonly<{ atMs: number; author: string; text: string }>
export type Answer = Readonly<{ status: number; body: string }>

export type Queries = Readonly<{
  failures(filter: FailureFilter): Page<KnownFailure>
  failure(id: string): KnownFailure | undefined
  failuresOf(incidentId: string): KnownFailure[]
  incidents(filter: FailureFilter): Page<Incident>
  incident(id: string): Incident | undefined
  notes(incidentId: string): Note[]
  addNote(incidentId: string, note: Note): void
  /** Events after a sequence number, the oldest first. */
  events(after: number, limit: number): StoredEvent[]
  /** The newest sequence number given, kept or not, and the oldest that is kept. */
  range(): { newest: number; oldest: number }
  counters(): Record<string, number>
  activeFailures(): number
  totalFailures(): number
  /** What a push with this key was answered, if that was after `sinceMs`. */
  answer(key: string, sinceMs: number): Answer | undefined
}>

/** What clients may ask of the store. */
export function createQueries(database: Database.Database): Queries {
  const statements = {
    failure: database.prepare('SELECT * FROM failures WHERE id = ?'),
    ofIncident: database.prepare('SELECT * FROM failures WHERE incident_id = ? ORDER BY first_seen_ms LIMIT 1000'),
    incident: database.prepare('SELECT body FROM incidents WHERE id = ?'),
    notes: database.prepare('SELECT at_ms AS atMs, author, text FROM notes WHERE incident_id = ? ORDER BY id'),
    addNote: database.prepare('INSERT INTO notes (incident_id, at_ms, author, text) VALUES (?, ?, ?, ?)'),
    events: database.prepare('SELECT seq, at_ms AS atMs, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?'),
    oldest: database.prepare('SELECT min(seq) AS seq FROM events'),
    newest: database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'events'"),
    counters: database.prepare('SELECT name, value FROM counters'),
    active: database.prepare("SELECT count(*) AS active FROM failures WHERE state = 'active'"),
    total: database.prepare('SELECT count(*) AS total FROM failures'),
    answer: database.prepare('SELECT status, body FROM answers WHERE idempotency_key = ? AND at_ms >= ?'),
  }

  return {
    failures(filter) {
      const { conditions, values } = conditionsOf(filter, { opened: 'opened_seq', time: 'last_seen_ms' })
      const more: [string, unknown][] = [
        ['type = ?', filter.type],
        ['category = ?', filter.category],
        ['service = ?', filter.service],
      ]
      for (const [condition, value] of more)
        if (value !== undefined) {
          conditions.push(condition)
          values.push(value)
        }
      if (filter.state !== 'all') {
        conditions.push('state = ?')
        values.push(filter.state)
      }
      const rows = database
        .prepare(`SELECT * FROM failures WHERE ${conditions.join(' AND ')} ORDER BY opened_seq DESC LIMIT ?`)
        .all(...values, filter.limit + 1) as FailureRow[]
      return page(rows, filter.limit, failureFromRow, (row) => row.opened_seq)
    },
    failure(id) {
      const row = statements.failure.get(id) as FailureRow | undefined
      return row && failureFromRow(row)
    },
    failuresOf: (incidentId) => (statements.ofIncident.all(incidentId) as FailureRow[]).map(failureFromRow),
    incidents(filter) {
      const { conditions, values } = conditionsOf(filter, { opened: 'opened_seq', time: 'updated_ms' })
      const states = { active: "state = 'open'", resolved: "state = 'resolved'", all: "state <> 'merged'" }
      conditions.push(states[filter.state])
      const members: [string, unknown][] = [
        ['f.type = ?', filter.type],
        ['f.category = ?', filter.category],
        ['f.service = ?', filter.service],
      ]
      for (const [condition, value] of members)
        if (value !== undefined) {
          conditions.push(`EXISTS (SELECT 1 FROM failures f WHERE f.incident_id = incidents.id AND ${condition})`)
          values.push(value)
        }
      const rows = database
        .prepare(
          `SELECT opened_seq, body FROM incidents WHERE ${conditions.join(' AND ')} ORDER BY opened_seq DESC LIMIT ?`,
        )
        .all(...values, filter.limit + 1) as { opened_seq: number; body: string }[]
      return page(
        rows,
        filter.limit,
        ({ body }) => JSON.parse(body) as Incident,
        (row) => row.opened_seq,
      )
    },
    incident(id) {
      const row = statements.incident.get(id) as { body: string } | undefined
      return row && (JSON.parse(row.body) as Incident)
    },
    notes: (incidentId) => statements.notes.all(incidentId) as Note[],
    addNote: (incidentId, { atMs, author, text }) => {
      statements.addNote.run(incidentId, atMs, author, text)
    },
    events: (after, limit) =>
      (statements.events.all(after, limit) as { seq: number; atMs: number; body: string }[]).map(
        ({ seq, atMs, body }) => ({
          seq,
          atMs,
          change: JSON.parse(body) as Change,
        }),
      ),
    range() {
      const newest = (statements.newest.get() as { seq: number } | undefined)?.seq ?? 0
      const { seq } = statements.oldest.get() as { seq: number | null }
      return { newest, oldest: seq ?? newest + 1 }
    },
    counters: () =>
      Object.fromEntries(
        (statements.counters.all() as { name: string; value: number }[]).map(({ name, value }) => [name, value]),
      ),
    activeFailures: () => (statements.active.get() as { active: number }).active,
    totalFailures: () => (statements.total.get() as { total: number }).total,
    answer: (key, sinceMs) => statements.answer.get(key, sinceMs) as Answer | undefined,
  }
}

function conditionsOf(
  filter: FailureFilter,
  { opened, time }: { opened: string; time: string },
): { conditions: string[]; values: unknown[] } {
  const conditions = ['1 = 1']
  const values: unknown[] = []
  const known: [string, unknown][] = [
    ['severity >= ?', filter.severity && severities.indexOf(filter.severity)],
    [`${time} >= ?`, filter.sinceMs],
    [`${time} <= ?`, filter.untilMs],
    [`${opened} < ?`, filter.before],
  ]
  for (const [condition, value] of known)
    if (value !== undefined) {
      conditions.push(condition)
      values.push(value)
    }
  return { conditions, values }
}

function page<Row, T>(rows: readonly Row[], limit: number, map: (row: Row) => T, seq: (row: Row) => number): Page<T> {
  const last = rows[limit - 1]
  return { items: rows.slice(0, limit).map(map), next: rows.length > limit && last ? seq(last) : undefined }
}

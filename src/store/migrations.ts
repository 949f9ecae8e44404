/** The database's history. A step is never changed once released; a change is a new step at the end. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE sources (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, position INTEGER NOT NULL, state TEXT NOT NULL,
    mark TEXT, updated_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE keys (
    type TEXT NOT NULL, key TEXT NOT NULL, sightings TEXT NOT NULL, failure_id TEXT,
    PRIMARY KEY (type, key)
  ) WITHOUT ROWID;
  CREATE TABLE failures (
    id TEXT PRIMARY KEY, opened_seq INTEGER NOT NULL, type TEXT NOT NULL, category TEXT NOT NULL, severity INTEGER NOT NULL,
    service TEXT NOT NULL, component TEXT NOT NULL, incident_id TEXT NOT NULL, state TEXT NOT NULL, count INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL, hot TEXT NOT NULL, body TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX failures_by_opened ON failures (opened_seq);
  CREATE INDEX failures_by_incident ON failures (incident_id);
  CREATE INDEX failures_by_state ON failures (state, opened_seq);
  CREATE TABLE incidents (
    id TEXT PRIMARY KEY, opened_seq INTEGER NOT NULL, state TEXT NOT NULL, severity INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, body TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX incidents_by_opened ON incidents (opened_seq);
  CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id TEXT NOT NULL, at_ms INTEGER NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL);
  CREATE INDEX notes_by_incident ON notes (incident_id);
  CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, body TEXT NOT NULL);
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE answers (idempotency_key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
  `,
]

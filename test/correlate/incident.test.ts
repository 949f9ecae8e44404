import { beforeEach, describe, expect, test } from 'vitest'
import type { FailureType } from '../../src/catalog/compile.js'
import { Cascade } from '../../src/catalog/schema.js'
import { createCorrelator, type Correlator, type IncidentChange } from '../../src/correlate/correlator.js'
import { findCascade, findRootCause, type RootCause } from '../../src/correlate/incident.js'
import { explains, linkEvidence, type Declared } from '../../src/correlate/links.js'
import { createTopology } from '../../src/correlate/topology.js'
import type { FailureChange } from '../../src/detect/detector.js'
import type { Failure } from '../../src/detect/failure.js'

const startMs = Date.UTC(2026, 10, 21, 10)
const second = 1000
const minute = 60 * second

/** api → pool → db; worker → db; and mailer, which has nothing to do with them. */
const topology = createTopology({
  components: {
    api: { depends_on: ['pool'] },
    pool: { depends_on: ['db'] },
    worker: { depends_on: ['db'] },
    db: { depends_on: [] },
    redis: { depends_on: [] },
    mailer: { depends_on: [] },
  },
})

const typeOf = (type: string, causedBy: readonly string[] = []): [string, FailureType] => [
  type,
  {
    type,
    family: 'test',
    file: 'test.json',
    title: type.toLowerCase(),
    severity: 'high',
    category: 'platform',
    component: '$service',
    threshold: { count: 1, windowMs: 60 * minute, from: 'default', why: undefined },
    quietMs: 15 * minute,
    groupBy: ['service'],
    causedBy,
    suppresses: [],
    first: false,
    enabled: true,
    advice: { explanation: undefined, impact: undefined, recovery: undefined, escalationLevel: 1, mttrMs: undefined },
  },
]

const types = new Map([
  typeOf('DB_LOST'),
  typeOf('POOL_EMPTY', ['DB_LOST']),
  typeOf('API_TIMEOUT', ['POOL_EMPTY']),
  typeOf('WORKER_STUCK'),
  typeOf('REDIS_LOST'),
  typeOf('MAIL_BOUNCED'),
])
const declared: Declared = { types, topology }

type Given = Readonly<{
  type: string
  component: string
  afterMs?: number
  keys?: Readonly<Record<string, string>>
  severity?: Failure['severity']
  id?: string
}>

function failureOf({ type, component, afterMs = 0, keys = {}, severity = 'high', id }: Given): Failure {
  const atMs = startMs + afterMs
  return {
    id: id ?? `f_${type}_${component}`,
    type,
    key: component,
    title: types.get(type)?.title ?? type,
    message: '',
    severity,
    category: 'platform',
    component,
    service: component,
    keys,
    captures: {},
    confidence: 0.9,
    threshold: { count: 1, windowMs: 60 * minute, from: 'default', why: undefined },
    quietMs: 15 * minute,
    patternId: 'test.one',
    source: 'file:/app.log',
    evidence: { text: '', before: [], after: [], cut: false, source: 'file:/app.log', position: 0 },
    firstSeenMs: atMs,
    lastSeenMs: atMs,
    lastArrivedMs: atMs,
    count: 1,
    reopened: false,
    toldCount: 1,
    toldAtMs: atMs,
    state: 'active',
  }
}

const db = (afterMs = 0): Failure => failureOf({ type: 'DB_LOST', component: 'db', afterMs })
const pool = (afterMs = 0): Failure => failureOf({ type: 'POOL_EMPTY', component: 'pool', afterMs })
const api = (afterMs = 0): Failure => failureOf({ type: 'API_TIMEOUT', component: 'api', afterMs })
const worker = (afterMs = 0): Failure => failureOf({ type: 'WORKER_STUCK', component: 'worker', afterMs })
const redis = (afterMs = 0): Failure => failureOf({ type: 'REDIS_LOST', component: 'redis', afterMs })
const mailer = (afterMs = 0): Failure => failureOf({ type: 'MAIL_BOUNCED', component: 'mailer', afterMs })

const oldestFirst = (...failures: readonly Failure[]): Failure[] =>
  failures.toSorted((a, b) => a.firstSeenMs - b.firstSeenMs)
const rootOf = (...failures: readonly Failure[]): RootCause => findRootCause(oldestFirst(...failures), declared)

describe('the root cause', () => {
  test('of a chain is the one upstream of the others, with its evidence', () => {
    const root = rootOf(db(), pool(2 * second), api(4 * second))

    expect(root).toMatchObject({ kind: 'found', failureId: 'f_DB_LOST_db', type: 'DB_LOST' })
    expect(root).toMatchObject({
      evidence: expect.arrayContaining([
        'DB_LOST is a declared cause of POOL_EMPTY',
        'DB_LOST is a declared cause of API_TIMEOUT',
        'pool depends on db',
        'began 2.0 s before POOL_EMPTY',
      ]) as string[],
    })
  })

  test('of a chain is the same in whatever order its members are given', () => {
    const chain = [db(), pool(2 * second), api(4 * second)]

    const roots = [chain, chain.toReversed(), [chain[1], chain[2], chain[0]].flatMap((each) => each ?? [])].map(
      (members) => findRootCause(members, declared),
    )

    expect(roots.map((root) => (root.kind === 'found' ? root.failureId : undefined))).toEqual([
      'f_DB_LOST_db',
      'f_DB_LOST_db',
      'f_DB_LOST_db',
    ])
  })

  test('may seem to come later than its effects by the skew of two clocks', () => {
    const root = rootOf(pool(), api(second), db(5 * second))

    expect(root).toMatchObject({ kind: 'found', failureId: 'f_DB_LOST_db' })
  })

  test('cannot come later than that', () => {
    const root = rootOf(pool(), api(second), db(6 * second + 1))

    expect(root).toMatchObject({ kind: 'found', failureId: 'f_POOL_EMPTY_pool' })
  })

  test('of a lone failure is itself, as sure as the failure is', () => {
    const root = rootOf(api())

    expect(root).toEqual({
      kind: 'found',
      failureId: 'f_API_TIMEOUT_api',
      type: 'API_TIMEOUT',
      confidence: 0.9,
      evidence: ['it is the only failure'],
    })
  })

  test('is surer the further it is ahead of the next candidate', () => {
    const clear = rootOf(db(), worker(60 * second))
    const close = rootOf(db(), pool(2 * second), api(4 * second))

    expect(clear).toMatchObject({ kind: 'found', failureId: 'f_DB_LOST_db', confidence: 0.99 })
    expect(close.kind === 'found' && close.confidence).toBeLessThan(0.99)
    expect(close.kind === 'found' && close.confidence).toBeGreaterThan(0.5)
  })

  test('of two that explain a third equally well is inconclusive, and both are listed', () => {
    const first = failureOf({ type: 'POOL_EMPTY', component: 'pool', id: 'f_a' })
    const second_ = failureOf({ type: 'POOL_EMPTY', component: 'pool', id: 'f_b' })

    const root = rootOf(first, second_, api(4 * second))

    expect(root).toEqual({
      kind: 'inconclusive',
      candidates: [
        { failureId: 'f_a', type: 'POOL_EMPTY' },
        { failureId: 'f_b', type: 'POOL_EMPTY' },
      ],
    })
  })

  test('of failures that nothing connects is inconclusive, and all are listed', () => {
    const root = rootOf(redis(), mailer(second))

    expect(root).toMatchObject({
      kind: 'inconclusive',
      candidates: [{ type: 'REDIS_LOST' }, { type: 'MAIL_BOUNCED' }],
    })
  })

  test('explains nothing in a component that does not depend on it', () => {
    expect(explains(mailer(), api(second), declared)).toEqual([])
    expect(explains(api(), db(second), declared)).toEqual([])
  })
})

const texts = (a: Failure, b: Failure): string[] => linkEvidence(a, b, declared).map(({ text }) => text)

describe('two failures belong together', () => {
  test('when one depends on the other and they began close in time', () => {
    const evidence = texts(db(), worker(3 * second))

    expect(evidence).toEqual(['worker depends on db', 'began 3.0 s apart'])
  })

  test('when one depends on the other through a third', () => {
    const evidence = texts(
      failureOf({ type: 'WORKER_STUCK', component: 'api' }),
      failureOf({ type: 'REDIS_LOST', component: 'db' }),
    )

    expect(evidence).toEqual(['api depends on db through others', 'began 0.0 s apart'])
  })

  test('when one is a declared cause of the other, the strongest evidence first', () => {
    const evidence = texts(db(), pool(30 * second))

    expect(evidence).toEqual(['DB_LOST is a declared cause of POOL_EMPTY', 'pool depends on db', 'began 30 s apart'])
  })

  test('whichever is named first', () => {
    expect(texts(pool(30 * second), db())).toEqual(texts(db(), pool(30 * second)))
  })

  test('when they share a key and began close in time', () => {
    const keys = { workspace_id: 'ws_1' }
    const evidence = texts(
      failureOf({ type: 'REDIS_LOST', component: 'redis', keys }),
      failureOf({ type: 'MAIL_BOUNCED', component: 'mailer', keys }),
    )

    expect(evidence).toEqual(['both have workspace_id=ws_1', 'began 0.0 s apart'])
  })

  test('when two reasons tell of it, however far apart they began', () => {
    expect(texts(db(), pool(10 * minute))).toEqual([
      'DB_LOST is a declared cause of POOL_EMPTY',
      'pool depends on db',
    ])
  })

  test('but not by closeness alone', () => {
    expect(texts(redis(), mailer())).toEqual([])
  })

  test('nor by a key of another value', () => {
    expect(
      texts({ ...redis(), keys: { workspace_id: 'ws_1' } }, { ...mailer(), keys: { workspace_id: 'ws_2' } }),
    ).toEqual([])
  })

  test('nor by a dependency alone, when they began far apart', () => {
    expect(texts(db(), worker(4 * minute))).toEqual([])
  })
})

const cascadeIn = (cascade: Cascade, ...members: readonly Failure[]): string | undefined =>
  findCascade([cascade], oldestFirst(...members), { rootCause: rootOf(...members), declared })?.type

const onHost = (failure: Failure, host: string): Failure => ({ ...failure, keys: { host } })

describe('a cascade of all', () => {
  const bothLost = Cascade.parse({
    type: 'ALL_LOST',
    title: 'All lost',
    all: ['DB_LOST', 'REDIS_LOST'],
    within: '2m',
  })
  test.each([
    ['two minutes', 2 * minute, 'ALL_LOST'],
    ['three minutes', 3 * minute, undefined],
    ['a millisecond more than two minutes', 2 * minute + 1, undefined],
  ])('is found in failures %s apart: %s', (_, apartMs, expected) => {
    expect(cascadeIn(bothLost, db(), redis(apartMs))).toBe(expected)
    expect(cascadeIn(bothLost, redis(), db(apartMs))).toBe(expected)
  })

  test('needs all of its types', () => {
    expect(cascadeIn(bothLost, db(), pool())).toBeUndefined()
  })

  test('of the same host is not found on two', () => {
    const sameHost = Cascade.parse({ ...bothLost, same: ['host'] })

    expect(cascadeIn(sameHost, onHost(db(), 'a'), onHost(redis(), 'a'))).toBe('ALL_LOST')
    expect(cascadeIn(sameHost, onHost(db(), 'a'), onHost(redis(), 'b'))).toBeUndefined()
    expect(cascadeIn(sameHost, db(), redis())).toBeUndefined()
  })
})

const rooted = (root: string): Cascade => Cascade.parse({ type: 'FALLING', title: 'Falling', root, within: '5m' })

describe('a cascade from a root', () => {
  test('needs two types that the root explains', () => {
    expect(cascadeIn(rooted('*'), db(), pool(2 * second), api(4 * second))).toBe('FALLING')
    expect(cascadeIn(rooted('*'), db(), pool(2 * second))).toBeUndefined()
  })

  test('counts a type once, however many components show it', () => {
    const other = failureOf({ type: 'WORKER_STUCK', component: 'api', afterMs: 3 * second })

    expect(cascadeIn(rooted('*'), db(), worker(2 * second), other)).toBeUndefined()
  })

  test('needs the root it names', () => {
    expect(cascadeIn(rooted('DB_LOST'), db(), pool(2 * second), api(4 * second))).toBe('FALLING')
    expect(cascadeIn(rooted('REDIS_LOST'), db(), pool(2 * second), api(4 * second))).toBeUndefined()
  })

  test('does not count what began later than its time', () => {
    expect(cascadeIn(rooted('*'), db(), pool(2 * second), api(5 * minute + second))).toBeUndefined()
  })

  test('does not count what the root does not explain', () => {
    expect(cascadeIn(rooted('*'), db(), pool(2 * second), mailer(4 * second))).toBeUndefined()
  })

  test('is not there when the root is not known', () => {
    const rootCause: RootCause = { kind: 'inconclusive', candidates: [] }

    expect(findCascade([rooted('*')], [db(), pool(second), api(second)], { rootCause, declared })).toBeUndefined()
  })
})

const kinds = ({ changes }: { changes: readonly IncidentChange[] }): string[] =>
  changes.map(({ kind, incident }) => `${kind} ${incident.state}`)

describe('the correlator', () => {
  let correlator: Correlator
  beforeEach(() => {
    correlator = createCorrelator({ declared, cascades: [], restored: [] })
  })

  const detected = (failure: Failure) => correlator.apply({ kind: 'detected', failure })
  const resolved = (failure: Failure, afterMs: number) =>
    correlator.apply({
      kind: 'resolved',
      failure: { ...failure, state: 'resolved', resolvedAtMs: startMs + afterMs },
    })
  test('a failure alone is an incident of one, its own root', () => {
    const { incidentId, changes } = detected(db())

    expect(changes).toMatchObject([
      {
        kind: 'opened',
        incident: {
          id: incidentId,
          state: 'open',
          title: 'db_lost',
          rootCause: { kind: 'found', failureId: 'f_DB_LOST_db' },
          symptoms: [],
          memberCount: 1,
          components: ['db'],
          openedAtMs: startMs,
        },
      },
    ])
  })

  test('failures that belong together join one incident, with the root among them', () => {
    const first = detected(api())
    const second_ = detected(pool(-2 * second))
    const third = detected(db(-4 * second))

    const [change] = third.changes
    expect([second_.incidentId, third.incidentId]).toEqual([first.incidentId, first.incidentId])
    expect([first, second_, third].map(kinds)).toEqual([['opened open'], ['updated open'], ['updated open']])
    expect(change?.incident).toMatchObject({
      rootCause: { kind: 'found', failureId: 'f_DB_LOST_db' },
      symptoms: ['f_API_TIMEOUT_api', 'f_POOL_EMPTY_pool'],
      memberCount: 3,
      title: 'db_lost, with 2 more failures',
    })
  })

  test('a failure that has nothing to do with it opens its own', () => {
    const first = detected(db())

    const other = detected(mailer(second))

    expect(other.incidentId).not.toBe(first.incidentId)
    expect(kinds(other)).toEqual(['opened open'])
  })

  test('a failure that belongs to two merges them: the older id stays and lists the other', () => {
    const younger = detected(worker(-second))
    const older = detected(api(-3 * second))
    expect(older.incidentId).not.toBe(younger.incidentId)

    const bridge = detected(db(0))

    expect(bridge.incidentId).toBe(older.incidentId)
    expect(bridge.changes).toMatchObject([
      { kind: 'updated', incident: { id: younger.incidentId, state: 'merged', into: older.incidentId } },
      {
        kind: 'updated',
        incident: { id: older.incidentId, state: 'open', merged: [younger.incidentId], memberCount: 3 },
      },
    ])
  })

  test('what belonged to the merged one counts for the one that stays', () => {
    const younger = worker(-second)
    detected(younger)
    const { incidentId } = detected(api(-3 * second))
    detected(db())

    const after = [resolved(younger, minute), resolved(api(-3 * second), minute), resolved(db(), minute)]

    expect(after.map((each) => each.incidentId)).toEqual([incidentId, incidentId, incidentId])
    expect(after.map(kinds)).toEqual([[], [], ['resolved resolved']])
  })

  test('also the failures that are neither the oldest nor the newest of their type', () => {
    const workers = [0, 1, 2].map((at) => ({ ...worker((at - 3) * second), id: `f_worker_${at}` }))
    detected(api(-20 * second))
    for (const failure of workers) detected(failure)
    const { incidentId } = detected(db())
    const [oldest, middle, newest] = workers
    if (!oldest || !middle || !newest) throw new Error('three workers are needed')

    const others = [api(-20 * second), oldest, newest, db()].map((failure) => kinds(resolved(failure, minute)))
    const last = resolved(middle, minute)

    expect(others).toEqual([[], [], [], []])
    expect(last.incidentId).toBe(incidentId)
    expect(kinds(last)).toEqual(['resolved resolved'])
  })

  test('an incident is resolved when the last of its failures is', () => {
    detected(db())
    detected(pool(2 * second))

    const first = resolved(pool(2 * second), 10 * minute)
    const last = resolved(db(), 15 * minute)

    expect(kinds(first)).toEqual([])
    expect(last.changes).toMatchObject([
      { kind: 'resolved', incident: { state: 'resolved', resolvedAtMs: startMs + 15 * minute, memberCount: 2 } },
    ])
  })

  test('a failure that comes back reopens its incident', () => {
    const { incidentId } = detected(db())
    resolved(db(), 15 * minute)

    const again = detected({ ...db(), lastSeenMs: startMs + 20 * minute, reopened: true })

    expect(again.incidentId).toBe(incidentId)
    expect(again.changes).toMatchObject([
      { kind: 'opened', incident: { id: incidentId, state: 'open', reopened: true, memberCount: 1 } },
    ])
  })

  test('a new failure does not join an incident that is over', () => {
    const { incidentId } = detected(db())
    resolved(db(), minute)

    const next = detected(pool(2 * second))

    expect(next.incidentId).not.toBe(incidentId)
    expect(kinds(next)).toEqual(['opened open'])
  })

  test('unlinked failures that make up a known shape are one incident of that shape', () => {
    correlator.setDeclared(declared, [
      Cascade.parse({ type: 'ALL_LOST', title: 'All lost', all: ['DB_LOST', 'REDIS_LOST'], within: '2m' }),
    ])
    const { incidentId } = detected({ ...db(), severity: 'medium' })

    const { changes } = detected({ ...redis(minute), severity: 'low' })

    expect(changes).toMatchObject([
      { kind: 'updated', incident: { id: incidentId, cascade: 'ALL_LOST', title: 'All lost', severity: 'critical' } },
    ])
  })

  test('an incident is as grave as the gravest of its failures', () => {
    detected({ ...db(), severity: 'medium' })

    const { changes } = detected({ ...pool(second), severity: 'critical' })

    expect(changes[0]?.incident.severity).toBe('critical')
  })

  test('growth of a failure changes nothing about its incident', () => {
    const { incidentId } = detected(db())

    const grown = correlator.apply({ kind: 'updated', failure: { ...db(), count: 2 } })

    expect(grown).toEqual({ incidentId, changes: [] })
  })

  test('an acknowledgement is kept, the first one', () => {
    const { incidentId } = detected(db())

    const [first] = correlator.acknowledge(incidentId, startMs + minute)
    const [again] = correlator.acknowledge(incidentId, startMs + 2 * minute)
    const { changes } = detected(pool(second))

    expect(first?.incident.acknowledgedAtMs).toBe(startMs + minute)
    expect(again?.incident.acknowledgedAtMs).toBe(startMs + minute)
    expect(changes[0]?.incident.acknowledgedAtMs).toBe(startMs + minute)
    expect(correlator.acknowledge('i_unknown', startMs)).toEqual([])
  })

  test('the timeline tells in order what began, was resolved and came back', () => {
    detected(db())
    detected(pool(2 * second))
    resolved(pool(2 * second), minute)
    resolved(db(), 2 * minute)

    const { changes } = detected({ ...db(), lastSeenMs: startMs + 3 * minute, reopened: true })

    expect(changes[0]?.incident.timeline.map(({ atMs, text }) => [(atMs - startMs) / second, text])).toEqual([
      [0, 'db_lost began (db)'],
      [2, 'pool_empty began (pool)'],
      [60, 'pool_empty resolved (pool)'],
      [120, 'db_lost resolved (db)'],
      [180, 'db_lost came back (db)'],
    ])
  })

  test('what changed is to be written once: the newest version of each incident', () => {
    detected(db())
    const { incidentId } = detected(pool(second))

    const dirty = correlator.takeDirty()

    expect(dirty).toMatchObject([{ id: incidentId, memberCount: 2 }])
    expect(correlator.takeDirty()).toEqual([])
  })

  test('a correlator restored from what was written goes on where the other stopped', () => {
    const failures = [db(), pool(2 * second)]
    for (const failure of failures) detected(failure)
    const [incident] = correlator.takeDirty()
    if (!incident) throw new Error('nothing was written')

    const restored = createCorrelator({ declared, cascades: [], restored: [{ incident, failures }] })
    const change: FailureChange = { kind: 'detected', failure: api(4 * second) }

    expect(restored.apply(change)).toEqual(correlator.apply(change))
  })

  test('a storm is told one by one up to sixteen, and then at each doubling', () => {
    const members = Array.from({ length: 40 }, (_, index) =>
      failureOf({ type: 'WORKER_STUCK', component: 'worker', id: `f_${index}`, afterMs: index }),
    )

    const told = members.flatMap((failure, index) => (detected(failure).changes.length > 0 ? [index + 1] : []))

    expect(told).toEqual([...Array.from({ length: 16 }, (_, index) => index + 1), 32])
  })
})

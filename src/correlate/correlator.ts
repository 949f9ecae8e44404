import type { Cascade } from '../catalog/schema.js'
import { digest, type FailureChange } from '../detect/detector.js'
import type { Failure } from '../detect/failure.js'
import { completesCascade, findCascade, findRootCause, worst, type Incident, type Moment } from './incident.js'
import { linkEvidence, type Declared } from './links.js'

export type IncidentChange = Readonly<{ kind: 'opened' | 'updated' | 'resolved'; incident: Incident }>

export type Correlator = Readonly<{
  /** Puts a failure where it belongs. The failure's incident, and what that changed about incidents. */
  apply(change: FailureChange): { incidentId: string; changes: IncidentChange[] }
  acknowledge(incidentId: string, atMs: number): IncidentChange[]
  takeDirty(): Incident[]
  setDeclared(declared: Declared, cascades: readonly Cascade[]): void
}>

export type RestoredIncident = Readonly<{ incident: Incident; failures: readonly Failure[] }>

type Working = {
  incident: Incident
  /** The oldest failure of each type and component: what root causes and cascades are looked for among. */
  leaders: Map<string, Failure>
  /** The newest of each: what a new failure began close to. */
  latest: Map<string, Failure>
  activeIds: Set<string>
  memberIds: string[]
  timeline: Moment[]
}

const symptomsMax = 100
/** The root is looked for among this many, the first ones: what joins a larger incident later is a symptom. */
const leadersMax = 64
const timelineMax = 200
const toldOneByOne = 16
/** Resolved incidents are kept this long in mind for failures that come back. */
const resolvedMax = 1000

/** Every member is told of while they are few; of a storm's thousands, what changes the picture, and each doubling. */
function isWorthTelling(before: Incident, after: Incident): boolean {
  const same = before.severity === after.severity && before.title === after.title && before.cascade === after.cascade
  return !same || after.memberCount <= toldOneByOne || Number.isInteger(Math.log2(after.memberCount))
}

/** Failures become incidents. */
export function createCorrelator(
  initial: Readonly<{ declared: Declared; cascades: readonly Cascade[]; restored: readonly RestoredIncident[] }>,
): Correlator {
  let { declared, cascades } = initial
  const incidents = new Map<string, Working>()
  const incidentOf = new Map<string, string>()
  const dirty = new Map<string, Incident>()

  for (const { incident, failures } of initial.restored) {
    const working: Working = {
      incident,
      leaders: new Map(),
      latest: new Map(),
      activeIds: new Set(),
      memberIds: [],
      timeline: [...incident.timeline],
    }
    for (const failure of failures.toSorted((a, b) => a.firstSeenMs - b.firstSeenMs)) join(working, failure)
    incidents.set(incident.id, working)
  }

  function join(working: Working, failure: Failure): void {
    const leader = `${failure.type}\u0000${failure.component}`
    const known = working.leaders.get(leader)
    const hasRoom = known !== undefined || working.leaders.size < leadersMax
    if (hasRoom && (!known || known.id === failure.id || failure.firstSeenMs < known.firstSeenMs))
      working.leaders.set(leader, failure)
    if (hasRoom && failure.firstSeenMs >= (working.latest.get(leader)?.firstSeenMs ?? -Infinity))
      working.latest.set(leader, failure)
    if (!incidentOf.has(failure.id)) working.memberIds.push(failure.id)
    incidentOf.set(failure.id, working.incident.id)
    if (failure.state === 'active') working.activeIds.add(failure.id)
    else working.activeIds.delete(failure.id)
  }

  const leadersOf = ({ leaders }: Working): Failure[] =>
    [...leaders.values()].toSorted((a, b) => a.firstSeenMs - b.firstSeenMs || (a.id < b.id ? -1 : 1))

  function note(working: Working, failure: Failure, { atMs, what }: { atMs: number; what: string }): void {
    if (working.timeline.length < timelineMax)
      working.timeline.push({ atMs, failureId: failure.id, text: `${failure.title} ${what} (${failure.service})` })
  }

  /** The incident as its members now say it is. */
  function settle(working: Working, state: Incident['state'], atMs: number): Incident {
    const members = leadersOf(working)
    const rootCause = findRootCause(members, declared)
    const cascade = findCascade(cascades, members, { rootCause, declared })
    const root = rootCause.kind === 'found' ? members.find(({ id }) => id === rootCause.failureId) : undefined
    const others = members.length - 1
    const titled = root ?? members[0]
    const title =
      cascade?.title ??
      `${titled?.title ?? 'Failure'}${others > 0 ? `, with ${others} more ${others === 1 ? 'failure' : 'failures'}` : ''}`
    const { incident } = working
    const common = {
      id: incident.id,
      merged: incident.merged,
      openedAtMs: incident.openedAtMs,
      acknowledgedAtMs: incident.acknowledgedAtMs,
      reopened: incident.reopened,
      title,
      severity: worst([...members.map(({ severity }) => severity), ...(cascade ? [cascade.severity] : [])]),
      rootCause,
      symptoms: working.memberIds
        .slice(0, symptomsMax + 1)
        .filter((id) => id !== root?.id)
        .slice(0, symptomsMax),
      memberCount: working.memberIds.length,
      components: [...new Set(members.map(({ component }) => component))],
      services: [...new Set(members.map(({ service }) => service))],
      timeline: [...working.timeline],
      cascade: cascade?.type ?? null,
    }
    working.incident = state === 'resolved' ? { ...common, state, resolvedAtMs: atMs } : { ...common, state: 'open' }
    dirty.set(incident.id, working.incident)
    return working.incident
  }

  /** The open incidents that a failure belongs to: linked by evidence, or together with it a known shape. */
  function homesOf(failure: Failure): Working[] {
    return [...incidents.values()].filter((working) => {
      if (working.incident.state !== 'open') return false
      const isLinked = (member: Failure): boolean => linkEvidence(member, failure, declared).length > 0
      return (
        [...working.leaders.values(), ...working.latest.values()].some(isLinked) ||
        cascades.some(
          (cascade) =>
            cascade.all?.includes(failure.type) && completesCascade(cascade, [...leadersOf(working), failure]),
        )
      )
    })
  }

  function merge(homes: readonly Working[]): { home: Working; changes: IncidentChange[] } | undefined {
    const [home, ...others] = homes.toSorted(
      (a, b) => a.incident.openedAtMs - b.incident.openedAtMs || (a.incident.id < b.incident.id ? -1 : 1),
    )
    if (!home) return undefined
    const changes: IncidentChange[] = []
    for (const other of others) {
      for (const id of other.memberIds) {
        incidentOf.set(id, home.incident.id)
        home.memberIds.push(id)
      }
      for (const member of [...other.leaders.values(), ...other.latest.values()]) join(home, member)
      for (const id of other.activeIds) home.activeIds.add(id)
      home.timeline = [...home.timeline, ...other.timeline].toSorted((a, b) => a.atMs - b.atMs).slice(0, timelineMax)
      home.incident = {
        ...home.incident,
        merged: [...home.incident.merged, other.incident.id, ...other.incident.merged],
      }
      const merged = { ...other.incident, state: 'merged' as const, into: home.incident.id }
      dirty.set(merged.id, merged)
      incidents.delete(merged.id)
      changes.push({ kind: 'updated', incident: merged })
    }
    return { home, changes }
  }

  function detected(failure: Failure): { incidentId: string; changes: IncidentChange[] } {
    const known = incidents.get(incidentOf.get(failure.id) ?? '')
    if (known) return returned(known, failure)
    const found = merge(homesOf(failure))
    if (!found) return begun(failure)
    const { home, changes } = found
    const before = home.incident
    join(home, failure)
    note(home, failure, { atMs: failure.firstSeenMs, what: 'began' })
    const incident = settle(home, 'open', failure.lastSeenMs)
    if (changes.length === 0 && !isWorthTelling(before, incident)) return { incidentId: incident.id, changes: [] }
    return { incidentId: incident.id, changes: [...changes, { kind: 'updated', incident }] }
  }

  function begun(failure: Failure): { incidentId: string; changes: IncidentChange[] } {
    const id = `i_${digest(failure.id)}`
    const incident: Incident = {
      id, title: failure.title, severity: failure.severity, state: 'open', rootCause: { kind: 'inconclusive', candidates: [] },
      symptoms: [], memberCount: 0, components: [], services: [], timeline: [], cascade: null, merged: [],
      reopened: failure.reopened, openedAtMs: failure.firstSeenMs, acknowledgedAtMs: undefined,
    } // prettier-ignore
    const working: Working = {
      incident,
      leaders: new Map(),
      latest: new Map(),
      activeIds: new Set(),
      memberIds: [],
      timeline: [],
    }
    incidents.set(id, working)
    join(working, failure)
    note(working, failure, { atMs: failure.firstSeenMs, what: 'began' })
    return { incidentId: id, changes: [{ kind: 'opened', incident: settle(working, 'open', failure.lastSeenMs) }] }
  }

  function returned(working: Working, failure: Failure): { incidentId: string; changes: IncidentChange[] } {
    const wasOpen = working.incident.state === 'open'
    join(working, failure)
    note(working, failure, { atMs: failure.lastSeenMs, what: 'came back' })
    if (!wasOpen) working.incident = { ...working.incident, reopened: true }
    const incident = settle(working, 'open', failure.lastSeenMs)
    return { incidentId: incident.id, changes: [{ kind: wasOpen ? 'updated' : 'opened', incident }] }
  }

  function resolved(failure: Failure, atMs: number): { incidentId: string; changes: IncidentChange[] } {
    const working = incidents.get(incidentOf.get(failure.id) ?? '')
    if (!working) return { incidentId: incidentOf.get(failure.id) ?? `i_${digest(failure.id)}`, changes: [] }
    join(working, failure)
    note(working, failure, { atMs, what: 'resolved' })
    const over = working.activeIds.size === 0
    const incident = settle(working, over ? 'resolved' : 'open', atMs)
    if (over) forgetOldest()
    return { incidentId: incident.id, changes: over ? [{ kind: 'resolved', incident }] : [] }
  }

  function forgetOldest(): void {
    const over = [...incidents.values()].filter(({ incident }) => incident.state === 'resolved')
    for (const { incident, memberIds } of over.slice(0, Math.max(0, over.length - resolvedMax))) {
      incidents.delete(incident.id)
      for (const id of memberIds) incidentOf.delete(id)
    }
  }

  return {
    apply({ kind, failure }) {
      if (kind === 'detected') return detected(failure)
      if (kind === 'resolved' && failure.state === 'resolved') return resolved(failure, failure.resolvedAtMs)
      const working = incidents.get(incidentOf.get(failure.id) ?? '')
      if (!working) return begun(failure)
      join(working, failure)
      return { incidentId: working.incident.id, changes: [] }
    },
    acknowledge(incidentId, atMs) {
      const working = incidents.get(incidentId)
      if (!working) return []
      working.incident = { ...working.incident, acknowledgedAtMs: working.incident.acknowledgedAtMs ?? atMs }
      dirty.set(incidentId, working.incident)
      return [{ kind: 'updated', incident: working.incident }]
    },
    takeDirty() {
      const taken = [...dirty.values()]
      dirty.clear()
      return taken
    },
    setDeclared(nextDeclared, nextCascades) {
      declared = nextDeclared
      cascades = nextCascades
    },
  }
}

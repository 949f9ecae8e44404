import picomatch from 'picomatch'
import type { TopologyFile } from '../catalog/schema.js'

/** Which component a service is, and which components depend on which. */
export type Topology = Readonly<{
  /** A service that no entry names is a component of its own. */
  componentOf(service: string): string
  /** How many steps `from` depends on `on`: 1 directly, 0 not at all. */
  distance(dependency: { from: string; on: string }): number
}>

export function createTopology({ components }: TopologyFile): Topology {
  const entries = Object.entries(components).map(([name, { services }]) => ({
    name,
    matches: picomatch(services ?? [name], { dot: true }),
  }))
  const distances = new Map(Object.keys(components).map((name) => [name, distancesFrom(name, components)] as const))
  const known = new Map<string, string>()
  return {
    componentOf(service) {
      let component = known.get(service)
      if (component === undefined) {
        component = entries.find(({ name, matches }) => name === service || matches(service))?.name ?? service
        if (known.size < 10_000) known.set(service, component)
      }
      return component
    },
    distance: ({ from, on }) => distances.get(from)?.get(on) ?? 0,
  }
}

function distancesFrom(name: string, components: TopologyFile['components']): Map<string, number> {
  const distances = new Map<string, number>()
  let reached = [name]
  for (let steps = 1; reached.length > 0; steps++) {
    reached = reached
      .flatMap((component) => components[component]?.depends_on ?? [])
      .filter((component) => component !== name && !distances.has(component))
    for (const component of reached) distances.set(component, steps)
  }
  return distances
}

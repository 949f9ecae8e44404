/**
 * "n in an hour" means: some trailing hour holds n matches. A window keeps the times of one key's matches and answers exactly that,
 * in whatever order the matches arrive.
 */

/** One counted match: when it happened, and where (the source's identity and the offset), so that what it opens can be named after it. */
export type Sighting = Readonly<{ atMs: number; origin: string }>

export type Rule = Readonly<{ count: number; windowMs: number }>

/** Times beyond what the newest 2n − 2 decide are kept while a backlog may still fill in between; this many at most. */
const sightingsMax = 4096

/** Puts a sighting in its place; returns its index. Most come in order, so the place is looked for from the end. */
export function insertSighting(sightings: Sighting[], sighting: Sighting): number {
  let index = sightings.length
  while (index > 0 && (sightings[index - 1]?.atMs ?? 0) > sighting.atMs) index--
  sightings.splice(index, 0, sighting)
  return index
}

/** The sightings of the oldest trailing window that holds the one at `index` and at least `count` in all; undefined when none does. */
export function windowAround(
  sightings: readonly Sighting[],
  index: number,
  { count, windowMs }: Rule,
): Sighting[] | undefined {
  for (let first = Math.max(0, index - count + 1); first <= index; first++) {
    const from = sightings[first]
    const to = sightings[first + count - 1]
    if (from && to && to.atMs - from.atMs < windowMs) return sightings.slice(first, first + count)
  }
  return undefined
}

/**
 * Forgets what no decision can need: of the sightings that no record still to come may join (those before `settledMs` by the
 * window's length), all but the newest 2n − 2. Later records than that are counted with what is left.
 */
export function pruneSightings(sightings: Sighting[], { count, windowMs }: Rule, settledMs: number): void {
  const keep = Math.max(1, 2 * count - 2)
  let excess = sightings.length - keep
  if (excess <= 0) return
  const over = sightings.length - Math.max(keep, sightingsMax)
  let forget = 0
  while (forget < excess && (forget < over || (sightings[forget]?.atMs ?? Infinity) <= settledMs - windowMs)) forget++
  if (forget > 0) sightings.splice(0, forget)
}

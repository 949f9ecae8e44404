/**
 * Which of many patterns may match a text: those of which an atom stands in it. RE2's FilteredRE2 works on the same idea; asking an
 * `RE2.Set` of hundreds of patterns instead costs milliseconds a text, because its automaton does not fit its memory.
 *
 * Every atom is found by one of its 4-grams, the one that the fewest other atoms have.
 */

const gramCharacters = 4
const tableBits = 16

type Entry<T> = Readonly<{ atom: string; offset: number; items: T[] }>

/**
 * @param items with their atoms in lower case; an item without atoms may always match
 * @returns the items that may match a text, in their order
 */
export function createAtomIndex<T>(
  items: readonly Readonly<{ item: T; atoms: readonly string[] | undefined }>[],
): (text: string) => T[] {
  const always = items.filter(({ atoms }) => atoms === undefined).map(({ item }) => item)
  const order = new Map(items.map(({ item }, index) => [item, index] as const))
  const byAtom = new Map<string, T[]>()
  for (const { item, atoms } of items)
    for (const atom of atoms ?? []) byAtom.set(atom, [...(byAtom.get(atom) ?? []), item])
  const byGram = new Map<number, Entry<T>[]>()
  const table = new Uint8Array(1 << tableBits)
  const shared = countGrams([...byAtom.keys()])
  for (const [atom, of] of byAtom) {
    const offset = rarestGram(atom, shared)
    const gram = gramAt(atom, offset)
    byGram.set(gram, [...(byGram.get(gram) ?? []), { atom, offset, items: of }])
    table[hash(gram)] = 1
  }
  return (text) => {
    const lower = text.toLowerCase()
    const found = new Set(always)
    for (let at = 0; at + gramCharacters <= lower.length; at++) {
      const gram = gramAt(lower, at)
      if (table[hash(gram)] === 0) continue
      for (const { atom, offset, items: of } of byGram.get(gram) ?? [])
        if (lower.startsWith(atom, at - offset)) for (const item of of) found.add(item)
    }
    return [...found].toSorted((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
  }
}

const hash = (gram: number): number => Math.imul(gram, 0x9e3779b1) >>> (32 - tableBits)

/** Atoms are ASCII; other characters only make grams that no atom has, or one too many to look at. */
const gramAt = (text: string, at: number): number =>
  text.charCodeAt(at) |
  (text.charCodeAt(at + 1) << 8) |
  (text.charCodeAt(at + 2) << 16) |
  (text.charCodeAt(at + 3) << 24)

function countGrams(atoms: readonly string[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const atom of atoms)
    for (let at = 0; at + gramCharacters <= atom.length; at++) {
      const gram = gramAt(atom, at)
      counts.set(gram, (counts.get(gram) ?? 0) + 1)
    }
  return counts
}

function rarestGram(atom: string, shared: ReadonlyMap<number, number>): number {
  let best = 0
  let fewest = Infinity
  for (let at = 0; at + gramCharacters <= atom.length; at++) {
    const count = shared.get(gramAt(atom, at)) ?? 0
    if (count < fewest) {
      best = at
      fewest = count
    }
  }
  return best
}

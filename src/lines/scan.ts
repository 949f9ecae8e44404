/**
 * The scan looks at raw bytes and proposes lines; what they say is decided on decoded records. It must be a superset:
 * whatever a pattern matches after decoding is proposed before it.
 *
 * It looks at every third byte or so: a window of s + 3 bytes holds a 4-gram that starts at a multiple of s, so each atom puts
 * the s 4-grams of one of its windows into a bit table, case folded, and what the table knows is compared in full.
 */
export type Scan = Readonly<{
  /** The offset of the next byte run worth a look at or after `from`, or -1. Cheap where nothing looks like a failure. */
  next(bytes: Buffer, from: number): number
}>

/**
 * Where decoding joins or removes bytes in the middle of text, atoms can be torn in the raw bytes, so the line is
 * proposed whatever it holds: CRI partial lines, colour codes (raw, JSON- and repr-escaped), rsyslog's octal escapes.
 */
const tornText = [
  ' stdout P',
  ' stderr P',
  '\u001b',
  '\\u001b',
  '\\u001B',
  '\\x1b',
  '\\x1B',
  '\\033[',
  '\\e[',
  '#00',
  '#01',
  '#02',
  '#03',
  // The journal as JSON: a message of bytes.
  '"MESSAGE":[',
  '"MESSAGE" : [',
]
/** Docker's json-file: a piece of a line has no line break at the end of its `log`. */
const dockerTail = '","stream":"std'
const dockerWhole = '\\n'

const gramBytes = 4
const strideMax = 5
const tableBits = 21

type Candidate = { atom: Uint8Array; offset: number }

/**
 * @param atoms literals of which every match contains one, lower-case; see catalog/atoms.ts
 * @param everything propose every line: some pattern has no atom
 */
export function createScan({ atoms, everything }: { atoms: readonly string[]; everything: boolean }): Scan {
  if (everything) return { next: (bytes, from) => (from < bytes.length ? from : -1) }
  const nextAtom = createAtomSearch([...new Set(atoms)])
  const nextTorn = [...tornText.map(literalSearch), dockerPieces]
  // Each search remembers how far it has come in these bytes: most of them find nothing in all of a batch.
  let known: { bytes: Buffer; spans: { from: number; position: number }[] } | undefined
  const searches = [nextAtom, ...nextTorn]
  return {
    next(bytes, from) {
      if (known?.bytes !== bytes) known = { bytes, spans: searches.map(() => ({ from: Infinity, position: -1 })) }
      let nearest = Infinity
      for (const [index, search] of searches.entries()) {
        const span = known.spans[index]
        if (!span) continue
        // Between where it began to search and what it found there is nothing.
        if (from < span.from || from > span.position) {
          const found = search(bytes, from)
          span.from = from
          span.position = found < 0 ? Infinity : found
        }
        if (span.position < nearest) nearest = span.position
      }
      return nearest === Infinity ? -1 : nearest
    },
  }
}

type Search = (bytes: Buffer, from: number) => number

const literalSearch = (text: string): Search => {
  const needle = Buffer.from(text)
  return (bytes, from) => bytes.indexOf(needle, from)
}

function dockerPieces(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(dockerTail, from); at >= 0; at = bytes.indexOf(dockerTail, at + 1))
    if (at < 2 || bytes.toString('latin1', at - 2, at) !== dockerWhole) return at
  return -1
}

const fold = (byte: number): number => (byte >= 65 && byte <= 90 ? byte + 32 : byte)
const hash = (gram: number): number => Math.imul(gram, 0x9e3779b1) >>> (32 - tableBits)
/** Four bytes as one number, the case bit of each set: letters fold, and other bytes stay different enough. */
const gramAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) |
  ((bytes[at + 1] ?? 0) << 8) |
  ((bytes[at + 2] ?? 0) << 16) |
  ((bytes[at + 3] ?? 0) << 24) |
  0x20202020

function createAtomSearch(atoms: readonly string[]): Search {
  if (atoms.length === 0) return () => -1
  const shortest = Math.min(...atoms.map((atom) => atom.length))
  const stride = Math.max(1, Math.min(strideMax, shortest - gramBytes + 1))
  const table = new Uint8Array(1 << (tableBits - 3))
  const byGram = new Map<number, Candidate[]>()
  for (const text of atoms) {
    const atom = Uint8Array.from(Buffer.from(text))
    const start = rarestWindow(text, stride + gramBytes - 1)
    for (let offset = start; offset < start + stride; offset++) {
      const gram = gramAt(atom, offset)
      const bit = hash(gram)
      table[bit >> 3] = (table[bit >> 3] ?? 0) | (1 << (bit & 7))
      byGram.set(gram, [...(byGram.get(gram) ?? []), { atom, offset }])
    }
  }
  return (bytes, from) => {
    const last = bytes.length - gramBytes
    for (let at = Math.ceil(from / stride) * stride; at <= last; at += stride) {
      const gram = gramAt(bytes, at)
      const bit = hash(gram)
      if (((table[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) continue
      const found = byGram
        .get(gram)
        ?.find(({ atom, offset }) => at - offset >= from && standsAt(bytes, atom, at - offset))
      if (found) return at - found.offset
    }
    return -1
  }
}

function standsAt(bytes: Uint8Array, atom: Uint8Array, at: number): boolean {
  if (at + atom.length > bytes.length) return false
  for (let index = 0; index < atom.length; index++) if (fold(bytes[at + index] ?? 0) !== atom[index]) return false
  return true
}

/** English letters from the most to the least frequent, with what logs are full of before them. */
const frequent = ' etaoinsrhldcumfpgwybvkxjqz-_.:,0123456789()[]'

/** Where in an atom the window begins whose characters are the rarest in logs. */
function rarestWindow(atom: string, length: number): number {
  let best = 0
  let bestRarity = -1
  for (let start = 0; start + length <= atom.length; start++) {
    let rarity = 0
    for (const character of atom.slice(start, start + length)) rarity += frequent.indexOf(character)
    if (rarity > bestRarity) {
      best = start
      bestRarity = rarity
    }
  }
  return best
}

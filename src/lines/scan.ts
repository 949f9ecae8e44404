import RE2 from 're2'

/**
 * The scan looks at raw bytes and proposes lines; what they say is decided on decoded records. It must be a superset:
 * whatever a pattern matches after decoding is proposed before it.
 */
export type Scan = Readonly<{
  /** The offset of the next byte run worth a look at or after `from`, or -1. Cheap where nothing looks like a failure. */
  next(bytes: Buffer, from: number): number
}>

/**
 * Where decoding joins or removes bytes in the middle of text, atoms can be torn in the raw bytes, so the line is
 * proposed whatever it holds: CRI and docker partial lines, colour codes (raw, JSON- and repr-escaped), rsyslog's octal escapes.
 */
const tornText = [
  ' std(?:out|err) P(?::[A-Z])* ',
  '[^n]","stream":"std',
  '[^\\\\]n","stream":"std',
  '\\x1b',
  '\\\\u001[bB]',
  '\\\\x1[bB]',
  '\\\\033\\[',
  '\\\\e\\[',
  '#0[0-3][0-7]',
]

const escapeAtom = (atom: string): string => atom.replaceAll(/[^a-z0-9 _]/g, (character) => `\\${character}`)

/**
 * @param atoms literals of which every match contains one, lower-case; see catalog/atoms.ts
 * @param everything propose every line: some pattern has no atom
 */
export function createScan({ atoms, everything }: { atoms: readonly string[]; everything: boolean }): Scan {
  if (everything) return { next: (bytes, from) => (from < bytes.length ? from : -1) }
  const wanted = new RE2(`(?i:${[...new Set(atoms)].map(escapeAtom).join('|')})|${tornText.join('|')}`, 'g')
  const torn = new RE2(tornText.join('|'), 'g')
  const expression = atoms.length > 0 ? wanted : torn
  return {
    next(bytes, from) {
      if (from >= bytes.length) return -1
      expression.lastIndex = from
      return expression.exec(bytes)?.index ?? -1
    },
  }
}

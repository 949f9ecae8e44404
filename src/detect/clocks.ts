/**
 * There is no single clock. Each source has one: the newest event time seen in it. What may be concluded from silence is bounded by the
 * slowest source that still has unread bytes; a source that was read to its end, or cannot be read, holds nobody back.
 */
export type Clocks = Readonly<{
  /** Some bytes of a source have not been read, or all have, or they cannot be read. A source may be several files in turn. */
  setUnread(bytes: { id: string; source: string }, unread: boolean): void
  seen(source: string, atMs: number): void
  of(source: string): number
  /** Up to where silence in this source counts as watched. */
  watchedTo(source: string): number
  /** Up to where every source that has unread bytes has come. */
  settled(): number
  allRead(): boolean
}>

export function createClocks({ latenessMs }: { latenessMs: number }): Clocks {
  const clocks = new Map<string, number>()
  const unread = new Map<string, string>()
  let slowest: number | undefined

  const slowestUnread = (): number => {
    if (slowest === undefined) {
      slowest = Infinity
      for (const source of unread.values()) slowest = Math.min(slowest, clocks.get(source) ?? -Infinity)
    }
    return slowest
  }

  return {
    setUnread({ id, source }, isUnread) {
      if (isUnread === unread.has(id)) return
      if (isUnread) unread.set(id, source)
      else unread.delete(id)
      slowest = undefined
    },
    seen(source, atMs) {
      const before = clocks.get(source) ?? -Infinity
      if (atMs <= before) return
      clocks.set(source, atMs)
      if (slowest !== undefined && before <= slowest) slowest = undefined
    },
    of: (source) => clocks.get(source) ?? -Infinity,
    watchedTo: (source) => Math.min(clocks.get(source) ?? -Infinity, slowestUnread()) - latenessMs,
    settled: () => slowestUnread() - latenessMs,
    allRead: () => unread.size === 0,
  }
}

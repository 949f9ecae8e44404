/** A heap of things that become due. Ties go by name, so that the order never depends on how it was filled. */
export type Deadlines = Readonly<{
  add(name: string, dueMs: number): void
  /** Takes out what is due at `nowMs`, the earliest first. */
  takeDue(nowMs: number): string[]
}>

type Entry = { name: string; dueMs: number }
const isBefore = (a: Entry, b: Entry): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.name < b.name)

export function createDeadlines(): Deadlines {
  const heap: Entry[] = []

  function rise(entry: Entry): void {
    let index = heap.push(entry) - 1
    for (;;) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex]
      if (index === 0 || !parent || !isBefore(entry, parent)) return
      heap[index] = parent
      heap[parentIndex] = entry
      index = parentIndex
    }
  }

  function sink(entry: Entry): void {
    let index = 0
    heap[0] = entry
    for (;;) {
      const [left, right] = [heap[2 * index + 1], heap[2 * index + 2]]
      const child = right && left && isBefore(right, left) ? 2 * index + 2 : 2 * index + 1
      const smaller = heap[child]
      if (!smaller || !isBefore(smaller, entry)) return
      heap[index] = smaller
      heap[child] = entry
      index = child
    }
  }

  return {
    add: (name, dueMs) => rise({ name, dueMs }),
    takeDue(nowMs) {
      const due: string[] = []
      for (let [top] = heap; top && top.dueMs <= nowMs; [top] = heap) {
        due.push(top.name)
        const last = heap.pop()
        if (last && heap.length > 0) sink(last)
      }
      return due
    },
  }
}

/** One more under `name`. */
export function countOne(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** Both together. */
export function added(some: ReadonlyMap<string, number>, more: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const all = new Map(some)
  for (const [name, count] of more) all.set(name, (all.get(name) ?? 0) + count)
  return all
}

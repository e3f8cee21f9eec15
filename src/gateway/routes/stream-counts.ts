import type { CrossingCounts } from '#gateway/pipeline'

/** Counts of all texts of an answer, or of both sides of it. */
export function added(counts: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>()
  for (const one of counts) for (const [name, count] of one) total.set(name, (total.get(name) ?? 0) + count)
  return total
}

export const newCounts = (): CrossingCounts => ({ findings: new Map(), actions: new Map() })

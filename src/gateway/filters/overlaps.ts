import { type FilterAction, stricterAction } from '#foundation/core'

export interface Candidate {
  readonly entity: string
  readonly action: FilterAction
  readonly start: number
  readonly end: number
  readonly score: number
  readonly continues?: 'pem'
}

/** The stricter first; two that leave different things of a value by name, so that the order is total. */
function byStrictness(a: FilterAction, b: FilterAction): number {
  if (a === b) return 0
  const stricter = stricterAction(a, b)
  if (stricter === a) return -1
  return stricter === b || b < a ? 1 : -1
}

/** Highest score first, then longest, then strictest; the rest makes the order total, so that the result depends on content alone. */
function byPrecedence(a: Candidate, b: Candidate): number {
  return (
    b.score - a.score ||
    b.end - b.start - (a.end - a.start) ||
    byStrictness(a.action, b.action) ||
    a.start - b.start ||
    (a.entity < b.entity ? -1 : 1)
  )
}

/**
 * Leaves of overlapping candidates the one that takes precedence. A loser that sticks out widens the winner: no unit that a recogniser
 * claimed is passed, and what is done is the strictest of what is asked for any of them, whatever wins. What is only counted
 * (`log`) shapes nothing that is done to another. The result is ordered and disjoint.
 */
export function resolveOverlaps(candidates: readonly Candidate[]): readonly Candidate[] {
  if (candidates.length < 2) return candidates
  const ordered = disjoint(candidates)
  if (ordered !== null) return ordered
  const changing = candidates.filter(({ action }) => action !== 'log')
  if (changing.length === candidates.length || changing.length === 0) return resolve(candidates)
  const changed = resolve(changing)
  const counted = candidates.filter((one) => one.action === 'log' && !changed.some((other) => overlaps(one, other)))
  return [...changed, ...resolve(counted)].sort((a, b) => a.start - b.start)
}

/** By their starts, if no two overlap, as is most common; null if some do. */
function disjoint(candidates: readonly Candidate[]): readonly Candidate[] | null {
  if (isInOrder(candidates)) return candidates
  const ordered = candidates.toSorted((a, b) => a.start - b.start)
  return isInOrder(ordered) ? ordered : null
}

function isInOrder(candidates: readonly Candidate[]): boolean {
  for (let i = 1; i < candidates.length; i++) if (candidates[i]!.start < candidates[i - 1]!.end) return false
  return true
}

const overlaps = (a: Candidate, b: Candidate): boolean => a.start < b.end && b.start < a.end

function resolve(candidates: readonly Candidate[]): readonly Candidate[] {
  const winners: Candidate[] = []
  const losers: Candidate[] = []
  for (const candidate of [...candidates].sort(byPrecedence)) {
    ;(winners.some((winner) => overlaps(winner, candidate)) ? losers : winners).push(candidate)
  }
  winners.sort((a, b) => a.start - b.start)
  const resolved: Candidate[] = []
  for (const [i, winner] of winners.entries()) {
    let { start, end, action, entity } = winner
    for (const loser of losers) {
      if (!overlaps(winner, loser)) continue
      start = Math.min(start, loser.start)
      end = Math.max(end, loser.end)
      const stricter = stricterAction(action, loser.action)
      if (stricter === action) continue
      action = stricter
      if (stricter === loser.action) entity = loser.entity
    }
    // Widened up to a neighbour, not into it: each winner's own units stay its own.
    resolved.push({
      ...winner,
      action,
      entity,
      start: Math.max(start, resolved.at(-1)?.end ?? 0),
      end: Math.min(end, winners[i + 1]?.start ?? end),
    })
  }
  return resolved
}

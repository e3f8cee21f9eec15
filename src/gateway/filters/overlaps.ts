import type { FilterAction } from '#foundation/core'

export interface Candidate {
  readonly entity: string
  readonly action: FilterAction
  readonly start: number
  readonly end: number
  readonly score: number
  readonly continues?: 'pem'
}

const STRICTNESS: Readonly<Record<FilterAction, number>> = { allow: 0, mask: 1, block: 2 }

/** Highest score first, then longest, then strictest; the rest makes the order total, so that the result depends on content alone. */
function byPrecedence(a: Candidate, b: Candidate): number {
  return (
    b.score - a.score ||
    b.end - b.start - (a.end - a.start) ||
    STRICTNESS[b.action] - STRICTNESS[a.action] ||
    a.start - b.start ||
    (a.entity < b.entity ? -1 : 1)
  )
}

/**
 * Leaves of overlapping candidates the one that takes precedence. A loser that sticks out widens the winner: no unit that a recogniser
 * claimed is passed, and one that blocks blocks, whatever wins. The result is ordered and disjoint.
 */
export function resolveOverlaps(candidates: readonly Candidate[]): readonly Candidate[] {
  if (candidates.length < 2) return candidates
  const winners: Candidate[] = []
  const losers: Candidate[] = []
  const overlaps = (a: Candidate, b: Candidate): boolean => a.start < b.end && b.start < a.end
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
      if (STRICTNESS[loser.action] > STRICTNESS[action]) {
        action = loser.action
        entity = loser.entity
      }
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

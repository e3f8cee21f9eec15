import { fold } from './characters.ts'
import { type Candidate, resolveOverlaps } from './overlaps.ts'
import type { FilterPlan } from './plan.ts'
import { SCORE_THRESHOLD, Segment } from './recogniser.ts'

// oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
const BEYOND_ASCII = /[^\u0000-\u007f]/

/**
 * Finds what is to be masked or blocked in one segment: disjoint, in order, offsets in `raw`. Pure.
 * @param raw text that no value crosses; @param before the raw text before it; @param traits what the pass over it has seen.
 */
export function searchSegment(raw: string, before: string, traits: number, beyondAscii: boolean, plan: FilterPlan): readonly Candidate[] {
  const folded = beyondAscii ? fold(raw) : { text: raw, origin: null }
  // What stands before is read as what stands inside is: a zero-width unit between two words parts them in neither.
  const segment = new Segment(folded.text, BEYOND_ASCII.test(before) ? fold(before).text : before)
  const candidates: Candidate[] = []
  for (const { recogniser, action } of plan.planned) {
    if ((recogniser.needs & traits) === 0) continue
    for (const { start, end, score, continues } of recogniser.find(segment)) {
      if (score < SCORE_THRESHOLD) continue
      candidates.push({
        entity: recogniser.entity,
        action,
        // An invisible unit after the last one belongs to the value too, hence the origin of the end, not of the last unit plus one.
        start: folded.origin ? folded.origin[start]! : start,
        end: folded.origin ? folded.origin[end]! : end,
        score,
        ...(continues ? { continues } : {}),
      })
    }
  }
  return resolveOverlaps(candidates)
}

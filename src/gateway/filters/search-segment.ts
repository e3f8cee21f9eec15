import { RedoubtError } from '#foundation/core'
import { fold } from './characters.ts'
import { type Candidate, resolveOverlaps } from './overlaps.ts'
import type { FilterPlan } from './plan.ts'
import { type After, type Match, type Recogniser, Segment } from './recogniser.ts'

// oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
const BEYOND_ASCII = /[^\u0000-\u007f]/

/** What one search has found: values, and weak ones that wait for what stands after the segment. */
export interface Found {
  readonly candidates: readonly Candidate[]
  readonly waiting: readonly Waiting[]
}

interface Waiting {
  readonly start: number
  readonly end: number
  readonly resolve: (after: After) => readonly Candidate[]
}

/** No weak value gets so far by what stands after it, so that none is waited for inside a value with this score. */
const SCORE_SURE = 0.9

const NOTHING: Found = { candidates: [], waiting: [] }
const NO_TEXT: After = { text: '', alone: false }

/**
 * Finds what may have to be masked or blocked in one segment, offsets in `raw`. Pure.
 * @param raw text that no value crosses; @param before the raw text before it; @param traits what the pass over it has seen.
 */
export function findCandidates(raw: string, before: string, traits: number, beyondAscii: boolean, plan: FilterPlan): Found {
  if ((traits & plan.needs) === 0) return NOTHING
  const folded = beyondAscii ? fold(raw) : { text: raw, origin: null }
  // What stands before is read as what stands inside is: a zero-width unit between two words parts them in neither.
  const segment = new Segment(folded.text, BEYOND_ASCII.test(before) ? fold(before).text : before, plan.minScore)
  const placeOf = (index: number): number => (folded.origin ? folded.origin[index]! : index)
  const candidates: Candidate[] = []
  const waiting: Waiting[] = []
  for (const { recogniser, actions } of plan.planned) {
    if ((recogniser.needs & traits) === 0) continue
    const candidate = ({ start, end, continues }: Match, { score, entity }: Pick<Match, 'score' | 'entity'>): Candidate | null => {
      const name = entity ?? recogniser.entities[0]
      const action = actions.get(name)
      if (action === undefined || score < plan.minScore) return null
      if (plan.exempt.size > 0 && plan.exempt.has(raw.slice(placeOf(start), placeOf(end)))) return null
      return {
        entity: name,
        action,
        // An invisible unit after the last one belongs to the value too, hence the origin of the end, not of the last unit plus one.
        start: placeOf(start),
        end: placeOf(end),
        score,
        ...(continues ? { continues } : {}),
      }
    }
    for (const match of guarded(recogniser, () => recogniser.find(segment))) {
      const { resolve } = match
      if (resolve) {
        const decide = (after: After): readonly Candidate[] => {
          // A value stands alone when nothing but its brackets and its full stop stands beside it.
          const alone = after.alone && match.start <= 1 && segment.text.length - match.end <= 1
          return guarded(recogniser, () => resolve({ text: after.text, alone }))
            .map((resolved) => candidate(match, resolved))
            .filter((found) => found !== null)
        }
        waiting.push({ start: placeOf(match.start), end: placeOf(match.end), resolve: decide })
        continue
      }
      const found = candidate(match, match)
      if (found) candidates.push(found)
    }
  }
  if (candidates.length + waiting.length === 0) return NOTHING
  const open = waiting.filter(
    ({ start, end }) => !candidates.some((sure) => sure.score >= SCORE_SURE && sure.start <= start && sure.end >= end),
  )
  return { candidates, waiting: open }
}

/** A filter that fails lets nothing through, and says which one it was; what it failed at may be a value, and is not said. */
function guarded<T>({ entities }: Recogniser, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    throw new RedoubtError('ERR_FILTER_FAILED', `the recogniser of \`${entities[0]}\` failed`, {
      cause: thrown,
      evidence: { entity: entities[0] },
    })
  }
}

/** Settles what was found by what stands after: disjoint, in order. */
export function decideCandidates({ candidates, waiting }: Found, after: After): readonly Candidate[] {
  if (waiting.length === 0) return resolveOverlaps(candidates)
  const text = BEYOND_ASCII.test(after.text) ? { ...after, text: fold(after.text).text } : after
  const lifted = waiting.flatMap(({ resolve }) => resolve(text))
  return resolveOverlaps([...candidates, ...lifted])
}

/** As `findCandidates` and `decideCandidates` for a text after which nothing is known. */
export function searchSegment(raw: string, before: string, traits: number, beyondAscii: boolean, plan: FilterPlan): readonly Candidate[] {
  return decideCandidates(findCandidates(raw, before, traits, beyondAscii, plan), NO_TEXT)
}

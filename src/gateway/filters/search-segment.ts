import { RedoubtError } from '#foundation/core'
import { fold } from './characters.ts'
import { type Candidate, resolveOverlaps } from './overlaps.ts'
import type { FilterPlan, PlannedRecogniser } from './plan.ts'
import { type After, type Match, type Recogniser, Segment } from './recogniser.ts'
import type { LentUnits } from './unit-window.ts'

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
 * @param lent where the units of both stand, if both are in ASCII.
 */
export function findCandidates(
  raw: string,
  before: string,
  traits: number,
  beyondAscii: boolean,
  plan: FilterPlan,
  lent: LentUnits | null = null,
): Found {
  if ((traits & plan.needs) === 0) return NOTHING
  const folded = beyondAscii ? fold(raw) : { text: raw, origin: null }
  const { origin } = folded
  // What stands before is read as what stands inside is: a zero-width unit between two words parts them in neither.
  const segment = new Segment(folded.text, lent === null && BEYOND_ASCII.test(before) ? fold(before).text : before, plan.minScore, lent)
  const { shape } = segment.outline
  let candidates: Candidate[] | null = null
  let waiting: Waiting[] | null = null
  for (const { recogniser, actions } of plan.planned) {
    if ((recogniser.needs & traits) === 0 || (recogniser.shapes !== undefined && (recogniser.shapes & shape) === 0)) continue
    const matches = guarded(recogniser, findIn, segment)
    for (let i = 0; i < matches.length; i++) {
      const match = matches[i]!
      // An invisible unit after the last one belongs to the value too, hence the origin of the end, not of the last unit plus one.
      const start = origin ? origin[match.start]! : match.start
      const end = origin ? origin[match.end]! : match.end
      if (match.resolve) {
        waiting ??= []
        waiting.push({ start, end, resolve: waitingMatch(recogniser, actions, match, raw.slice(start, end), start, segment, plan) })
        continue
      }
      const found = candidateOf(recogniser, actions, match, match, start, end, plan)
      if (found !== null && isExempt(plan, raw, found)) continue
      if (found !== null) (candidates ??= []).push(found)
    }
  }
  if (waiting === null) return candidates === null ? NOTHING : { candidates, waiting: NOTHING.waiting }
  if (candidates === null) return { candidates: NOTHING.candidates, waiting }
  const sure = candidates
  return { candidates, waiting: waiting.filter(({ start, end }) => !sure.some((other) => coversSurely(other, start, end))) }
}

type Actions = PlannedRecogniser['actions']

const isExempt = ({ exempt }: FilterPlan, raw: string, { start, end }: Candidate): boolean =>
  exempt.size > 0 && exempt.has(raw.slice(start, end))

const findIn = (recogniser: Recogniser, segment: Segment): readonly Match[] => recogniser.find(segment)

function coversSurely(other: Candidate, start: number, end: number): boolean {
  return other.score >= SCORE_SURE && other.start <= start && other.end >= end
}

/** @returns what the match is if the plan wants its entity and the score is high enough, else null. */
function candidateOf(
  { entities }: Recogniser,
  actions: Actions,
  { continues }: Match,
  { score, entity = entities[0] }: Pick<Match, 'score' | 'entity'>,
  start: number,
  end: number,
  { minScore }: FilterPlan,
): Candidate | null {
  const action = actions.get(entity)
  if (action === undefined || score < minScore) return null
  return continues ? { entity, action, start, end, score, continues } : { entity, action, start, end, score }
}

function waitingMatch(
  recogniser: Recogniser,
  actions: Actions,
  match: Match,
  value: string,
  start: number,
  segment: Segment,
  plan: FilterPlan,
): Waiting['resolve'] {
  if (plan.exempt.has(value)) return () => []
  return (after) => {
    // A value stands alone when nothing but its brackets and its full stop stands beside it.
    const alone = after.alone && match.start <= 1 && segment.text.length - match.end <= 1
    return guarded(recogniser, () => match.resolve!({ text: after.text, alone }), segment)
      .map((resolved) => candidateOf(recogniser, actions, match, resolved, start, start + value.length, plan))
      .filter((found) => found !== null)
  }
}

/** A filter that fails lets nothing through, and says which one it was; what it failed at may be a value, and is not said. */
function guarded<T>(recogniser: Recogniser, work: (recogniser: Recogniser, segment: Segment) => T, segment: Segment): T {
  try {
    return work(recogniser, segment)
  } catch (thrown) {
    const [entity] = recogniser.entities
    throw new RedoubtError('ERR_FILTER_FAILED', `the recogniser of \`${entity}\` failed`, { cause: thrown, evidence: { entity } })
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

import { RedoubtError } from '#foundation/core'
import { fold } from './characters.ts'
import { type Candidate, resolveOverlaps } from './overlaps.ts'
import { ANY_SHAPE, type FilterPlan, type PlannedRecogniser } from './plan.ts'
import { type After, type Match, type Recogniser, Segment } from './recogniser.ts'
import type { LentUnits } from './unit-window.ts'

// oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
const BEYOND_ASCII = /[^\u0000-\u007f]/

/** What one search has found: values, and weak ones that wait for what stands after the segment. */
export interface Found {
  readonly candidates: readonly Candidate[]
  readonly waiting: readonly WaitingValue[]
}

/** No weak value gets so far by what stands after it, so that none is waited for inside a value with this score. */
const SCORE_SURE = 0.9

const NONE: readonly never[] = []
export const NOTHING_FOUND: Found = { candidates: NONE, waiting: NONE }
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
  if ((traits & plan.needs) === 0) return NOTHING_FOUND
  const folded = beyondAscii ? fold(raw) : null
  const text = folded === null ? raw : folded.text
  const origin = folded === null ? null : folded.origin
  // What stands before is read as what stands inside is: a zero-width unit between two words parts them in neither.
  const segment = new Segment(text, lent === null && BEYOND_ASCII.test(before) ? fold(before).text : before, plan.minScore, lent)
  const shape = segment.outline.shape | ANY_SHAPE
  let candidates: Candidate[] | null = null
  let waiting: WaitingValue[] | null = null
  const { planned } = plan
  for (let at = 0; at < planned.length; at++) {
    const { recogniser, actions, needs, shapes } = planned[at]!
    if ((needs & traits) === 0 || (shapes & shape) === 0) continue
    const matches = findIn(recogniser, segment)
    for (let i = 0; i < matches.length; i++) {
      const match = matches[i]!
      // An invisible unit after the last one belongs to the value too, hence the origin of the end, not of the last unit plus one.
      const start = origin ? origin[match.start]! : match.start
      const end = origin ? origin[match.end]! : match.end
      if (match.resolve !== undefined) {
        // An exempt one is waited for like others, and is none.
        const wanted = isExempt(plan, raw, start, end) ? NO_ACTIONS : actions
        ;(waiting ??= []).push(new WaitingValue(recogniser, wanted, match, start, end, text.length, plan.minScore))
        continue
      }
      const found = candidateOf(recogniser, actions, match, match, start, end, plan.minScore)
      if (found !== null && !isExempt(plan, raw, start, end)) (candidates ??= []).push(found)
    }
  }
  if (waiting === null) return candidates === null ? NOTHING_FOUND : { candidates, waiting: NONE }
  if (candidates === null) return { candidates: NONE, waiting }
  return { candidates, waiting: notCovered(waiting, candidates) }
}

type Actions = PlannedRecogniser['actions']

const NO_ACTIONS: Actions = new Map()

const isExempt = ({ exempt }: FilterPlan, raw: string, start: number, end: number): boolean =>
  exempt.size > 0 && exempt.has(raw.slice(start, end))

/** Those that may come to something yet. */
function notCovered(waiting: WaitingValue[], sure: readonly Candidate[]): readonly WaitingValue[] {
  let kept = 0
  for (const one of waiting) if (!isCovered(sure, one.start, one.end)) waiting[kept++] = one
  if (kept === 0) return NONE
  waiting.length = kept
  return waiting
}

function isCovered(sure: readonly Candidate[], start: number, end: number): boolean {
  for (const other of sure) if (other.score >= SCORE_SURE && other.start <= start && other.end >= end) return true
  return false
}

/** @returns what the match is if the plan wants its entity and the score is high enough, else null. */
function candidateOf(
  { entities }: Recogniser,
  actions: Actions,
  { continues }: Match,
  { score, entity = entities[0] }: Pick<Match, 'score' | 'entity'>,
  start: number,
  end: number,
  minScore: number,
): Candidate | null {
  const action = actions.get(entity)
  if (action === undefined || score < minScore) return null
  return continues ? { entity, action, start, end, score, continues } : { entity, action, start, end, score }
}

/** A weak value, until what stands after its segment is known. */
class WaitingValue {
  readonly start: number
  readonly end: number
  readonly #recogniser: Recogniser
  readonly #actions: Actions
  readonly #match: Match
  readonly #length: number
  readonly #minScore: number

  constructor(
    recogniser: Recogniser,
    actions: Actions,
    match: Match,
    start: number,
    end: number,
    /** Of its segment, as it was searched. */
    length: number,
    minScore: number,
  ) {
    this.start = start
    this.end = end
    this.#recogniser = recogniser
    this.#actions = actions
    this.#match = match
    this.#length = length
    this.#minScore = minScore
  }

  /** Adds to `into` what it is by what stands after it. */
  resolve(after: After, into: Candidate[]): void {
    const match = this.#match
    // A value stands alone when nothing but its brackets and its full stop stands beside it.
    const alone = after.alone && match.start <= 1 && this.#length - match.end <= 1
    for (const resolved of resolveMatch(this.#recogniser, match, alone === after.alone ? after : { text: after.text, alone })) {
      const found = candidateOf(this.#recogniser, this.#actions, match, resolved, this.start, this.end, this.#minScore)
      if (found !== null) into.push(found)
    }
  }
}

function findIn(recogniser: Recogniser, segment: Segment): readonly Match[] {
  try {
    return recogniser.find(segment)
  } catch (thrown) {
    throw failed(recogniser, thrown)
  }
}

function resolveMatch(recogniser: Recogniser, match: Match, after: After): ReturnType<NonNullable<Match['resolve']>> {
  try {
    return match.resolve!(after)
  } catch (thrown) {
    throw failed(recogniser, thrown)
  }
}

/** A filter that fails lets nothing through, and says which one it was; what it failed at may be a value, and is not said. */
function failed({ entities: [entity] }: Recogniser, thrown: unknown): RedoubtError {
  return new RedoubtError('ERR_FILTER_FAILED', `the recogniser of \`${entity}\` failed`, { cause: thrown, evidence: { entity } })
}

/** Settles what was found by what stands after: disjoint, in order. @param isAscii false where that may hold more than ASCII. */
export function decideCandidates({ candidates, waiting }: Found, after: After, isAscii: boolean): readonly Candidate[] {
  if (waiting.length === 0) return resolveOverlaps(candidates)
  const text = !isAscii && BEYOND_ASCII.test(after.text) ? { ...after, text: fold(after.text).text } : after
  const all = [...candidates]
  for (const one of waiting) one.resolve(text, all)
  return resolveOverlaps(all)
}

/** As `findCandidates` and `decideCandidates` for a text after which nothing is known. */
export function searchSegment(raw: string, before: string, traits: number, beyondAscii: boolean, plan: FilterPlan): readonly Candidate[] {
  return decideCandidates(findCandidates(raw, before, traits, beyondAscii, plan), NO_TEXT, true)
}

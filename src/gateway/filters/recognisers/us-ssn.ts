import { SCORE_THRESHOLD } from '#foundation/core'
import { DASH, type DigitRun, holds, NO_SEPARATOR, SPACE, STOP } from '../digit-runs.ts'
import { isAnnouncedAsOther } from '../identifiers/table.ts'
import { CONTEXT_BOOST, contextWords, type Match, type Recogniser, type Segment, TRAIT } from '../recogniser.ts'
import { SHAPE } from '../outline.ts'

const CONTEXT = contextWords(
  'ssn',
  'ssns',
  'ssn#',
  'ss#',
  'ss #',
  'social',
  'soc sec',
  'social security',
  'socialsecurity',
  'ssid',
  'ss no',
  'itin',
)

/** By separator: dashes are the written form; without any, nine digits mean a number of this kind only beside a context word. */
const SCORE_WITH_DASHES = 0.85
const SCORES: ReadonlyMap<number, number> = new Map([
  [DASH, SCORE_WITH_DASHES],
  [SPACE, 0.5],
  [STOP, 0.4],
])
const SCORE_IN_ONE = 0.2
/** One of the dashes left out. */
const SCORE_UNEVEN = 0.25

/** What a word directly before it that announces a number of another kind takes from the form with spaces. */
const ANNOUNCED_AS_OTHER = 0.15

/** Published by mistake or in advertising, so never a person's (SSA, "Social Security cards issued by Woolworth"). */
const NEVER_ISSUED = new Set(['078051120', '219099999'])

/** The rules that still hold since the randomisation of 2011: no area 000, 666 or 900 to 999, no group 00, no serial 0000. */
function isIssuable(digits: string): boolean {
  const area = digits.slice(0, 3)
  return (
    area !== '000' &&
    area !== '666' &&
    area < '900' &&
    digits.slice(3, 5) !== '00' &&
    digits.slice(5) !== '0000' &&
    !NEVER_ISSUED.has(digits)
  )
}

/** Groups `from` to before `to`, with the score of their form. */
type Part = readonly [from: number, to: number, form: number]
const NO_PARTS: readonly Part[] = []

function candidates(run: DigitRun): readonly Part[] {
  const { count } = run
  let found: Part[] | null = null
  for (let i = 0; i < count; i++) {
    const size = run.size(i)
    if (size !== 3 && size !== 5 && size !== 9) continue
    const before = run.separator(i - 1)
    const separator = run.separator(i)
    if (size === 9) {
      if (isApart(before) && isApart(separator)) (found ??= []).push([i, i + 1, SCORE_IN_ONE])
      continue
    }
    // `521-449382`, `52144-9382`.
    if (i + 2 === count && separator === DASH && isApart(before) && size + run.size(i + 1) === 9)
      (found ??= []).push([i, i + 2, SCORE_UNEVEN])
    if (i + 3 > count || size !== 3 || run.size(i + 1) !== 2 || run.size(i + 2) !== 4) continue
    const form = separator === run.separator(i + 1) ? SCORES.get(separator) : undefined
    if (form === undefined) continue
    const after = run.separator(i + 2)
    // Set off by spaces, the number may stand among others; made of spaces, it must be the whole run.
    if (separator === SPACE ? i === 0 && after === NO_SEPARATOR : isApart(before) && isApart(after)) (found ??= []).push([i, i + 3, form])
  }
  return found ?? NO_PARTS
}

function isApart(separator: number): boolean {
  return separator === NO_SEPARATOR || holds(separator, SPACE)
}

function find(segment: Segment): readonly Match[] {
  let matches: Match[] | null = null
  for (const run of segment.digitRuns) {
    if (run.plus) continue
    for (const [from, to, form] of candidates(run)) {
      if ((from === 0 && run.gluedBefore) || (to === run.count && run.gluedAfter)) continue
      if (!isIssuable(run.digits(from, to))) continue
      const start = run.startOf(from)
      const isNamed = segment.hasContext(start, CONTEXT)
      const isOther = !isNamed && form >= SCORE_THRESHOLD && form < SCORE_WITH_DASHES && isAnnouncedAsOther(segment, start, 'US_SSN')
      const score = form + (isNamed ? CONTEXT_BOOST : isOther ? -ANNOUNCED_AS_OTHER : 0)
      ;(matches ??= []).push({ start, end: run.endOf(to - 1), score: Math.min(1, score) })
    }
  }
  return matches ?? NOTHING
}

const NOTHING: readonly Match[] = []

export const usSsn: Recogniser = { entities: ['US_SSN'], needs: TRAIT.digits, shapes: SHAPE.nineDigits, find }

import { SCORE_THRESHOLD } from '#foundation/core'
import { type DigitRun, digitsOf } from '../digit-runs.ts'
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
const SCORES: Readonly<Record<string, number>> = { '-': 0.85, ' ': 0.5, '.': 0.4, '': 0.2, uneven: 0.25 }

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

type Part = readonly [from: number, to: number, separator: string]
const NOTHING: readonly Part[] = []

function candidates(run: DigitRun): readonly Part[] {
  const { groups, separators } = run
  let found: Part[] | null = null
  const size = (i: number): number => groups[i]!.end - groups[i]!.start
  for (let i = 0; i < groups.length; i++) {
    const before = separators[i - 1] ?? ''
    if (size(i) === 9) {
      if (isApart(before) && isApart(separators[i] ?? '')) (found ??= []).push([i, i + 1, ''])
      continue
    }
    // One of the dashes left out: `521-449382`, `52144-9382`.
    if (
      i + 2 === groups.length &&
      separators[i] === '-' &&
      isApart(before) &&
      ((size(i) === 3 && size(i + 1) === 6) || (size(i) === 5 && size(i + 1) === 4))
    )
      (found ??= []).push([i, i + 2, 'uneven'])
    if (i + 3 > groups.length || size(i) !== 3 || size(i + 1) !== 2 || size(i + 2) !== 4) continue
    const separator = separators[i]!
    if (separator !== separators[i + 1] || SCORES[separator] === undefined) continue
    const after = separators[i + 2] ?? ''
    // Set off by spaces, the number may stand among others; made of spaces, it must be the whole run.
    if (separator === ' ' ? i === 0 && after === '' : isApart(before) && isApart(after)) (found ??= []).push([i, i + 3, separator])
  }
  return found ?? NOTHING
}

function isApart(separator: string): boolean {
  return separator === '' || separator.includes(' ')
}

function find(segment: Segment): readonly Match[] {
  const matches: Match[] = []
  for (const run of segment.digitRuns) {
    if (run.plus) continue
    for (const [from, to, separator] of candidates(run)) {
      if ((from === 0 && run.gluedBefore) || (to === run.groups.length && run.gluedAfter)) continue
      if (!isIssuable(digitsOf(segment.text, run.groups, from, to))) continue
      const start = run.groups[from]!.start
      const form = SCORES[separator]!
      const isNamed = segment.hasContext(start, CONTEXT)
      const isOther = !isNamed && form >= SCORE_THRESHOLD && form < SCORES['-']! && isAnnouncedAsOther(segment, start, 'US_SSN')
      const score = form + (isNamed ? CONTEXT_BOOST : isOther ? -ANNOUNCED_AS_OTHER : 0)
      matches.push({ start, end: run.groups[to - 1]!.end, score: Math.min(1, score) })
    }
  }
  return matches
}

export const usSsn: Recogniser = { entities: ['US_SSN'], needs: TRAIT.digits, shapes: SHAPE.nineDigits, find }

import { type FilterPlan, findOverBorders, SLICE_UNITS } from '#gateway/filters'
import { type Borders, meetingsOf, piecesUnder } from './meetings.ts'
import type { Crossing, Stretch } from './stretches.ts'
import type { Call, TextFilter } from './surface.ts'

/** Units at either end of a text that may belong to something confidential which goes on in its neighbour: more than the longest window of any search. */
const BORDER_UNITS = 512

const borders: Borders = ({ length }) => [Math.min(length, BORDER_UNITS), Math.max(0, length - BORDER_UNITS)]

/**
 * What is confidential over the borders of neighbouring texts of one origin (C8); what lies within one text is found in it. Gives way after each meeting and slice.
 * @param visit shows all texts, in the order in which they will be filtered.
 */
export function* crossingPassages(
  call: Pick<Call, 'originOf' | 'saidIn'>,
  plan: Pick<FilterPlan, 'confidential'>,
  visit: (look: TextFilter) => void,
): Generator<void, Crossing | null> {
  const { confidential } = plan
  if (confidential === undefined || call.saidIn === undefined) return null
  const crossing = new Map<number, Stretch[]>()
  for (const meeting of meetingsOf(call, borders, visit)) {
    const isOver = (start: number, end: number): boolean => piecesUnder(meeting, start, end).length > 1
    for (const match of yield* findOverBorders(meeting.text, confidential, SLICE_UNITS, isOver)) {
      for (const [i, { text, from, start, end }] of piecesUnder(meeting, match.start, match.end).entries()) {
        const within = { start: Math.max(match.start, start) - start + from, end: Math.min(match.end, end) - start + from }
        const stretches = crossing.get(text) ?? []
        // What parts that touch have, parts with a space between them mostly have as well.
        if (!stretches.some((known) => known.entity === match.entity && known.start < within.end && known.end > within.start))
          crossing.set(text, [...stretches, { ...match, ...within, begins: i === 0 }])
      }
    }
    yield
  }
  return crossing.size === 0 ? null : crossing
}

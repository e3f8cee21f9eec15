import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ConfidentialMatch, doesAct, type FilterPlan, findOverBorders, maskOf, SLICE_UNITS } from '#gateway/filters'
import { type Borders, meetingsOf, piecesUnder } from './meetings.ts'
import type { Call, TextFilter } from './surface.ts'

/** Units at either end of a text that may belong to something confidential which goes on in its neighbour: more than the longest window of any search. */
const BORDER_UNITS = 512

const borders: Borders = ({ length }) => [Math.min(length, BORDER_UNITS), Math.max(0, length - BORDER_UNITS)]

/** The part of a confidential passage that lies in one text, of one that lies in several. UTF-16 offsets, end exclusive. */
export interface Stretch extends ConfidentialMatch {
  /** The passage begins in this text: there it is counted. */
  readonly begins: boolean
}

/** By number of the text, in the order in which all are shown. */
export type CrossingPassages = ReadonlyMap<number, readonly Stretch[]>

/**
 * What is confidential over the borders of neighbouring texts of one origin (C8); what lies within one text is found in it. Gives way after each meeting and slice.
 * @param visit shows all texts, in the order in which they will be filtered.
 */
export function* crossingPassages(
  call: Pick<Call, 'originOf' | 'saidIn'>,
  plan: Pick<FilterPlan, 'confidential'>,
  visit: (look: TextFilter) => void,
): Generator<void, CrossingPassages | null> {
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

/** Without giving way, for what is small. */
export function atOnce(search: ReturnType<typeof crossingPassages>): CrossingPassages | null {
  let step = search.next()
  while (step.done !== true) step = search.next()
  return step.value
}

/** A slice in one turn of the event loop. */
export async function inTurns(search: ReturnType<typeof crossingPassages>): Promise<CrossingPassages | null> {
  let step = search.next()
  for (; step.done !== true; step = search.next()) await nextTurn()
  return step.value
}

/** The text with what stands for the stretches that something is done to. */
export function stretchesOut(text: string, stretches: readonly Stretch[], dryRun: boolean): string {
  let out = ''
  let at = 0
  for (const { entity, action, start, end } of stretches
    .filter((stretch) => doesAct(stretch.action, dryRun))
    .sort((a, b) => a.start - b.start)) {
    if (end <= at) continue
    // Of a block nothing leaves: the search of it refuses the request.
    if (action === 'block') continue
    out += text.slice(at, Math.max(at, start)) + maskOf(entity)
    at = end
  }
  return out + text.slice(at)
}

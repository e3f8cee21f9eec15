import {
  beginsAsJson,
  endOfSaid,
  type FilterPlan,
  type Finding,
  findJoinedValues,
  findValues,
  leadOf,
  SLICE_UNITS,
  VALUE_BORDER_UNITS,
} from '#gateway/filters'
import { isKnown, isPlainWord, stretchesOf } from './cut-value.ts'
import { type Borders, type Meeting, meetingsOf, piecesUnder } from './meetings.ts'
import type { Crossing, Stretch } from './stretches.ts'
import type { Call, TextFilter } from './surface.ts'

const borders: Borders = ({ length }) => [Math.min(length, VALUE_BORDER_UNITS), Math.max(0, length - VALUE_BORDER_UNITS)]

/**
 * What a text begins and ends with that is no part of what it says: white space, and of JSON the structure around its first and its last text.
 * @returns the text without them, and how many units were taken from its beginning.
 */
function said(text: string): readonly [inner: string, lead: number] {
  const isJson = beginsAsJson(text)
  const lead = leadOf(text, isJson)
  return [text.slice(lead, Math.max(lead, endOfSaid(text, isJson))), lead]
}

/** Units of a word that are looked at; a longer one is plain in no case. */
const WORD_UNITS = 32
const WHITE = /\s/

function lastWord(text: string): string {
  let from = text.length
  const least = Math.max(0, from - WORD_UNITS)
  while (from > least && !WHITE.test(text[from - 1]!)) from--
  return text.slice(from)
}

function firstWord(text: string): string {
  let to = 0
  const most = Math.min(text.length, WORD_UNITS)
  while (to < most && !WHITE.test(text[to]!)) to++
  return text.slice(0, to)
}

/** Whether a value may lie over some border of a meeting: most texts end and begin with a plain word, and what they hold was searched with them. */
function mayCross({ text, pieces }: Meeting): boolean {
  return pieces.some(({ start, end }, i) => {
    if (i === 0) return false
    const before = pieces[i - 1]!
    const last = lastWord(text.slice(before.start, before.end))
    const first = firstWord(text.slice(start, end))
    return !isPlainWord(last) || !isPlainWord(first)
  })
}

/**
 * Values with a form that lie over the borders of neighbouring texts of one origin (C6), in requests and in answers of several parts. What lies within one text
 * is found in it, and left to it: a word beside a whole address is no part of it. Gives way after each meeting and slice.
 * @param visit shows all texts, in the order in which they will be filtered.
 * @param touching whether texts of two messages are neighbours; the choices of an answer are none.
 * @returns by number of the text.
 */
export function* crossingValues(
  call: Pick<Call, 'originOf' | 'saidIn'>,
  plan: FilterPlan,
  visit: (look: TextFilter) => void,
  touching: 'all' | 'within' = 'all',
): Generator<void, Crossing> {
  const crossing = new Map<number, Stretch[]>()
  if (call.saidIn === undefined) return crossing
  const texts: string[] = []
  const leads: number[] = []
  const shown: (readonly [inner: string, place: string])[] = []
  let allPlain = true
  visit((text, place, isName) => {
    // The name of a member is no neighbour: what is said goes on behind it.
    const [inner, lead] = isName === true ? ['', 0] : said(text)
    texts.push(text)
    leads.push(lead)
    shown.push([inner, place])
    allPlain &&= isPlainWord(lastWord(inner)) && isPlainWord(firstWord(inner))
    return text
  })
  if (allPlain) return crossing
  const look = (show: TextFilter): void => shown.forEach(([inner, place]) => void show(inner, place))
  const own = new Map<number, readonly Finding[]>()
  for (const meeting of meetingsOf(call, borders, look, undefined, touching)) {
    if (!mayCross(meeting)) continue
    for (const value of yield* findJoinedValues(meeting.text, plan, SLICE_UNITS)) {
      const pieces = piecesUnder(meeting, value.start, value.end)
      if (pieces.length < 2) continue
      for (const { text } of pieces) if (!own.has(text)) own.set(text, yield* findValues(texts[text]!, plan, SLICE_UNITS))
      const cut = pieces.map(({ text, from, start, end }) => ({ from: from + leads[text]!, start, end, own: own.get(text)! }))
      for (const [i, stretch] of stretchesOf(value, meeting.text, cut, plan).entries()) {
        const { text } = pieces[i]!
        const known = crossing.get(text) ?? []
        // Both ways of joining may show it.
        if (!isKnown(known, stretch)) crossing.set(text, [...known, stretch])
      }
    }
    yield
  }
  return crossing
}

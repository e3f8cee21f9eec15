import { stricterAction } from '#foundation/core'
import {
  type FilterPlan,
  type Finding,
  findJoinedValues,
  findValues,
  SLICE_UNITS,
  standInForCut,
  VALUE_BORDER_UNITS,
} from '#gateway/filters'
import { type Borders, type Meeting, meetingsOf, type Piece, piecesUnder } from './meetings.ts'
import type { Crossing, Stretch } from './stretches.ts'
import type { Call, TextFilter } from './surface.ts'

const borders: Borders = ({ length }) => [Math.min(length, VALUE_BORDER_UNITS), Math.max(0, length - VALUE_BORDER_UNITS)]

/** What a text begins and ends with that is no part of what it says: white space, and of JSON the structure around its first and its last text. */
const JSON_TEXT = /^\s*[[{][\s\S]*[\]}]\s*$/
const JSON_HEAD = /^(?:[\s{[]|"[^"]{0,64}"\s*:)*["\uFDD3]?\s*/
const JSON_TAIL = /[\s\]}"\uFDD3]/

/** @returns the text without them, and how many units were taken from its beginning. */
function said(text: string): readonly [inner: string, lead: number] {
  if (!JSON_TEXT.test(text)) {
    const inner = text.trimStart()
    return [inner.trimEnd(), text.length - inner.length]
  }
  const lead = JSON_HEAD.exec(text)![0].length
  // From the end, unit by unit: an expression for it would begin anew at each unit of a long run in the middle.
  let end = text.length
  while (end > lead && JSON_TAIL.test(text[end - 1]!)) end--
  return [text.slice(lead, end), lead]
}

/** A word that is no end and no beginning of a value: letters, all but the first of them small, with the signs of a sentence. */
const PLAIN_WORD = /^[("'„“«[]*\p{Lu}?\p{Ll}{0,14}[.,;:!?…)"'”»\]]*$/u
const isPlainWord = (word: string): boolean => PLAIN_WORD.test(word)
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
      const stretches = pieces.map((piece) => within(piece, value, leads[piece.text]!))
      const isOwn = (stretch: Reach, i: number): boolean =>
        own.get(pieces[i]!.text)!.some((other) => other.entity === value.entity && overlap(other, stretch))
      if (stretches.some(isOwn) && (isOwn(stretches[0]!, 0) || !isCutName(value, meeting, pieces))) continue
      const stand = standInForCut(value, meeting.text, plan)
      for (const [i, stretch] of stretches.entries()) {
        const { text } = pieces[i]!
        const known = crossing.get(text) ?? []
        // Both ways of joining may show it.
        if (known.some((other) => other.entity === value.entity && overlap(other, stretch))) continue
        const { entity } = value
        const { start, end, action } = widened(stretch, own.get(text)!)
        crossing.set(text, [
          ...known,
          { entity, action, start, end, begins: i === 0, ...(i === 0 && stand !== null && action === value.action ? { stand } : {}) },
        ])
      }
    }
    yield
  }
  return crossing
}

/**
 * An address is whole without the beginning of its name, `jane.d` before `oe@example.com`, and what is left would be a name. A plain word is the end of a
 * sentence instead: `my address is`.
 */
const isCutName = ({ entity, start }: Finding, { text }: Meeting, [first]: readonly Piece[]): boolean =>
  entity === 'EMAIL_ADDRESS' && !isPlainWord(text.slice(start, first!.end))

interface Reach extends Pick<Finding, 'action'> {
  readonly start: number
  readonly end: number
}

const overlap = (a: Pick<Reach, 'start' | 'end'>, b: Pick<Reach, 'start' | 'end'>): boolean => a.start < b.end && b.start < a.end

function within({ from, start, end }: Piece, value: Finding, lead: number): Reach {
  const shift = from + lead - start
  return { start: Math.max(value.start, start) + shift, end: Math.min(value.end, end) + shift, action: value.action }
}

/** With what the text by itself has there: no unit that a recogniser claimed passes, under the stricter action of both. */
function widened(stretch: Reach, own: readonly Finding[]): Reach {
  return own
    .filter((other) => overlap(other, stretch))
    .reduce(
      (all, { start, end, action }) => ({
        start: Math.min(all.start, start),
        end: Math.max(all.end, end),
        action: stricterAction(all.action, action),
      }),
      stretch,
    )
}

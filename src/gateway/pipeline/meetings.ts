import type { Call, TextFilter, TextOrigin } from './surface.ts'

/** A stretch of a text, at its place in what was joined. Offsets in UTF-16 units, end exclusive. */
export interface Piece {
  /** Number of the text in the order in which all are shown, and its place in the request. */
  readonly text: number
  readonly place: string
  /** Where the stretch begins in its text. */
  readonly from: number
  readonly start: number
  readonly end: number
}

/** Where texts of one origin meet: the end of one, whole short ones, the beginning of another, in order. */
export interface Meeting {
  readonly origin: TextOrigin
  readonly text: string
  readonly pieces: readonly Piece[]
}

/** How much of a text lies at its borders: the ends of the first and before the last stretch; the same twice for a text that is all border. */
export type Borders = (text: string) => readonly [head: number, tail: number]

/** Which texts are joined without anything between them as well: parts of one message, or all, where a value goes on in the next one; `within` joins parts of one message alone. */
export type Touching = 'parts' | 'all' | 'within'

const NO_ORIGIN: TextOrigin = 'user'
const LETTER = /[\p{L}\p{N}]/u

interface Joined {
  text: string
  readonly pieces: Piece[]
}

interface Run {
  /** With a space between texts: a line would end a clause. */
  readonly apart: Joined
  /** As `apart`, but what is `Touching` touches: parts of one message as some servers join them. */
  readonly close: Joined
  message: string
  differs: boolean
}

/**
 * Joins what stands beside each other in a request, so that what was cut over messages or parts can be seen as one. Only borders are joined: the insides
 * of texts are looked at by themselves. What is joined is never longer than all texts.
 */
export class Neighbours {
  readonly #call: Pick<Call, 'originOf' | 'saidIn'>
  readonly #borders: Borders
  readonly #touching: Touching
  readonly #runs = new Map<TextOrigin, Run>()
  #texts = 0

  constructor(call: Pick<Call, 'originOf' | 'saidIn'>, borders: Borders, touching: Touching = 'parts') {
    this.#call = call
    this.#borders = borders
    this.#touching = touching
  }

  /** Takes the next text, and returns the meetings that it ends. @param joins false for one that takes no part: nothing is joined across it. */
  take(text: string, place: string, joins = true): readonly Meeting[] {
    const number = this.#texts++
    const message = this.#call.saidIn?.(place) ?? null
    if (message === null || text === '') return NONE
    const origin = this.#call.originOf?.(place) ?? NO_ORIGIN
    if (!joins) return this.#end(origin)
    const isApart = this.#touching === 'within' && this.#runs.get(origin)?.message !== message
    const before = isApart ? this.#end(origin) : NONE
    const [head, tail] = this.#borders(text)
    const whole = tail <= head
    this.#add(origin, message, text, { number, place, from: 0, to: whole ? text.length : head })
    if (whole) return before
    const ended = [...before, ...this.#end(origin)]
    this.#add(origin, message, text, { number, place, from: tail, to: text.length })
    return ended
  }

  /** The meetings that no text has ended. */
  rest(): readonly Meeting[] {
    return [...this.#runs.keys()].flatMap((origin) => this.#end(origin))
  }

  #add(origin: TextOrigin, message: string, text: string, at: { number: number; place: string; from: number; to: number }): void {
    let run = this.#runs.get(origin)
    if (run === undefined) this.#runs.set(origin, (run = { apart: empty(), close: empty(), message, differs: false }))
    const stretch = text.slice(at.from, at.to)
    const all = this.#touching !== 'parts'
    const touches = run.apart.pieces.length > 0 && (all || run.message === message)
    run.message = message
    if (touches && (all || (LETTER.test(run.apart.text.slice(-1)) && LETTER.test(stretch[0]!)))) run.differs = true
    append(run.apart, ' ', stretch, at)
    append(run.close, touches ? '' : ' ', stretch, at)
  }

  #end(origin: TextOrigin): readonly Meeting[] {
    const run = this.#runs.get(origin)
    this.#runs.delete(origin)
    if (run === undefined || run.apart.pieces.length < 2) return NONE
    return (run.differs ? [run.apart, run.close] : [run.apart]).map(({ text, pieces }) => ({ origin, text, pieces }))
  }
}

const NONE: readonly Meeting[] = []
const empty = (): Joined => ({ text: '', pieces: [] })

function append(
  joined: Joined,
  between: string,
  stretch: string,
  { number, place, from }: { number: number; place: string; from: number },
): void {
  if (joined.pieces.length > 0) joined.text += between
  const start = joined.text.length
  joined.text += stretch
  joined.pieces.push({ text: number, place, from, start, end: joined.text.length })
}

/** The pieces of a meeting that a stretch of it lies over. */
export function piecesUnder({ pieces }: Meeting, start: number, end: number): readonly Piece[] {
  let [low, high] = [0, pieces.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (pieces[middle]!.end > start) high = middle
    else low = middle + 1
  }
  const first = low
  while (low < pieces.length && pieces[low]!.start < end) low++
  return pieces.slice(first, low)
}

/** The meetings of all texts that `visit` shows. @param joins as in `Neighbours.take`. */
export function meetingsOf(
  call: Pick<Call, 'originOf' | 'saidIn'>,
  borders: Borders,
  visit: (look: TextFilter) => void,
  joins: (text: string, place: string) => boolean = () => true,
  touching: Touching = 'parts',
): readonly Meeting[] {
  const neighbours = new Neighbours(call, borders, touching)
  const meetings: Meeting[] = []
  visit((text, place) => {
    meetings.push(...neighbours.take(text, place, joins(text, place)))
    return text
  })
  return [...meetings, ...neighbours.rest()]
}

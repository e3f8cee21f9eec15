import {
  countOne,
  endOfSaid,
  type FilterPlan,
  type Finding,
  findValues,
  HOLD_BACK_CAP,
  isLeadOpen,
  joinsValues,
  leadOf,
  type OpenEnd,
  passes,
  placeholder,
  searchAlone,
  searchJoined,
  SLICE_UNITS,
  VALUE_BORDER_UNITS,
  type ValueSearch,
} from '#gateway/filters'
import { type CutPiece, isKnown, stretchesOf } from './cut-value.ts'
import { atOnce, type Stretch } from './stretches.ts'

/** What is counted of the values that lie over the texts of one stream. */
export interface CrossingCounts {
  readonly findings: Map<string, number>
  /** As `findings`, by what was done: `CREDIT_CARD=mask`. */
  readonly actions: Map<string, number>
}

/** Makes the search of each row of neighbours; null where no value that is looked for can lie over two texts. */
export const streamedCrossings = (plan: FilterPlan, counts: CrossingCounts): (() => StreamedCrossing) | null =>
  joinsValues(plan) ? () => new StreamedCrossing(plan, counts) : null

/** What stands before a text, as far as words before a value are looked for in it: joined with a space, and without. */
export type Context = readonly [apart: string, close: string]
export const NO_CONTEXT: Context = ['', '']
const BETWEEN = [' ', ''] as const
/** More than the words before a value take. */
const CONTEXT_UNITS = 64

/** What stands behind a text that has nothing which goes on. */
export function contextBehind(before: Context, end: OpenEnd): Context {
  const text = end.recent + end.held
  const said = text.slice(0, endOfSaid(text, end.isJson)).slice(-CONTEXT_UNITS)
  const join = (way: 0 | 1): string => (before[way] + (before[way] === '' ? '' : BETWEEN[way]) + said).slice(-CONTEXT_UNITS)
  return [join(0), join(1)]
}

/** What was joined so far, and where each text stands in it. */
interface Joined {
  readonly search: ValueSearch
  readonly between: string
  text: string
  readonly places: { start: number; end: number }[]
  /** So many of its values were looked at. */
  seen: number
}

interface Told {
  readonly end: OpenEnd
  /** Offset in the text of what is joined of it. */
  from: number
  /** How many units of it are joined. */
  units: number
  ended: boolean
  readonly stretches: Stretch[]
}

/**
 * Values with a form that lie over the borders of texts that a stream tells one after another (C6): `crossingValues`, for what comes in pieces. It begins
 * with the open end of a text; what follows is kept closed until no value can lie over the border any more.
 */
export class StreamedCrossing {
  readonly #plan: FilterPlan
  readonly #counts: CrossingCounts
  readonly #told: Told[] = []
  readonly #ways: readonly Joined[]
  #over = false

  constructor(plan: FilterPlan, counts: CrossingCounts) {
    this.#plan = plan
    this.#counts = counts
    this.#ways = BETWEEN.map((between) => ({ search: searchJoined(plan), between, text: '', places: [], seen: 0 }))
  }

  /** Number of texts. */
  get texts(): number {
    return this.#told.length
  }

  has(end: OpenEnd): boolean {
    return this.#told.some((told) => told.end === end)
  }

  /** What stands before the last text. */
  get context(): Context {
    const [apart, close] = this.#ways.map(({ text, places }) => {
      const last = places[this.#told.length - 1]
      return text.slice(0, last?.start).slice(-CONTEXT_UNITS)
    })
    return [apart!, close!]
  }

  /** Takes the text before the border, of which only the end counts. */
  begin(end: OpenEnd, context: Context): void {
    for (const [i, way] of this.#ways.entries()) this.#push(way, context[i]!)
    const text = end.recent + end.held
    const to = endOfSaid(text, end.isJson)
    const tail = Math.max(0, to - VALUE_BORDER_UNITS)
    this.#add(end, end.base - end.recent.length + tail, true)
    this.#join(text.slice(tail, to))
  }

  /** A text begins behind those that there are. */
  next(end: OpenEnd): void {
    end.close()
    this.#add(end, -1, false)
  }

  /** Looks at what the last text has got. @param ended whether it has ended with that. */
  read(ended: boolean): void {
    const told = this.#told.at(-1)!
    const { held, base, isJson } = told.end
    told.ended = ended
    const atStart = base === 0 && isJson
    if (told.from < 0) {
      if (isLeadOpen(held, atStart) && !ended && held.length < HOLD_BACK_CAP) return
      told.from = base + leadOf(held, atStart)
    }
    const from = told.from - base + told.units
    const to = Math.min(endOfSaid(held, isJson, !ended), told.from - base + VALUE_BORDER_UNITS)
    if (to > from) {
      this.#join(held.slice(from, to))
      told.units += to - from
    }
    // More of it is not looked at, whatever it is.
    if (told.units >= VALUE_BORDER_UNITS || held.length >= HOLD_BACK_CAP) this.finish()
  }

  /** Nothing follows that a value could go on in. */
  finish(): void {
    this.#over = true
    for (const { search } of this.#ways) search.end()
  }

  /** Takes values out of the texts that they lie in. @returns how many texts are decided, in order; the last one is when there will be no more of it. */
  settle(): number {
    let decided = this.#told.length
    const last = this.#told.at(-1)!
    for (const { places, search } of this.#ways) while (decided > 0 && !this.#isDecided(places[decided - 1], search.decided)) decided--
    for (const way of this.#ways) {
      const { places, search } = way
      while (way.seen < search.values.length) {
        const value = search.values[way.seen]!
        const under = places.flatMap(({ start, end }, i) => (start < end && start < value.end && value.start < end ? [i] : []))
        if (under.length > 1 && !this.#cut(value, way, under)) return Math.min(decided, under[0]!)
        way.seen++
      }
    }
    return last.ended || this.#over ? decided : Math.min(decided, this.#told.length - 1)
  }

  /** A text of which nothing is joined is decided with those around it. */
  #isDecided(place: { readonly end: number } | undefined, to: number): boolean {
    return this.#over || (place !== undefined && place.end <= to)
  }

  #add(end: OpenEnd, from: number, ended: boolean): void {
    this.#told.push({ end, from, units: 0, ended, stretches: [] })
  }

  #join(text: string): void {
    const at = this.#told.length - 1
    for (const way of this.#ways) {
      // A text with nothing to say stands nowhere.
      while (way.places.length < at) way.places.push({ start: way.text.length, end: way.text.length })
      let place = way.places[at]
      if (place === undefined) {
        if (way.text !== '') this.#push(way, way.between)
        way.places.push((place = { start: way.text.length, end: way.text.length }))
      }
      this.#push(way, text)
      place.end = way.text.length
    }
  }

  #push(way: Joined, text: string): void {
    way.text += text
    way.search.push(text)
  }

  /** @returns false where it is not known yet what the last text has by itself. */
  #cut(value: Finding, { text, places }: Joined, under: readonly number[]): boolean {
    const pieces: CutPiece[] = []
    for (const at of under) {
      const { from } = this.#told[at]!
      const { start, end } = places[at]!
      const own = this.#own(this.#told[at]!, from + Math.min(value.end, end) - start)
      if (own === null) return false
      pieces.push({ from, start, end, own })
    }
    for (const [i, stretch] of stretchesOf(value, text, pieces, this.#plan).entries()) {
      const told = this.#told[under[i]!]!
      if (isKnown(told.stretches, stretch)) continue
      told.stretches.push(stretch)
      this.#take(told.end, stretch)
    }
    return true
  }

  #take(from: OpenEnd, { entity, action, start, end, begins, stand }: Stretch): void {
    if (begins) {
      countOne(this.#counts.findings, entity)
      countOne(this.#counts.actions, `${entity}=${action}`)
    }
    if (passes(action, this.#plan)) return
    const blocks = action === 'block' || action === 'review'
    from.cut({ start, end, stand: blocks ? null : (stand ?? placeholder(entity)) })
  }

  /** What a text has by itself at its border; null where that is not decided up to `to`. */
  #own({ end, ended }: Told, to: number): readonly Finding[] | null {
    const begin = end.base - end.recent.length
    const text = end.recent + end.held
    const own = ended || this.#over ? atOnce(findValues(text, this.#plan, SLICE_UNITS)) : this.#ownSoFar(text, to - begin)
    return own?.map((finding) => ({ ...finding, start: finding.start + begin, end: finding.end + begin })) ?? null
  }

  #ownSoFar(text: string, to: number): readonly Finding[] | null {
    const search = searchAlone(this.#plan)
    search.push(text)
    return search.decided < to ? null : search.values
  }
}

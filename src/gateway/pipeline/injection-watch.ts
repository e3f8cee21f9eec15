import { setImmediate as nextTurn } from 'node:timers/promises'
import { RedoubtError } from '#foundation/core'
import { classifyInSlices, type InjectionFinding } from '#gateway/filters'
import type { FilterCosts } from './house.ts'
import { type Borders, type Meeting, meetingsOf, Neighbours, piecesUnder } from './meetings.ts'
import type { Call, TextFilter, TextOrigin } from './surface.ts'

const ENTITY = 'PROMPT_INJECTION'
/** Units at either end of a text that may belong to an attack which goes on in its neighbour. */
const BORDER_UNITS = 120
/**
 * Score from which a meeting counts: harmless prompts full of trigger words, side by side, then raise no more alarms than each by itself (`npm run evaluate -- injection`).
 */
const SURE = 0.7
/** A shorter sentence takes the next one along. */
const SHORTEST_SENTENCE = 40
const SENTENCE_END = /[.!?。！？]["'”’)\]]?\s|\n/gu

/** The last sentence of one text and the first of the next. */
export const sentenceBorders: Borders = (text) => {
  const { length } = text
  let head = Math.min(length, BORDER_UNITS)
  let tail = Math.max(0, length - BORDER_UNITS)
  for (const { 0: end, index } of text.slice(0, BORDER_UNITS).matchAll(SENTENCE_END)) {
    if (index + end.length < SHORTEST_SENTENCE) continue
    head = index + end.length
    break
  }
  for (const { 0: end, index } of text.slice(tail).matchAll(SENTENCE_END)) {
    const after = Math.max(0, length - BORDER_UNITS) + index + end.length
    if (length - after >= SHORTEST_SENTENCE) tail = after
  }
  return [head, tail]
}

const PROTOCOL_WORD = /^[a-z][a-z0-9_./-]{0,31}$/

/** Whether a text of this origin may steer the model unnoticed: what the application says is its own. */
const isLookedAt = (origin: TextOrigin): boolean => origin !== 'system' && origin !== 'assistant'

/**
 * Looks for texts that steer the model in what users, tools and documents say (C7); what the application itself says is not looked at. Counts by origin and
 * signal, never a text. Where a surface cannot say where a text comes from, it is looked at. Neighbours of one origin are looked at together where they meet.
 */
export class InjectionWatch {
  readonly #call: Pick<Call, 'originOf' | 'saidIn'>
  readonly #action: 'block' | 'log'
  readonly #costs: FilterCosts | undefined
  readonly #neighbours: Neighbours
  #spent = 0
  readonly found: Record<string, number> = {}
  /** What was classified ahead, by text; of meetings apart, for they are judged by what lies over their borders. */
  readonly #known = new Map<string, InjectionFinding | null>()
  readonly #knownMeetings = new Map<string, InjectionFinding | null>()

  constructor(call: Pick<Call, 'originOf' | 'saidIn'>, action: 'block' | 'log', costs?: FilterCosts) {
    this.#call = call
    this.#action = action
    this.#costs = costs
    this.#neighbours = new Neighbours(call, sentenceBorders)
  }

  /** Tells what the classifier took. */
  settle(): void {
    this.#costs?.observe('injection', this.#spent)
  }

  /** @throws {RedoubtError} `ERR_FILTER_BLOCKED_INPUT` where the policy says so. */
  look(text: string, place: string): void {
    const origin = this.#origin(place)
    if (!isLookedAt(origin) || this.#isBeside(text, place)) return
    const known = this.#known.get(text)
    const finding = known === undefined ? this.#run(classifyInSlices(text)) : known
    if (finding !== null) this.#note(finding, origin, place)
    // An attack by itself is told once, not again with each neighbour.
    for (const meeting of this.#neighbours.take(text, place, finding === null)) this.#meet(meeting)
  }

  /** All texts were shown. @throws as `look`. */
  end(): void {
    for (const meeting of this.#neighbours.rest()) this.#meet(meeting)
  }

  #meet(meeting: Meeting): void {
    const known = this.#knownMeetings.get(keyOf(meeting))
    const finding = known === undefined ? this.#run(classifyMeeting(meeting)) : known
    if (finding !== null && finding.score >= SURE)
      this.#note(finding, meeting.origin, piecesUnder(meeting, finding.start, finding.end).at(-1)!.place)
  }

  #note({ signal }: InjectionFinding, origin: TextOrigin, place: string): void {
    const kind = `${origin}/${signal}`
    this.found[kind] = (this.found[kind] ?? 0) + 1
    if (this.#action === 'block')
      throw new RedoubtError('ERR_FILTER_BLOCKED_INPUT', `\`${place}\` reads like a text that is to steer the model against its operator`, {
        evidence: { entity: ENTITY, param: place, origin, signal },
      })
  }

  /** Classifies what `visit` shows, a slice in one turn of the event loop; see `Inspection.searchAhead`. */
  async lookAhead(visit: (look: TextFilter) => void): Promise<void> {
    const texts = new Set<string>()
    visit((text, place) => {
      if (isLookedAt(this.#origin(place)) && !this.#isBeside(text, place)) texts.add(text)
      return text
    })
    for (const text of texts) this.#known.set(text, await this.#runAhead(classifyInSlices(text)))
    const meetings = meetingsOf(
      this.#call,
      sentenceBorders,
      visit,
      (text, place) => isLookedAt(this.#origin(place)) && this.#known.get(text) === null,
    )
    for (const meeting of meetings) this.#knownMeetings.set(keyOf(meeting), await this.#runAhead(classifyMeeting(meeting)))
  }

  /** The words of a protocol, such as the type of a part, read like anything to a classifier of one word. */
  #isBeside(text: string, place: string): boolean {
    return PROTOCOL_WORD.test(text) && this.#call.saidIn?.(place) === null
  }

  #origin(place: string): TextOrigin {
    return this.#call.originOf === undefined ? 'user' : this.#call.originOf(place)
  }

  #run(search: Search): InjectionFinding | null {
    let step = this.#slice(search)
    while (step.done !== true) step = this.#slice(search)
    return step.value
  }

  async #runAhead(search: Search): Promise<InjectionFinding | null> {
    let step = this.#slice(search)
    for (; step.done !== true; step = this.#slice(search)) await nextTurn()
    await nextTurn()
    return step.value
  }

  #slice(search: Search): ReturnType<typeof search.next> {
    const started = this.#costs?.now() ?? 0
    const step = search.next()
    this.#spent += (this.#costs?.now() ?? 0) - started
    return step
  }
}

/** The same words that meet elsewhere are another meeting. */
const keyOf = ({ text, pieces }: Meeting): string => `${pieces.map(({ start }) => start).join()} ${text}`

type Search = ReturnType<typeof classifyInSlices>

/** What lies over a border; all else was classified with its text. */
const classifyMeeting = (meeting: Meeting): Search =>
  classifyInSlices(meeting.text, undefined, (start, end) => piecesUnder(meeting, start, end).length > 1)

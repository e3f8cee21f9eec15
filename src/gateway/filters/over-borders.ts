import { always } from './identifiers/identifier.ts'
import { IDENTIFIERS } from './identifiers/table.ts'
import type { FilterPlan, PlannedRecogniser } from './plan.ts'
import { BEFORE_UNITS, LONGEST_VALUE } from './recogniser.ts'
import type { Finding } from './segment-machine.ts'
import { createMachine, type TextMachine } from './text-machine.ts'

/** UTF-16 units at either end of a text that may belong to a value which goes on in its neighbour, with the words before it. */
export const VALUE_BORDER_UNITS = LONGEST_VALUE + BEFORE_UNITS

/** Kinds of the tables that any date or time fits. */
const WEAK: ReadonlySet<string> = new Set(['CREDIT_CARD_EXPIRY'])

/**
 * Kinds that say by their check digits, or by a prefix that nothing else has, that what ends one text and what begins the next are one value. Others are not
 * joined: digits end texts and begin them, and dates, ages, codes behind words and passwords would be made of any two of them.
 */
export const JOINED_ENTITIES: ReadonlySet<string> = new Set([
  'API_KEY',
  'CREDIT_CARD',
  'CREDIT_CARD_TRACK',
  'CRYPTO',
  'EMAIL_ADDRESS',
  'IBAN_CODE',
  'IP_ADDRESS',
  'MAC_ADDRESS',
  'PHONE_NUMBER',
  'US_SSN',
  ...IDENTIFIERS.filter(({ entity, valid }) => valid !== always && !WEAK.has(entity)).map(({ entity }) => entity),
])

/**
 * Least score of kinds that a number at the end of one text and one at the beginning of the next look like too often (`npm run evaluate -- filters`). National
 * forms of telephone numbers and the rarest cards have less, unless a word for them stands before.
 */
const LEAST_SCORE: ReadonlyMap<string, number> = new Map([
  ['CREDIT_CARD', 0.8],
  ['PHONE_NUMBER', 0.7],
])

/** By the recognisers of a plan, which the plans of all calls by one policy share. */
const joined = new WeakMap<FilterPlan['planned'], FilterPlan['planned']>()

function joinedRecognisers(planned: FilterPlan['planned']): FilterPlan['planned'] {
  const known = joined.get(planned)
  if (known !== undefined) return known
  const chosen = planned.flatMap((one): PlannedRecogniser[] => {
    const kept = new Map([...one.actions].filter(([entity]) => JOINED_ENTITIES.has(entity)))
    return kept.size === 0 ? [] : [{ ...one, actions: kept }]
  })
  joined.set(planned, chosen)
  return chosen
}

/** A line before a text: what stands behind it is not the whole of a text, which would make a value of weak ones. */
const NOT_ALONE = '\n\n\n'

const isJoinedFar = ({ entity, score }: Finding): boolean => score >= (LEAST_SCORE.get(entity) ?? 0)

/** Whether something that is looked for may lie over two texts. */
export const joinsValues = ({ planned }: FilterPlan): boolean => joinedRecognisers(planned).length > 0

/**
 * The values of `JOINED_ENTITIES` in what two or more texts were joined to, whether or not they lie over a border. Gives way after every `slice` units.
 * @returns in order, with offsets in `text`, in UTF-16 units.
 */
export function* findJoinedValues(text: string, plan: FilterPlan, slice: number): Generator<void, readonly Finding[]> {
  return joinsValues(plan) ? yield* findAll(searchJoined(plan), text, slice) : []
}

/** Every value with a form in one text, by what the plan does to it; names and what is confidential are not looked for. Gives way after every `slice` units. */
export function findValues(text: string, plan: FilterPlan, slice: number): Generator<void, readonly Finding[]> {
  return findAll(searchAlone(plan), text, slice)
}

/** As `findJoinedValues`, for texts that come in pieces. */
export const searchJoined = (plan: FilterPlan): ValueSearch =>
  new ValueSearch({ ...bare(plan), planned: joinedRecognisers(plan.planned) }, NOT_ALONE, isJoinedFar)

/** As `findValues`, for a text that comes in pieces. */
export const searchAlone = (plan: FilterPlan): ValueSearch => new ValueSearch(bare(plan), '', () => true)

/** Nothing is put out, so that nothing is blocked, turned back or kept either: all are found, also behind one that is blocked. */
function bare({ planned, needs, minScore, exempt }: FilterPlan): FilterPlan {
  return { planned, needs, names: null, minScore, exempt, keyed: false, reviews: false, dryRun: true, substitutes: null, restore: null }
}

/** Finds values in a text that comes in pieces and is put out by somebody else. */
export class ValueSearch {
  /** In order, with offsets in what was pushed, in UTF-16 units. */
  readonly values: Finding[] = []
  readonly #machine: TextMachine
  #pushed = 0
  #ended = false

  /** @param before stands before the text. */
  constructor(plan: FilterPlan, before: string, counts: (finding: Finding) => boolean) {
    const shift = before.length
    this.#machine = createMachine(plan, (finding) => {
      if (counts(finding)) this.values.push({ ...finding, start: finding.start - shift, end: finding.end - shift })
    })
    this.#machine.push(before)
  }

  /** No value that is yet to be found has a unit before here. */
  get decided(): number {
    return this.#ended ? Infinity : this.#pushed - this.#machine.heldBack
  }

  push(text: string): void {
    this.#machine.push(text)
    this.#pushed += text.length
  }

  end(): void {
    if (!this.#ended) this.#machine.flush()
    this.#ended = true
  }
}

function* findAll(search: ValueSearch, text: string, slice: number): Generator<void, readonly Finding[]> {
  for (let at = 0; at < text.length; at += slice) {
    if (at > 0) yield
    search.push(text.slice(at, at + slice))
  }
  search.end()
  return search.values
}

import type { ConfidentialIndex, EntityTable, RowTable } from './confidential-index.ts'
import type { ConfidentialActions, ConfidentialEntity } from './entities.ts'
import { LetterReader, type LetterSink } from './letter-reader.ts'
import { PassageFinder } from './passage-finder.ts'
import { CANARY_GRAM } from './read-canaries.ts'
import { GRAM, GUARANTEE, RollingHash, Winnower, WINDOW } from './winnower.ts'
import { WordReader, WordRing } from './words.ts'

/** Letters that a passage may begin before its first fingerprint, and end after its last. */
export const MARGIN = WINDOW - 1
/** Letters behind the present one in which a passage that is found next may begin. */
export const PASSAGE_WINDOW = GUARANTEE + MARGIN
const RING = 128
/** Of fingerprints that several sources have, so many are looked at. */
const MOST_ALIKE = 16

/** @param start,end UTF-16 units of the raw text, `end` exclusive. Of one passage the reports follow one another and touch. */
export type ReportMatch = (entity: ConfidentialEntity, start: number, end: number) => void

/**
 * Looks for registered passages, terms, rows and canaries, and for what a classifier holds to be confidential, in a text that comes in pieces, of any cutting. Constant memory, a bounded number of steps a
 * letter. What it looks back over is the window that each search needs: nothing that it reports later begins before `safe()`.
 */
export class ConfidentialScanner implements LetterSink {
  readonly #index: ConfidentialIndex
  readonly #actions: ConfidentialActions
  readonly #report: ReportMatch
  readonly #widest: number
  readonly #reader: LetterReader
  readonly #winnower: Winnower | null
  readonly #canary: RollingHash | null
  readonly #words: WordReader | null
  readonly #finder: PassageFinder | null
  readonly #wantsTerms: boolean
  readonly #rows: readonly { readonly table: RowTable; readonly ring: WordRing }[]
  readonly #starts = new Float64Array(RING)
  readonly #ends = new Float64Array(RING)
  #letters = 0
  /** The entity of the latest passage, and letters after its last fingerprint that may belong to it. */
  #passage: ConfidentialEntity = 'CONFIDENTIAL_DOCUMENT'
  #margin = 0
  #passageEnd = 0

  /** @param widest letters that a passage reaches beyond its fingerprints: none where only what the fingerprints cover is asked for. */
  constructor(index: ConfidentialIndex, actions: ConfidentialActions, report: ReportMatch, widest: number = MARGIN) {
    const { key } = index
    this.#widest = widest
    this.#index = index
    this.#actions = actions
    this.#report = report
    this.#reader = new LetterReader(this)
    const rows = actions.has('TRAINING_DATA') ? index.rows : []
    const wantsPassages = actions.has('CONFIDENTIAL_DOCUMENT') || actions.has('TRAINING_DATA')
    this.#wantsTerms = actions.has('CONFIDENTIAL_TERM') || actions.has('CONFIDENTIAL_MARKING')
    this.#winnower = wantsPassages && index.passages.table.size > 0 ? new Winnower(key) : null
    this.#canary = actions.has('CANARY') && index.canaries.size > 0 ? new RollingHash(key, CANARY_GRAM) : null
    this.#words = this.#wantsTerms || rows.length > 0 ? new WordReader(key) : null
    this.#rows = rows.map((table) => ({ table, ring: new WordRing(key) }))
    this.#finder =
      actions.has('CONFIDENTIAL_TEXT') && index.classifier !== null
        ? new PassageFinder(index.classifier, key, (start, end) => report('CONFIDENTIAL_TEXT', start, end))
        : null
  }

  /** Units read. */
  get position(): number {
    return this.#reader.position
  }

  push(text: string): void {
    this.#reader.push(text)
  }

  /** Ends the text; offsets go on. */
  end(): void {
    this.#reader.end()
    this.#finder?.end()
    this.#winnower?.reset()
    this.#canary?.reset()
    this.#words?.reset()
    for (const { ring } of this.#rows) ring.count = 0
    this.#letters = this.#margin = 0
  }

  /** Where the earliest match may begin that is not reported yet. */
  safe(): number {
    let safe = this.#reader.position
    if (this.#winnower !== null) safe = Math.min(safe, this.#startOf(PASSAGE_WINDOW - 1))
    if (this.#canary !== null) safe = Math.min(safe, this.#startOf(CANARY_GRAM - 1))
    if (this.#finder !== null) safe = Math.min(safe, this.#finder.safe(safe))
    const words = this.#words
    if (words === null) return safe
    if (words.start >= 0) safe = Math.min(safe, words.start)
    if (this.#wantsTerms) safe = earlier(safe, words.ring.startOf(this.#index.longestTerm - 1))
    for (const { table, ring } of this.#rows) safe = earlier(safe, ring.startOf(table.words - 1))
    return safe
  }

  letter(letter: number, start: number, end: number, small: boolean): void {
    const at = this.#letters++
    this.#starts[at % RING] = start
    this.#ends[at % RING] = end
    if (this.#margin > 0) {
      this.#margin--
      this.#report(this.#passage, this.#passageEnd, end)
      this.#passageEnd = end
    }
    if (this.#winnower?.push(letter) === true) this.#chosen(this.#winnower, at)
    if (this.#canary?.push(letter) === true) this.#canaryGram(this.#canary, at)
    this.#words?.letter(letter, start, end, small)
    this.#finder?.letter(letter, start, end)
  }

  gap(unit: number): void {
    this.#finder?.gap(unit)
    const words = this.#words
    if (words === null || !words.gap()) return
    if (this.#wantsTerms) this.#term(words.ring)
    for (const { table, ring } of this.#rows) {
      if (table.skipped.has(words.ring.lastHash)) continue
      ring.copyFrom(words.ring)
      this.#row(table, ring)
    }
  }

  /** Where the last `letters` letters begin, or all of the text when it has fewer. */
  #startOf(letters: number): number {
    const from = Math.max(0, this.#letters - letters)
    return from === this.#letters ? this.#reader.position : this.#starts[from % RING]!
  }

  #chosen({ chosen, high, low }: Winnower, at: number): void {
    const entity = this.#entityOf(this.#index.passages, high, low, false)
    if (entity === null) return
    const first = Math.max(0, chosen - GRAM + 1 - this.#widest)
    const last = Math.min(at, chosen + this.#widest)
    this.#passage = entity
    this.#margin = Math.max(0, this.#widest - (at - chosen))
    this.#passageEnd = this.#ends[last % RING]!
    this.#report(entity, this.#starts[first % RING]!, this.#passageEnd)
  }

  #canaryGram(rolling: RollingHash, at: number): void {
    const { canaryTails, canaries, key } = this.#index
    if (!canaryTails.mayHave(rolling.lane1 >>> 0)) return
    key.hash.digest(rolling.lane1, rolling.lane2)
    if (canaries.find(key.hash.high, key.hash.low) < 0) return
    this.#report('CANARY', this.#starts[(at - CANARY_GRAM + 1) % RING]!, this.#ends[at % RING]!)
  }

  #term(ring: WordRing): void {
    const { termTails, terms, longestTerm, key } = this.#index
    for (let words = Math.min(longestTerm, ring.count); words > 0; words--) {
      if (!termTails.mayHave(ring.tail(words))) continue
      ring.gram(words)
      key.hash.digest(ring.lane1, ring.lane2)
      const entity = this.#entityOf(terms, key.hash.high, key.hash.low, ring.areCapitals(words))
      if (entity === null) continue
      this.#report(entity, ring.startOf(words), ring.lastEnd)
      return
    }
  }

  #row({ table, words }: RowTable, ring: WordRing): void {
    if (ring.count < words) return
    const { hash } = this.#index.key
    ring.gram(words)
    hash.digest(ring.lane1, ring.lane2)
    if (table.find(hash.high, hash.low) >= 0) this.#report('TRAINING_DATA', ring.startOf(words), ring.lastEnd)
  }

  /** The first entity, of those that the policy speaks of, that the fingerprint means. */
  #entityOf({ table, entities, capitals }: EntityTable, high: number, low: number, areCapitals: boolean): ConfidentialEntity | null {
    let place = table.find(high, low)
    for (let looked = 0; place >= 0 && looked < MOST_ALIKE; looked++) {
      const source = table.sourceAt(place)
      const entity = entities[source]!
      if (this.#actions.has(entity) && (areCapitals || !capitals[source])) return entity
      place = table.next(place)
    }
    return null
  }
}

const earlier = (safe: number, start: number): number => (start < 0 ? safe : Math.min(safe, start))

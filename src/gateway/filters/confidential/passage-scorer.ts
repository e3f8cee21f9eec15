import { FAMILIAR_SENTENCES, isFamiliar } from './familiarity.ts'
import type { LetterSink } from './letter-reader.ts'
import { type FeatureKey, SentenceReader, SHORTEST_SENTENCE } from './sentence-reader.ts'
import { PASSAGE_SENTENCES, type TextModel } from './text-model.ts'

/** What of a model is needed to score. Without `familiar` all is as familiar as can be. */
export type Scored = Pick<TextModel, 'weights' | 'scale' | 'biases'> & Partial<Pick<TextModel, 'familiar'>>

/** Sentences that are remembered: one more than a passage has, as a power of two. */
const RING = 4

/**
 * The passage that ends with the latest sentence and is the most suspicious of those: of one sentence, of two, up to `PASSAGE_SENTENCES`.
 * @param first which sentence it begins with, counted from 0; it ends with the latest.
 * @param logit log odds that it is confidential.
 * @param familiarity share of the pairs of words that the confidential examples have: of the latest sentence, or of the last two, up to `FAMILIAR_SENTENCES`, whichever is largest.
 */
export type JudgePassage = (first: number, logit: number, familiarity: number) => void

/**
 * Scores the passages of a text that comes as letters, with a linear model: a passage is the sum of its sentences. Constant memory, the same for every
 * cutting. A last sentence that is shorter than `SHORTEST_SENTENCE` is judged together with those before it, never alone.
 */
export class PassageScorer implements LetterSink {
  /** Sentences that ended. */
  sentences = 0
  readonly #reader: SentenceReader
  readonly #judge: JudgePassage
  readonly #starts = new Float64Array(RING)
  readonly #ends = new Float64Array(RING)
  readonly #sums = new Float64Array(RING)
  readonly #words = new Float64Array(RING)
  readonly #known = new Float64Array(RING)
  #sum = 0
  #familiar = 0
  #familiarityBefore = 0
  #count = 0

  constructor(model: Scored, key: FeatureKey, judge: JudgePassage) {
    const { weights, familiar = null } = model
    this.#judge = judge
    this.#reader = new SentenceReader(key, {
      word: (features, count) => {
        let sum = 0
        for (let k = 0; k < count; k++) sum += weights[features[k]!]!
        this.#sum += sum
        if (familiar === null || isFamiliar(familiar, features[count - 1]!)) this.#familiar++
        this.#count++
      },
      sentence: (start, end, letters) => {
        const at = this.sentences++ % RING
        this.#starts[at] = start
        this.#ends[at] = end
        this.#sums[at] = this.#sum
        this.#words[at] = this.#count
        this.#known[at] = this.#familiar
        this.#sum = this.#count = this.#familiar = 0
        this.#score(model, letters < SHORTEST_SENTENCE ? 2 : 1)
      },
    })
  }

  letter(letter: number, start: number, end: number): void {
    this.#reader.letter(letter, start, end)
  }

  gap(unit: number): void {
    this.#reader.gap(unit)
  }

  end(): void {
    this.#reader.end()
    this.sentences = this.#familiarityBefore = 0
  }

  /** Where the open sentence begins; -1 between sentences. */
  get open(): number {
    return this.#reader.start
  }

  /** @param sentence one of the last `RING`. */
  startOf(sentence: number): number {
    return this.#starts[sentence % RING]!
  }

  endOf(sentence: number): number {
    return this.#ends[sentence % RING]!
  }

  #score({ scale, biases }: Scored, fewest: number): void {
    let best = Number.NEGATIVE_INFINITY
    let first = -1
    let sum = 0
    let words = 0
    for (let n = 1; n <= Math.min(PASSAGE_SENTENCES, this.sentences); n++) {
      const at = (this.sentences - n) % RING
      sum += this.#sums[at]!
      words += this.#words[at]!
      if (n < fewest) continue
      const logit = biases[n - 1]! + (sum * scale) / Math.sqrt(words)
      if (logit <= best) continue
      best = logit
      first = this.sentences - n
    }
    const before = this.#familiarityBefore
    this.#familiarityBefore = this.#familiarity()
    // A last sentence that is too short is no more strange than what it goes with.
    if (first >= 0) this.#judge(first, best, fewest > 1 ? Math.max(before, this.#familiarityBefore) : this.#familiarityBefore)
  }

  #familiarity(): number {
    let known = 0
    let words = 0
    let most = 0
    for (let n = 1; n <= Math.min(FAMILIAR_SENTENCES, this.sentences); n++) {
      const at = (this.sentences - n) % RING
      known += this.#known[at]!
      words += this.#words[at]!
      most = Math.max(most, known / Math.max(1, words))
    }
    return most
  }
}

import type { LearnedWindow } from '../text/logistic-fit.ts'
import type { Example } from './examples.ts'
import { LetterReader } from './letter-reader.ts'
import { PassageScorer, type Scored } from './passage-scorer.ts'
import { type FeatureKey, SentenceReader, SHORTEST_SENTENCE } from './sentence-reader.ts'

/** What training holds of an example: its text, and the features of its sentences. */
export class LearnedDocument {
  readonly label: 0 | 1
  /** Of each sentence, by what it says: equal for sentences of the same words. */
  readonly hashes: readonly string[]
  /**
   * Of each sentence, the largest log odds of a passage that it is in and that would be reported, by a fit that has not seen the document: from a threshold of
   * that on, the sentence is flagged.
   */
  scores: Float64Array = new Float64Array(0)
  /** As `scores`, of passages that are too unlike the confidential examples to be flagged. */
  strangeScores: Float64Array = new Float64Array(0)
  /** The pairs of words, in order. */
  readonly pairs: Int32Array
  readonly #text: string
  readonly #buckets: Int32Array
  /** Features of sentence `i` lie at `#at[i]` … `#at[i + 1]`. */
  readonly #at: readonly number[]
  /** How many words each sentence has. */
  readonly words: readonly number[]
  readonly #lastIsShort: boolean
  #shared: readonly boolean[] = []

  constructor({ text, label }: Example, key: FeatureKey) {
    this.label = label
    this.#text = text
    const at = [0]
    const words: number[] = []
    const hashes: string[] = []
    const pairs: number[] = []
    let buckets = new Int32Array(1024)
    let size = 0
    let count = 0
    let last = 0
    let [hash1, hash2] = [0, 0]
    const reader = new SentenceReader(key, {
      word(features, found) {
        if (size + found > buckets.length) {
          const larger = new Int32Array(2 * buckets.length)
          larger.set(buckets)
          buckets = larger
        }
        for (let k = 0; k < found; k++) {
          const bucket = features[k]!
          buckets[size++] = bucket
          hash1 = Math.imul(hash1 ^ bucket, 0x01000193)
          hash2 = (Math.imul(hash2, 0x5bd1e995) + bucket) | 0
        }
        pairs.push(features[found - 1]!)
        count++
      },
      sentence(_start, _end, letters) {
        at.push(size)
        words.push(count)
        hashes.push(`${hash1}.${hash2}`)
        last = letters
        count = hash1 = hash2 = 0
      },
    })
    readLetters(text, reader)
    // A text that is too short to be judged has nothing to learn from either.
    const judged = words.length > 1 || last >= SHORTEST_SENTENCE
    this.#buckets = buckets.slice(0, size)
    this.#at = at
    this.words = judged ? words : []
    this.pairs = Int32Array.from(judged ? pairs : [])
    this.hashes = judged ? hashes : []
    this.#lastIsShort = last < SHORTEST_SENTENCE
  }

  get sentences(): number {
    return this.hashes.length
  }

  /** Only the last may be too short to be judged alone. */
  isShort(sentence: number): boolean {
    return this.#lastIsShort && sentence === this.sentences - 1
  }

  /** @param from,to sentences, end exclusive. */
  passage(from: number, to: number): Omit<LearnedWindow, 'bias'> {
    let tokens = 0
    for (let i = from; i < to; i++) tokens += this.words[i]!
    return { label: this.label, buckets: this.#buckets, from: this.#at[from]!, to: this.#at[to]!, tokens }
  }

  /** @param isShared whether a sentence stands in another document too: what is known from there says nothing of unseen text. */
  markShared(isShared: (hash: string) => boolean): void {
    const seen = new Set<string>()
    this.#shared = this.hashes.map((hash) => isShared(hash) || (seen.has(hash) ? true : !seen.add(hash)))
  }

  /** Of every sentence, whether or not it is too strange to be flagged. */
  get allScores(): readonly number[] {
    return [...this.scores].map((score, i) => Math.max(score, this.strangeScores[i]!))
  }

  /** Scores of sentences that stand here alone, each counted once, whether or not they are too strange to be flagged. */
  get ownScores(): readonly number[] {
    return this.#own(this.allScores)
  }

  /** As `ownScores`, of what may be flagged alone; −∞ for the rest. */
  get ownFamiliarScores(): readonly number[] {
    return this.#own([...this.scores])
  }

  #own(scores: readonly number[]): readonly number[] {
    return scores.filter((_, i) => this.#shared[i] !== true)
  }

  get ownSentences(): number {
    return this.#shared.filter((shared) => !shared).length
  }

  /**
   * Sets `scores` and `strangeScores`, by the very code that searches answers.
   * @param isStrange whether the classifier abstains from passages that end with a sentence.
   */
  score(model: Scored, key: FeatureKey, isStrange: (sentence: number) => boolean): void {
    const none = (): Float64Array => new Float64Array(this.sentences).fill(Number.NEGATIVE_INFINITY)
    this.scores = none()
    this.strangeScores = none()
    const scorer = new PassageScorer(model, key, (first, logit) => {
      const scores = isStrange(scorer.sentences - 1) ? this.strangeScores : this.scores
      for (let i = first; i < scorer.sentences; i++) scores[i] = Math.max(scores[i]!, logit)
    })
    readLetters(this.#text, scorer)
  }
}

function readLetters(text: string, sink: SentenceReader | PassageScorer): void {
  const reader = new LetterReader(sink)
  reader.push(text)
  reader.end()
  sink.end()
}

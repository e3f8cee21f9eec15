import { type FingerprintKey, mix } from './keyed-hash.ts'
import { type LetterSink, NO_UNIT } from './letter-reader.ts'

/** Goes up when what is counted, where a sentence ends, or what is kept of the examples changes: weights of another version are refused. */
export const FEATURES_VERSION = 2
export const BUCKETS = 1 << 18
/** Fewest letters and digits of a sentence: a shorter one is read on into the next. */
export const SHORTEST_SENTENCE = 40
/** Most letters, and most words, of a sentence: what has no end ends here. */
export const LONGEST_SENTENCE = 600
const MOST_WORDS = 80
/** Letters of a word that count; the rest of a longer one is passed over. */
const LONGEST_WORD = 24
/** Most features of one word: itself, the pair that ends with it, and its letter 4-grams with the edges. */
const MOST_FEATURES = 2 + LONGEST_WORD
/** Stands for the edge of a word in its n-grams. */
const EDGE = 0x5f
const DIGIT = 0x30

/** What hashing is keyed with. */
export type FeatureKey = Pick<FingerprintKey, 'base1' | 'base2' | 'salt1' | 'salt2'>

/** Takes a text as its sentences. Offsets are UTF-16 units of the raw text, end exclusive. */
export interface SentenceSink {
  /** A word, as its features: buckets 0 … BUCKETS − 1, the first `count` of `features`, which is filled anew for each. The last is the pair that ends with it. */
  word(features: Int32Array, count: number): void
  /** The words since the last sentence are one. Its signs before the first letter and after the last are left out. */
  sentence(start: number, end: number, letters: number): void
}

/**
 * Reads letters and gaps as words and sentences, the same for every cutting of the text, in constant memory. A sentence ends where white space comes after `.`,
 * `!`, `?` or their like, at an empty line, or at its longest.
 */
export class SentenceReader implements LetterSink {
  /** Where the open sentence begins; -1 between sentences. */
  start = -1
  readonly #key: FeatureKey
  readonly #sink: SentenceSink
  readonly #features = new Int32Array(MOST_FEATURES)
  readonly #edge: number
  #count = 0
  /** Letters of the open word; 0 between words. */
  #size = 0
  #hash = 0
  /** The last three letters of the open word, mixed. */
  #last1 = 0
  #last2 = 0
  #last3 = 0
  /** The word before. */
  #before = 0
  #letters = 0
  #words = 0
  #end = 0
  /** Since the last letter there was a sign that ends a sentence, or so many line ends. */
  #stopped = false
  #lineEnds = 0

  constructor(key: FeatureKey, sink: SentenceSink) {
    this.#key = key
    this.#sink = sink
    this.#edge = mix(EDGE, key.salt1)
  }

  letter(letter: number, start: number, end: number): void {
    if (this.start < 0) this.start = start
    this.#stopped = false
    this.#lineEnds = 0
    this.#end = end
    if (this.#size === 0) this.#beginWord()
    if (this.#size < LONGEST_WORD) {
      // Numbers are told by their length, so that what is learned of one holds for others.
      const mixed = mix(letter >= 0x30 && letter <= 0x39 ? DIGIT : letter, this.#key.salt1)
      this.#hash = (Math.imul(this.#hash, this.#key.base1) + mixed) | 0
      this.#size++
      this.#gram(mixed)
    }
    if (++this.#letters >= LONGEST_SENTENCE) this.#endSentence()
  }

  gap(unit: number): void {
    if (this.#size > 0) {
      this.#endWord()
      if (this.#words >= MOST_WORDS) this.#endSentence()
    }
    if (this.start < 0 || unit === NO_UNIT) return
    if (isLineEnd(unit)) this.#lineEnds++
    if (isFullStop(unit)) this.#stopped = true
    else if (this.#lineEnds < 2 && !(this.#stopped && isSpace(unit)) && !isWideStop(unit)) return
    else if (this.#letters >= SHORTEST_SENTENCE) this.#endSentence()
  }

  /** Ends the text, and with it the open sentence, however short. */
  end(): void {
    this.#endSentence()
    this.#before = 0
  }

  #beginWord(): void {
    this.#count = 0
    this.#hash = 0
    this.#last3 = this.#last2 = 0
    this.#last1 = this.#edge
  }

  /** The last four letters of the word, its edges among them. */
  #gram(mixed: number): void {
    const { base1, base2, salt2 } = this.#key
    if (this.#size > 2) {
      const two = (Math.imul(this.#last3, base2) + this.#last2) | 0
      const four = (Math.imul(Math.imul(two, base1) + this.#last1, base2) + mixed) | 0
      this.#features[this.#count++] = mix(four, salt2 + 3) & (BUCKETS - 1)
    }
    this.#last3 = this.#last2
    this.#last2 = this.#last1
    this.#last1 = mixed
  }

  #endWord(): void {
    const { base2, salt2 } = this.#key
    // The edge after the word makes one more of its letters.
    this.#size++
    this.#gram(this.#edge)
    const pair = (Math.imul(this.#before, base2) + this.#hash) | 0
    this.#features[this.#count++] = mix(this.#hash, salt2 + 1) & (BUCKETS - 1)
    this.#features[this.#count++] = mix(pair, salt2 + 2) & (BUCKETS - 1)
    this.#before = this.#hash
    this.#size = 0
    this.#words++
    this.#sink.word(this.#features, this.#count)
  }

  #endSentence(): void {
    if (this.start < 0) return
    if (this.#size > 0) this.#endWord()
    this.#sink.sentence(this.start, this.#end, this.#letters)
    this.start = -1
    this.#letters = this.#words = this.#lineEnds = 0
    this.#stopped = false
  }
}

const isLineEnd = (unit: number): boolean => unit === 0x0a || unit === 0x2029
const isSpace = (unit: number): boolean =>
  unit === 0x20 || (unit >= 0x09 && unit <= 0x0d) || unit === 0xa0 || unit === 0x2028 || unit === 0x2029 || unit === 0x3000
/** `.`, `!`, `?`, the ellipsis, and those of Arabic, Urdu and Hindi; what closes quotes and brackets may follow before the space. */
const isFullStop = (unit: number): boolean =>
  unit === 0x2e || unit === 0x21 || unit === 0x3f || unit === 0x2026 || unit === 0x061f || unit === 0x06d4 || unit === 0x0964
/** `。`, `！`, `？`: no space follows. */
const isWideStop = (unit: number): boolean => unit === 0x3002 || unit === 0xff01 || unit === 0xff1f

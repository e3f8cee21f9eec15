import { type FingerprintKey, mix } from './keyed-hash.ts'

/** Most words of one term. */
export const MOST_WORDS = 12
const RING = 16

/** The last words of a text, as keyed hashes with their places. */
export class WordRing {
  /** Words that ended. */
  count = 0
  readonly hashes1 = new Int32Array(RING)
  readonly hashes2 = new Int32Array(RING)
  readonly starts = new Float64Array(RING)
  readonly ends = new Float64Array(RING)
  /** Letters of each. */
  readonly sizes = new Float64Array(RING)
  /** Whether the word has no small letter. */
  readonly capitals = new Uint8Array(RING)
  lane1 = 0
  lane2 = 0
  readonly #key: FingerprintKey

  constructor(key: FingerprintKey) {
    this.#key = key
  }

  /** Adds the last word of another ring. */
  copyFrom(other: WordRing): void {
    const at = (other.count - 1) % RING
    this.add(other.hashes1[at]!, other.hashes2[at]!, other.starts[at]!, other.ends[at]!, other.sizes[at]!, other.capitals[at] === 1)
  }

  /** Of the last word, which there must be. */
  get lastHash(): number {
    return this.hashes1[(this.count - 1) % RING]!
  }

  get lastEnd(): number {
    return this.ends[(this.count - 1) % RING]!
  }

  add(hash1: number, hash2: number, start: number, end: number, size: number, capitals: boolean): void {
    const at = this.count++ % RING
    this.hashes1[at] = hash1
    this.hashes2[at] = hash2
    this.starts[at] = start
    this.ends[at] = end
    this.sizes[at] = size
    this.capitals[at] = capitals ? 1 : 0
  }

  /** Hashes the last `words` words into `lane1` and `lane2`. @param words at most those that ended, and `MOST_WORDS`. */
  gram(words: number): void {
    const { base1, base2, salt1, salt2 } = this.#key
    let lane1 = words
    let lane2 = words
    for (let i = this.count - words; i < this.count; i++) {
      lane1 = (Math.imul(lane1, base1) + mix(this.hashes1[i % RING]!, salt2)) | 0
      lane2 = (Math.imul(lane2, base2) + mix(this.hashes2[i % RING]!, salt1)) | 0
    }
    this.lane1 = lane1
    this.lane2 = lane2
  }

  /** The last word is the last of a gram of so many words: hashed for a quick look whether there can be one. */
  tail(words: number): number {
    return mix(this.hashes1[(this.count - 1) % RING]!, this.#key.salt1 + words) >>> 0
  }

  /** Where the last `words` words begin, or where all do when there are fewer. @returns -1 when there is none. */
  startOf(words: number): number {
    const from = Math.max(0, this.count - words)
    return words < 1 || from === this.count ? -1 : this.starts[from % RING]!
  }

  areCapitals(words: number): boolean {
    for (let i = this.count - words; i < this.count; i++) if (this.capitals[i % RING] === 0) return false
    return true
  }

  sizeOf(words: number): number {
    let size = 0
    for (let i = this.count - words; i < this.count; i++) size += this.sizes[i % RING]!
    return size
  }
}

/** Joins letters to words. */
export class WordReader {
  readonly ring: WordRing
  /** Where the open word begins; -1 between words. */
  start = -1
  readonly #key: FingerprintKey
  #hash1 = 0
  #hash2 = 0
  #end = 0
  #size = 0
  #capitals = true

  constructor(key: FingerprintKey) {
    this.#key = key
    this.ring = new WordRing(key)
  }

  letter(letter: number, start: number, end: number, small: boolean): void {
    const key = this.#key
    if (this.start < 0) {
      this.start = start
      this.#hash1 = this.#hash2 = this.#size = 0
      this.#capitals = true
    }
    this.#size++
    this.#hash1 = (Math.imul(this.#hash1, key.base1) + mix(letter, key.salt1)) | 0
    this.#hash2 = (Math.imul(this.#hash2, key.base2) + mix(letter, key.salt2)) | 0
    if (small) this.#capitals = false
    this.#end = end
  }

  /** @returns whether a word ended: it is the last of `ring`. */
  gap(): boolean {
    if (this.start < 0) return false
    this.ring.add(this.#hash1, this.#hash2, this.start, this.#end, this.#size, this.#capitals)
    this.start = -1
    return true
  }

  reset(): void {
    this.start = -1
    this.ring.count = 0
  }
}

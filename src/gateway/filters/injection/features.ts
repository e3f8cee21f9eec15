import { isWordUnit, kindOf, lowerOf, UNIT } from '../text/units.ts'

/** Goes up when what is counted changes: weights of another version are refused. */
export const FEATURES_VERSION = 1
export const BUCKETS = 1 << 19
/** Units of a word that count; the rest of a longer one is passed over. */
const LONGEST_WORD = 24
const NGRAM = 4
/** Most features of one token: three of words, and the character n-grams. */
export const MOST_FEATURES = 3 + LONGEST_WORD

const FNV_OFFSET = 0x811c9dc5 | 0
const FNV_PRIME = 0x01000193
const EDGE = 0x5f

function bucket(template: number, hash: number): number {
  let mixed = Math.imul(hash ^ Math.imul(template, 0x9e3779b1), 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) & (BUCKETS - 1)
}

/**
 * Reads a text token by token: words in lower case (digits all alike), and runs of one sign. Of each it gives the buckets of the word, of the
 * word pair and triple that end with it, and of the character 4-grams inside it. Linear.
 */
export class FeatureReader {
  /** Buckets of the latest token, the first `count`. */
  readonly features = new Int32Array(MOST_FEATURES)
  count = 0
  /** Offsets of the latest token, end exclusive. */
  start = 0
  end = 0
  readonly #text: string
  readonly #units = new Uint16Array(LONGEST_WORD + 2)
  #before = 0
  #before2 = 0

  constructor(text: string) {
    this.#text = text
  }

  /** @returns whether there was another token. */
  next(): boolean {
    const text = this.#text
    const { length } = text
    let at = this.end
    let kind = -1
    for (; at < length; at++) {
      kind = kindOf(text.charCodeAt(at))
      if (kind !== UNIT.space && kind !== UNIT.lineEnd && kind !== UNIT.invisible) break
    }
    if (at === length) return false
    this.start = at
    let hash = FNV_OFFSET
    this.count = 0
    if (isWordUnit(kind)) at = this.#word(at)
    else {
      const sign = text.charCodeAt(at++)
      while (at < length && text.charCodeAt(at) === sign) at++
      hash = Math.imul(hash ^ sign, FNV_PRIME)
      // A long run of one sign is not the same as the sign.
      if (at - this.start > 2) hash = Math.imul(hash ^ 3, FNV_PRIME)
      this.#wordHash = hash
    }
    this.end = at
    const own = this.#wordHash
    const features = this.features
    const pair = Math.imul(this.#before, FNV_PRIME) ^ own
    features[this.count++] = bucket(1, own)
    features[this.count++] = bucket(2, pair)
    features[this.count++] = bucket(3, Math.imul(this.#before2, 0x5bd1e995) ^ pair)
    this.#before2 = this.#before
    this.#before = own
    return true
  }

  #wordHash = 0

  #word(from: number): number {
    const text = this.#text
    const units = this.#units
    let hash = FNV_OFFSET
    let size = 0
    let at = from
    units[size++] = EDGE
    for (; at < text.length; at++) {
      const raw = text.charCodeAt(at)
      const kind = kindOf(raw)
      if (!isWordUnit(kind)) break
      if (size > LONGEST_WORD) continue
      const unit = kind === UNIT.digit ? 0x30 : lowerOf(raw)
      hash = Math.imul(hash ^ unit, FNV_PRIME)
      units[size++] = unit
    }
    units[size++] = EDGE
    this.#wordHash = hash
    for (let end = NGRAM; end <= size && this.count < LONGEST_WORD; end++) {
      let gram = FNV_OFFSET
      for (let k = end - NGRAM; k < end; k++) gram = Math.imul(gram ^ units[k]!, FNV_PRIME)
      this.features[this.count++] = bucket(4, gram)
    }
    return at
  }
}

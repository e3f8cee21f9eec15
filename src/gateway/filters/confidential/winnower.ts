import { type FingerprintKey, mix } from './keyed-hash.ts'

/** Letters of one fingerprint: about six words. */
export const GRAM = 30
/** Of so many fingerprints that follow one another the least is kept. */
export const WINDOW = 21
/** Every passage of so many letters has a fingerprint that is kept, in the document and in any copy (Schleimer, Wilkerson & Aiken 2003: t = w + k − 1). */
export const GUARANTEE = WINDOW + GRAM - 1
/** A gram of fewer different letters is no text: rules, zeros, `aaaa`. */
const FEWEST_DIFFERENT = 6
const RING = 64

function power(base: number, exponent: number): number {
  let product = 1
  for (let i = 0; i < exponent; i++) product = Math.imul(product, base)
  return product
}

/**
 * A rolling hash of the last `size` letters in two lanes of 32 bits, with secret multipliers (Karp & Rabin 1987), so that nobody outside can make two
 * texts of one hash.
 */
export class RollingHash {
  lane1 = 0
  lane2 = 0
  /** Letters read. */
  count = 0
  readonly #key: FingerprintKey
  readonly #size: number
  readonly #drop1: number
  readonly #drop2: number
  readonly #ring1: Int32Array
  readonly #ring2: Int32Array
  #at = 0

  constructor(key: FingerprintKey, size: number) {
    this.#key = key
    this.#size = size
    this.#drop1 = power(key.base1, size)
    this.#drop2 = power(key.base2, size)
    this.#ring1 = new Int32Array(size)
    this.#ring2 = new Int32Array(size)
  }

  /** @returns whether there are `size` letters. */
  push(letter: number): boolean {
    const key = this.#key
    const at = this.#at
    const mixed1 = mix(letter, key.salt1)
    const mixed2 = mix(letter, key.salt2)
    this.lane1 = (Math.imul(this.lane1, key.base1) + mixed1 - Math.imul(this.#ring1[at]!, this.#drop1)) | 0
    this.lane2 = (Math.imul(this.lane2, key.base2) + mixed2 - Math.imul(this.#ring2[at]!, this.#drop2)) | 0
    this.#ring1[at] = mixed1
    this.#ring2[at] = mixed2
    this.#at = at + 1 === this.#size ? 0 : at + 1
    return ++this.count >= this.#size
  }

  reset(): void {
    this.lane1 = this.lane2 = this.count = this.#at = 0
    this.#ring1.fill(0)
    this.#ring2.fill(0)
  }
}

/** Chooses the fingerprints of a text that comes letter by letter. Constant memory; a few steps a letter, whatever the text. */
export class Winnower {
  /** Index of the last letter of the latest chosen gram. */
  chosen = -1
  /** Its keyed hash. */
  high = 0
  low = 0
  readonly #key: FingerprintKey
  readonly #rolling: RollingHash
  readonly #letters = new Uint16Array(RING)
  readonly #lanes1 = new Int32Array(RING)
  readonly #lanes2 = new Int32Array(RING)
  #least = -1

  constructor(key: FingerprintKey) {
    this.#key = key
    this.#rolling = new RollingHash(key, GRAM)
  }

  get count(): number {
    return this.#rolling.count
  }

  /** @returns whether a gram was chosen that was not before. */
  push(letter: number): boolean {
    const rolling = this.#rolling
    const at = rolling.count
    const lanes1 = this.#lanes1
    this.#letters[at % RING] = letter
    if (!rolling.push(letter)) return false
    lanes1[at % RING] = rolling.lane1
    this.#lanes2[at % RING] = rolling.lane2
    const from = at - WINDOW + 1
    if (this.#least < Math.max(from, GRAM - 1)) {
      let least = Math.max(from, GRAM - 1)
      // Of equals the last, so that runs of one letter choose alike everywhere.
      for (let i = least + 1; i <= at; i++) if (lanes1[i % RING]! <= lanes1[least % RING]!) least = i
      this.#least = least
    } else if (rolling.lane1 <= lanes1[this.#least % RING]!) this.#least = at
    if (from < GRAM - 1 || this.#least === this.chosen) return false
    this.chosen = this.#least
    if (!this.#varied(this.chosen)) return false
    this.#key.hash.digest(lanes1[this.chosen % RING]!, this.#lanes2[this.chosen % RING]!)
    this.high = this.#key.hash.high
    this.low = this.#key.hash.low
    return true
  }

  reset(): void {
    this.#rolling.reset()
    this.chosen = this.#least = -1
  }

  #varied(last: number): boolean {
    const letters = this.#letters
    let different = 0
    for (let i = last - GRAM + 1; i <= last && different < FEWEST_DIFFERENT; i++) {
      const letter = letters[i % RING]!
      let seen = false
      for (let k = last - GRAM + 1; k < i && !seen; k++) seen = letters[k % RING] === letter
      if (!seen) different++
    }
    return different >= FEWEST_DIFFERENT
  }
}

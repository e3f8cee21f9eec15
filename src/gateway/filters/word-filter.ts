const BITS = 1 << 13
const ASCII = 128

/** Which hashes words of a list have: nearly every other word is told from them without being cut out, put in small letters and looked up. */
export class WordFilter {
  readonly #known = new Uint8Array(BITS)

  /** @param words in small letters; of those beyond ASCII nothing is kept, for texts that may hold them are not told anything. */
  constructor(words: Iterable<string>) {
    for (const word of words) this.#known[hashOf(word, 0, word.length)] = 1
  }

  /** The same as `mayHold` for units in ASCII. */
  mayHoldUnits(units: Uint16Array, from: number, to: number): boolean {
    let hash = 0
    for (let i = from; i < to; i++) hash = hashed(hash, units[i]!)
    return this.#known[hash & (BITS - 1)] === 1
  }

  /** @returns false only if the part of the text is none of the words, in letters small or capital. */
  mayHold(text: string, from: number, to: number): boolean {
    const hash = hashOf(text, from, to)
    return hash < 0 || this.#known[hash] === 1
  }
}

const hashed = (hash: number, unit: number): number => (Math.imul(hash, 31) + (unit | 0x20)) | 0

/** -1 for what is beyond ASCII. */
function hashOf(text: string, from: number, to: number): number {
  let hash = 0
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= ASCII) return -1
    hash = hashed(hash, unit)
  }
  return hash & (BITS - 1)
}

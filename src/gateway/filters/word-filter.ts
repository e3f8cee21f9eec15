const BITS = 1 << 13
const ASCII = 128

/** Which hashes words of a list have: nearly every other word is told from them without being cut out, put in small letters and looked up. */
export class WordFilter {
  readonly #known = new Uint8Array(BITS)
  /** By hash, the words in ASCII that have it. */
  readonly #buckets = new Map<number, Uint16Array[]>()

  /** @param words in small letters; of those beyond ASCII nothing is kept, for texts that may hold them are not told anything. */
  constructor(words: Iterable<string>) {
    for (const word of new Set(words)) {
      const units = Uint16Array.from(word, (sign) => sign.charCodeAt(0))
      if (units.some((unit) => unit >= ASCII)) continue
      const hash = hashOf(units, 0, units.length)
      this.#known[hash] = 1
      const bucket = this.#buckets.get(hash) ?? []
      bucket.push(units)
      this.#buckets.set(hash, bucket)
    }
  }

  /** @returns false only if units in ASCII are none of the words, in letters small or capital. */
  mayHold(units: Uint16Array, from: number, to: number): boolean {
    return this.#known[hashOf(units, from, to)] === 1
  }

  /** Whether units in ASCII are one of the words, in letters small or capital. */
  holds(units: Uint16Array, from: number, to: number): boolean {
    const hash = hashOf(units, from, to)
    if (this.#known[hash] !== 1) return false
    for (const word of this.#buckets.get(hash)!) if (isSame(word, units, from, to)) return true
    return false
  }
}

const hashed = (hash: number, unit: number): number => (Math.imul(hash, 31) + (unit | 0x20)) | 0

function hashOf(units: Uint16Array, from: number, to: number): number {
  let hash = 0
  for (let i = from; i < to; i++) hash = hashed(hash, units[i]!)
  return hash & (BITS - 1)
}

function isSame(word: Uint16Array, units: Uint16Array, from: number, to: number): boolean {
  if (word.length !== to - from) return false
  for (let i = 0; i < word.length; i++) {
    const unit = units[from + i]!
    if (word[i] !== (unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : unit)) return false
  }
  return true
}

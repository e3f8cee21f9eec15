import { AFTER_UNITS, CONTEXT_UNITS, type Segment } from './recogniser.ts'

const OTHER = 0
const SMALL = 1
const CAPITAL = 2
const DIGIT = 3
const HASH = 4
const ASCII = 128
const CLASSES = Uint8Array.from({ length: ASCII }, (_, unit) => {
  const sign = String.fromCharCode(unit)
  return /[a-z]/u.test(sign) ? SMALL : /[A-Z]/u.test(sign) ? CAPITAL : /\d/u.test(sign) ? DIGIT : sign === '#' ? HASH : OTHER
})
/** `CVV2`, `ICD-10`; a longer number is another value. */
const SHORT_NUMBER = 2
const FIRST_SIZE = 256

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= ASCII) return false
  return true
}

/** One step of a word's hash; capital letters make no difference. */
function hashed(hash: number, unit: number): number {
  return (Math.imul(hash, 31) + (unit | 0x20)) | 0
}

export function hashOf(word: string): number {
  let hash = 0
  for (let i = 0; i < word.length; i++) hash = hashed(hash, word.charCodeAt(i))
  return hash
}

/** The words of an ASCII text, as `patientId` and `icd10` are two words each: where they stand in its units, and their hashes. */
class WordTable {
  starts = new Int32Array(FIRST_SIZE)
  ends = new Int32Array(FIRST_SIZE)
  hashes = new Int32Array(FIRST_SIZE)
  count = 0
  /** The units that were read last. */
  units: Uint16Array = new Uint16Array()
  #isNumber = new Uint8Array(FIRST_SIZE)
  readonly #line = new Uint16Array(AFTER_UNITS)
  /** The number of the text that was read last, 0 for another one; not itself, for texts are not kept. */
  #text = 0
  #readTo = 0

  /** @param text of `AFTER_UNITS` at most. @returns whether it is in ASCII; else nothing was read. */
  read(text: string): boolean {
    this.#text = 0
    this.count = 0
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= ASCII) return false
      this.#line[i] = unit
    }
    this.#read(this.#line, 0, text.length)
    return true
  }

  /** Reads at least the `CONTEXT_UNITS` before `limit`, a place in the segment's units, going on where it stopped when it was last asked about the same text. */
  readBefore({ loaded, units, wholeBase }: Segment, limit: number): void {
    let from = Math.max(wholeBase, limit - CONTEXT_UNITS - 1)
    if (this.#text === loaded && this.#readTo <= limit && this.#readTo >= from) {
      from = this.#readTo
      // A word that ended there may go on.
      if (this.count > 0 && this.ends[this.count - 1] === from) from = this.starts[--this.count]!
    } else this.count = 0
    this.#text = loaded
    this.#readTo = limit
    this.#read(units, from, limit)
  }

  isShortNumber(at: number): boolean {
    return this.#isNumber[at] === 1 && this.ends[at]! - this.starts[at]! <= SHORT_NUMBER
  }

  #read(units: Uint16Array, from: number, to: number): void {
    this.units = units
    let i = from
    while (i < to) {
      let unit = units[i]!
      const first = CLASSES[unit]!
      if (first === OTHER) {
        i++
        continue
      }
      let start = i
      let hash = hashed(0, unit)
      i++
      if (first === CAPITAL) {
        let before = 0
        for (; i < to && CLASSES[(unit = units[i]!)] === CAPITAL; i++) {
          before = hash
          hash = hashed(hash, unit)
        }
        if (i < to && CLASSES[unit] === SMALL) {
          // The last capital letter begins the next word.
          if (i - 1 > start) this.#add(start, i - 1, before, 0)
          start = i - 1
          hash = hashed(0, units[start]!)
          for (; i < to && CLASSES[(unit = units[i]!)] === SMALL; i++) hash = hashed(hash, unit)
        }
      } else if (first !== HASH) for (; i < to && CLASSES[(unit = units[i]!)] === first; i++) hash = hashed(hash, unit)
      this.#add(start, i, hash, first === DIGIT ? 1 : 0)
    }
  }

  #add(start: number, end: number, hash: number, isNumber: number): void {
    const at = this.count++
    if (at === this.starts.length) this.#grow()
    this.starts[at] = start
    this.ends[at] = end
    this.hashes[at] = hash
    this.#isNumber[at] = isNumber
  }

  #grow(): void {
    const size = this.starts.length * 2
    const larger = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const made = new Int32Array(size)
      made.set(old)
      return made
    }
    this.starts = larger(this.starts)
    this.ends = larger(this.ends)
    this.hashes = larger(this.hashes)
    const isNumber = new Uint8Array(size)
    isNumber.set(this.#isNumber)
    this.#isNumber = isNumber
  }
}

/** One for all: searches are synchronous, and one segment is searched at a time. */
export const WORD_TABLE = new WordTable()

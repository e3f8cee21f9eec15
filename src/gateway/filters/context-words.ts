import type { Segment } from './recogniser.ts'

/** A test for any of some words, not inside longer words. */
export interface ContextWords {
  /** @param text in small letters. */
  test(text: string): boolean
  /** The same for the part of a segment's units, in ASCII, from `from` to before `to`, in letters small or capital. */
  standIn(segment: Segment, from: number, to: number): boolean
}

const ASCII = 128

/** @param words lower case; spaces match any white space. */
export function contextWords(...words: readonly string[]): ContextWords {
  const alternatives = words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/gu, String.raw`\$&`).replaceAll(' ', String.raw`\s`))
  const pattern = new RegExp(String.raw`(?<![\p{L}\p{N}])(?:${alternatives.join('|')})(?![\p{L}\p{N}])`, 'u')
  const index = new WordIndex(words)
  return { test: (text) => pattern.test(text), standIn: (segment, from, to) => index.standIn(segment, from, to) }
}

/** By two units, which lists have a word that begins with them: bits, the lists being as many as there are. */
const HEADS = new Uint16Array(ASCII * ASCII)
const MOST_LISTS = 16
let lists = 0
const FIRST_SIZE = 256

/**
 * Where words of any list may begin: read once in a text for all lists, values and segments, as far as it was asked for. One for all: one
 * segment is searched at a time.
 */
class Places {
  /** Where units stand behind no letter and no digit, in order, and which lists may have a word there. */
  offsets = new Int32Array(FIRST_SIZE)
  masks = new Uint16Array(FIRST_SIZE)
  count = 0
  #text = 0
  #segment = 0
  #readTo = 0

  /** @param from where no list is ever asked before, in this segment. */
  read(segment: Segment, units: Uint16Array, from: number, to: number): void {
    if (this.#segment !== segment.number) this.#goOn(segment, from)
    if (to <= this.#readTo) return
    let i = this.#readTo
    let isInside = isAlphanumeric(units[i - 1]!)
    for (; i < to; i++) {
      const unit = units[i]!
      if (!isInside) {
        const mask = HEADS[unit * ASCII + units[i + 1]!]!
        if (mask !== 0) this.#add(i, mask)
      }
      isInside = isAlphanumeric(unit)
    }
    this.#readTo = to
  }

  /** Another segment, maybe of the same text. */
  #goOn({ loaded, number }: Segment, from: number): void {
    // What stands behind the one before was not seen with its last unit.
    const last = this.#readTo - 1
    if (this.#text === loaded && from <= last) {
      while (this.count > 0 && this.offsets[this.count - 1]! >= last) this.count--
      this.#readTo = last
    } else {
      this.count = 0
      this.#readTo = from
    }
    this.#text = loaded
    this.#segment = number
  }

  /** How many of them stand before `offset`. */
  before(offset: number): number {
    if (this.count === 0 || this.offsets[this.count - 1]! < offset) return this.count
    let [low, high] = [0, this.count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.offsets[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #add(offset: number, mask: number): void {
    if (this.count === this.offsets.length) {
      const [offsets, masks] = [this.offsets, this.masks]
      this.offsets = new Int32Array(offsets.length * 2)
      this.masks = new Uint16Array(masks.length * 2)
      this.offsets.set(offsets)
      this.masks.set(masks)
    }
    this.offsets[this.count] = offset
    this.masks[this.count++] = mask
  }
}
const PLACES = new Places()

/** Words of ASCII by their first two units: most places of a text begin none, which one look tells. */
class WordIndex {
  /** By both units, the bucket. */
  readonly #heads = new Uint8Array(ASCII * ASCII)
  readonly #buckets: (readonly Uint8Array[])[] = [[]]
  readonly #bit: number

  /** @throws {RangeError} for a list too many. */
  constructor(words: readonly string[]) {
    if (lists === MOST_LISTS) throw new RangeError(`more than ${MOST_LISTS} lists of context words`)
    this.#bit = 1 << lists++
    // oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
    const ascii = words.filter((word) => /^[\u0000-\u007f]+$/u.test(word))
    for (const first of new Set(ascii.map((word) => word.charCodeAt(0)))) {
      const alike = ascii.filter((word) => word.charCodeAt(0) === first)
      for (let second = 0; second < ASCII; second++) {
        const bucket = alike.filter((word) => word.length === 1 || isUnit(word.charCodeAt(1), second))
        if (bucket.length === 0) continue
        const at = this.#buckets.push(bucket.map((word) => Uint8Array.from(word, (sign) => sign.charCodeAt(0)))) - 1
        for (const head of [first * ASCII + second, capital(first) * ASCII + second]) {
          this.#heads[head] = at
          HEADS[head]! |= this.#bit
        }
      }
    }
  }

  standIn(segment: Segment, from: number, to: number): boolean {
    const { units } = segment
    PLACES.read(segment, units, segment.contextBase, to)
    const { offsets, masks } = PLACES
    for (let at = PLACES.before(to) - 1; at >= 0 && offsets[at]! >= from; at--)
      if ((masks[at]! & this.#bit) !== 0 && this.#beginsOne(units, offsets[at]!, to)) return true
    // Where the part begins inside a word, what is left of that counts as one.
    return from < to && from > segment.wholeBase && isAlphanumeric(units[from - 1]!) && this.#beginsOne(units, from, to)
  }

  #beginsOne(units: Uint16Array, start: number, to: number): boolean {
    for (const word of this.#buckets[this.#heads[units[start]! * ASCII + units[start + 1]!]!]!) {
      const end = start + word.length
      if (end > to || (end < to && isAlphanumeric(units[end]!))) continue
      let i = 1
      while (i < word.length && isUnit(word[i]!, units[start + i]!)) i++
      if (i >= word.length) return true
    }
    return false
  }
}

/** Whether a unit of a word stands for a unit of a text. */
function isUnit(own: number, unit: number): boolean {
  if (own === 0x20) return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)
  return own === unit || (own >= 0x61 && own <= 0x7a && capital(own) === unit)
}

const capital = (unit: number): number => (unit >= 0x61 && unit <= 0x7a ? unit - 0x20 : unit)

function isAlphanumeric(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || (unit >= 0x41 && unit <= 0x5a)
}

/** Parts of words in ASCII: like `ContextWords`, but for what may stand anywhere. */
export class WordParts {
  /** By two units, the bucket of the parts that begin with them. */
  readonly #heads = new Uint8Array(ASCII * ASCII)
  readonly #buckets: Uint8Array[][] = [[]]
  readonly #longest: number
  /** The text that was read last, where it was read to, and where the last part of it begins. */
  #text = 0
  #readTo = 0
  #last = 0

  /** @param parts of two small letters or more. */
  constructor(parts: readonly string[]) {
    this.#longest = Math.max(...parts.map((part) => part.length))
    for (const part of parts) {
      const units = Uint8Array.from(part, (sign) => sign.charCodeAt(0))
      const [first, second] = [units[0]!, units[1]!]
      const bucket = this.#heads[first * ASCII + second]! || this.#buckets.push([]) - 1
      this.#buckets[bucket]!.push(units)
      for (const one of [first, capital(first)]) for (const other of [second, capital(second)]) this.#heads[one * ASCII + other] = bucket
    }
  }

  /** Whether one of them stands in a segment in ASCII or before it, in letters small or capital. */
  standIn({ loaded, units, wholeBase, base, text }: Segment): boolean {
    const end = base + text.length
    const goesOn = this.#text === loaded && this.#readTo <= end
    let i = goesOn ? Math.max(this.#readTo, wholeBase) : wholeBase
    if (!goesOn) this.#last = 0
    this.#text = loaded
    let unit = units[i]!
    for (; i < end; i++) {
      const next = units[i + 1]!
      const bucket = this.#heads[unit * ASCII + next]!
      if (bucket !== 0 && this.#beginsOne(this.#buckets[bucket]!, units, i, end)) this.#last = i
      unit = next
    }
    // What begins near the end may go on behind it, in another segment.
    this.#readTo = Math.max(wholeBase, end - this.#longest)
    return this.#last >= wholeBase
  }

  #beginsOne(bucket: readonly Uint8Array[], units: Uint16Array, start: number, end: number): boolean {
    for (const part of bucket) {
      let i = 2
      while (i < part.length && isUnit(part[i]!, units[start + i]!)) i++
      if (i === part.length && start + i <= end) return true
    }
    return false
  }
}

/** A test for any of some words, not inside longer words. */
export interface ContextWords {
  /** @param text in small letters. */
  test(text: string): boolean
  /** The same for a part of a text in ASCII, in letters small or capital. */
  standIn(units: Uint16Array, from: number, to: number): boolean
}

const ASCII = 128
const NO_BUCKET = 0

/** @param words lower case; spaces match any white space. */
export function contextWords(...words: readonly string[]): ContextWords {
  const alternatives = words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/gu, String.raw`\$&`).replaceAll(' ', String.raw`\s`))
  const pattern = new RegExp(String.raw`(?<![\p{L}\p{N}])(?:${alternatives.join('|')})(?![\p{L}\p{N}])`, 'u')
  const index = new WordIndex(words)
  return { test: (text) => pattern.test(text), standIn: (units, from, to) => index.standIn(units, from, to) }
}

/** Words of ASCII by their first two units: most places of a text begin none, which one look tells. */
class WordIndex {
  /** By both units, the bucket. */
  readonly #heads = new Uint8Array(ASCII * ASCII)
  readonly #buckets: (readonly Uint8Array[])[] = [[]]

  constructor(words: readonly string[]) {
    // oxlint-disable-next-line no-control-regex -- the first 128 code points are what is meant
    const ascii = words.filter((word) => /^[\u0000-\u007f]+$/u.test(word))
    for (const first of new Set(ascii.map((word) => word.charCodeAt(0)))) {
      const alike = ascii.filter((word) => word.charCodeAt(0) === first)
      for (let second = 0; second < ASCII; second++) {
        const bucket = alike.filter((word) => word.length === 1 || isUnit(word.charCodeAt(1), second))
        if (bucket.length === 0) continue
        const at = this.#buckets.push(bucket.map((word) => Uint8Array.from(word, (sign) => sign.charCodeAt(0)))) - 1
        this.#heads[first * ASCII + second] = this.#heads[capital(first) * ASCII + second] = at
      }
    }
  }

  standIn(units: Uint16Array, from: number, to: number): boolean {
    let isInside = false
    for (let i = from; i < to; i++) {
      const unit = units[i]!
      if (!isInside) {
        const bucket = this.#heads[unit * ASCII + (i + 1 < to ? units[i + 1]! : 0)]!
        if (bucket !== NO_BUCKET && this.#beginsOne(bucket, units, i, to)) return true
      }
      isInside = isAlphanumeric(unit)
    }
    return false
  }

  #beginsOne(bucket: number, units: Uint16Array, start: number, to: number): boolean {
    for (const word of this.#buckets[bucket]!) {
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

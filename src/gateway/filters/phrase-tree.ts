import { hashOf, isAscii } from './word-table.ts'

const SIZE = 1 << 14
const ASCII_BITS = 0x20
/** No word, no phrase. */
export const NONE = 0

/**
 * Words in ASCII by number, told from the units of a text without being cut out: a look at a table says of nearly every other word that it is
 * none.
 */
export class WordNumbers {
  readonly #slots = new Uint16Array(SIZE)
  readonly #words: Uint8Array[] = [new Uint8Array()]

  /** @returns the number of a word in small letters, a new one for a new word; `NONE` for one beyond ASCII. */
  add(word: string): number {
    if (!isAscii(word)) return NONE
    const units = Uint8Array.from(word, (sign) => sign.charCodeAt(0) | ASCII_BITS)
    const known = this.of(hashOf(word), units, 0, units.length)
    if (known !== NONE) return known
    let slot = hashOf(word) & (SIZE - 1)
    while (this.#slots[slot] !== NONE) slot = (slot + 1) & (SIZE - 1)
    // Half empty, so that a look for a word that is none ends soon.
    if (this.#words.length >= SIZE / 2) throw new RangeError(`more than ${SIZE / 2} words`)
    this.#words.push(units)
    return (this.#slots[slot] = this.#words.length - 1)
  }

  /** @param hash of the letters or digits from `start` to before `end`, as `WORD_TABLE` has it. */
  of(hash: number, units: ArrayLike<number>, start: number, end: number): number {
    for (let slot = hash & (SIZE - 1); ; slot = (slot + 1) & (SIZE - 1)) {
      const number = this.#slots[slot]!
      if (number === NONE || isSame(this.#words[number]!, units, start, end)) return number
    }
  }
}

function isSame(word: Uint8Array, units: ArrayLike<number>, start: number, end: number): boolean {
  if (word.length !== end - start) return false
  for (let i = 0; i < word.length; i++) if (word[i] !== (units[start + i]! | ASCII_BITS)) return false
  return true
}

/** Phrases as a tree of the numbers of their words, each with the names of what it announces. */
export class PhraseTree {
  readonly #next = new Map<number, number>()
  readonly #names: string[][] = [[]]

  /** @param words in the order in which they are walked. */
  add(words: readonly number[], name: string): void {
    if (words.includes(NONE)) return
    let node = NONE
    for (const word of words) {
      const key = node * SIZE + word
      let next = this.#next.get(key)
      if (next === undefined) {
        next = this.#names.push([]) - 1
        this.#next.set(key, next)
      }
      node = next
    }
    const names = this.#names[node]!
    if (!names.includes(name)) names.push(name)
  }

  /** @returns the node behind `word`, `NONE` where no phrase goes on with it. */
  step(node: number, word: number): number {
    return word === NONE ? NONE : (this.#next.get(node * SIZE + word) ?? NONE)
  }

  /** What the phrases that end at `node` announce. */
  namesAt(node: number): readonly string[] {
    return this.#names[node]!
  }
}

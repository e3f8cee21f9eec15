import type { Random } from '../planted/values.ts'

/** One kind of value: how it is written, and what looks like it and is none. */
export interface Kind {
  readonly entity: string
  /** Words that announce it; even ones are of the validation half, odd ones of the test half. */
  readonly words: readonly string[]
  /** Its form alone says what it is, so that it is to be found without a word near it. */
  readonly bare: boolean
  readonly right: (next: Random) => string
  /** Wrong check digit, length, prefix or range. */
  readonly wrong: readonly ((next: Random) => string)[]
}

/** @param words parted by `|`. */
export const kind = (entity: string, words: string, bare: boolean, right: Kind['right'], ...wrong: Kind['wrong']): Kind => ({
  entity,
  words: words.split('|'),
  bare,
  right,
  wrong,
})

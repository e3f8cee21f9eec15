import { RedoubtError } from '#foundation/core'
import { FingerprintCollector } from './fingerprint-table.ts'
import { EMPTY_SOURCE, type FingerprintSource } from './fingerprint-source.ts'
import type { FingerprintKey } from './keyed-hash.ts'
import { LetterReader } from './letter-reader.ts'
import { MOST_WORDS, WordReader } from './words.ts'

/** Most terms of one list. */
export const MOST_TERMS = 1_000_000
/** Fewest letters and digits of a term: a shorter one would be found everywhere. */
export const SHORTEST_TERM = 2
/** Most units of one line: a term that is wanted is no longer than its words. */
const LONGEST_LINE = 1_024

/** A list of terms, one a line; empty lines and lines that begin with `#` are passed over. */
export class TermsReader {
  terms = 0
  readonly #key: FingerprintKey
  readonly #fingerprints = new FingerprintCollector()
  readonly #tails = new Set<number>()
  readonly #words: WordReader
  readonly #reader: LetterReader
  #letters = 0
  #longest = 0
  #line = ''
  #lines = 0

  constructor(key: FingerprintKey) {
    this.#key = key
    const words = (this.#words = new WordReader(key))
    this.#reader = new LetterReader({
      letter: (letter, start, end, small) => {
        this.#letters++
        words.letter(letter, start, end, small)
      },
      gap: () => void words.gap(),
    })
  }

  /** @throws {RedoubtError} `ERR_INPUT_INVALID` with the line, never what it holds; `ERR_INPUT_TOO_LARGE`. */
  push(text: string): void {
    const lines = text.split('\n')
    const last = lines.pop()!
    for (const line of lines) {
      this.#add(this.#line + line)
      this.#line = ''
    }
    this.#line += last
    if (this.#line.length > LONGEST_LINE) this.#refuse(`is longer than ${LONGEST_LINE} characters`)
  }

  /** @throws as `push`. */
  finish(): FingerprintSource {
    this.#add(this.#line)
    if (this.terms === 0) throw new RedoubtError('ERR_INPUT_INVALID', 'there is no term in the list: write one a line')
    return {
      ...EMPTY_SOURCE,
      kind: 'terms',
      terms: this.#fingerprints.finish(),
      tails: Uint32Array.from(this.#tails),
      longest: this.#longest,
    }
  }

  #add(raw: string): void {
    this.#lines++
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) return
    if (line.length > LONGEST_LINE) this.#refuse(`is longer than ${LONGEST_LINE} characters`)
    if (++this.terms > MOST_TERMS) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a list has at most ${MOST_TERMS} terms: make it two`)
    this.#words.reset()
    this.#letters = 0
    this.#reader.push(line)
    this.#reader.end()
    const { ring } = this.#words
    if (this.#letters < SHORTEST_TERM) this.#refuse(`has fewer than ${SHORTEST_TERM} letters and digits`)
    if (ring.count > MOST_WORDS) this.#refuse(`has more than ${MOST_WORDS} words: register it as a document`)
    ring.gram(ring.count)
    const { hash } = this.#key
    hash.digest(ring.lane1, ring.lane2)
    this.#fingerprints.add(hash.high, hash.low)
    this.#tails.add(ring.tail(ring.count))
    this.#longest = Math.max(this.#longest, ring.count)
  }

  #refuse(why: string): never {
    throw new RedoubtError('ERR_INPUT_INVALID', `line ${this.#lines || 1} of the terms ${why}`, { evidence: { line: this.#lines || 1 } })
  }
}

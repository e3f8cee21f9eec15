import { RedoubtError } from '#foundation/core'
import { FingerprintCollector } from './fingerprint-table.ts'
import { EMPTY_SOURCE, type FingerprintSource } from './fingerprint-source.ts'
import type { FingerprintKey } from './keyed-hash.ts'
import { LetterReader } from './letter-reader.ts'
import { GRAM, GUARANTEE, RollingHash, Winnower } from './winnower.ts'

/**
 * Largest text that is registered as one, in UTF-16 units: its fingerprints are put in order in one turn of the event loop, which stays below a second.
 * Of what is public every passage is kept, of a document the chosen ones.
 */
const LARGEST = { document: 8 * 1024 * 1024, public: 2 * 1024 * 1024 } as const

/** Takes the fingerprints of texts; of the texts it keeps nothing. */
export class PassageReader {
  readonly fingerprints = new FingerprintCollector()
  readonly #winnower: Winnower | RollingHash
  readonly #reader: LetterReader

  /** @param every takes each gram, and not only those that are chosen: which these are depends on what stands around. */
  constructor(key: FingerprintKey, every = false) {
    const winnower = new Winnower(key)
    const rolling = new RollingHash(key, GRAM)
    this.#winnower = every ? rolling : winnower
    const { fingerprints } = this
    const { hash } = key
    this.#reader = new LetterReader({
      letter(letter) {
        if (every) {
          if (!rolling.push(letter)) return
          hash.digest(rolling.lane1, rolling.lane2)
          fingerprints.add(hash.high, hash.low)
        } else if (winnower.push(letter)) fingerprints.add(winnower.high, winnower.low)
      },
      gap() {
        // Passages are read across all that stands between letters.
      },
    })
  }

  push(text: string): void {
    this.#reader.push(text)
  }

  /** Ends a text. @returns its letters. */
  end(): number {
    const letters = this.#winnower.count
    this.#reader.end()
    this.#winnower.reset()
    return letters
  }
}

/** One document, read piece by piece. */
export class DocumentReader {
  letters = 0
  readonly #passages: PassageReader
  readonly #kind: 'document' | 'public'
  #units = 0

  /** @param kind `public` for what anybody may read: passages of it are not confidential, whatever other document has them. */
  constructor(key: FingerprintKey, kind: 'document' | 'public' = 'document') {
    this.#passages = new PassageReader(key, kind === 'public')
    this.#kind = kind
  }

  /** @throws {RedoubtError} `ERR_INPUT_TOO_LARGE`. */
  push(text: string): void {
    this.#units += text.length
    const most = LARGEST[this.#kind]
    if (this.#units > most)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a ${this.#kind} text has at most ${most} characters: register its parts`)
    this.#passages.push(text)
  }

  /** @throws {RedoubtError} `ERR_INPUT_INVALID` for a text too short to have a fingerprint. */
  finish(): FingerprintSource {
    this.letters = this.#passages.end()
    if (this.#passages.fingerprints.size === 0)
      throw new RedoubtError(
        'ERR_INPUT_INVALID',
        `a document has at least ${GUARANTEE} letters and digits: register a shorter text as a term`,
      )
    return { ...EMPTY_SOURCE, kind: this.#kind, passages: this.#passages.fingerprints.finish() }
  }
}

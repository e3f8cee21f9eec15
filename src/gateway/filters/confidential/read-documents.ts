import { RedoubtError } from '#foundation/core'
import { FingerprintCollector } from './fingerprint-table.ts'
import { EMPTY_SOURCE, type FingerprintSource } from './fingerprint-source.ts'
import type { FingerprintKey } from './keyed-hash.ts'
import { LetterReader } from './letter-reader.ts'
import { GUARANTEE, Winnower } from './winnower.ts'

/** Largest text that is registered as one document, in UTF-16 units. */
export const LARGEST_DOCUMENT = 64 * 1024 * 1024

/** Takes the fingerprints of texts; of the texts it keeps nothing. */
export class PassageReader {
  readonly fingerprints = new FingerprintCollector()
  readonly #winnower: Winnower
  readonly #reader: LetterReader

  constructor(key: FingerprintKey) {
    const winnower = (this.#winnower = new Winnower(key))
    const { fingerprints } = this
    this.#reader = new LetterReader({
      letter(letter) {
        if (winnower.push(letter)) fingerprints.add(winnower.high, winnower.low)
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
  #units = 0

  constructor(key: FingerprintKey) {
    this.#passages = new PassageReader(key)
  }

  /** @throws {RedoubtError} `ERR_INPUT_TOO_LARGE`. */
  push(text: string): void {
    this.#units += text.length
    if (this.#units > LARGEST_DOCUMENT)
      throw new RedoubtError('ERR_INPUT_TOO_LARGE', `a document has at most ${LARGEST_DOCUMENT} characters: register its parts`)
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
    return { ...EMPTY_SOURCE, kind: 'document', passages: this.#passages.fingerprints.finish() }
  }
}

import { randomInt } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { FingerprintCollector } from './fingerprint-table.ts'
import { EMPTY_SOURCE, type FingerprintSource } from './fingerprint-source.ts'
import type { FingerprintKey } from './keyed-hash.ts'
import { LetterReader } from './letter-reader.ts'
import { RollingHash } from './winnower.ts'

/** Letters of a canary's fingerprint: any so many of its letters in a row give it away. */
export const CANARY_GRAM = 16

/** Without letters that people take for one another. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789'
const CANARY_LENGTH = 20

/** @returns strings that nobody writes by chance: about 99 bits each. */
export const newCanaries = (count: number): readonly string[] =>
  Array.from({ length: count }, () => Array.from({ length: CANARY_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join(''))

/** Fingerprints of canaries, at every letter. */
export class CanariesReader {
  readonly #key: FingerprintKey
  readonly #fingerprints = new FingerprintCollector()
  readonly #tails = new Set<number>()

  constructor(key: FingerprintKey) {
    this.#key = key
  }

  /** @throws {RedoubtError} `ERR_INPUT_INVALID` for one that is too short. */
  add(canary: string): void {
    const rolling = new RollingHash(this.#key, CANARY_GRAM)
    const { hash } = this.#key
    const before = this.#fingerprints.size
    const reader = new LetterReader({
      letter: (letter) => {
        if (!rolling.push(letter)) return
        hash.digest(rolling.lane1, rolling.lane2)
        this.#fingerprints.add(hash.high, hash.low)
        this.#tails.add(rolling.lane1 >>> 0)
      },
      gap: () => undefined,
    })
    reader.push(canary)
    if (this.#fingerprints.size === before)
      throw new RedoubtError('ERR_INPUT_INVALID', `a canary has at least ${CANARY_GRAM} letters and digits`)
  }

  finish(): FingerprintSource {
    return { ...EMPTY_SOURCE, kind: 'canary', canaries: this.#fingerprints.finish(), tails: Uint32Array.from(this.#tails) }
  }
}

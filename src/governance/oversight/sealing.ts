import type { KeyObject } from 'node:crypto'
import { canonicalJson, type JsonObject, parseStrictJson, RedoubtError, type SubjectSealer } from '#foundation/core'
import { openBytes, sealBytes } from '#foundation/crypto'

/** A reviewer is a person: more than this nobody looks through. */
export const MAX_CONTENT_BYTES = 1024 * 1024
/** Content, with the room that names and signs of JSON take. */
const BOUNDS = { maxBytes: 2 * MAX_CONTENT_BYTES, maxDepth: 40 }

export interface SealedContent {
  /** Keyed pseudonym of the subject; null where the room's key sealed it. */
  readonly pseudonym: string | null
  readonly ciphertext: Uint8Array
}

/** What is held for a reviewer lies on the disk sealed: under the key of whom it is about, so that it is gone when that key is, or under the room's. */
export class HeldContent {
  readonly #key: KeyObject
  readonly #sealer: SubjectSealer

  constructor(key: KeyObject, sealer: SubjectSealer) {
    this.#key = key
    this.#sealer = sealer
  }

  /** @throws {RedoubtError} `ERR_REVIEW_TOO_LARGE`, and what sealing throws. */
  async seal(subject: string | null, value: JsonObject, context: string): Promise<SealedContent> {
    const bytes = Buffer.from(canonicalJson(value))
    if (bytes.byteLength > MAX_CONTENT_BYTES) throw new RedoubtError('ERR_REVIEW_TOO_LARGE')
    if (subject === null) return { pseudonym: null, ciphertext: sealBytes(this.#key, Buffer.from(bound(context)), bytes) }
    return this.#sealer.seal(subject, bytes, bound(context))
  }

  /** @throws {RedoubtError} `ERR_KEYS_DESTROYED` when the subject was erased, `ERR_CRYPTO_AUTHENTICATION` for what was not sealed here in this context. */
  async open({ pseudonym, ciphertext }: SealedContent, context: string): Promise<JsonObject> {
    const bytes =
      pseudonym === null
        ? openBytes(this.#key, Buffer.from(bound(context)), ciphertext)
        : await this.#sealer.open({ pseudonym, ciphertext }, bound(context))
    return parseStrictJson(bytes, BOUNDS) as JsonObject
  }
}

const bound = (context: string): string => `redoubt oversight 1 ${context}`

import type { KeyObject } from 'node:crypto'
import { canonicalJson, type JsonObject, parseStrictJson, RedoubtError, type SubjectSealer } from '#foundation/core'
import { openBytes, sealBytes } from '#foundation/crypto'
import type { Verdict } from './review.ts'
import type { StoredReview } from './review-store.ts'

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

  async #seal(subject: string | null, value: JsonObject, context: string): Promise<SealedContent> {
    const bytes = Buffer.from(canonicalJson(value))
    if (bytes.byteLength > MAX_CONTENT_BYTES) throw new RedoubtError('ERR_REVIEW_TOO_LARGE')
    if (subject === null) return { pseudonym: null, ciphertext: sealBytes(this.#key, Buffer.from(bound(context)), bytes) }
    return this.#sealer.seal(subject, bytes, bound(context))
  }

  /** What is held of a review. @throws {RedoubtError} `ERR_REVIEW_TOO_LARGE`, and what sealing throws. */
  sealContent(id: string, subject: string | null, value: JsonObject): Promise<SealedContent> {
    return this.#seal(subject, value, contentOf(id))
  }

  /** What its reviewer wrote. @throws as `sealContent`. */
  sealVerdict(id: string, subject: string | null, verdict: Verdict): Promise<SealedContent> {
    return this.#seal(subject, { ...verdict }, verdictOf(id))
  }

  /** Null when nothing is held any more, or the subject's key was destroyed. @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for what was not sealed here for this review. */
  async contentOf({ id, pseudonym, sealed }: Pick<StoredReview, 'id' | 'pseudonym' | 'sealed'>): Promise<JsonObject | null> {
    return sealed === null ? null : openedOrGone(this.#open({ pseudonym, ciphertext: sealed }, contentOf(id)))
  }

  /** Null while nobody has decided, and as `contentOf`. */
  async verdictOf({ id, verdict }: Pick<StoredReview, 'id' | 'verdict'>): Promise<Verdict | null> {
    return verdict === null ? null : ((await openedOrGone(this.#open(verdict, verdictOf(id)))) as Verdict | null)
  }

  /** @throws {RedoubtError} `ERR_KEYS_DESTROYED` when the subject was erased, `ERR_CRYPTO_AUTHENTICATION` for what was not sealed here in this context. */
  async #open({ pseudonym, ciphertext }: SealedContent, context: string): Promise<JsonObject> {
    const bytes =
      pseudonym === null
        ? openBytes(this.#key, Buffer.from(bound(context)), ciphertext)
        : await this.#sealer.open({ pseudonym, ciphertext }, bound(context))
    return parseStrictJson(bytes, BOUNDS) as JsonObject
  }
}

const bound = (context: string): string => `redoubt oversight 1 ${context}`

/** Bound to its row: what is held cannot be moved under another id. */
const contentOf = (id: string): string => `content ${id}`
const verdictOf = (id: string): string => `verdict ${id}`

function openedOrGone(opening: Promise<JsonObject>): Promise<JsonObject | null> {
  return opening.catch((thrown: unknown) => {
    if (thrown instanceof RedoubtError && thrown.code === 'ERR_KEYS_DESTROYED') return null
    throw thrown
  })
}

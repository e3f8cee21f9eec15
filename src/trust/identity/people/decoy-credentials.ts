import { createHash, createHmac } from 'node:crypto'
import type { SubjectSealer } from '#foundation/core'
import type { FactorStore } from './factor-store.ts'

/** Bytes of the one id that is invented while nobody has a key: as most security keys make them. */
const USUAL_BYTES = 32

interface Owner {
  /** Where on the ring. */
  readonly at: string
  readonly userId: string
}

/**
 * Ids for names that nobody has, or whose owner has no key: as many and as long as those of someone who has, so that counting and
 * measuring them tells nothing. Whose is found on a ring of digests: the same for a name each time, another one for about one name in as
 * many as there are owners when one comes or goes, and owners are copied as often as there are of them. The bytes are an HMAC under a
 * key of this server.
 * @see Web Authentication Level 3 §14.6.2
 */
export class DecoyCredentials {
  readonly #factors: FactorStore
  readonly #sealer: SubjectSealer
  #ring: readonly Owner[] = []
  #madeOf = -1

  constructor(factors: FactorStore, sealer: SubjectSealer) {
    this.#factors = factors
    this.#sealer = sealer
  }

  /** @param key keyed hash of the name. */
  idsFor(key: string): readonly string[] {
    const secret = this.#sealer.pseudonym(`decoy credential ${key}`)
    const lengths = this.#lengthsLike(place(secret))
    return lengths.map((bytes, i) => bytesOf(secret, i, bytes).toString('base64url'))
  }

  /** Of the ids of whoever comes next on the ring. */
  #lengthsLike(at: string): readonly number[] {
    const ring = this.#owners()
    let low = 0
    let high = ring.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ring[middle]!.at < at) low = middle + 1
      else high = middle
    }
    const owner = ring[low === ring.length ? 0 : low]
    if (owner === undefined) return [USUAL_BYTES]
    return this.#factors.credentialsOf(owner.userId).map(({ id }) => Buffer.from(id, 'base64url').byteLength)
  }

  #owners(): readonly Owner[] {
    const { ownersVersion } = this.#factors
    if (this.#madeOf !== ownersVersion) {
      this.#ring = this.#factors
        .owners()
        .map((userId) => ({ at: place(userId), userId }))
        .sort((a, b) => (a.at < b.at ? -1 : 1))
      this.#madeOf = ownersVersion
    }
    return this.#ring
  }
}

const place = (text: string): string => createHash('sha256').update(text).digest('base64url')

function bytesOf(secret: string, index: number, bytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(bytes / 32) }, (_, block) =>
    createHmac('sha256', secret).update(`${index} ${block}`).digest(),
  )
  return Buffer.concat(blocks).subarray(0, bytes)
}

import { type Clock, newId } from '#foundation/core'
import { type Offer, sameEntity } from './approval.ts'

/** An hour is enough to read a refusal and ask. */
const LIFETIME_MS = 3_600_000
const MAX_OFFERS = 512
const MAX_OF_ONE = 16
const MAX_BYTES = 16 * 1024 * 1024
/** A larger act cannot be shown to anyone who is to agree to it. */
export const MAX_PAYLOAD = 640 * 1024

interface Kept {
  readonly offer: Offer
  readonly until: number
}

/**
 * Refused acts that could be approved. In memory and bounded: nothing depends on them but the convenience of whoever was refused, who
 * can be refused again.
 */
export class Offers {
  readonly #clock: Clock
  readonly #kept = new Map<string, Kept>()
  #bytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns the id to ask with, the same for the same act; null for what is too large to be shown. */
  add(offer: Offer): string | null {
    if (offer.payload.length > MAX_PAYLOAD) return null
    const now = this.#clock.monotonic()
    let own = 0
    let oldestOwn: string | null = null
    for (const [id, { offer: other, until }] of this.#kept) {
      if (until <= now) this.#drop(id)
      else if (sameEntity(other.principal, offer.principal)) {
        if (other.digest === offer.digest) this.#drop(id)
        else {
          own++
          oldestOwn ??= id
        }
      }
    }
    if (own >= MAX_OF_ONE && oldestOwn !== null) this.#drop(oldestOwn)
    const id = newId('off')
    this.#kept.set(id, { offer, until: now + LIFETIME_MS })
    this.#bytes += offer.payload.length
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_OFFERS && this.#bytes <= MAX_BYTES) break
      this.#drop(oldest)
    }
    return id
  }

  get(id: string): Offer | null {
    const kept = this.#kept.get(id)
    return kept && kept.until > this.#clock.monotonic() ? kept.offer : null
  }

  #drop(id: string): void {
    this.#bytes -= this.#kept.get(id)?.offer.payload.length ?? 0
    this.#kept.delete(id)
  }
}

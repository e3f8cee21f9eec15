import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '#foundation/core'

/** A nonce is given out for this long, and taken for as long again. */
export const NONCE_PERIOD_MS = 5 * 60 * 1000
const BYTES = 16

/**
 * Nonces for proofs of possession: shows that a proof was made after this process started and at most ten minutes ago, whatever the
 * clocks say. Nothing is kept for a nonce that is given out. Time is monotonic, so that a clock set back revives none.
 * @see RFC 9449 §8, §9
 */
export class DpopNonces {
  #key = randomBytes(32)
  readonly #clock: Clock
  #period = -1
  #current: Uint8Array = new Uint8Array()
  #previous: Uint8Array = new Uint8Array()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  current(): string {
    this.#turn()
    return Buffer.from(this.#current).toString('latin1')
  }

  has(nonce: string): boolean {
    this.#turn()
    const given = Buffer.from(nonce, 'latin1')
    return [this.#current, this.#previous].some((known) => known.byteLength === given.byteLength && timingSafeEqual(known, given))
  }

  /** Every nonce that was given out so far is refused from now on. */
  renew(): void {
    this.#key = randomBytes(32)
    this.#period = -1
  }

  #turn(): void {
    const period = Math.floor(this.#clock.monotonic() / NONCE_PERIOD_MS)
    if (period === this.#period) return
    this.#period = period
    this.#current = this.#of(period)
    this.#previous = this.#of(period - 1)
  }

  #of(period: number): Buffer {
    const mac = createHmac('sha256', this.#key).update(String(period)).digest()
    return Buffer.from(mac.toString('base64url', 0, BYTES), 'latin1')
  }
}

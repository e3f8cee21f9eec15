import { hash } from 'node:crypto'
import type { Clock, ErrorCode } from '#foundation/core'
import type { DpopNonces } from './dpop-nonces.ts'
import { type DpopProof, PROOF_WINDOW_SECONDS } from './dpop-proof.ts'

/** Proofs are remembered together with those made in the same half minute. */
const SPAN_SECONDS = 30
/** Proofs of one half minute, of all accounts and of one, whatever keys it has. About 60 bytes each. */
export const MAX_PROOFS_A_SPAN = 200_000
export const MAX_PROOFS_OF_AN_ACCOUNT = 50_000
/** When half of the memory is used, the rest is for accounts that used no more than this: a few busy ones do not take it from all others. */
export const MAX_PROOFS_WHEN_CROWDED = 1_000

interface Span {
  readonly used: Set<string>
  readonly ofAccount: Map<string, number>
}

/**
 * Which proofs were used at this server, in bounded memory. No proof is forgotten to make room for another: an account that uses too many is
 * refused until the half minute is over.
 * What is not remembered (proofs that the last process may have taken, or
 * those of a time that a clock set back brings again) is told from what is fresh by a nonce: without one it is refused.
 */
export class DpopMemory {
  readonly #spans = new Map<number, Span>()
  readonly #nonces: DpopNonces
  /** Seconds. A proof made at or before this needs a nonce. */
  #forgotten: number
  /** Seconds. Proofs made at or before this may have been used with a nonce that is still given out. */
  #dropped = Number.NEGATIVE_INFINITY
  #latest = 0

  /** @param before Epoch milliseconds until which earlier processes may have taken proofs. */
  constructor(clock: Clock, nonces: DpopNonces, before: number) {
    this.#nonces = nonces
    // The last process may have taken a proof of a client whose clock goes a minute fast, and by a clock that was since set back.
    this.#forgotten = Math.ceil(Math.max(clock.now(), before) / 1000) + PROOF_WINDOW_SECONDS
  }

  get size(): number {
    let size = 0
    for (const span of this.#spans.values()) size += span.used.size
    return size
  }

  /** When a proof was taken last, epoch milliseconds; 0 while none was. */
  get latest(): number {
    return this.#latest
  }

  /**
   * Takes a proof for its one use.
   * @param account that uses it, with its type.
   * @param now Epoch milliseconds.
   * @returns why not, or null.
   */
  take(proof: DpopProof, account: string, now: number): ErrorCode | null {
    if (proof.nonce === null ? proof.issuedAt <= this.#forgotten : !this.#nonces.has(proof.nonce)) return 'ERR_DPOP_NONCE'
    if (proof.issuedAt <= this.#dropped) {
      // The clock was set back. With new nonces nothing that was used before can come again.
      this.#nonces.renew()
      this.#dropped = Number.NEGATIVE_INFINITY
      return 'ERR_DPOP_NONCE'
    }
    const number = Math.floor(proof.issuedAt / SPAN_SECONDS)
    let span = this.#spans.get(number)
    if (span === undefined) {
      this.#sweep(now)
      span = { used: new Set(), ofAccount: new Map() }
      this.#spans.set(number, span)
    }
    const id = hash('sha256', `${proof.thumbprint} ${proof.id}`, 'buffer').toString('latin1', 0, 16)
    if (span.used.has(id)) return 'ERR_DPOP_REPLAYED'
    const count = span.ofAccount.get(account) ?? 0
    const most = span.used.size < MAX_PROOFS_A_SPAN / 2 ? MAX_PROOFS_OF_AN_ACCOUNT : MAX_PROOFS_WHEN_CROWDED
    if (count >= most || span.used.size >= MAX_PROOFS_A_SPAN) return 'ERR_DPOP_EXHAUSTED'
    span.used.add(id)
    span.ofAccount.set(account, count + 1)
    if (now > this.#latest) this.#latest = now
    return null
  }

  #sweep(now: number): void {
    const oldest = now / 1000 - PROOF_WINDOW_SECONDS
    for (const number of this.#spans.keys()) {
      const end = (number + 1) * SPAN_SECONDS
      if (end >= oldest) continue
      this.#spans.delete(number)
      this.#dropped = Math.max(this.#dropped, end)
      this.#forgotten = Math.max(this.#forgotten, end)
    }
  }
}

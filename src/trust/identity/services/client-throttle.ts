import type { Clock, ErrorCode } from '#foundation/core'
import type { KnownSources } from './known-sources.ts'
import { RateOfSources } from './rate-of-sources.ts'

/** Failures without consequence: a wrong file, a clock that is off, a key that was just replaced. */
export const FREE_FAILURES_OF_SOURCE = 10
export const FREE_FAILURES_OF_ACCOUNT = 20
/** Each further failure doubles the wait, up to this. An account is shut to strangers for less, because they include its own new hosts. */
const LONGEST_WAIT_OF_SOURCE_MS = 15 * 60_000
const LONGEST_WAIT_OF_ACCOUNT_MS = 60_000
/** After so long without a failure all is forgotten. */
const FORGET_AFTER_MS = 30 * 60_000
/** Sources, and names of accounts, with failures. Beyond, the one whose last failure is longest ago is forgotten: its count begins anew. */
export const MAX_ENTRIES = 10_000

export interface Wait {
  readonly code: Extract<ErrorCode, 'ERR_TOKEN_RATE' | 'ERR_CLIENT_THROTTLED'>
  /** Whole seconds, at least 1: for `retry-after`. */
  readonly seconds: number
}

/**
 * Slows and locks whoever fails to authenticate as a client, by source (`subscriberOf`) and by the account it claims, before any signature
 * is looked at.
 * A source from which an account authenticated before is shut out from that account by nothing that strangers do: it is let through to
 * the verification, with an allowance of requests of its own. An account that does not exist is treated as one that does.
 */
export class ClientThrottle {
  readonly #sources: Failures
  readonly #accounts: Failures
  readonly #rate: RateOfSources
  /** Of its own, so that strangers who use up the memory of the other leave those who are known alone. */
  readonly #rateOfKnown: RateOfSources
  readonly #known: KnownSources

  constructor(clock: Clock, known: KnownSources, requestsPerMinute: number) {
    this.#known = known
    this.#rate = new RateOfSources(clock, requestsPerMinute)
    this.#rateOfKnown = new RateOfSources(clock, requestsPerMinute)
    this.#sources = new Failures(clock, FREE_FAILURES_OF_SOURCE, LONGEST_WAIT_OF_SOURCE_MS)
    this.#accounts = new Failures(clock, FREE_FAILURES_OF_ACCOUNT, LONGEST_WAIT_OF_ACCOUNT_MS)
  }

  /** @returns how long to wait, or null when the attempt may be looked at. */
  admit(source: string, account: string | null): Wait | null {
    const known = account !== null && this.#known.has(account, source)
    const tooOften = this.pace(known ? `${source} ${account}` : source, known)
    if (tooOften !== null || known) return tooOften
    const locked = Math.max(this.#sources.wait(source), account === null ? 0 : this.#accounts.wait(account))
    return locked > 0 ? { code: 'ERR_CLIENT_THROTTLED', seconds: Math.ceil(locked / 1000) } : null
  }

  /**
   * The rate alone: for requests that show something else than who the client is.
   * @param known whether somebody authenticated from there before: what strangers use up is not theirs.
   */
  pace(source: string, known: boolean): Wait | null {
    const waitMs = (known ? this.#rateOfKnown : this.#rate).take(source)
    return waitMs > 0 ? { code: 'ERR_TOKEN_RATE', seconds: Math.ceil(waitMs / 1000) } : null
  }

  failed(source: string, account: string | null): void {
    this.#sources.note(source)
    if (account !== null) this.#accounts.note(account)
  }

  /** Sources and names of accounts whose failures are remembered: at most `MAX_ENTRIES` of each. */
  get size(): { readonly sources: number; readonly accounts: number } {
    return { sources: this.#sources.size, accounts: this.#accounts.size }
  }

  /** A success ends no lock: whoever has an account of their own could buy back failures with it. */
  succeeded(source: string, account: string): void {
    this.#known.note(account, source)
  }
}

class Failures {
  readonly #entries = new Map<string, { count: number; lastAt: number; lockedUntil: number }>()
  readonly #clock: Clock
  readonly #free: number
  readonly #longestMs: number

  constructor(clock: Clock, free: number, longestMs: number) {
    this.#clock = clock
    this.#free = free
    this.#longestMs = longestMs
  }

  get size(): number {
    return this.#entries.size
  }

  wait(key: string): number {
    return Math.max(0, (this.#entries.get(key)?.lockedUntil ?? 0) - this.#clock.monotonic())
  }

  note(key: string): void {
    const now = this.#clock.monotonic()
    const before = this.#entries.get(key)
    const count = before === undefined || now - before.lastAt > FORGET_AFTER_MS ? 1 : before.count + 1
    const waitMs = count <= this.#free ? 0 : Math.min(this.#longestMs, 1000 * 2 ** Math.min(20, count - this.#free - 1))
    // Moved to the end: the map is in the order of the last failure, so that the longest quiet is dropped first.
    this.#entries.delete(key)
    this.#entries.set(key, { count, lastAt: now, lockedUntil: now + waitMs })
    if (this.#entries.size > MAX_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!)
  }
}

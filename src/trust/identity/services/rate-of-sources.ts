import type { Clock } from '#foundation/core'

/** Sources told apart at once; beyond this all further ones share one allowance until some are forgotten. */
const MAX_SOURCES = 10_000
const OVERFLOW = ''
/** Looking for sources to forget takes as long as there are many: not at each request of a flood. */
const SWEEP_EVERY_MS = 1_000

/**
 * How often one source may ask: `perMinute` on average, a minute's worth at once. GCRA, so that a source that asks too often waits no
 * longer than it must.
 * @see ITU-T I.371, Annex A (generic cell rate algorithm)
 */
export class RateOfSources {
  /** Theoretical arrival time of the next request, monotonic milliseconds. */
  readonly #next = new Map<string, number>()
  readonly #clock: Clock
  readonly #spacingMs: number
  readonly #burstMs: number
  #sweptAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock
    this.#spacingMs = 60_000 / perMinute
    this.#burstMs = 60_000 - this.#spacingMs
  }

  /** Counts one request. @returns milliseconds to wait before the next try, 0 when this one may go on. */
  take(source: string): number {
    const now = this.#clock.monotonic()
    const key = this.#next.has(source) || this.#hasRoom(now) ? source : OVERFLOW
    const due = Math.max(this.#next.get(key) ?? now, now)
    if (due - now > this.#burstMs) return due - now - this.#burstMs
    this.#next.set(key, due + this.#spacingMs)
    return 0
  }

  #hasRoom(now: number): boolean {
    if (this.#next.size < MAX_SOURCES) return true
    if (now - this.#sweptAt < SWEEP_EVERY_MS) return false
    this.#sweptAt = now
    for (const [source, due] of this.#next) if (due <= now) this.#next.delete(source)
    return this.#next.size < MAX_SOURCES
  }
}

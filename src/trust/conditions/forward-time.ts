import type { Clock } from '#foundation/core'

/**
 * Time that never goes back, for all that is counted and learnt over time: it goes with the wall clock and, where that is set back, on from
 * where it was. What was counted stays counted, what was learnt is not learnt again, and no time of learning begins anew.
 */
export class ForwardTime {
  readonly #clock: Clock
  #wall: number
  #monotonic: number
  /** How far this time is ahead of the wall clock. Grows when the clock is set back. */
  #aheadMs: number

  /** @param atLeast the latest moment that the last process knew, by this time. */
  constructor(clock: Clock, atLeast: number) {
    this.#clock = clock
    this.#wall = clock.now()
    this.#monotonic = clock.monotonic()
    this.#aheadMs = Math.max(0, atLeast - this.#wall)
  }

  now(): number {
    return this.at(Number.POSITIVE_INFINITY)
  }

  /** @param moment of the wall clock, as of when it was read; at the latest now. */
  at(moment: number): number {
    const wall = this.#clock.now()
    const monotonic = this.#clock.monotonic()
    if (wall < this.#wall) this.#aheadMs += this.#wall - wall + Math.max(0, monotonic - this.#monotonic)
    this.#wall = wall
    this.#monotonic = monotonic
    return Math.min(moment, wall) + this.#aheadMs
  }

  /** The moment of the wall clock, as it goes now, that a time of this one is: to be shown. */
  shown(time: number): number {
    return time - this.#aheadMs
  }
}

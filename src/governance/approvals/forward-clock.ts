import type { Clock } from '#foundation/core'
import type { Statements } from './statements.ts'

/** A correction by NTP; more is someone setting the clock. */
export const SET_BACK_MS = 5_000

/**
 * The room's time: never behind the wall clock, and never behind what passed by the monotonic clock, so that nothing lasts longer, and
 * nothing that is over comes back, because the clock was set back. What was last seen is kept for the next start.
 */
export class ForwardClock implements Clock {
  readonly #clock: Clock
  readonly #statements: Statements
  /** An instant that was seen, and the monotonic time then. Kept as they are while the wall clock is behind: no fraction is ever lost. */
  #seen: { readonly at: number; readonly monotonic: number }

  /** @throws {RedoubtError} `ERR_STORAGE_IO`. */
  constructor(clock: Clock, statements: Statements) {
    this.#clock = clock
    this.#statements = statements
    const [row] = statements.all<{ readonly seen_at: number }>('SELECT seen_at FROM room_time')
    this.#seen = { at: Math.max(row?.seen_at ?? 0, clock.now()), monotonic: clock.monotonic() }
  }

  now(): number {
    const monotonic = this.#clock.monotonic()
    const passed = this.#seen.at + Math.floor(monotonic - this.#seen.monotonic)
    const wall = this.#clock.now()
    if (wall > passed) this.#seen = { at: wall, monotonic }
    return Math.max(wall, passed)
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  /** How far the wall clock is behind the time that has been seen, in milliseconds. Grows when the clock is set back. */
  lag(): number {
    return this.now() - this.#clock.now()
  }

  /** @throws {RedoubtError} `ERR_STORAGE_IO`. */
  keep(): void {
    this.#statements.run(
      'INSERT INTO room_time (one, seen_at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seen_at = MAX(seen_at, excluded.seen_at)',
      this.now(),
    )
  }
}

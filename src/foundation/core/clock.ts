/** Time is passed in: nothing above this file reads the system clock. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May go backwards when an administrator sets the clock. */
  now(): number
  /** Milliseconds that never go backwards, with arbitrary origin; for durations and rate limits. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** A clock that stands still until it is told to move; real code for tests, drills and exercises. */
export class ManualClock implements Clock {
  #now: number
  #monotonic = 0

  constructor(now: number) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  advance(ms: number): void {
    this.#now += ms
    this.#monotonic += ms
  }

  /** Sets the wall clock alone, as an administrator or NTP does; the monotonic clock is not moved. */
  setNow(now: number): void {
    this.#now = now
  }
}

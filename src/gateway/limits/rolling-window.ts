/** Up to this amount a window remembers every event; above, events nearer than `windowMs / EXACT_EVENTS` to each other share one time, the latest. */
export const EXACT_EVENTS = 256
/** Most times kept, reached only when debts come on top. */
const MAX_EVENTS = 2 * EXACT_EVENTS
const FIRST_CAPACITY = 8

export type PassedEvent = readonly [time: number, amount: number]

/**
 * What passed in the window (now − windowMs, now], so that the sum in any rolling window can be bounded exactly. Where events share a
 * time it is later than the true one, by less than a 256th of the window: the count is then too high for a moment, never too low.
 * Times must not decrease.
 */
export class RollingWindow {
  readonly windowMs: number
  #times = new Float64Array(FIRST_CAPACITY)
  #amounts = new Float64Array(FIRST_CAPACITY)
  #head = 0
  #count = 0
  /** When the first of those events passed that share the newest time. */
  #newestSince = 0
  sum = 0

  constructor(windowMs: number) {
    this.windowMs = windowMs
  }

  /** Forgets what left the window: an event counts for `windowMs` from its own time, that moment excluded. */
  expire(now: number): void {
    const mask = this.#times.length - 1
    while (this.#count > 0 && this.#times[this.#head]! + this.windowMs <= now) {
      this.sum -= this.#amounts[this.#head]!
      this.#head = (this.#head + 1) & mask
      this.#count--
    }
    if (this.#count === 0) this.sum = 0
  }

  /** @param limit the most that may pass in a window, which decides how exactly times are kept. */
  add(now: number, amount: number, limit: number): void {
    if (amount <= 0) return
    this.sum += amount
    if (this.#count > 0) {
      const newest = (this.#head + this.#count - 1) & (this.#times.length - 1)
      const grain = limit <= EXACT_EVENTS ? 0 : this.windowMs / EXACT_EVENTS
      if (now - this.#newestSince < grain || now === this.#times[newest] || this.#count === MAX_EVENTS) {
        this.#times[newest] = now
        this.#amounts[newest]! += amount
        return
      }
    }
    if (this.#count === this.#times.length) this.#grow()
    const next = (this.#head + this.#count) & (this.#times.length - 1)
    this.#times[next] = now
    this.#amounts[next] = amount
    this.#newestSince = now
    this.#count++
  }

  /** The earliest time at which `excess` of the sum has left the window; `now + windowMs` if the sum is not enough. */
  timeUntilLess(excess: number, now: number): number {
    const mask = this.#times.length - 1
    let left = excess
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#head + i) & mask
      left -= this.#amounts[at]!
      if (left <= 0) return this.#times[at]! + this.windowMs
    }
    return now + this.windowMs
  }

  /** When the last event leaves the window; `now` if there is none. */
  emptyAt(now: number): number {
    return this.#count === 0 ? now : this.#times[(this.#head + this.#count - 1) & (this.#times.length - 1)]! + this.windowMs
  }

  events(): readonly PassedEvent[] {
    const mask = this.#times.length - 1
    return Array.from({ length: this.#count }, (_, i) => {
      const at = (this.#head + i) & mask
      return [this.#times[at]!, this.#amounts[at]!] as const
    })
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2)
    const amounts = new Float64Array(this.#times.length * 2)
    for (const [i, [time, amount]] of this.events().entries()) {
      times[i] = time
      amounts[i] = amount
    }
    this.#times = times
    this.#amounts = amounts
    this.#head = 0
  }
}

import type { Clock } from '#foundation/core'

/** Names counted at once; beyond, the one that was heard of longest ago is forgotten. */
export const MAX_COUNTED = 2_000

interface Counted {
  /** Times on the monotonic clock, ascending, each with a weight. */
  readonly times: { readonly at: number; readonly weight: number }[]
  sum: number
}

/** Whether something happened `count` times in any window of `windowMs`, for each of many names, in bounded memory. */
export class RefusalCounter {
  readonly #clock: Clock
  readonly #count: number
  readonly #windowMs: number
  readonly #names = new Map<string, Counted>()

  constructor(clock: Clock, threshold: { readonly count: number; readonly windowMs: number }) {
    this.#clock = clock
    this.#count = threshold.count
    this.#windowMs = threshold.windowMs
  }

  get size(): number {
    return this.#names.size
  }

  /** @returns whether the count is reached now. It then starts again, so that what goes on is told once for each `count`. */
  add(name: string, weight: number): boolean {
    const now = this.#clock.monotonic()
    const counted = this.#names.get(name) ?? { times: [], sum: 0 }
    // Last in the order of the map: first to go is who was silent longest.
    this.#names.delete(name)
    while (counted.times[0] !== undefined && counted.times[0].at <= now - this.#windowMs) counted.sum -= counted.times.shift()?.weight ?? 0
    if (counted.sum + weight >= this.#count) return true
    // Fewer than `count` entries, for each weighs one or more.
    counted.times.push({ at: now, weight })
    counted.sum += weight
    this.#names.set(name, counted)
    if (this.#names.size > MAX_COUNTED) for (const oldest of this.#names.keys()) return this.#forget(oldest)
    return false
  }

  #forget(name: string): false {
    this.#names.delete(name)
    return false
  }
}

import type { Clock } from '#foundation/core'

/** Keys counted at once. Beyond this the oldest is dropped: who floods with new keys is slowed by the bound on all of them together. */
export const MAX_KEYS = 10_000

interface Window {
  readonly startedAt: number
  count: number
}

/**
 * So many attempts of a key in a window. In memory: a restart forgives, which a limit against guessing can bear.
 * The bound on all keys together holds when an attacker has many.
 */
export class Attempts {
  readonly #windows = new Map<string, Window>()
  readonly #clock: Clock
  readonly #windowMs: number
  readonly #perKey: number
  readonly #together: number
  #all: Window = { startedAt: Number.NEGATIVE_INFINITY, count: 0 }

  constructor(clock: Clock, bounds: { readonly windowMs: number; readonly perKey: number; readonly together: number }) {
    this.#clock = clock
    this.#windowMs = bounds.windowMs
    this.#perKey = bounds.perKey
    this.#together = bounds.together
  }

  /** Keys that are counted: at most `MAX_KEYS`. */
  get size(): number {
    return this.#windows.size
  }

  /** Milliseconds to wait; 0 when an attempt may be made. Counts nothing. */
  wait(key: string): number {
    const now = this.#clock.monotonic()
    const left = (window: Window | undefined, most: number): number =>
      window === undefined || window.count < most ? 0 : Math.max(0, window.startedAt + this.#windowMs - now)
    return Math.max(left(this.#windows.get(key), this.#perKey), left(this.#all, this.#together))
  }

  count(key: string): void {
    const now = this.#clock.monotonic()
    const running = (window: Window | undefined): Window =>
      window === undefined || now - window.startedAt >= this.#windowMs ? { startedAt: now, count: 0 } : window
    this.#all = running(this.#all)
    this.#all.count++
    const window = running(this.#windows.get(key))
    window.count++
    this.#windows.delete(key)
    this.#windows.set(key, window)
    if (this.#windows.size > MAX_KEYS) this.#windows.delete(this.#windows.keys().next().value!)
  }
}

import type { Clock } from '#foundation/core'

/** Waits in the background without keeping the process alive. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms).unref())
/** Lets whoever waits for the event loop go first. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Holds work to so many things in a second, on the monotonic clock; after an idle time it does not catch up. */
export class Pace {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #sleep: (ms: number) => Promise<void>
  #next = 0

  constructor(clock: Clock, perSecond: number, sleeping: (ms: number) => Promise<void>) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#sleep = sleeping
  }

  async did(things: number): Promise<void> {
    const now = this.#clock.monotonic()
    this.#next = Math.max(this.#next, now) + (things * 1_000) / this.#perSecond
    const wait = this.#next - now
    if (things > 0 && wait >= 1) await this.#sleep(wait)
    else await turn()
  }
}

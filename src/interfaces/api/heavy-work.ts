import { RedoubtError } from '#foundation/core'

/** Of one lane at once: each may take a core and gigabytes of memory. */
export const MAX_RUNNING = 2
/** That wait for their turn; they hold a connection and no body. */
export const MAX_WAITING = 16

/** Uploads go as fast as the caller sends, so they do not stand in the way of trainings. */
export interface Lanes {
  readonly trainings: HeavyWork
  /** Imports and registrations. */
  readonly uploads: HeavyWork
  /** Whatever reads many rows for an answer. */
  readonly downloads: HeavyWork
}

/** Lets heavy work through a few at a time, first come, first served. */
export class HeavyWork {
  #running = 0
  #waiting: (() => void)[] = []

  /**
   * Runs `work` when it is its turn.
   * @throws {RedoubtError} `ERR_BUSY` when too many wait already; the signal's reason when it fires first; what `work` throws.
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#running < MAX_RUNNING) this.#running++
    else await this.#turn(signal)
    try {
      return await work()
    } finally {
      // The place is handed on, not given back, so that nobody slips in between.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING)
      throw new RedoubtError('ERR_BUSY', `${MAX_RUNNING} such operations run and ${MAX_WAITING} wait`)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((each) => each !== enter)
        reject(signal?.reason)
      }
      const enter = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(enter)
    })
  }
}

import { RedoubtError } from '#foundation/core'

/** Of one lane at once: each may take a core and gigabytes of memory. */
export const MAX_RUNNING = 2
/** That wait for their turn; they hold a connection and no body. */
export const MAX_WAITING = 16
/** Of one caller that run: whoever reads slowly leaves room for others. */
export const MAX_RUNNING_OF_ONE = 1
/** Of one caller that run or wait. */
export const MAX_OF_ONE = 4

/** Uploads go as fast as the caller sends, so they do not stand in the way of trainings. */
export interface Lanes {
  readonly trainings: HeavyWork
  /** Each has a thread of its own. */
  readonly transforms: HeavyWork
  /** Imports and registrations. */
  readonly uploads: HeavyWork
  /** Whatever reads many rows for an answer. */
  readonly downloads: HeavyWork
}

interface Waiting {
  readonly owner: string | undefined
  readonly enter: () => void
}

/** Lets heavy work through a few at a time, first come, first served, and of one owner not more than leaves room for others. */
export class HeavyWork {
  #running = 0
  #waiting: Waiting[] = []
  /** By owner, what runs. */
  readonly #runningOf = new Map<string, number>()

  /**
   * Runs `work` when it is its turn.
   * @param owner whose it is, where that is to be bounded.
   * @throws {RedoubtError} `ERR_BUSY` when too many wait already, or too much of this owner's runs and waits; the signal's reason when it
   *   fires first; what `work` throws.
   */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal, owner?: string): Promise<T> {
    signal?.throwIfAborted()
    if (owner !== undefined && this.#runs(owner) + this.#waiting.filter((each) => each.owner === owner).length >= MAX_OF_ONE)
      throw new RedoubtError('ERR_BUSY', `${MAX_OF_ONE} such operations of yours run or wait`)
    if (this.#hasRoomFor(owner)) this.#begin(owner)
    else await this.#turn(signal, owner)
    try {
      return await work()
    } finally {
      this.#end(owner)
    }
  }

  #runs(owner: string): number {
    return this.#runningOf.get(owner) ?? 0
  }

  #hasRoomFor(owner: string | undefined): boolean {
    return this.#running < MAX_RUNNING && (owner === undefined || this.#runs(owner) < MAX_RUNNING_OF_ONE)
  }

  #begin(owner: string | undefined): void {
    this.#running++
    if (owner !== undefined) this.#runningOf.set(owner, this.#runs(owner) + 1)
  }

  #end(owner: string | undefined): void {
    this.#running--
    if (owner !== undefined) {
      const left = this.#runs(owner) - 1
      if (left > 0) this.#runningOf.set(owner, left)
      else this.#runningOf.delete(owner)
    }
    const next = this.#waiting.find((each) => this.#hasRoomFor(each.owner))
    if (!next) return
    this.#waiting = this.#waiting.filter((each) => each !== next)
    // The place is taken before anyone else is asked, so that nobody slips in between.
    this.#begin(next.owner)
    next.enter()
  }

  #turn(signal: AbortSignal | undefined, owner: string | undefined): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING)
      throw new RedoubtError('ERR_BUSY', `${MAX_RUNNING} such operations run and ${MAX_WAITING} wait`)
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting)
        reject(signal?.reason)
      }
      const enter = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const waiting: Waiting = { owner, enter }
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiting)
    })
  }
}

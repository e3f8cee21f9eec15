import { type Clock, RedoubtError } from '#foundation/core'

/** Long enough to find the key in a drawer; the page asks for a new challenge when it is over. */
export const CHALLENGE_LIFETIME_MS = 5 * 60 * 1000

/** What was begun on a link. */
export interface Pending {
  readonly userId: string
  readonly expiresAt: number
  readonly challenge?: string
  readonly secret?: Uint8Array
}

/** What is under way on links, by digest of the link. A challenge serves one attempt, successful or not. */
export class EnrolmentAttempts {
  readonly #clock: Clock
  readonly #pending = new Map<string, Pending>()
  /** Links whose new factor is being recorded and stored. */
  readonly #completing = new Set<string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  begin(link: string, pending: Omit<Pending, 'expiresAt'>): void {
    this.#pending.set(link, { ...pending, expiresAt: this.#clock.now() + CHALLENGE_LIFETIME_MS })
  }

  /** Taken out before anything is awaited, so that a challenge can be answered once, whatever the answer is worth. @returns null when nothing was begun, or it has expired. */
  take(link: string): Pending | null {
    const pending = this.#pending.get(link) ?? null
    this.#pending.delete(link)
    return pending !== null && pending.expiresAt > this.#clock.now() ? pending : null
  }

  /** Two browsers on one link: one of them goes on from here, so the log never tells of two. @throws {RedoubtError} `ERR_ENROLMENT_INVALID` for the other. */
  async once<Result>(link: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#completing.has(link)) throw new RedoubtError('ERR_ENROLMENT_INVALID')
    this.#completing.add(link)
    try {
      return await work()
    } finally {
      this.#completing.delete(link)
    }
  }

  purge(): void {
    const now = this.#clock.now()
    for (const [link, { expiresAt }] of this.#pending) if (expiresAt <= now) this.#pending.delete(link)
  }
}

import type { Clock } from '#foundation/core'
import { subscriberOf } from '#trust/conditions'

/** Of one subscriber: an office behind one address signs in together on a Monday. The oldest of its own goes. */
export const MAX_OF_SUBSCRIBER = 100
/** Of strangers, and of subscribers from which people signed in before, each. */
export const MAX_CHALLENGES = 10_000

export interface Expiring {
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/**
 * Challenges that wait for their answer. Anyone may ask for one, so a subscriber pushes out its own and nobody else's, and strangers, however
 * many addresses they have, push out strangers': a person at a place from which people have signed in keeps theirs.
 */
export class PendingChallenges<Pending extends Expiring> {
  readonly #clock: Clock
  readonly #knows: (sourceAddress: string) => boolean
  readonly #of = { known: new Pool<Pending>(), strangers: new Pool<Pending>() }

  constructor(clock: Clock, knows: (sourceAddress: string) => boolean) {
    this.#clock = clock
    this.#knows = knows
  }

  get size(): number {
    return this.#of.known.size + this.#of.strangers.size
  }

  add(handle: string, pending: Pending, sourceAddress: string): void {
    const pool = this.#knows(sourceAddress) ? this.#of.known : this.#of.strangers
    pool.add(handle, pending, subscriberOf(sourceAddress))
  }

  /** Takes a challenge out: it serves once. Undefined for what is unknown or too old. */
  take(handle: string): Pending | undefined {
    const pending = this.#of.known.take(handle) ?? this.#of.strangers.take(handle)
    return pending === undefined || pending.expiresAt <= this.#clock.now() ? undefined : pending
  }

  purge(): void {
    const now = this.#clock.now()
    for (const pool of Object.values(this.#of)) pool.purge(now)
  }
}

class Pool<Pending extends Expiring> {
  /** Oldest first. */
  readonly #all = new Map<string, { readonly pending: Pending; readonly subscriber: string }>()
  readonly #ofSubscriber = new Map<string, Set<string>>()

  get size(): number {
    return this.#all.size
  }

  add(handle: string, pending: Pending, subscriber: string): void {
    const own = this.#ofSubscriber.get(subscriber) ?? new Set()
    if (own.size >= MAX_OF_SUBSCRIBER) this.take(own.values().next().value!)
    if (this.#all.size >= MAX_CHALLENGES) this.take(this.#all.keys().next().value!)
    own.add(handle)
    this.#ofSubscriber.set(subscriber, own)
    this.#all.set(handle, { pending, subscriber })
  }

  take(handle: string): Pending | undefined {
    const found = this.#all.get(handle)
    if (found === undefined) return undefined
    this.#all.delete(handle)
    const own = this.#ofSubscriber.get(found.subscriber)
    own?.delete(handle)
    if (own?.size === 0) this.#ofSubscriber.delete(found.subscriber)
    return found.pending
  }

  purge(now: number): void {
    for (const [handle, { pending }] of this.#all) if (pending.expiresAt <= now) this.take(handle)
  }
}

import type { KeyObject } from 'node:crypto'
import type { Clock } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import type { UnwrapCacheConfig } from './config.ts'
import type { KeyUse } from './keys.ts'

const CAPACITY = 1024

/** What the cache served and the log does not know yet. */
export interface UnreportedHits {
  readonly wrapped: WrappedKey
  readonly use: KeyUse
  hits: number
}

interface Entry extends UnreportedHits {
  readonly key: KeyObject
  /** On the monotonic clock: setting the wall clock back does not lengthen a key's life. */
  readonly expires: number
  left: number
}

/**
 * Unwrapped data keys, for the same principal, purpose and resource only, for a bounded time and number of uses.
 * A hit is counted; nothing leaves the cache unless its hits are handed on to be recorded.
 */
export class UnwrapCache {
  hits = 0
  misses = 0
  readonly #clock: Clock
  readonly #config: UnwrapCacheConfig
  readonly #entries = new Map<string, Entry>()
  #unreported: UnreportedHits[] = []

  constructor(clock: Clock, config: UnwrapCacheConfig) {
    this.#clock = clock
    this.#config = config
  }

  take(wrapped: WrappedKey, use: KeyUse): KeyObject | null {
    const id = idOf(wrapped, use)
    const entry = this.#entries.get(id)
    if (entry === undefined) return null
    if (entry.left <= 0 || this.#clock.monotonic() >= entry.expires) {
      this.#evict(id, entry)
      return null
    }
    entry.left--
    entry.hits++
    this.hits++
    return entry.key
  }

  put(wrapped: WrappedKey, use: KeyUse, key: KeyObject): void {
    this.misses++
    if (this.#config.ttlMs === 0 || this.#config.uses === 0) return
    const id = idOf(wrapped, use)
    const before = this.#entries.get(id)
    if (before !== undefined) this.#evict(id, before)
    const oldest = this.#entries.size >= CAPACITY ? this.#entries.entries().next().value : undefined
    if (oldest !== undefined) this.#evict(...oldest)
    const expires = this.#clock.monotonic() + this.#config.ttlMs
    this.#entries.set(id, { wrapped, use, key, hits: 0, left: this.#config.uses, expires })
  }

  /** Hits on this very key and use that an event which is about to be recorded can tell. */
  takeHits(wrapped: WrappedKey, use: KeyUse): number {
    const id = idOf(wrapped, use)
    let hits = this.#entries.get(id)?.hits ?? 0
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.hits = 0
    this.#unreported = this.#unreported.filter((unreported) => {
      if (idOf(unreported.wrapped, unreported.use) !== id) return true
      hits += unreported.hits
      return false
    })
    return hits
  }

  /** Gives back hits whose event could not be recorded. */
  restore(unreported: UnreportedHits): void {
    if (unreported.hits > 0) this.#unreported.push(unreported)
  }

  /** All hits of keys that have left the cache; with `all`, of those that stay, too. The caller records or restores them. */
  takeUnreported(all: boolean): UnreportedHits[] {
    const now = this.#clock.monotonic()
    for (const [id, entry] of this.#entries) if (entry.left <= 0 || now >= entry.expires) this.#evict(id, entry)
    const unreported = this.#unreported
    this.#unreported = []
    if (all)
      for (const entry of this.#entries.values()) {
        if (entry.hits > 0) unreported.push({ wrapped: entry.wrapped, use: entry.use, hits: entry.hits })
        entry.hits = 0
      }
    return unreported
  }

  /** Forgets what these keys wrapped, now, and keeps the hits to be recorded. */
  forget(keyIds: ReadonlySet<string>): void {
    for (const [id, entry] of this.#entries) if (keyIds.has(entry.wrapped.keyId)) this.#evict(id, entry)
  }

  /** Forgets what one version wrapped, as `forget`. */
  forgetVersion({ keyId, version }: Pick<WrappedKey, 'keyId' | 'version'>): void {
    for (const [id, { wrapped, ...rest }] of this.#entries)
      if (wrapped.keyId === keyId && wrapped.version === version) this.#evict(id, { wrapped, ...rest })
  }

  /** Forgets every key and keeps the hits to be recorded. */
  clear(): void {
    for (const [id, entry] of this.#entries) this.#evict(id, entry)
  }

  #evict(id: string, { wrapped, use, hits }: Entry): void {
    this.#entries.delete(id)
    if (hits > 0) this.#unreported.push({ wrapped, use, hits })
  }
}

function idOf({ keyId, version, wrapped, binding }: WrappedKey, { principal, purpose, resource }: KeyUse): string {
  const key = [keyId, version, wrapped, binding.tenant, binding.resource, binding.purpose]
  return JSON.stringify([key, principal.type, principal.id, purpose, resource.type, resource.id])
}

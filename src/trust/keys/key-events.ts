import { asRedoubtError, type AuditSink, type JsonObject, type RedoubtError } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import type { KeyProvider, KeyReference } from './key-provider.ts'
import type { KeyClass, KeyOwner, KeyUse } from './keys.ts'
import type { OwnerKeys, Recording } from './owner-keys.ts'
import { type KeyAccounts, type KeyWork, providerFacts, type Tab } from './reconciliation/key-accounts.ts'
import type { UnwrapCache } from './unwrap-cache.ts'

/** Who rotates what is due. */
export const ITSELF: KeyUse = {
  principal: { type: 'System', id: 'keys' },
  purpose: 'key-rotation',
  resource: { type: 'System', id: 'keys' },
}
export interface Fact {
  readonly type:
    | 'key.generate'
    | 'key.unwrap'
    | 'key.rewrap'
    | 'key.sign'
    | 'key.release'
    | 'key.rotate'
    | 'key.reseal'
    | 'key.retire'
    | 'key.destroy'
    | 'key.escrow'
  readonly action: 'useKey' | 'rotateKey' | 'destroyKey'
  readonly details: JsonObject
}

/** The record of one use, for what moves and ends keys beside this class. */
export interface Recorder {
  /** @param tab what was asked of the provider for it. */
  record(fact: Fact, tab?: Tab, code?: RedoubtError['code']): Promise<void>
  tried<T>(call: () => Promise<T>, fact: Fact): Promise<T>
  readonly recording: Recording
  tab(): Tab
}

export interface KeyEventsParts {
  readonly provider: Pick<KeyProvider, 'describe'>
  readonly accounts: KeyAccounts
  readonly owners: OwnerKeys
  readonly cache: UnwrapCache
}

/** How a use of a key comes to be on record, with what the provider did for it and what the cache served since. */
export class KeyEvents {
  readonly #provider: Pick<KeyProvider, 'describe'>
  readonly #accounts: KeyAccounts
  readonly #owners: OwnerKeys
  readonly #cache: UnwrapCache
  readonly #audit: AuditSink

  constructor({ provider, accounts, owners, cache }: KeyEventsParts, audit: AuditSink) {
    this.#provider = provider
    this.#accounts = accounts
    this.#owners = owners
    this.#cache = cache
    this.#audit = audit
  }

  /** What is asked of the provider for one event. */
  tab(): Tab {
    return this.#accounts.tab()
  }

  /** What the provider does for an owner's key-encryption key is an event of its own, durable before that key wraps or unwraps. */
  recording(use: KeyUse): Recording {
    return async ({ type, owner, binding: { tenant, resource, purpose }, keyId, version, escrow = [] }, call) => {
      const held = escrow.length === 0 ? {} : { escrow: [...escrow] }
      const details = { ...factsOf(owner), keyId, version, binding: { tenant, resource, purpose }, ...held }
      const fact: Fact = { type, action: 'useKey', details }
      const tab = this.#accounts.tab()
      const result = await this.tried(call, fact, use, tab)
      await this.record(fact, use, tab)
      return result
    }
  }

  /** Records hits that no later event of their own key may ever tell. */
  async reportHits(all: boolean): Promise<void> {
    const unreported = this.#cache.takeUnreported(all)
    try {
      for (const entry of unreported) {
        const details = { ...this.factsOf(entry.wrapped), cacheHits: entry.hits, cached: true }
        await this.record({ type: 'key.unwrap', action: 'useKey', details }, entry.use)
        entry.hits = 0
      }
    } finally {
      for (const entry of unreported) this.#cache.restore(entry)
    }
  }

  /** Runs what may fail, and records the failure; the first error is the one to tell. */
  async tried<T>(call: (work: KeyWork) => Promise<T>, fact: Fact, use: KeyUse, tab: Tab = this.#accounts.tab()): Promise<T> {
    try {
      return await call(tab.work)
    } catch (error) {
      const { code } = asRedoubtError(error)
      await this.record(fact, use, tab, code).catch(() => undefined)
      throw error
    }
  }

  /** @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`; the cached keys are forgotten then, for their hits could not be told either. */
  async record({ type, action, details }: Fact, use: KeyUse, tab: Tab | null = null, code?: RedoubtError['code']): Promise<void> {
    // INVARIANT: whatever the provider did for this event is settled here, one way or the other: it is what the provider's own count is held against.
    try {
      await this.#audit.record({
        type,
        actor: use.principal,
        action,
        resource: use.resource,
        outcome: code === undefined ? 'success' : 'failed',
        purpose: use.purpose,
        details: tab === null ? details : { ...details, ...providerFacts(tab.counts()) },
        ...(code === undefined ? {} : { code }),
        ...(use.requestId === undefined ? {} : { requestId: use.requestId }),
      })
      tab?.recorded()
    } catch (error) {
      tab?.withheld()
      this.#cache.clear()
      throw asRedoubtError(error, 'ERR_AUDIT_UNAVAILABLE')
    }
  }

  /** What an event tells of a wrapped key: nothing of the key itself. */
  factsOf(wrapped: WrappedKey): JsonObject {
    const { tenant, resource, purpose } = wrapped.binding
    const owner = this.#owners.ownerOf(wrapped.keyId)
    const of = owner === null ? { keyClass: this.classOf(wrapped) } : factsOf(owner)
    return { ...referenceOf(wrapped), ...of, binding: { tenant, resource, purpose } }
  }

  /** null for a key that nobody here has. */
  classOf({ keyId }: WrappedKey): KeyClass | null {
    const owner = this.#owners.ownerOf(keyId)
    if (owner !== null) return owner.keyClass
    const keyClass = this.#provider.describe().find((key) => key.keyId === keyId)?.keyClass
    return keyClass === undefined || keyClass === 'signing' ? null : keyClass
  }
}

export function factsOf({ keyClass, name }: KeyOwner): { keyClass: KeyOwner['keyClass']; owner: string } {
  return { keyClass, owner: name }
}

export function referenceOf({ keyId, version }: KeyReference): { keyId: string; version: number } {
  return { keyId, version }
}

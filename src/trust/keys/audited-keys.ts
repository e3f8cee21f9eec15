import { createHash, type KeyObject } from 'node:crypto'
import { asRedoubtError, type AuditSink, type JsonObject, RedoubtError, type Signer } from '#foundation/core'
import type { DataKey, WrappedKey } from '#foundation/crypto'
import type { KeyProvider, KeyReference, SigningKeyName } from './key-provider.ts'
import type { ShareSet } from './shares/share-text.ts'
import type { AuditedKeys, KeyClass, KeyDescription, KeyUse, ProviderDescription, ReleasableKeyName } from './keys.ts'
import { PROVIDER_KINDS } from './provider-config.ts'
import type { KeyedSubjectSealer } from './subject-sealer.ts'
import type { UnwrapCache } from './unwrap-cache.ts'

/** Who rotates what is due. */
const ITSELF: KeyUse = { principal: { type: 'System', id: 'keys' }, purpose: 'key-rotation', resource: { type: 'System', id: 'keys' } }
const MAX_TEXT = 512

interface Fact {
  readonly type: 'key.generate' | 'key.unwrap' | 'key.rewrap' | 'key.sign' | 'key.release' | 'key.rotate' | 'key.reseal' | 'key.destroy'
  readonly action: 'useKey' | 'rotateKey' | 'destroyKey'
  readonly details: JsonObject
}

/** Stands between the provider and everyone else: what is not recorded is not done, and no key is given out. */
export class RecordedKeys implements AuditedKeys {
  readonly #provider: KeyProvider
  readonly #sealer: KeyedSubjectSealer
  readonly #cache: UnwrapCache
  readonly #audit: AuditSink
  #closed = false

  constructor(provider: KeyProvider, sealer: KeyedSubjectSealer, cache: UnwrapCache, audit: AuditSink) {
    this.#provider = provider
    this.#sealer = sealer
    this.#cache = cache
    this.#audit = audit
  }

  async generateDataKey(keyClass: KeyClass, resource: string, use: KeyUse): Promise<DataKey> {
    this.#prepare(use, resource)
    await this.#rotateDue()
    const binding = { tenant: 'default', resource, purpose: keyClass } as const
    const details = { keyClass, binding }
    const fact = (more: JsonObject): Fact => ({ type: 'key.generate', action: 'useKey', details: { ...details, ...more } })
    const dataKey = await this.#tried(() => this.#provider.generateDataKey(keyClass, binding), fact({}), use)
    await this.#record(fact(referenceOf(dataKey.wrapped)), use)
    return dataKey
  }

  async unwrap(wrapped: WrappedKey, use: KeyUse): Promise<KeyObject> {
    this.#prepare(use, wrapped.binding.resource)
    const cached = this.#cache.take(wrapped, use)
    if (cached !== null) return cached
    const fact: Fact = { type: 'key.unwrap', action: 'useKey', details: this.#factsOf(wrapped) }
    const hits = this.#cache.takeHits(wrapped, use)
    try {
      await this.#reportHits(false)
      const key = await this.#tried(() => this.#provider.unwrap(wrapped), fact, use)
      await this.#record(hits === 0 ? fact : { ...fact, details: { ...fact.details, cacheHits: hits } }, use)
      if (!this.#closed) this.#cache.put(wrapped, use, key)
      return key
    } catch (error) {
      this.#cache.restore({ wrapped, use, hits })
      throw error
    }
  }

  async rewrap(wrapped: WrappedKey, use: KeyUse): Promise<WrappedKey> {
    this.#prepare(use, wrapped.binding.resource)
    await this.#rotateDue()
    const details = this.#factsOf(wrapped)
    const keyClass = this.#classOf(wrapped)
    const rewrap = async (): Promise<WrappedKey> => {
      if (keyClass === null) throw new RedoubtError('ERR_KEYS_UNKNOWN')
      const material = (await this.#provider.unwrap(wrapped)).export()
      try {
        return await this.#provider.wrap(keyClass, material, wrapped.binding)
      } finally {
        material.fill(0)
      }
    }
    const rewrapped = await this.#tried(rewrap, { type: 'key.rewrap', action: 'rotateKey', details }, use)
    const to = { newKeyId: rewrapped.keyId, newVersion: rewrapped.version }
    await this.#record({ type: 'key.rewrap', action: 'rotateKey', details: { ...details, ...to } }, use)
    return rewrapped
  }

  async signer(name: Exclude<SigningKeyName, 'checkpoint'>, use: KeyUse): Promise<Signer> {
    this.#prepare(use, name)
    const { algorithm, keyId, version, publicKey } = this.#provider.publicKey(name)
    return {
      algorithm,
      keyId,
      publicKey,
      sign: async (message) => {
        this.#prepare(use, name)
        const digest = createHash('sha256').update(message).digest('hex')
        const fact: Fact = { type: 'key.sign', action: 'useKey', details: { key: name, keyId, version, keyClass: 'signing', digest } }
        const signature = await this.#tried(() => this.#provider.sign(name, message), fact, use)
        await this.#record(fact, use)
        return signature
      },
    }
  }

  async release(name: ReleasableKeyName, use: KeyUse): Promise<KeyObject> {
    this.#prepare(use, name)
    const { keyId, version } = this.#provider.publicKey(name)
    const fact: Fact = { type: 'key.release', action: 'useKey', details: { key: name, keyId, version, keyClass: 'signing' } }
    const release = async (): Promise<KeyObject> => {
      if (this.#provider.release === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the key provider does not let keys out')
      return this.#provider.release(name)
    }
    const key = await this.#tried(release, fact, use)
    await this.#record(fact, use)
    return key
  }

  async destroySubject(subject: string, use: KeyUse): Promise<{ pseudonym: string; destroyed: boolean }> {
    this.#prepare(use, 'subject')
    const pseudonym = this.#sealer.pseudonym(subject)
    const fact: Fact = { type: 'key.destroy', action: 'destroyKey', details: { keyClass: 'subject', pseudonym } }
    // What cannot be undone is in the log before it is done; a failure is told by a second event.
    await this.#record(fact, use)
    return { pseudonym, destroyed: await this.#tried(async () => this.#sealer.destroy(subject), fact, use) }
  }

  async rotate(keyClass: KeyClass, use: KeyUse): Promise<KeyReference> {
    this.#prepare(use, keyClass)
    return this.#rotate(keyClass, use, false)
  }

  async reseal(secret: Uint8Array, shares: ShareSet | null, use: KeyUse): Promise<void> {
    this.#prepare(use, 'root')
    const opens =
      shares === null ? { opensBy: 'passphrase' } : { opensBy: 'shares', set: shares.set, threshold: shares.threshold, of: shares.of }
    const fact: Fact = { type: 'key.reseal', action: 'rotateKey', details: { keyClass: 'root', ...opens } }
    const { reseal } = this.#provider
    if (reseal === undefined)
      throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the key provider is opened by credentials of its own, not by a secret of ours')
    await this.#record(fact, use)
    await this.#tried(() => reseal(secret, shares), fact, use)
  }

  async providers(): Promise<readonly ProviderDescription[]> {
    const health = await this.#provider.health()
    return PROVIDER_KINDS.map(({ kind, untested }) => ({
      kind,
      serves: kind === health.provider,
      untestedAgainstTheRealService: untested,
      health: kind === health.provider ? health : null,
    }))
  }

  list(): readonly KeyDescription[] {
    return this.#provider.describe()
  }

  async flush(): Promise<void> {
    await this.#reportHits(true)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cache.clear()
    await this.#reportHits(true)
  }

  async #rotateDue(): Promise<void> {
    for (const keyClass of this.#provider.rotationDue()) await this.#rotate(keyClass, ITSELF, true)
  }

  async #rotate(keyClass: KeyClass, use: KeyUse, automatic: boolean): Promise<KeyReference> {
    const primary = this.#provider.describe().find((key) => key.keyClass === keyClass && key.state === 'primary')
    const from = primary === undefined ? {} : { keyId: primary.keyId, oldVersion: primary.version, version: primary.version + 1 }
    const fact: Fact = { type: 'key.rotate', action: 'rotateKey', details: { keyClass, ...from, automatic } }
    await this.#record(fact, use)
    return this.#tried(() => this.#provider.rotate(keyClass), fact, use)
  }

  /** Records hits that no later event of their own key may ever tell. */
  async #reportHits(all: boolean): Promise<void> {
    const unreported = this.#cache.takeUnreported(all)
    try {
      for (const entry of unreported) {
        const details = { ...this.#factsOf(entry.wrapped), cacheHits: entry.hits, cached: true }
        await this.#record({ type: 'key.unwrap', action: 'useKey', details }, entry.use)
        entry.hits = 0
      }
    } finally {
      for (const entry of unreported) this.#cache.restore(entry)
    }
  }

  /** Runs what may fail, and records the failure; the first error is the one to tell. */
  async #tried<T>(call: () => Promise<T>, fact: Fact, use: KeyUse): Promise<T> {
    try {
      return await call()
    } catch (error) {
      const { code } = asRedoubtError(error)
      await this.#record(fact, use, code).catch(() => undefined)
      throw error
    }
  }

  /** @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`; the cached keys are forgotten then, for their hits could not be told either. */
  async #record({ type, action, details }: Fact, use: KeyUse, code?: RedoubtError['code']): Promise<void> {
    try {
      await this.#audit.record({
        type,
        actor: use.principal,
        action,
        resource: use.resource,
        outcome: code === undefined ? 'success' : 'failed',
        purpose: use.purpose,
        details,
        ...(code === undefined ? {} : { code }),
        ...(use.requestId === undefined ? {} : { requestId: use.requestId }),
      })
    } catch (error) {
      this.#cache.clear()
      throw asRedoubtError(error, 'ERR_AUDIT_UNAVAILABLE')
    }
  }

  #factsOf(wrapped: WrappedKey): JsonObject {
    const { tenant, resource, purpose } = wrapped.binding
    return { ...referenceOf(wrapped), keyClass: this.#classOf(wrapped), binding: { tenant, resource, purpose } }
  }

  #classOf({ keyId }: WrappedKey): KeyClass | null {
    const keyClass = this.#provider.describe().find((key) => key.keyId === keyId)?.keyClass
    return keyClass === undefined || keyClass === 'signing' ? null : keyClass
  }

  /** Refuses before anything is done what could not be recorded anyway. */
  #prepare(use: KeyUse, resource: string): void {
    if (this.#closed) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'the keyring is closed')
    if (resource === '' || resource.length > MAX_TEXT || use.purpose === '' || use.purpose.length > MAX_TEXT)
      throw new RedoubtError('ERR_INPUT_INVALID', 'a key is used for a named resource and purpose of at most 512 characters')
  }
}

function referenceOf({ keyId, version }: KeyReference): { keyId: string; version: number } {
  return { keyId, version }
}

import { createHash, type KeyObject } from 'node:crypto'
import { type AuditSink, type JsonObject, RedoubtError, type Signer } from '#foundation/core'
import type { DataKey, WrappedKey } from '#foundation/crypto'
import { type Fact, factsOf, ITSELF, KeyEvents, type KeyEventsParts, type Recorder, referenceOf } from './key-events.ts'
import type { KeyProvider, KeyReference, SigningKeyName } from './key-provider.ts'
import type {
  AuditedKeys,
  KeyClass,
  KeyDescription,
  KeyOwner,
  KeyUse,
  ProviderDescription,
  ReleasableKeyName,
  RotateOptions,
} from './keys.ts'
import type { Move } from './moved/move.ts'
import type { OwnerKeys } from './owner-keys.ts'
import { PROVIDER_KINDS } from './provider-config.ts'
import type { KeyWork } from './reconciliation/key-accounts.ts'
import { RecordedRotations, type RecordedRotationsParts } from './recorded-rotations.ts'
import type { ShareSet } from './shares/share-text.ts'
import type { KeyedSubjectSealer } from './subject-sealer.ts'
import type { UnwrapCache } from './unwrap-cache.ts'

const MAX_TEXT = 512

export interface RecordedParts extends KeyEventsParts, RecordedRotationsParts {
  readonly provider: KeyProvider
  readonly sealer: KeyedSubjectSealer
  /** Away from another provider, while there is one. */
  readonly move: Pick<Move, 'health'> | null
}

/** Stands between the provider and everyone else: what is not recorded is not done, and no key is given out. */
export class RecordedKeys implements AuditedKeys {
  readonly #provider: KeyProvider
  readonly #sealer: KeyedSubjectSealer
  readonly #owners: OwnerKeys
  readonly #cache: UnwrapCache
  readonly #move: RecordedParts['move']
  readonly #events: KeyEvents
  readonly #rotations: RecordedRotations
  #closed = false

  constructor(parts: RecordedParts, audit: AuditSink) {
    this.#provider = parts.provider
    this.#sealer = parts.sealer
    this.#owners = parts.owners
    this.#cache = parts.cache
    this.#move = parts.move
    this.#events = new KeyEvents(parts, audit)
    this.#rotations = new RecordedRotations(parts, this.#events)
  }

  async generateDataKey(owner: KeyOwner | 'configuration', resource: string, use: KeyUse): Promise<DataKey> {
    this.#prepare(use, resource)
    await this.#rotations.dueClasses()
    const binding = { tenant: 'default', resource, purpose: owner === 'configuration' ? owner : owner.keyClass } as const
    const details = owner === 'configuration' ? { keyClass: owner, binding } : { ...factsOf(owner), binding }
    const fact = (more: JsonObject): Fact => ({ type: 'key.generate', action: 'useKey', details: { ...details, ...more } })
    const generate = async (work: KeyWork): Promise<DataKey> => {
      if (owner === 'configuration') return work.generateDataKey(owner, binding)
      if (this.#owners.rotationDue(owner)) await this.#rotations.ofOwner(owner, ITSELF, true)
      return this.#owners.generateDataKey(owner, binding, this.#events.recording(use))
    }
    const tab = this.#events.tab()
    const dataKey = await this.#events.tried(generate, fact({}), use, tab)
    await this.#events.record(fact(referenceOf(dataKey.wrapped)), use, tab)
    this.#owners.requireAlive(dataKey.wrapped)
    return dataKey
  }

  async unwrap(wrapped: WrappedKey, use: KeyUse): Promise<KeyObject> {
    this.#prepare(use, wrapped.binding.resource)
    const cached = this.#cache.take(wrapped, use)
    if (cached !== null) return cached
    const fact: Fact = { type: 'key.unwrap', action: 'useKey', details: this.#events.factsOf(wrapped) }
    const hits = this.#cache.takeHits(wrapped, use)
    try {
      await this.#events.reportHits(false)
      const tab = this.#events.tab()
      // Not side by side with the record: an entry that is on its way before the outcome is known would call a success what may fail.
      const key = await this.#events.tried((work) => this.#unwrap(wrapped, use, work), fact, use, tab)
      await this.#events.record(hits === 0 ? fact : { ...fact, details: { ...fact.details, cacheHits: hits } }, use, tab)
      this.requireAlive(wrapped)
      if (!this.#closed) this.#cache.put(wrapped, use, key)
      return key
    } catch (error) {
      this.#cache.restore({ wrapped, use, hits })
      throw error
    }
  }

  async rewrap(wrapped: WrappedKey, use: KeyUse, owner?: KeyOwner): Promise<WrappedKey> {
    this.#prepare(use, wrapped.binding.resource)
    await this.#rotations.dueClasses()
    const details = this.#events.factsOf(wrapped)
    const keyClass = this.#events.classOf(wrapped)
    const under = owner ?? this.#owners.ownerOf(wrapped.keyId)
    const rewrap = async (work: KeyWork): Promise<WrappedKey> => {
      if (keyClass === null) throw new RedoubtError('ERR_KEYS_UNKNOWN')
      if (under !== null && under.keyClass !== keyClass)
        throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the key is of another class than its new owner')
      const material = (await this.#unwrap(wrapped, use, work)).export()
      try {
        return under === null
          ? await work.wrap(keyClass, material, wrapped.binding)
          : await this.#owners.wrap(under, material, wrapped.binding, this.#events.recording(use))
      } finally {
        material.fill(0)
      }
    }
    const tab = this.#events.tab()
    const rewrapped = await this.#events.tried(rewrap, { type: 'key.rewrap', action: 'rotateKey', details }, use, tab)
    const to = { newKeyId: rewrapped.keyId, newVersion: rewrapped.version }
    await this.#events.record({ type: 'key.rewrap', action: 'rotateKey', details: { ...details, ...to } }, use, tab)
    this.#owners.requireAlive(rewrapped)
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
        const tab = this.#events.tab()
        const signature = await this.#events.tried((work) => work.sign(name, message), fact, use, tab)
        await this.#events.record(fact, use, tab)
        return signature
      },
    }
  }

  async release(name: ReleasableKeyName, use: KeyUse): Promise<KeyObject> {
    this.#prepare(use, name)
    const { keyId, version } = this.#provider.publicKey(name)
    const fact: Fact = { type: 'key.release', action: 'useKey', details: { key: name, keyId, version, keyClass: 'signing' } }
    const release = async (work: KeyWork): Promise<KeyObject> => {
      if (this.#provider.release === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the key provider does not let keys out')
      return work.release(name)
    }
    const tab = this.#events.tab()
    const key = await this.#events.tried(release, fact, use, tab)
    await this.#events.record(fact, use, tab)
    return key
  }

  async destroySubject(
    subject: string | { readonly pseudonym: string },
    use: KeyUse,
  ): Promise<{ pseudonym: string; destroyed: boolean; fingerprints: readonly string[] }> {
    this.#prepare(use, 'subject')
    const pseudonym = typeof subject === 'string' ? this.#sealer.pseudonym(subject) : subject.pseudonym
    const fact: Fact = { type: 'key.destroy', action: 'destroyKey', details: { keyClass: 'subject', pseudonym } }
    // What cannot be undone is in the log before it is done; a failure is told by a second event.
    await this.#events.record(fact, use)
    const fingerprints = await this.#events.tried(async () => this.#sealer.destroy(subject), fact, use)
    return { pseudonym, destroyed: fingerprints.length > 0, fingerprints }
  }

  destroyOwner(owner: KeyOwner, use: KeyUse): Promise<{ destroyed: number }> {
    return this.#destroyOwner(owner, use, ['primary', 'retired'])
  }

  destroyRetired(owner: KeyOwner, use: KeyUse, unreferenced?: () => boolean): Promise<{ destroyed: number }> {
    return this.#destroyOwner(owner, use, ['retired'], unreferenced)
  }

  requireAlive(wrapped: WrappedKey): void {
    this.#owners.requireAlive(wrapped)
    const { keyId, version } = wrapped
    const ended = this.#provider.describe().some((key) => key.keyId === keyId && key.version === version && key.state === 'destroyed')
    if (ended) throw new RedoubtError('ERR_KEYS_DESTROYED')
  }

  async #destroyOwner(
    owner: KeyOwner,
    use: KeyUse,
    states: readonly KeyDescription['state'][],
    unreferenced: () => boolean = () => true,
  ): Promise<{ destroyed: number }> {
    this.#prepare(use, owner.name)
    const keys = this.list().filter((key) => key.owner === owner.name && key.keyClass === owner.keyClass && states.includes(key.state))
    const versions = keys.map(referenceOf)
    const fact: Fact = { type: 'key.destroy', action: 'destroyKey', details: { ...factsOf(owner), versions } }
    // As with subjects: in the log before it is done, since it cannot be undone.
    await this.#events.record(fact, use)
    const destroy = async (): Promise<number> => {
      // INVARIANT: from here to the chain's end and the caches' there is no turn of the event loop: no one reads on from either, and nothing that names a version comes in between.
      if (!unreferenced()) throw new RedoubtError('ERR_CONFLICT', 'something names a key version that was to be destroyed')
      this.#cache.forget(this.#owners.chainsOf(owner))
      return this.#owners.destroy(owner, states)
    }
    return { destroyed: await this.#events.tried(destroy, fact, use) }
  }

  async rotate(of: KeyClass | KeyOwner, use: KeyUse, { compromised = false }: RotateOptions = {}): Promise<KeyReference> {
    this.#prepare(use, typeof of === 'string' ? of : of.name)
    if (compromised) return this.#rotations.compromised(of, use)
    return typeof of === 'string' ? this.#rotations.ofClass(of, use, false) : this.#rotations.ofOwner(of, use, false)
  }

  async reseal(secret: Uint8Array, shares: ShareSet | null, use: KeyUse): Promise<void> {
    this.#prepare(use, 'root')
    const opens =
      shares === null ? { opensBy: 'passphrase' } : { opensBy: 'shares', set: shares.set, threshold: shares.threshold, of: shares.of }
    const fact: Fact = { type: 'key.reseal', action: 'rotateKey', details: { keyClass: 'root', ...opens } }
    const { reseal } = this.#provider
    if (reseal === undefined)
      throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the key provider is opened by credentials of its own, not by a secret of ours')
    await this.#events.record(fact, use)
    await this.#events.tried(() => reseal(secret, shares), fact, use)
  }

  async providers(): Promise<readonly ProviderDescription[]> {
    const health = await this.#provider.health()
    const former = (await this.#move?.health()) ?? null
    return PROVIDER_KINDS.map(({ kind, untested }) => ({
      kind,
      serves: kind === health.provider,
      untestedAgainstTheRealService: untested,
      health: [health, former].find((one) => one?.provider === kind) ?? null,
    }))
  }

  list(): readonly KeyDescription[] {
    return [...this.#provider.describe(), ...this.#owners.describe()]
  }

  async flush(): Promise<void> {
    await this.#events.reportHits(true)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cache.clear()
    await this.#events.reportHits(true)
  }

  /** Rotates every chain that is due, of the tenant and of every owner; each rotation is recorded as automatic. */
  async rotateDue(): Promise<void> {
    this.#prepare(ITSELF, 'keys')
    await this.#rotations.dueClasses()
    for (const owner of this.#owners.dueOwners()) await this.#rotations.ofOwner(owner, ITSELF, true)
  }

  recorder(use: KeyUse): Recorder {
    this.#prepare(use, 'keys')
    return {
      record: (fact, tab, code) => this.#events.record(fact, use, tab, code),
      tried: (call, fact) => this.#events.tried(call, fact, use),
      recording: this.#events.recording(use),
      tab: () => this.#events.tab(),
    }
  }

  /** Under its owner's chain, or under the tenant's class: so are keys of the house, and objects from before there were owners. */
  #unwrap(wrapped: WrappedKey, use: KeyUse, work: KeyWork): Promise<KeyObject> {
    return this.#owners.ownerOf(wrapped.keyId) === null ? work.unwrap(wrapped) : this.#owners.unwrap(wrapped, this.#events.recording(use))
  }

  /** Refuses before anything is done what could not be recorded anyway. */
  #prepare(use: KeyUse, resource: string): void {
    if (this.#closed) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'the keyring is closed')
    if (resource === '' || resource.length > MAX_TEXT || use.purpose === '' || use.purpose.length > MAX_TEXT)
      throw new RedoubtError('ERR_INPUT_INVALID', 'a key is used for a named resource and purpose of at most 512 characters')
  }
}

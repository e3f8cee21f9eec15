import { createHash, type KeyObject } from 'node:crypto'
import { asRedoubtError, type AuditSink, type Clock, type JsonObject, RedoubtError, type Signer } from '#foundation/core'
import type { DataKey, WrappedKey } from '#foundation/crypto'
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
import type { OwnerKeys, Recording } from './owner-keys.ts'
import { type KeyAccounts, type KeyWork, providerFacts, type Tab } from './reconciliation/key-accounts.ts'
import type { RetirementStore } from './rotation/retirement-store.ts'
import type { ShareSet } from './shares/share-text.ts'
import { PROVIDER_KINDS } from './provider-config.ts'
import type { KeyedSubjectSealer } from './subject-sealer.ts'
import type { UnwrapCache } from './unwrap-cache.ts'

/** Who rotates what is due. */
export const ITSELF: KeyUse = {
  principal: { type: 'System', id: 'keys' },
  purpose: 'key-rotation',
  resource: { type: 'System', id: 'keys' },
}
const MAX_TEXT = 512

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

export interface RecordedParts {
  readonly provider: KeyProvider
  readonly accounts: KeyAccounts
  readonly sealer: KeyedSubjectSealer
  readonly owners: OwnerKeys
  readonly cache: UnwrapCache
  readonly retirements: RetirementStore
  readonly clock: Clock
  /** Away from another provider, while there is one. */
  readonly move: Pick<Move, 'health'> | null
}

/** Stands between the provider and everyone else: what is not recorded is not done, and no key is given out. */
export class RecordedKeys implements AuditedKeys {
  readonly #provider: KeyProvider
  readonly #accounts: KeyAccounts
  readonly #sealer: KeyedSubjectSealer
  readonly #owners: OwnerKeys
  readonly #cache: UnwrapCache
  readonly #retirements: RetirementStore
  readonly #clock: Clock
  readonly #move: RecordedParts['move']
  readonly #audit: AuditSink
  #closed = false

  constructor(parts: RecordedParts, audit: AuditSink) {
    this.#provider = parts.provider
    this.#accounts = parts.accounts
    this.#sealer = parts.sealer
    this.#owners = parts.owners
    this.#cache = parts.cache
    this.#retirements = parts.retirements
    this.#clock = parts.clock
    this.#move = parts.move
    this.#audit = audit
  }

  async generateDataKey(owner: KeyOwner | 'configuration', resource: string, use: KeyUse): Promise<DataKey> {
    this.#prepare(use, resource)
    await this.#rotateDue()
    const binding = { tenant: 'default', resource, purpose: owner === 'configuration' ? owner : owner.keyClass } as const
    const details = owner === 'configuration' ? { keyClass: owner, binding } : { ...factsOf(owner), binding }
    const fact = (more: JsonObject): Fact => ({ type: 'key.generate', action: 'useKey', details: { ...details, ...more } })
    const generate = async (work: KeyWork): Promise<DataKey> => {
      if (owner === 'configuration') return work.generateDataKey(owner, binding)
      if (this.#owners.rotationDue(owner)) await this.#rotateOwner(owner, ITSELF, true)
      return this.#owners.generateDataKey(owner, binding, this.#recording(use))
    }
    const tab = this.#accounts.tab()
    const dataKey = await this.#tried(generate, fact({}), use, tab)
    await this.#record(fact(referenceOf(dataKey.wrapped)), use, tab)
    this.#owners.requireAlive(dataKey.wrapped)
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
      const tab = this.#accounts.tab()
      const key = await this.#tried((work) => this.#unwrap(wrapped, use, work), fact, use, tab)
      await this.#record(hits === 0 ? fact : { ...fact, details: { ...fact.details, cacheHits: hits } }, use, tab)
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
    await this.#rotateDue()
    const details = this.#factsOf(wrapped)
    const keyClass = this.#classOf(wrapped)
    const under = owner ?? this.#owners.ownerOf(wrapped.keyId)
    const rewrap = async (work: KeyWork): Promise<WrappedKey> => {
      if (keyClass === null) throw new RedoubtError('ERR_KEYS_UNKNOWN')
      if (under !== null && under.keyClass !== keyClass)
        throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the key is of another class than its new owner')
      const material = (await this.#unwrap(wrapped, use, work)).export()
      try {
        return under === null
          ? await work.wrap(keyClass, material, wrapped.binding)
          : await this.#owners.wrap(under, material, wrapped.binding, this.#recording(use))
      } finally {
        material.fill(0)
      }
    }
    const tab = this.#accounts.tab()
    const rewrapped = await this.#tried(rewrap, { type: 'key.rewrap', action: 'rotateKey', details }, use, tab)
    const to = { newKeyId: rewrapped.keyId, newVersion: rewrapped.version }
    await this.#record({ type: 'key.rewrap', action: 'rotateKey', details: { ...details, ...to } }, use, tab)
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
        const tab = this.#accounts.tab()
        const signature = await this.#tried((work) => work.sign(name, message), fact, use, tab)
        await this.#record(fact, use, tab)
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
    const tab = this.#accounts.tab()
    const key = await this.#tried(release, fact, use, tab)
    await this.#record(fact, use, tab)
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
    await this.#record(fact, use)
    const fingerprints = await this.#tried(async () => this.#sealer.destroy(subject), fact, use)
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
    await this.#record(fact, use)
    const destroy = async (): Promise<number> => {
      // INVARIANT: from here to the chain's end and the caches' there is no turn of the event loop: no one reads on from either, and nothing that names a version comes in between.
      if (!unreferenced()) throw new RedoubtError('ERR_CONFLICT', 'something names a key version that was to be destroyed')
      this.#cache.forget(this.#owners.chainsOf(owner))
      return this.#owners.destroy(owner, states)
    }
    return { destroyed: await this.#tried(destroy, fact, use) }
  }

  async rotate(of: KeyClass | KeyOwner, use: KeyUse, { compromised = false }: RotateOptions = {}): Promise<KeyReference> {
    this.#prepare(use, typeof of === 'string' ? of : of.name)
    if (compromised) return this.#rotateCompromised(of, use)
    return typeof of === 'string' ? this.#rotate(of, use, false) : this.#rotateOwner(of, use, false)
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
    await this.#reportHits(true)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cache.clear()
    await this.#reportHits(true)
  }

  /** Rotates every chain that is due, of the tenant and of every owner; each rotation is recorded as automatic. */
  async rotateDue(): Promise<void> {
    this.#prepare(ITSELF, 'keys')
    await this.#rotateDue()
    for (const owner of this.#owners.dueOwners()) await this.#rotateOwner(owner, ITSELF, true)
  }

  recorder(use: KeyUse): Recorder {
    this.#prepare(use, 'keys')
    return {
      record: (fact, tab, code) => this.#record(fact, use, tab, code),
      tried: (call, fact) => this.#tried(call, fact, use),
      recording: this.#recording(use),
      tab: () => this.#accounts.tab(),
    }
  }

  async #rotateDue(): Promise<void> {
    for (const keyClass of this.#provider.rotationDue()) await this.#rotate(keyClass, ITSELF, true)
  }

  async #rotate(keyClass: KeyClass, use: KeyUse, automatic: boolean, compromised = false): Promise<KeyReference> {
    const primary = this.#provider.describe().find((key) => key.keyClass === keyClass && key.state === 'primary')
    const from = primary === undefined ? {} : { keyId: primary.keyId, oldVersion: primary.version, version: primary.version + 1 }
    const fact: Fact = {
      type: 'key.rotate',
      action: 'rotateKey',
      details: { keyClass, ...from, automatic, ...(compromised ? { compromised } : {}) },
    }
    const tab = this.#accounts.tab()
    tab.expect('make', keyClass)
    await this.#record(fact, use, tab)
    return this.#tried(() => this.#provider.rotate(keyClass), fact, use)
  }

  async #rotateOwner(owner: KeyOwner, use: KeyUse, automatic: boolean, compromised = false): Promise<KeyReference> {
    const primary = this.#owners.primary(owner)
    const from = primary === null ? {} : { keyId: primary.keyId, oldVersion: primary.version, version: primary.version + 1 }
    const fact: Fact = {
      type: 'key.rotate',
      action: 'rotateKey',
      details: { ...factsOf(owner), ...from, automatic, ...(compromised ? { compromised } : {}) },
    }
    await this.#record(fact, use)
    return this.#tried(() => this.#owners.rotate(owner, this.#recording(use)), fact, use)
  }

  /** INVARIANT: what is exposed is marked before the rotation: a crash between the two leaves too much marked, never too little. */
  async #rotateCompromised(of: KeyClass | KeyOwner, use: KeyUse): Promise<KeyReference> {
    if (of === 'subject' || of === 'configuration')
      throw new RedoubtError(
        'ERR_INPUT_INVALID',
        'only what data sets and models seal can be sealed anew: rotate this class without `compromised`',
      )
    const primaries = this.list().filter(({ state }) => state === 'primary')
    const mark = (exposed: readonly KeyDescription[]): void => {
      for (const key of exposed) this.#retirements.compromise(key, this.#clock.now())
    }
    if (typeof of !== 'string') {
      mark(primaries.filter(({ keyClass, owner }) => keyClass === of.keyClass && owner === of.name))
      return this.#rotateOwner(of, use, false, true)
    }
    const exposed = primaries.filter(({ keyClass }) => keyClass === of)
    mark(exposed)
    const rotated = await this.#rotate(of, use, false, true)
    for (const { owner } of exposed) if (owner !== undefined) await this.#rotateOwner({ keyClass: of, name: owner }, use, false, true)
    return rotated
  }

  /** Under its owner's chain, or under the tenant's class: so are keys of the house, and objects from before there were owners. */
  #unwrap(wrapped: WrappedKey, use: KeyUse, work: KeyWork): Promise<KeyObject> {
    return this.#owners.ownerOf(wrapped.keyId) === null ? work.unwrap(wrapped) : this.#owners.unwrap(wrapped, this.#recording(use))
  }

  /** What the provider does for an owner's key-encryption key is an event of its own, durable before that key wraps or unwraps. */
  #recording(use: KeyUse): Recording {
    return async ({ type, owner, binding: { tenant, resource, purpose }, keyId, version, escrow = [] }, call) => {
      const held = escrow.length === 0 ? {} : { escrow: [...escrow] }
      const details = { ...factsOf(owner), keyId, version, binding: { tenant, resource, purpose }, ...held }
      const fact: Fact = { type, action: 'useKey', details }
      const tab = this.#accounts.tab()
      const result = await this.#tried(call, fact, use, tab)
      await this.#record(fact, use, tab)
      return result
    }
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
  async #tried<T>(call: (work: KeyWork) => Promise<T>, fact: Fact, use: KeyUse, tab: Tab = this.#accounts.tab()): Promise<T> {
    try {
      return await call(tab.work)
    } catch (error) {
      const { code } = asRedoubtError(error)
      await this.#record(fact, use, tab, code).catch(() => undefined)
      throw error
    }
  }

  /** @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`; the cached keys are forgotten then, for their hits could not be told either. */
  async #record({ type, action, details }: Fact, use: KeyUse, tab: Tab | null = null, code?: RedoubtError['code']): Promise<void> {
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

  #factsOf(wrapped: WrappedKey): JsonObject {
    const { tenant, resource, purpose } = wrapped.binding
    const owner = this.#owners.ownerOf(wrapped.keyId)
    const of = owner === null ? { keyClass: this.#classOf(wrapped) } : factsOf(owner)
    return { ...referenceOf(wrapped), ...of, binding: { tenant, resource, purpose } }
  }

  #classOf({ keyId }: WrappedKey): KeyClass | null {
    const owner = this.#owners.ownerOf(keyId)
    if (owner !== null) return owner.keyClass
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

export function factsOf({ keyClass, name }: KeyOwner): { keyClass: KeyOwner['keyClass']; owner: string } {
  return { keyClass, owner: name }
}

export function referenceOf({ keyId, version }: KeyReference): { keyId: string; version: number } {
  return { keyId, version }
}

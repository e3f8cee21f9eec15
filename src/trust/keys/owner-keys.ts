import type { KeyObject } from 'node:crypto'
import { createSecretKey, randomBytes } from 'node:crypto'
import { type Clock, newId, RedoubtError } from '#foundation/core'
import { type DataKey, type KeyBinding, openBytes, sealBytes, type WrappedKey } from '#foundation/crypto'
import type { Escrow } from './escrow/escrow.ts'
import type { KeyLimits } from './key-limits.ts'
import { type KeyReference, wrapAad } from './key-provider.ts'
import type { KeyDescription, KeyOwner } from './keys.ts'
import type { OwnerKeyRow, OwnerKeyStore } from './owner-key-store.ts'
import type { KeyWork } from './reconciliation/key-accounts.ts'
import { TwoGenerations } from './two-generations.ts'

const CACHED_KEYS = 4_096
const DATA_KEY_BYTES = 32
const MAX_NAME_LENGTH = 256
/** A destruction at the very moment of a load makes it start over; more than this is a fault. */
const MAX_LOADS = 8

/** What happens to the key-encryption key of an owner at the provider, with the place it is bound to. */
export interface OwnerKeyStep extends KeyReference {
  readonly type: 'key.generate' | 'key.unwrap'
  readonly owner: KeyOwner
  readonly binding: KeyBinding
  /** Of a key that is made: for whom it is in escrow. */
  readonly escrow?: readonly string[]
}

/** Does what is asked of the provider and records it; what is not on record is not given. */
export type Recording = <T>(step: OwnerKeyStep, call: (work: KeyWork) => Promise<T>) => Promise<T>

interface Counter {
  uses: number
  reserved: number
}

/**
 * A chain of key-encryption key versions for each data set and each model, wrapped by the provider under the class of the tenant and
 * kept in the key database. Data keys are wrapped here, in memory, under the owner's primary version (AES-256-GCM, random IV), bound
 * to tenant, resource, key, version and purpose. A destroyed owner's chain is over; what is sealed later gets a new one with a new id.
 */
export class OwnerKeys {
  readonly #store: OwnerKeyStore
  readonly #clock: Clock
  readonly #limits: KeyLimits
  readonly #escrow: Escrow
  readonly #opened = new TwoGenerations<string, KeyObject>(CACHED_KEYS)
  /** By class and name; forgotten whenever a primary version changes. */
  readonly #primaries = new TwoGenerations<string, OwnerKeyRow>(CACHED_KEYS)
  readonly #counters = new Map<string, Counter>()
  #turn: Promise<unknown> = Promise.resolve()
  /** Moves with each destruction: a key loaded across one is not to be trusted. */
  #epoch = 0

  constructor(store: OwnerKeyStore, clock: Clock, limits: KeyLimits, escrow: Escrow) {
    this.#escrow = escrow
    this.#store = store
    this.#clock = clock
    this.#limits = limits
  }

  /** A fresh AES-256 key for an object of the owner, whose first version is made when there is none. */
  async generateDataKey(owner: KeyOwner, binding: KeyBinding, recording: Recording): Promise<DataKey> {
    const material = randomBytes(DATA_KEY_BYTES)
    try {
      return { wrapped: await this.wrap(owner, material, binding, recording), key: createSecretKey(material) }
    } finally {
      material.fill(0)
    }
  }

  /** @throws {RedoubtError} `ERR_KEYS_EXHAUSTED` at 2^32 wraps; what the provider and the recording throw. */
  async wrap(owner: KeyOwner, material: Uint8Array, binding: KeyBinding, recording: Recording): Promise<WrappedKey> {
    requireName(owner)
    const row = this.primary(owner) ?? (await this.#inTurn(async () => this.primary(owner) ?? this.#make(owner, null, recording)))
    const kek = await this.#load(row.keyId, row.version, recording)
    this.#countUse(row)
    const { tenant, resource, purpose } = binding
    const wrapped = Buffer.from(sealBytes(kek, wrapAad(row, binding), material)).toString('base64url')
    return { keyId: row.keyId, version: row.version, wrapped, binding: { tenant, resource, purpose } }
  }

  /** @throws {RedoubtError} `ERR_KEYS_UNKNOWN`, `ERR_KEYS_DESTROYED`, `ERR_CRYPTO_AUTHENTICATION`. */
  async unwrap(wrapped: WrappedKey, recording: Recording): Promise<KeyObject> {
    const kek = await this.#load(wrapped.keyId, wrapped.version, recording)
    const material = openBytes(kek, wrapAad(wrapped, wrapped.binding), Buffer.from(wrapped.wrapped, 'base64url'))
    const key = createSecretKey(material)
    material.fill(0)
    return key
  }

  /** The key-encryption key itself, to be put in escrow. @throws {RedoubtError} `ERR_KEYS_UNKNOWN`, `ERR_KEYS_DESTROYED`. */
  open({ keyId, version }: KeyReference, recording: Recording): Promise<KeyObject> {
    return this.#load(keyId, version, recording)
  }

  /** @throws {RedoubtError} `ERR_KEYS_DESTROYED` when the version was destroyed while something was under way with it. */
  requireAlive({ keyId, version }: KeyReference): void {
    if (this.#store.one(keyId, version)?.wrapped === null) throw new RedoubtError('ERR_KEYS_DESTROYED')
  }

  /** @returns null for a key that no owner has. */
  ownerOf(keyId: string): KeyOwner | null {
    return this.#store.ownerOf(keyId)
  }

  /** @returns null when nothing was sealed for the owner yet, or its keys are destroyed. */
  primary(owner: KeyOwner): OwnerKeyRow | null {
    const id = nameOf(owner)
    const known = this.#primaries.get(id)
    if (known !== undefined) return known
    const row = this.#store.primary(owner)
    if (row !== null) this.#primaries.set(id, row)
    return row
  }

  /** By uses or by age. */
  rotationDue(owner: KeyOwner): boolean {
    const primary = this.primary(owner)
    if (primary === null) return false
    const aged = this.#clock.now() - primary.createdAt >= this.#limits.rotateAfterMs
    return aged || this.#counterOf(primary).uses >= this.#limits.rotateAt
  }

  /** @throws {RedoubtError} `ERR_KEYS_UNKNOWN` for an owner without keys. */
  rotate(owner: KeyOwner, recording: Recording): Promise<KeyReference> {
    return this.#inTurn(async () => {
      const primary = this.primary(owner)
      if (primary === null) throw new RedoubtError('ERR_KEYS_UNKNOWN', `no key was made for ${owner.keyClass} \`${owner.name}\` yet`)
      const { keyId, version } = await this.#make(owner, primary, recording)
      return { keyId, version }
    })
  }

  /** Ids of the owner's chains that are not destroyed. */
  chainsOf(owner: KeyOwner): ReadonlySet<string> {
    return new Set(this.#store.living(owner).map(({ keyId }) => keyId))
  }

  /** Ends the owner's chain, or its versions in some states, durably and in memory at once. Idempotent, so a failed call is repeated. @returns how many versions there were. */
  destroy(owner: KeyOwner, states: readonly KeyDescription['state'][]): number {
    // First the memory: if the store fails half-way, nothing may go on with the key as if nothing had happened.
    this.#epoch++
    this.#primaries.delete(nameOf(owner))
    const ending = this.#store.living(owner).filter(({ state }) => states.includes(state))
    for (const row of ending) {
      this.#opened.delete(idOf(row))
      this.#counters.delete(idOf(row))
    }
    return this.#store.destroy(ending, this.#clock.now())
  }

  /** Ends one version that is primary no more, durably and in memory at once; idempotent. */
  destroyVersion(key: KeyReference): void {
    this.#epoch++
    this.#opened.delete(idOf(key))
    this.#counters.delete(idOf(key))
    this.#store.destroyVersion(key, this.#clock.now())
  }

  /** The owners whose primary version is due for rotation. */
  dueOwners(): readonly KeyOwner[] {
    return this.#store.all().flatMap(({ owner, state }) => (state === 'primary' && this.rotationDue(owner) ? [owner] : []))
  }

  describe(): readonly KeyDescription[] {
    return this.#store.all().map((row) => {
      const { keyId, version, owner, state, createdAt } = row
      return { keyId, keyClass: owner.keyClass, owner: owner.name, version, state, createdAt, uses: this.#counterOf(row).uses }
    })
  }

  /** The counters on disk become exact; nothing is unwrapped after it. */
  close(): void {
    this.#epoch++
    this.#opened.clear()
    for (const [id, { uses, reserved }] of this.#counters) {
      const [keyId = '', version] = id.split('/')
      try {
        if (uses !== reserved) this.#store.reserve(keyId, Number(version), uses)
      } catch {
        // The counter on disk is too high then, never too low.
      }
    }
    this.#counters.clear()
  }

  async #make(
    owner: KeyOwner,
    before: KeyReference | null,
    recording: Recording,
  ): Promise<KeyReference & Pick<OwnerKeyRow, 'reservedUses'>> {
    const epoch = this.#epoch
    const next = before === null ? { keyId: newId('kek'), version: 1 } : { keyId: before.keyId, version: before.version + 1 }
    const binding = bindingOfOwnerKey(owner, next)
    const made = await recording({ type: 'key.generate', owner, binding, escrow: this.#escrow.names, ...next }, (work) =>
      work.generateDataKey(owner.keyClass, binding),
    )
    if (epoch !== this.#epoch) throw new RedoubtError('ERR_KEYS_DESTROYED', 'keys were destroyed while this one was made')
    const { keyId, version, wrapped } = made.wrapped
    this.#primaries.delete(nameOf(owner))
    const escrow = this.#escrow.copiesOf(made.key, owner, next)
    this.#store.add({ ...next, owner, wrapped: { keyId, version, wrapped }, createdAt: this.#clock.now() }, escrow)
    this.#opened.set(idOf(next), made.key)
    return { ...next, reservedUses: 0 }
  }

  async #load(keyId: string, version: number, recording: Recording): Promise<KeyObject> {
    const id = idOf({ keyId, version })
    for (let attempt = 0; attempt < MAX_LOADS; attempt++) {
      const opened = this.#opened.get(id)
      if (opened !== undefined) return opened
      const epoch = this.#epoch
      const row = this.#store.one(keyId, version)
      if (row === null) throw new RedoubtError('ERR_KEYS_UNKNOWN')
      const { owner, wrapped } = row
      if (wrapped === null) throw new RedoubtError('ERR_KEYS_DESTROYED')
      const binding = bindingOfOwnerKey(owner, row)
      const key = await recording({ type: 'key.unwrap', owner, binding, keyId, version }, (work) => work.unwrap({ ...wrapped, binding }))
      if (epoch !== this.#epoch) continue
      this.#opened.set(id, key)
      return key
    }
    throw new RedoubtError('ERR_KEYS_DESTROYED', 'keys are being destroyed over and over')
  }

  /** INVARIANT: the count on disk is never below the wraps that were made. */
  #countUse(row: KeyReference & Pick<OwnerKeyRow, 'reservedUses'>): void {
    const counter = this.#counterOf(row)
    const { refuseAt, block } = this.#limits
    if (counter.uses >= refuseAt) throw new RedoubtError('ERR_KEYS_EXHAUSTED', undefined, { evidence: { uses: counter.uses } })
    if (counter.uses >= counter.reserved) {
      const reserved = Math.min(counter.uses + block, refuseAt)
      this.#store.reserve(row.keyId, row.version, reserved)
      counter.reserved = reserved
    }
    counter.uses++
    this.#counters.set(idOf(row), counter)
  }

  #counterOf(row: KeyReference & Pick<OwnerKeyRow, 'reservedUses'>): Counter {
    return this.#counters.get(idOf(row)) ?? { uses: row.reservedUses, reserved: row.reservedUses }
  }

  /** One after another: an owner has one primary version. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => undefined)
    return result
  }
}

/** The name may hold any character: class before it and id after it have none of `/`, so no two keys share a place. */
export function bindingOfOwnerKey({ keyClass, name }: KeyOwner, { keyId, version }: KeyReference): KeyBinding {
  return { tenant: 'default', resource: `${keyClass}/${name}/${keyId}/${version}`, purpose: 'key-encryption' }
}

const nameOf = ({ keyClass, name }: KeyOwner): string => `${keyClass}/${name}`
const idOf = ({ keyId, version }: KeyReference): string => `${keyId}/${version}`

function requireName({ name }: KeyOwner): void {
  if (name === '' || name.length > MAX_NAME_LENGTH || !name.isWellFormed())
    throw new RedoubtError('ERR_INPUT_INVALID', 'the owner of a key is named by well-formed text of 1 to 256 characters')
}

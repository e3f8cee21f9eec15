import type { KeyObject } from 'node:crypto'
import { asRedoubtError, type Clock, newId, RedoubtError } from '#foundation/core'
import type { DataKey, KeyBinding, WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { KeyLimits } from '../key-limits.ts'
import {
  type KeyProvider,
  type KeyReference,
  type ProviderHealth,
  SIGNING_KEYS,
  type SigningKey,
  type SigningKeyName,
} from '../key-provider.ts'
import { KEY_CLASSES, type KeyClass, type KeyDescription } from '../keys.ts'
import { ImportedKeys } from '../moved/imported-keys.ts'
import { latestOf, type TakenOver } from '../moved/taken-over.ts'
import { withImportedKeys } from '../moved/with-imported-keys.ts'
import type { WrappedKeys } from '../rotation/wrapped-places.ts'
import type { ExportedKeyring } from '../sealed-file/export-sealed-file.ts'
import { OperationCounter, type OperationKey, type OperationsDone } from '../reconciliation/operations.ts'
import { demandMaterial, freshDataKey, isMaterial, keyOf, wrappedUnder } from '../wrapping.ts'
import { KeyRecords, type KeyVersion } from './key-records.ts'
import { WrappedSigningKeys } from './wrapped-signing-keys.ts'

/** A service adds its own header; none adds this much to 512 bytes. */
const MAX_WRAPPED_LENGTH = 8_192

/** A signing key that the service holds and does not let out. */
export interface HeldSigningKey {
  readonly name: SigningKeyName
  /** The service's own name of it. */
  readonly reference: string
  readonly publicKey: KeyObject
  sign(message: Uint8Array): Promise<Uint8Array>
}

export interface ServiceOperations {
  readonly counts: readonly {
    readonly operation: 'wrap' | 'unwrap' | 'sign' | 'make' | 'destroy'
    readonly reference: string
    readonly count: number
  }[]
  /** As `OperationsDone`. */
  readonly inferred: number
}

/** What a key service, over the network or in an HSM, does: make keys, wrap and unwrap under them. Failures are told in `RedoubtError`s. */
export interface KeyService {
  /** The kind of provider. */
  readonly kind: string
  /** Makes the key of a version. @returns the service's own name of it. */
  make(key: KeyReference & { readonly keyClass: KeyClass }): Promise<string>
  wrap(version: KeyVersion, material: Uint8Array, binding: KeyBinding): Promise<Uint8Array>
  /** @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for what was not wrapped under this version for this binding. */
  unwrap(version: KeyVersion, wrapped: Uint8Array, binding: KeyBinding): Promise<Uint8Array>
  /**
   * Ends the key of a version for good; idempotent. @returns when its material is gone, where the service waits for that; else null.
   */
  destroy(version: KeyVersion): Promise<number | null>
  /** Whether keys of a class can only end from the oldest on. */
  readonly endsInOrder?: boolean
  /** None unless given; at most one of each name. */
  readonly held?: readonly HeldSigningKey[]
  /** Whether the service can serve this version now. @throws {RedoubtError} what is wrong. */
  probe(version: KeyVersion): Promise<void>
  /** What was done with each key, by the service's own name of it, counted as near to the key as can be. */
  operations(): Promise<ServiceOperations>
  close(): void
}

export interface ServiceProviderOptions {
  readonly folder: DurableFolder
  readonly clock: Clock
  readonly limits?: KeyLimits
  /** What moves here from a sealed file when there are no records yet. */
  readonly moving?: ExportedKeyring
  /** What goes on here from another provider, which stays open beside this one. */
  readonly takingOver?: TakenOver
  /** It is the one that keys move away from: it wraps and signs nothing any more, and all its versions may end. */
  readonly former?: boolean
}

/**
 * A provider whose key-encryption keys a key service holds. Here are records of them, and the signing keys that it does not hold, wrapped.
 * @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`, and what the service throws.
 */
export async function openServiceProvider(service: KeyService, options: ServiceProviderOptions): Promise<KeyProvider> {
  try {
    return await openOver(service, options)
  } catch (thrown) {
    service.close()
    throw thrown
  }
}

async function openOver(service: KeyService, options: ServiceProviderOptions): Promise<KeyProvider> {
  const { folder, clock } = options
  const names = (Object.keys(SIGNING_KEYS) as SigningKeyName[]).filter((name) => heldBy(service, name) === null)
  const { takingOver } = options
  const opened = KeyRecords.open({ ...options, provider: service.kind })
  if (options.former === true) {
    if (opened === null) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key records of the former provider are gone')
    const imported = await ImportedKeys.open(folder, (wrapped) => unwrapBy(service, opened, wrapped))
    return providerOver(service, opened, WrappedSigningKeys.none(folder), imported)
  }
  if (opened !== null && takingOver !== undefined) {
    // It served here before, or a start that was cut off made its keys.
    await opened.continueFrom(takingOver.chains, (key) => service.make(key))
    const imported = await ImportedKeys.open(folder, (wrapped) => unwrapBy(service, opened, wrapped))
    const wrap = (material: Uint8Array, binding: KeyBinding) => wrapBy(service, opened, 'configuration', material, binding)
    const signing = await WrappedSigningKeys.create({ folder, clock, names, given: takingOver.signing }, wrap)
    recordHeld(service, opened, clock)
    opened.save()
    return providerOver(service, opened, signing, imported)
  }
  if (opened !== null) {
    for (const name of Object.keys(SIGNING_KEYS) as SigningKeyName[]) {
      const recorded = opened.signing(name)?.reference
      if (recorded !== heldBy(service, name)?.reference)
        throw new RedoubtError(
          'ERR_CONFIG_INVALID',
          `\`keys.provider\` names another key for ${name} than the one that signed here, \`${recorded ?? 'a wrapped one'}\``,
        )
    }
    const signing = await WrappedSigningKeys.open({ folder, names }, (wrapped) => unwrapBy(service, opened, wrapped))
    const imported = await ImportedKeys.open(folder, (wrapped) => unwrapBy(service, opened, wrapped))
    return providerOver(service, opened, signing, imported)
  }
  const { moving } = options
  const held = (service.held ?? []).map(({ name }) => name).join(', ')
  if (moving !== undefined && held !== '')
    throw new RedoubtError(
      'ERR_CONFIG_INVALID',
      `keys cannot move to a provider that signs with keys of its own (${held}): what they signed before is known by the present ones`,
    )
  const continuing = takingOver?.chains ?? latestOf(moving?.encryption ?? [])
  const records = await KeyRecords.create({ ...options, continuing, provider: service.kind }, (key) => service.make(key))
  const wrap = (material: Uint8Array, binding: KeyBinding): Promise<WrappedKey> =>
    wrapBy(service, records, 'configuration', material, binding)
  const imported = moving === undefined ? null : await ImportedKeys.create(folder, moving.encryption, wrap)
  const signing = await WrappedSigningKeys.create({ folder, clock, names, given: moving?.signing ?? takingOver?.signing ?? [] }, wrap)
  recordHeld(service, records, clock)
  // INVARIANT: the records are written last: while they are not there, whatever came before them is made anew.
  records.save()
  return providerOver(service, records, signing, imported)
}

function providerOver(service: KeyService, records: KeyRecords, signing: WrappedSigningKeys, imported: ImportedKeys | null): KeyProvider {
  const provider = new ServiceProvider(service, records, signing, imported)
  return imported === null ? provider : withImportedKeys(provider, imported)
}

function namesVersion(place: WrappedKeys, { keyId, version }: KeyReference): boolean {
  for (const page of place.pages()) if (page.some(({ wrapped }) => wrapped.keyId === keyId && wrapped.version === version)) return true
  return false
}

/** Keys that are recorded already keep their names. */
function recordHeld(service: KeyService, records: KeyRecords, clock: Clock): void {
  for (const { name, reference } of service.held ?? [])
    if (records.signing(name)?.reference !== reference)
      records.addSigning({ name, reference, keyId: newId('key'), version: 1, createdAt: clock.now() })
}

function heldBy(service: KeyService, name: SigningKeyName): HeldSigningKey | null {
  return service.held?.find((held) => held.name === name) ?? null
}

async function wrapBy(
  service: KeyService,
  records: KeyRecords,
  keyClass: KeyClass,
  material: Uint8Array,
  binding: KeyBinding,
): Promise<WrappedKey> {
  demandMaterial(material)
  const version = records.use(keyClass)
  const wrapped = Buffer.from(await service.wrap(version, material, binding)).toString('base64url')
  if (wrapped === '' || wrapped.length > MAX_WRAPPED_LENGTH)
    throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the key provider gave a wrapped key of an impossible length')
  return wrappedUnder(version, wrapped, binding)
}

async function unwrapBy(service: KeyService, records: KeyRecords, { wrapped, binding, ...reference }: WrappedKey): Promise<KeyObject> {
  const version = records.find(reference)
  if (wrapped === '' || wrapped.length > MAX_WRAPPED_LENGTH)
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the wrapped key is of an impossible length')
  const material = await service.unwrap(version, Buffer.from(wrapped, 'base64url'), binding)
  if (isMaterial(material)) return keyOf(material)
  material.fill(0)
  throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the key provider gave a key of an impossible length')
}

class ServiceProvider implements KeyProvider {
  readonly #service: KeyService
  readonly #records: KeyRecords
  readonly #signing: WrappedSigningKeys
  readonly #imported: ImportedKeys | null
  readonly #heldUses = new Map<SigningKeyName, number>()

  constructor(service: KeyService, records: KeyRecords, signing: WrappedSigningKeys, imported: ImportedKeys | null) {
    this.#service = service
    this.#records = records
    this.#signing = signing
    this.#imported = imported
  }

  wrap(keyClass: KeyClass, material: Uint8Array, binding: KeyBinding): Promise<WrappedKey> {
    return wrapBy(this.#service, this.#records, keyClass, material, binding)
  }

  unwrap(wrapped: WrappedKey): Promise<KeyObject> {
    return unwrapBy(this.#service, this.#records, wrapped)
  }

  generateDataKey(keyClass: KeyClass, binding: KeyBinding): Promise<DataKey> {
    return freshDataKey((material) => this.wrap(keyClass, material, binding))
  }

  async sign(name: SigningKeyName, message: Uint8Array): Promise<Uint8Array> {
    const held = this.#heldBy(name)
    if (held === null) return this.#signing.sign(name, message)
    this.#heldUses.set(name, (this.#heldUses.get(name) ?? 0) + 1)
    return held.sign(message)
  }

  publicKey(name: SigningKeyName): SigningKey {
    const held = this.#heldBy(name)
    if (held === null) return this.#signing.publicKey(name)
    const { keyId, version } = this.#records.signing(name)!
    return { keyId, version, publicKey: held.publicKey, algorithm: SIGNING_KEYS[name] }
  }

  readonly release = async (name: SigningKeyName): Promise<KeyObject> => {
    if (this.#heldBy(name) !== null) throw new RedoubtError('ERR_KEYS_UNKNOWN', `the key provider does not let \`${name}\` out`)
    return this.#signing.release(name)
  }

  async letOut(name: SigningKeyName): Promise<KeyObject | null> {
    return this.#heldBy(name) === null ? this.#signing.release(name) : null
  }

  rotate(keyClass: KeyClass): Promise<KeyReference> {
    return this.#records.rotate(keyClass, (key) => this.#service.make(key))
  }

  async destroyVersion(keyClass: KeyClass, version: number): Promise<void> {
    if (!this.mayEnd(keyClass, version))
      throw new RedoubtError('ERR_CONFLICT', 'the provider keeps a key wrapped under this version, or an older one has to end first')
    await this.#records.destroy(keyClass, version, (ending) => this.#service.destroy(ending))
  }

  mayEnd(keyClass: KeyClass, version: number): boolean {
    const versions = this.#records.describe().filter((key) => key.keyClass === keyClass && key.state !== 'destroyed')
    const ending = versions.find((key) => key.version === version)
    if (ending === undefined) return true
    if (this.wrappedHere.some((place) => namesVersion(place, ending))) return false
    return this.#service.endsInOrder !== true || !versions.some((key) => key.version < version)
  }

  get wrappedHere(): readonly WrappedKeys[] {
    return [this.#signing.wrappedKeys(), ...(this.#imported === null ? [] : [this.#imported.wrappedKeys()])]
  }

  describe(): readonly KeyDescription[] {
    const held = (this.#service.held ?? []).map(({ name }): KeyDescription => {
      const { keyId, version, createdAt } = this.#records.signing(name)!
      return { keyId, keyClass: 'signing', name, version, state: 'primary', createdAt, uses: this.#heldUses.get(name) ?? 0 }
    })
    return [...this.#records.describe(), ...this.#signing.describe(), ...held]
  }

  rotationDue(): readonly KeyClass[] {
    return this.#records.rotationDue()
  }

  async health(): Promise<ProviderHealth> {
    const provider = this.#service.kind
    try {
      for (const keyClass of KEY_CLASSES) await this.#service.probe(this.#records.primary(keyClass))
      return { provider, ok: true, detail: `${this.#records.all().length} key versions at the key service` }
    } catch (thrown) {
      const { code, message } = asRedoubtError(thrown)
      return { provider, ok: false, detail: `${message} (${code})` }
    }
  }

  /** What the service names and no record here does is counted too: somebody used the way to the service past this one. */
  async operations(): Promise<OperationsDone> {
    const { counts, inferred } = await this.#service.operations()
    const done = new OperationCounter()
    done.addAll(this.#signing.operations())
    const names = new Map<string, OperationKey>(this.#records.all().map(({ reference, keyClass }) => [reference, keyClass]))
    for (const { name, reference } of this.#service.held ?? []) names.set(reference, name)
    for (const { operation, reference, count } of counts) done.add(operation, names.get(reference) ?? 'unknown', count)
    return { counts: done.counts(), inferred }
  }

  close(): void {
    this.#records.close()
    this.#signing.close()
    this.#service.close()
  }

  #heldBy(name: SigningKeyName): HeldSigningKey | null {
    const held = heldBy(this.#service, name)
    if (held === null) return null
    // Throws once closed.
    this.#records.signing(name)
    return held
  }
}

import { type KeyObject, sign } from 'node:crypto'
import { type Clock, RedoubtError } from '#foundation/core'
import {
  type Argon2Parameters,
  type DataKey,
  DEFAULT_ARGON2,
  deriveKeyArgon2id,
  type KeyBinding,
  newArgon2Salt,
  openBytes,
  sealBytes,
  type WrappedKey,
} from '#foundation/crypto'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { KEY_LIMITS, type KeyLimits } from '../key-limits.ts'
import { type KeyProvider, SIGNING_KEYS, type SigningKeyName, wrapAad } from '../key-provider.ts'
import { KEY_CLASSES, type KeyClass, type KeyDescription } from '../keys.ts'
import type { TakenOver } from '../moved/taken-over.ts'
import { OperationCounter, type OperationsDone } from '../reconciliation/operations.ts'
import type { ShareSet } from '../shares/share-text.ts'
import { demandMaterial, freshDataKey, keyOf, wrappedUnder } from '../wrapping.ts'
import { type KeyringHeader, openKeyringFile, parseKeyringFile, sealKeyringFile } from './keyring-file.ts'
import {
  continued,
  type EncryptionKey,
  newEncryptionKey,
  type PrivateKey,
  signingKeys,
  toContent,
  toEncryptionKey,
  toPrivateKey,
} from './keyring-keys.ts'

export const KEYRING_PATH = 'keyring.json'

export interface SealedFileOptions {
  /** The folder that holds `keyring.json`. */
  readonly folder: DurableFolder
  readonly passphrase: Uint8Array
  readonly clock: Clock
  /** For a new keyring; an existing one names its own. */
  readonly kdf?: Argon2Parameters
  readonly limits?: KeyLimits
  /** What goes on here from another provider, which stays open beside this one. */
  readonly takingOver?: TakenOver
  /** Keys move away from it: it wraps nothing any more, and all its versions may end. */
  readonly former?: boolean
}

/**
 * Opens the keyring file, or makes one where there is none: root key by argon2id from the passphrase, one version of each
 * class, the signing keys. All of it is one file, replaced atomically, so a power cut leaves the old keyring or the new.
 * @throws {RedoubtError} `ERR_KEYS_PASSPHRASE`, `ERR_KEYS_KEYRING_CORRUPT`, `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`.
 */
export async function openSealedFileProvider(options: SealedFileOptions): Promise<KeyProvider> {
  const { folder, passphrase, clock, limits = KEY_LIMITS } = options
  if (passphrase.byteLength === 0) throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the passphrase is empty')
  const bytes = folder.read(KEYRING_PATH)
  if (bytes !== null) {
    const file = parseKeyringFile(bytes)
    const root = await deriveKeyArgon2id(passphrase, file.salt, file.parameters)
    const content = openKeyringFile(root, file)
    const encryption = content.encryption.map(toEncryptionKey)
    const parts = { folder, clock, limits, root, kdf: file }
    if (options.former === true) {
      const retired = encryption.map((kek) => (kek.state === 'primary' ? { ...kek, state: 'retired' as const } : kek))
      return new SealedFileProvider({ ...parts, encryption: retired, signing: content.signing.map(toPrivateKey) })
    }
    const { takingOver } = options
    const provider = new SealedFileProvider({
      ...parts,
      encryption: takingOver === undefined ? encryption : continued(encryption, takingOver, clock.now()),
      signing: takingOver === undefined ? content.signing.map(toPrivateKey) : signingKeys(takingOver, clock.now()),
    })
    provider.demandWhole()
    if (takingOver !== undefined) provider.save()
    return provider
  }
  const kdf = { salt: newArgon2Salt(), parameters: options.kdf ?? DEFAULT_ARGON2, shares: null }
  const root = await deriveKeyArgon2id(passphrase, kdf.salt, kdf.parameters)
  const now = clock.now()
  const encryption = continued([], options.takingOver ?? { chains: new Map() }, now)
  const signing = signingKeys(options.takingOver ?? { signing: [] }, now)
  const provider = new SealedFileProvider({ folder, clock, limits, root, kdf, encryption, signing })
  provider.demandWhole()
  provider.save()
  return provider
}

interface SealedFileParts {
  readonly folder: DurableFolder
  readonly clock: Clock
  readonly limits: KeyLimits
  readonly root: KeyObject
  readonly kdf: KeyringHeader
  readonly encryption: readonly EncryptionKey[]
  readonly signing: readonly PrivateKey[]
}

class SealedFileProvider implements KeyProvider {
  readonly #folder: DurableFolder
  readonly #clock: Clock
  readonly #limits: KeyLimits
  #root: KeyObject
  #kdf: KeyringHeader
  #encryption: readonly EncryptionKey[]
  readonly #signing: readonly PrivateKey[]
  readonly #done = new OperationCounter()
  #closed = false

  constructor({ folder, clock, limits, root, kdf, encryption, signing }: SealedFileParts) {
    this.#folder = folder
    this.#clock = clock
    this.#limits = limits
    this.#root = root
    this.#kdf = kdf
    this.#encryption = encryption
    this.#signing = signing
  }

  /** @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT` unless there is one primary version of each class, and every signing key. */
  demandWhole(): void {
    for (const keyClass of KEY_CLASSES) this.#primary(keyClass)
    for (const name of Object.keys(SIGNING_KEYS) as SigningKeyName[]) this.#private(name)
  }

  async wrap(keyClass: KeyClass, material: Uint8Array, binding: KeyBinding): Promise<WrappedKey> {
    demandMaterial(material)
    const kek = this.#primary(keyClass)
    this.#countUse(kek)
    const wrapped = sealBytes(kek.key!, wrapAad(kek, binding), material)
    this.#done.add('wrap', keyClass)
    return wrappedUnder(kek, Buffer.from(wrapped).toString('base64url'), binding)
  }

  async unwrap(wrapped: WrappedKey): Promise<KeyObject> {
    this.#open()
    const kek = this.#encryption.find(({ keyId, version }) => keyId === wrapped.keyId && version === wrapped.version)
    if (kek === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN')
    if (kek.key === null) throw new RedoubtError('ERR_KEYS_DESTROYED')
    const material = openBytes(kek.key, wrapAad(kek, wrapped.binding), Buffer.from(wrapped.wrapped, 'base64url'))
    this.#done.add('unwrap', kek.keyClass)
    return keyOf(material)
  }

  generateDataKey(keyClass: KeyClass, binding: KeyBinding): Promise<DataKey> {
    return freshDataKey((material) => this.wrap(keyClass, material, binding))
  }

  async sign(name: SigningKeyName, message: Uint8Array): Promise<Uint8Array> {
    const key = this.#private(name)
    key.uses++
    this.#done.add('sign', name)
    return sign(SIGNING_KEYS[name] === 'Ed25519' ? null : 'sha256', message, key.privateKey)
  }

  publicKey(name: SigningKeyName): ReturnType<KeyProvider['publicKey']> {
    const { keyId, version, publicKey } = this.#private(name)
    return { keyId, version, publicKey, algorithm: SIGNING_KEYS[name] }
  }

  readonly release = async (name: SigningKeyName): Promise<KeyObject> => {
    const { privateKey } = this.#private(name)
    this.#done.add('release', name)
    return privateKey
  }

  async letOut(name: SigningKeyName): Promise<KeyObject> {
    return this.#private(name).privateKey
  }

  async rotate(keyClass: KeyClass): Promise<{ keyId: string; version: number }> {
    const old = this.#primary(keyClass)
    const next = newEncryptionKey(old.keyId, keyClass, old.version + 1, this.#clock.now())
    const rotated = this.#encryption.map((kek) => (kek === old ? { ...kek, state: 'retired' as const } : kek))
    // INVARIANT: the new version is in the file before it is in use; when that fails, written or not, it wrapped nothing.
    this.save([...rotated, next])
    this.#encryption = [...rotated, next]
    this.#done.add('make', keyClass)
    return { keyId: next.keyId, version: next.version }
  }

  /** All of it is in one file, under the root. */
  readonly wrappedHere = []

  mayEnd(): boolean {
    return true
  }

  async destroyVersion(keyClass: KeyClass, version: number): Promise<void> {
    this.#open()
    const kek = this.#encryption.find((one) => one.keyClass === keyClass && one.version === version)
    if (kek === undefined) throw new RedoubtError('ERR_KEYS_UNKNOWN')
    if (kek.state === 'primary') throw new RedoubtError('ERR_CONFLICT', 'the primary version wraps still: rotate first')
    if (kek.state === 'destroyed') return
    const left = this.#encryption.map((one) => (one === kek ? { ...kek, state: 'destroyed' as const, key: null } : one))
    // A failed call may have been done: until it is repeated the version serves on from memory, and not from the next start.
    this.save(left)
    this.#encryption = left
    this.#done.add('destroy', keyClass)
  }

  readonly reseal = async (secret: Uint8Array, shares: ShareSet | null): Promise<void> => {
    this.#open()
    const kdf: KeyringHeader = { salt: newArgon2Salt(), parameters: this.#kdf.parameters, shares }
    const root = await deriveKeyArgon2id(secret, kdf.salt, kdf.parameters)
    // What was written meanwhile is in memory too; from here on nothing is awaited.
    this.#open()
    const before = { root: this.#root, kdf: this.#kdf }
    this.#root = root
    this.#kdf = kdf
    try {
      this.save()
    } catch (error) {
      // Whether it took effect or not, the next write puts the old seal in its place.
      this.#root = before.root
      this.#kdf = before.kdf
      throw error
    }
  }

  describe(): readonly KeyDescription[] {
    return [
      ...this.#encryption.map(({ keyId, keyClass, version, state, createdAt, uses }) => ({
        keyId,
        keyClass,
        version,
        state,
        createdAt,
        uses,
      })),
      ...this.#signing.map(({ name, keyId, version, createdAt, uses }) => ({
        keyId,
        keyClass: 'signing' as const,
        name,
        version,
        state: 'primary' as const,
        createdAt,
        uses,
      })),
    ]
  }

  rotationDue(): readonly KeyClass[] {
    const now = this.#clock.now()
    return this.#encryption
      .filter(({ state }) => state === 'primary')
      .filter(({ uses, createdAt }) => uses >= this.#limits.rotateAt || now - createdAt >= this.#limits.rotateAfterMs)
      .map(({ keyClass }) => keyClass)
  }

  async health(): Promise<{ provider: string; ok: boolean; detail: string }> {
    const provider = 'sealed-file'
    try {
      this.#open()
      const bytes = this.#folder.read(KEYRING_PATH)
      if (bytes === null) return { provider, ok: false, detail: 'the keyring file is gone' }
      parseKeyringFile(bytes)
      return { provider, ok: true, detail: `${this.#encryption.length} key versions in a sealed file` }
    } catch (error) {
      return { provider, ok: false, detail: error instanceof RedoubtError ? error.message : 'the keyring cannot be read' }
    }
  }

  async operations(): Promise<OperationsDone> {
    this.#open()
    return { counts: this.#done.counts(), inferred: 0 }
  }

  close(): void {
    if (this.#closed) return
    const exact = this.#encryption.map((kek) => ({ ...kek, reservedUses: kek.uses }))
    try {
      if (this.#encryption.some((kek) => kek.reservedUses !== kek.uses)) this.save(exact)
    } catch {
      // The counters in the file are too high then, never too low.
    }
    this.#closed = true
    this.#encryption = []
  }

  /** Makes the keyring, or what it is about to become, durable. */
  save(encryption: readonly EncryptionKey[] = this.#encryption): void {
    const content = toContent(encryption, this.#signing)
    replaceFile(this.#folder, KEYRING_PATH, sealKeyringFile(this.#root, this.#kdf, content))
  }

  /** INVARIANT: `reservedUses` in the file is never below the wraps that were made. */
  #countUse(kek: EncryptionKey): void {
    if (kek.uses >= this.#limits.refuseAt) throw new RedoubtError('ERR_KEYS_EXHAUSTED', undefined, { evidence: { uses: kek.uses } })
    if (kek.uses >= kek.reservedUses) {
      const reserved = Math.min(kek.uses + this.#limits.block, this.#limits.refuseAt)
      this.save(this.#encryption.map((other) => (other === kek ? { ...kek, reservedUses: reserved } : other)))
      kek.reservedUses = reserved
    }
    kek.uses++
  }

  #primary(keyClass: KeyClass): EncryptionKey {
    this.#open()
    const primaries = this.#encryption.filter((kek) => kek.keyClass === keyClass && kek.state === 'primary')
    const [primary] = primaries
    if (primary === undefined || primaries.length > 1)
      throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the keyring has ${primaries.length} primary versions of class \`${keyClass}\``)
    return primary
  }

  #private(name: SigningKeyName): PrivateKey {
    this.#open()
    const key = this.#signing.find((signing) => signing.name === name)
    if (key === undefined) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the keyring has no key \`${name}\``)
    return key
  }

  #open(): void {
    if (this.#closed) throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the keyring is closed')
  }
}

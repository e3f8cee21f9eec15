import type { KeyObject } from 'node:crypto'
import { canonicalJson } from '#foundation/core'
import type { DataKey, KeyBinding, WrappedKey } from '#foundation/crypto'
import type { KeyClass, KeyDescription } from './keys.ts'
import type { WrappedKeys } from './rotation/wrapped-places.ts'
import type { OperationsDone } from './reconciliation/operations.ts'
import type { ShareSet } from './shares/share-text.ts'

/** Algorithm of each signing key; ES256 signatures are DER over SHA-256. */
export const SIGNING_KEYS = {
  checkpoint: 'Ed25519',
  'token-signing': 'Ed25519',
  'model-signing': 'ES256',
  'certificate-authority': 'ES256',
} as const
export type SigningKeyName = keyof typeof SIGNING_KEYS

export interface KeyReference {
  readonly keyId: string
  readonly version: number
}

export interface SigningKey extends KeyReference {
  readonly algorithm: 'Ed25519' | 'ES256'
  readonly publicKey: KeyObject
}

export interface ProviderHealth {
  readonly provider: string
  readonly ok: boolean
  /** What is wrong, or what serves; never a secret. */
  readonly detail: string
}

/**
 * The port to whatever holds the key-encryption keys: a sealed file, an HSM, a KMS. An adapter is done when the contract suite
 * (`keyProviderContract`) passes. Guarantees an adapter MUST give:
 * - Key-encryption keys never leave it. `wrap` binds the key's place, `wrapAad`, as additional data or by its own means.
 * - A new version is durable before anything is wrapped under it; older versions unwrap until they are destroyed.
 * - The count of uses of a version never falls behind the truth, whatever was lost: at 2^32 it refuses (NIST SP 800-38D §8.3).
 * - Calls may run at the same time. A failed call may be repeated.
 * It does not audit: `AuditedKeys` does, above it.
 * @throws {RedoubtError} `ERR_KEYS_UNKNOWN`, `ERR_KEYS_DESTROYED`, `ERR_KEYS_EXHAUSTED`, `ERR_CRYPTO_AUTHENTICATION` for what it did
 *   not wrap for this binding, `ERR_STORAGE_IO` and `ERR_STORAGE_FULL`; from outside also `ERR_KEYS_DISABLED` and `ERR_KEYS_PROVIDER_…`.
 */
export interface KeyProvider {
  /** Wraps key material of 1 to 512 bytes under the primary version of a class. */
  wrap(keyClass: KeyClass, material: Uint8Array, binding: KeyBinding): Promise<WrappedKey>
  unwrap(wrapped: WrappedKey): Promise<KeyObject>
  /** A fresh AES-256 key, wrapped under the primary version of a class. */
  generateDataKey(keyClass: KeyClass, binding: KeyBinding): Promise<DataKey>
  sign(name: SigningKeyName, message: Uint8Array): Promise<Uint8Array>
  publicKey(name: SigningKeyName): SigningKey
  /** Adds a version to a class and makes it primary. */
  rotate(keyClass: KeyClass): Promise<KeyReference>
  /**
   * Destroys a version that is primary no more, durably: what it wrapped is unreadable for ever, here and after every restart. Idempotent,
   * so a failed call is repeated. Whoever calls has proved that nothing names the version.
   * @throws {RedoubtError} `ERR_KEYS_UNKNOWN`; `ERR_CONFLICT` for the primary version, and while `mayEnd` says no.
   */
  destroyVersion(keyClass: KeyClass, version: number): Promise<void>
  /** Whether a retired version can end now: not while the provider keeps something wrapped under it, nor where an older one has to end first. */
  mayEnd(keyClass: KeyClass, version: number): boolean
  /** What the provider keeps wrapped under its own versions, in the keyring's folder; to be moved when these rotate, as everything else. */
  readonly wrappedHere: readonly WrappedKeys[]
  /** Every version of every key, a record each. */
  describe(): readonly KeyDescription[]
  /** Classes whose primary version is due for rotation by age or by uses. */
  rotationDue(): readonly KeyClass[]
  health(): Promise<ProviderHealth>
  /**
   * How often it did what since it was opened, counted where the key is: by the process that talks to the HSM, by what sends the requests to
   * a service. What failed is not counted. @throws {RedoubtError} when whoever counts cannot be asked.
   */
  operations(): Promise<OperationsDone>
  /** The private key itself; absent where the provider does not let keys out. */
  readonly release?: (name: SigningKeyName) => Promise<KeyObject>
  /** As `release`, of any signing key, for the move to another provider; null for one that never leaves. */
  letOut(name: SigningKeyName): Promise<KeyObject | null>
  /**
   * Puts another secret in the place of the one that opens the keyring, durably when it returns; the keys stay. When it fails, either may
   * open it. Absent where the provider opens by credentials of its own. @param shares the set that `secret` is shared as; null for a passphrase.
   */
  readonly reseal?: (secret: Uint8Array, shares: ShareSet | null) => Promise<void>
  /** Forgets all keys. */
  close(): void
}

/** Additional data of a wrapped key: a wrapped key that is moved to another place, class or version does not open. */
export function wrapAad(key: KeyReference, binding: KeyBinding): Uint8Array {
  const { tenant, resource, purpose } = binding
  return new TextEncoder().encode(canonicalJson({ tenant, resource, keyId: key.keyId, version: key.version, purpose }))
}

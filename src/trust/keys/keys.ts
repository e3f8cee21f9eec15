import type { KeyObject } from 'node:crypto'
import type { AlertSink, AuditSink, EntityUid, Signer, SubjectSealer } from '#foundation/core'
import type { DataKey, WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { AuditLog } from '#trust/audit'
import type { RotationConfig } from './config.ts'
import type { MoveProgress } from './moved/move.ts'
import type { ProviderHealth, SigningKeyName } from './key-provider.ts'
import type { KeyReconciliation } from './reconciliation/reconcile-keys.ts'
import type { KeyRotation } from './rotation/key-rotation.ts'
import type { SealedObjects, WrappedKeys } from './rotation/wrapped-places.ts'
import type { ShareSet } from './shares/share-text.ts'

export const KEY_CLASSES = ['dataset', 'model', 'subject', 'configuration'] as const
/** Each class has its own chain of key-encryption key versions under the root. */
export type KeyClass = (typeof KEY_CLASSES)[number]

/** What has a chain of key-encryption key versions of its own, under the class of the tenant: all versions of a data set, or of a model, share it. */
export interface KeyOwner {
  readonly keyClass: 'dataset' | 'model'
  /** Of the data set or the model, 1 to 256 characters. */
  readonly name: string
}

/** Who uses a key, for what: recorded before key material is returned. */
export interface KeyUse {
  readonly principal: EntityUid
  readonly purpose: string
  readonly resource: EntityUid
  readonly requestId?: string
}

export interface KeyDescription {
  readonly keyId: string
  readonly keyClass: KeyClass | 'signing'
  /** The data set or model whose chain this is; absent for the tenant's own. */
  readonly owner?: string
  /** What a signing key signs. */
  readonly name?: SigningKeyName
  readonly version: number
  readonly state: 'primary' | 'retired' | 'destroyed'
  readonly createdAt: number
  /** Of a destroyed version: when its material is gone for good, where a key service keeps it for a window. */
  readonly endsAt?: number
  /** Wraps under a key-encryption key version (never too low, after a crash too high), or signatures since the start. */
  readonly uses: number
}

/**
 * The audited face of the keyring. Every call is recorded durably before key material is returned; log down means no key.
 * What ends a key (`destroySubject`, `destroyOwner`, the end of a version by `KeyRotation`) is effective in every cache of every process that
 * shares the key database within one second of its return: whoever asks later gets `ERR_KEYS_DESTROYED`, and so does whoever asked before and
 * was not answered yet. One process does, held to it by the lock of the data directory, and its caches have forgotten when the call returns. An
 * adapter for more processes has to pass `shredding.test.ts` with each cache in another one. Outside this contract is what was given out
 * before: a reader that has a data key open reads that one object to its end.
 */
export interface Keys {
  /**
   * A fresh AES-256 key, bound to a resource, under the primary version of its owner's chain; `configuration` is the house's own.
   * @throws {RedoubtError} `ERR_KEYS_DESTROYED` when the owner is destroyed at this moment, `ERR_KEYS_EXHAUSTED`, `ERR_INPUT_INVALID`.
   */
  generateDataKey(owner: KeyOwner | 'configuration', resource: string, use: KeyUse): Promise<DataKey>
  /** A short-lived cache (at most 5 minutes and a bounded number of uses) may answer; its hits are counted in the next event. */
  unwrap(wrapped: WrappedKey, use: KeyUse): Promise<KeyObject>
  /** A signer whose every `sign` is recorded. */
  signer(name: Exclude<SigningKeyName, 'checkpoint'>, use: KeyUse): Promise<Signer>
  /** The private key itself, for libraries that must hold it; recorded as `key.release`. */
  release(name: ReleasableKeyName, use: KeyUse): Promise<KeyObject>
  /**
   * Destroys the subject's keys, durably and in every cache at once; idempotent, `destroyed` says whether there was one.
   * What was sealed before stays unreadable for ever; what is sealed for the subject later gets a new key.
   * @param subject as the caller names them, or by pseudonym: to finish what was begun.
   * @returns also the SHA-256 of each wrapped key that was destroyed, hex: what a copy of the key database would hold.
   */
  destroySubject(
    subject: string | { readonly pseudonym: string },
    use: KeyUse,
  ): Promise<{ readonly pseudonym: string; readonly destroyed: boolean; readonly fingerprints: readonly string[] }>
  /**
   * Destroys every version of the owner's chain, durably and in every cache at once: whatever names one of them is unreadable for ever,
   * what is sealed for the owner later gets a new chain. Recorded before it is done; idempotent, so a failed call is repeated.
   * Objects that are still wrapped under the tenant's class are not reached: `rewrap` moves them under their owner first.
   * @returns how many versions were destroyed now; 0 when there was none.
   */
  destroyOwner(owner: KeyOwner, use: KeyUse): Promise<{ readonly destroyed: number }>
  /** A new version becomes primary; older versions still unwrap. @throws {RedoubtError} `ERR_KEYS_UNKNOWN` for an owner without keys. */
  rotate(of: KeyClass | KeyOwner, use: KeyUse, options?: RotateOptions): Promise<{ readonly keyId: string; readonly version: number }>
  list(): readonly KeyDescription[]
}

export interface RotateOptions {
  /**
   * The present version is no more to be trusted, and what it protects has to be sealed anew under fresh data keys by `KeyRotation`, which
   * ends it without grace then. Of a class, the chain of every owner under it is rotated and exposed too.
   * @throws {RedoubtError} `ERR_INPUT_INVALID` for `subject` and `configuration`: what those seal cannot be sealed anew.
   */
  readonly compromised?: boolean
}

/** A kind of key provider that the configuration can name. */
export interface ProviderDescription {
  readonly kind: string
  readonly serves: boolean
  /** Shown on a fake of ours and never on the service itself. */
  readonly untestedAgainstTheRealService: boolean
  /** Of the one that serves, and of one that keys move away from. */
  readonly health: ProviderHealth | null
}

/** What everything is wrapped under in the end. */
export interface RootOfTrust {
  /**
   * Puts another secret in the place of the one that opens the sealed file; the one before opens it no more. Recorded before it is done.
   * @throws {RedoubtError} `ERR_KEYS_UNKNOWN` where the keys are not in a sealed file.
   */
  reseal(secret: Uint8Array, shares: ShareSet | null, use: KeyUse): Promise<void>
  /** Every kind of provider; the one that serves, and one that keys move away from, are asked how they are. */
  providers(): Promise<readonly ProviderDescription[]>
}

/** What `Keyring.keys` gives: `Keys`, and what the composition root needs to keep the record complete. */
export interface AuditedKeys extends Keys, RootOfTrust {
  /**
   * The same data key under the primary version of `owner`, or where none is named of its own chain; recorded as `key.rewrap`. For
   * `rewrapObject` after a rotation, and to move what was wrapped under the tenant's class under its owner.
   */
  rewrap(wrapped: WrappedKey, use: KeyUse, owner?: KeyOwner): Promise<WrappedKey>
  /**
   * As `destroyOwner`, but of the versions that are primary no more: whatever is not under the primary version is unreadable for ever.
   * The caller has moved what is to stay. @returns how many versions were destroyed now.
   * @param unreferenced asked in the turn of the event loop in which they end; when it is false nothing is destroyed: `ERR_CONFLICT`.
   */
  destroyRetired(owner: KeyOwner, use: KeyUse, unreferenced?: () => boolean): Promise<{ readonly destroyed: number }>
  /** @throws {RedoubtError} `ERR_KEYS_DESTROYED` when the version that wrapped it is destroyed. Asked in the turn of the event loop in which it counts. */
  requireAlive(wrapped: WrappedKey): void
  /** Drops expired keys from the cache and records what the cache served since the last event. Call it once a minute. */
  flush(): Promise<void>
  /** Empties the cache and records what it served; to be awaited before the audit log is closed. */
  close(): Promise<void>
}

/** Plain counts since the start, for metrics. */
export interface KeyringUsage {
  readonly checkpointSigns: number
  readonly seals: number
  readonly opens: number
  readonly subjectKeysMade: number
  readonly subjectKeysDestroyed: number
  readonly unwraps: number
  readonly unwrapCacheHits: number
  /** Most used key-encryption key version, as part of the 2^32 that refuse. */
  readonly mostUsedKeyRatio: number
}

export interface RotationOptions {
  readonly audit: AuditSink
  readonly alerts: AlertSink
  /** Where the objects lie. */
  readonly folder: DurableFolder
  readonly objects: readonly SealedObjects[]
  /** Wrapped keys outside the key database. */
  readonly wrapped: readonly WrappedKeys[]
  /** Wrapped keys that cannot be moved; a version that one of them names is not retired while it does. */
  readonly pinned?: () => Iterable<WrappedKey>
  readonly config: RotationConfig
  /** How to wait; by the system's timer unless given. */
  readonly sleep?: (ms: number) => Promise<void>
}

/** The opened keyring, below the audit log: what the log itself needs is counted in a metric and not logged. */
export interface Keyring {
  readonly checkpointSigner: Signer
  readonly sealer: SubjectSealer
  /** HMAC-SHA-256 key of the audit index. */
  readonly searchKey: KeyObject
  /** HMAC-SHA-256 key of pseudonyms, for threads of this process that read rows: whom they are about is said there and nowhere else. */
  readonly pseudonymKey: KeyObject
  readonly usage: KeyringUsage
  keys(audit: AuditSink): AuditedKeys
  /** What keeps versions young: to be run once an hour, at the start, and after a rotation that was asked for. */
  rotation(options: RotationOptions): KeyRotation
  /** To be made when the log is open and before the first of `keys`. */
  reconciliation(options: { readonly audit: AuditSink; readonly log: Pick<AuditLog, 'size' | 'search'> }): KeyReconciliation
  /** For `redoubt doctor`: whether the provider can serve. */
  health(): Promise<ProviderHealth>
  /**
   * To be called once the log is open: records a move that this opening made or began, or one before it that was cut off, and removes a sealed
   * file whose keys have all come along. @returns whether there was such a file.
   */
  finishMove(audit: AuditSink): Promise<boolean>
  /** How far the keys have moved away from a provider before; null where there is none. */
  move(): MoveProgress | null
  /** Public keys that signed before keys moved away from a provider that did not let the private ones out. */
  signedBefore(name: SigningKeyName): readonly KeyObject[]
  /** Forgets all keys; the use counters become exact. The keyring cannot be used after it. */
  close(): void
}

export type ReleasableKeyName = Exclude<SigningKeyName, 'checkpoint' | 'model-signing'>

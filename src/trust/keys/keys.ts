import type { KeyObject } from 'node:crypto'
import type { AuditSink, EntityUid, Signer, SubjectSealer } from '#foundation/core'
import type { DataKey, WrappedKey } from '#foundation/crypto'
import type { ProviderHealth, SigningKeyName } from './key-provider.ts'
import type { ShareSet } from './shares/share-text.ts'

export const KEY_CLASSES = ['dataset', 'model', 'subject', 'configuration'] as const
/** Each class has its own chain of key-encryption key versions under the root. */
export type KeyClass = (typeof KEY_CLASSES)[number]

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
  /** What a signing key signs. */
  readonly name?: SigningKeyName
  readonly version: number
  readonly state: 'primary' | 'retired' | 'destroyed'
  readonly createdAt: number
  /** Wraps under a key-encryption key version (never too low, after a crash too high), or signatures since the start. */
  readonly uses: number
}

/** The audited face of the keyring. Every call is recorded durably before key material is returned; log down means no key. */
export interface Keys {
  generateDataKey(keyClass: KeyClass, resource: string, use: KeyUse): Promise<DataKey>
  /** A short-lived cache (at most 5 minutes and a bounded number of uses) may answer; its hits are counted in the next event. */
  unwrap(wrapped: WrappedKey, use: KeyUse): Promise<KeyObject>
  /** A signer whose every `sign` is recorded. */
  signer(name: Exclude<SigningKeyName, 'checkpoint'>, use: KeyUse): Promise<Signer>
  /** The private key itself, for libraries that must hold it; recorded as `key.release`. */
  release(name: ReleasableKeyName, use: KeyUse): Promise<KeyObject>
  /**
   * Destroys the subject's keys, durably and in every cache at once; idempotent, `destroyed` says whether there was one.
   * What was sealed before stays unreadable for ever; what is sealed for the subject later gets a new key.
   */
  destroySubject(subject: string, use: KeyUse): Promise<{ readonly pseudonym: string; readonly destroyed: boolean }>
  /** A new version becomes primary; older versions still unwrap. */
  rotate(keyClass: KeyClass, use: KeyUse): Promise<{ readonly keyId: string; readonly version: number }>
  list(): readonly KeyDescription[]
}

/** A kind of key provider that the configuration can name. */
export interface ProviderDescription {
  readonly kind: string
  readonly serves: boolean
  /** Shown on a fake of ours and never on the service itself. */
  readonly untestedAgainstTheRealService: boolean
  /** Of the one that serves. */
  readonly health: ProviderHealth | null
}

/** What everything is wrapped under in the end. */
export interface RootOfTrust {
  /**
   * Puts another secret in the place of the one that opens the sealed file; the one before opens it no more. Recorded before it is done.
   * @throws {RedoubtError} `ERR_KEYS_UNKNOWN` where the keys are not in a sealed file.
   */
  reseal(secret: Uint8Array, shares: ShareSet | null, use: KeyUse): Promise<void>
  /** Every kind of provider; the one that serves is asked how it is. */
  providers(): Promise<readonly ProviderDescription[]>
}

/** What `Keyring.keys` gives: `Keys`, and what the composition root needs to keep the record complete. */
export interface AuditedKeys extends Keys, RootOfTrust {
  /** The same data key under the primary version of its class; recorded as `key.rewrap`. For `rewrapObject` after a rotation. */
  rewrap(wrapped: WrappedKey, use: KeyUse): Promise<WrappedKey>
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

/** The opened keyring, below the audit log: what the log itself needs is counted in a metric and not logged. */
export interface Keyring {
  readonly checkpointSigner: Signer
  readonly sealer: SubjectSealer
  /** HMAC-SHA-256 key of the audit index. */
  readonly searchKey: KeyObject
  readonly usage: KeyringUsage
  keys(audit: AuditSink): AuditedKeys
  /** For `redoubt doctor`: whether the provider can serve. */
  health(): Promise<ProviderHealth>
  /**
   * To be called once the log is open: records a move that this opening made, or one before it that was cut off, and removes the file that the
   * keys came from. @returns whether there was one.
   */
  finishMove(audit: AuditSink): Promise<boolean>
  /** Forgets all keys; the use counters become exact. The keyring cannot be used after it. */
  close(): void
}

export type ReleasableKeyName = Exclude<SigningKeyName, 'checkpoint' | 'model-signing'>

import type { KeyObject } from 'node:crypto'
import type { AuditSink, EntityUid, Signer, SubjectSealer } from '#foundation/core'
import type { DataKey, WrappedKey } from '#foundation/crypto'

/** Each class has its own chain of key-encryption key versions under the root. */
export type KeyClass = 'dataset' | 'model' | 'subject' | 'configuration'

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
  readonly version: number
  readonly state: 'primary' | 'retired' | 'destroyed'
  readonly createdAt: number
  readonly uses: number
}

/** The audited face of the keyring. Every call is recorded durably before key material is returned; log down means no key. */
export interface Keys {
  generateDataKey(keyClass: KeyClass, resource: string, use: KeyUse): Promise<DataKey>
  /** A short-lived cache (at most 5 minutes and a bounded number of uses) may answer; its hits are counted in the next event. */
  unwrap(wrapped: WrappedKey, use: KeyUse): Promise<KeyObject>
  /** A signer whose every `sign` is recorded. */
  signer(name: 'model-signing' | 'token-signing' | 'certificate-authority', use: KeyUse): Promise<Signer>
  /** The private key itself, for libraries that must hold it; recorded as `key.release`. */
  release(name: 'token-signing' | 'certificate-authority', use: KeyUse): Promise<KeyObject>
  /** Destroys the subject's key, durably and in every cache at once; idempotent. */
  destroySubject(subject: string, use: KeyUse): Promise<{ readonly pseudonym: string; readonly destroyed: boolean }>
  /** A new version becomes primary; older versions still unwrap. */
  rotate(keyClass: KeyClass, use: KeyUse): Promise<{ readonly keyId: string; readonly version: number }>
  list(): readonly KeyDescription[]
}

/** The opened keyring, below the audit log: what the log itself needs is counted in a metric and not logged. */
export interface Keyring {
  readonly checkpointSigner: Signer
  readonly sealer: SubjectSealer
  /** HMAC-SHA-256 key of the audit index. */
  readonly searchKey: KeyObject
  keys(audit: AuditSink): Keys
  close(): void
}

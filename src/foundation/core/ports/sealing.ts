import type { KeyObject } from 'node:crypto'

/** Implemented by `#trust/keys`. A private key that signs but does not leave its room. */
export interface Signer {
  readonly algorithm: 'Ed25519' | 'ES256'
  readonly keyId: string
  readonly publicKey: KeyObject
  /** Ed25519 over the message; ES256 as DER ECDSA over its SHA-256. */
  sign(message: Uint8Array): Promise<Uint8Array>
}

export interface SealedFields {
  /** Keyed pseudonym of the subject: HMAC-SHA-256, base64url. */
  readonly pseudonym: string
  readonly ciphertext: Uint8Array
}

/** Implemented by `#trust/keys`. Its uses are counted in a metric, not logged, for the log itself calls it. */
export interface SubjectSealer {
  pseudonym(subject: string): string
  /** The subject's key is durable before this resolves. `context` is bound as additional data. */
  seal(subject: string, plaintext: Uint8Array, context: string): Promise<SealedFields>
  /** @throws {RedoubtError} `ERR_KEYS_DESTROYED` when the subject was erased, `ERR_CRYPTO_AUTHENTICATION` on tampering. */
  open(sealed: SealedFields, context: string): Promise<Uint8Array>
}

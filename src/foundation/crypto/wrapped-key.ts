import type { KeyObject } from 'node:crypto'

/** What a wrapped key is bound to as additional data; a wrapped key moved elsewhere does not open. */
export interface KeyBinding {
  readonly tenant: 'default'
  readonly resource: string
  readonly purpose: string
}

/** A data key under a version of a key-encryption key; safe to store beside the data. */
export interface WrappedKey {
  readonly keyId: string
  readonly version: number
  /** base64url. */
  readonly wrapped: string
  readonly binding: KeyBinding
}

/** A data key in memory, with the form in which it is stored. */
export interface DataKey {
  /** AES-256, secret. */
  readonly key: KeyObject
  readonly wrapped: WrappedKey
}

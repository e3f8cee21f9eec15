import { createCipheriv, createDecipheriv, randomFillSync, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { requireAesKey } from './segment-cipher.ts'
import { TAG_BYTES } from './segment-layout.ts'

export const IV_BYTES = 12
/** What `sealBytes` adds. */
export const SEALED_OVERHEAD = IV_BYTES + TAG_BYTES
const CIPHER = 'aes-256-gcm'
const AUTHENTIC = { authTagLength: TAG_BYTES } as const
const IV_POOL = Buffer.alloc(IV_BYTES * 512)
let ivUsed = IV_POOL.byteLength

/**
 * Encrypts a small value: random 96-bit IV ‖ AES-256-GCM ciphertext ‖ tag.
 * @param prefix put before it in clear, to save a copy; bind it through `aad` where it matters.
 * INVARIANT: one key seals at most 2^32 values (NIST SP 800-38D §8.3); who owns the key counts.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` unless `key` is a secret of 256 bits.
 */
export function sealBytes(key: KeyObject, aad: Uint8Array, bytes: Uint8Array, prefix?: Uint8Array): Uint8Array {
  requireAesKey(key)
  const start = prefix?.byteLength ?? 0
  const sealed = new Uint8Array(start + SEALED_OVERHEAD + bytes.byteLength)
  if (prefix !== undefined) sealed.set(prefix)
  if (ivUsed === IV_POOL.byteLength) {
    randomFillSync(IV_POOL)
    ivUsed = 0
  }
  const iv = sealed.subarray(start, start + IV_BYTES)
  iv.set(IV_POOL.subarray(ivUsed, (ivUsed += IV_BYTES)))
  const cipher = createCipheriv(CIPHER, key, iv, AUTHENTIC)
  cipher.setAAD(aad)
  sealed.set(cipher.update(bytes), start + IV_BYTES)
  cipher.final()
  sealed.set(cipher.getAuthTag(), start + IV_BYTES + bytes.byteLength)
  return sealed
}

/** @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for anything that `sealBytes` did not make with this key and `aad`. */
export function openBytes(key: KeyObject, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
  requireAesKey(key)
  if (sealed.byteLength < SEALED_OVERHEAD) throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the sealed value is too short')
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, IV_BYTES), AUTHENTIC)
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(sealed.byteLength - TAG_BYTES))
  const plaintext = decipher.update(sealed.subarray(IV_BYTES, sealed.byteLength - TAG_BYTES))
  try {
    decipher.final()
  } catch {
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the sealed value is not authentic')
  }
  return plaintext
}

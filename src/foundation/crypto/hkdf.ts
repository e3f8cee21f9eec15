import { hkdfSync, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'

const HASH_BYTES = { sha256: 32, sha512: 64 } as const

/**
 * HKDF, extract and expand.
 * @param length bytes, 1 to 255 times the hash's length.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for another length.
 * @see RFC 5869 §2
 */
export function hkdf(
  hash: 'sha256' | 'sha512',
  key: KeyObject | Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  if (!Number.isSafeInteger(length) || length < 1 || length > 255 * HASH_BYTES[hash])
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the length is beyond what HKDF can give')
  return new Uint8Array(hkdfSync(hash, key, salt, info, length))
}

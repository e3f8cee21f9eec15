import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'

/** RFC 5649 §3: the alternative initial value's constant. */
const ALTERNATIVE_IV = Uint8Array.of(0xa6, 0x59, 0x59, 0xa6)
const MAX_KEY_BYTES = 4096
const CIPHER_OF_BYTES: Readonly<Record<number, string>> = {
  16: 'id-aes128-wrap-pad',
  24: 'id-aes192-wrap-pad',
  32: 'id-aes256-wrap-pad',
}

/**
 * AES key wrap with padding, for key material of 1 to 4096 bytes. It takes no additional data: bind the context elsewhere.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for an unfit key or length.
 * @see RFC 5649, NIST SP 800-38F §6.3
 */
export function aesKeyWrapPad(kek: KeyObject, material: Uint8Array): Uint8Array {
  if (material.byteLength < 1 || material.byteLength > MAX_KEY_BYTES)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'key material is 1 to 4096 bytes')
  const cipher = createCipheriv(cipherOf(kek), kek, ALTERNATIVE_IV)
  return Buffer.concat([cipher.update(material), cipher.final()])
}

/** @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for anything that this key did not wrap. */
export function aesKeyUnwrapPad(kek: KeyObject, wrapped: Uint8Array): Uint8Array {
  const name = cipherOf(kek)
  if (wrapped.byteLength < 16 || wrapped.byteLength % 8 !== 0 || wrapped.byteLength > MAX_KEY_BYTES + 16)
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the wrapped key is not authentic')
  try {
    const decipher = createDecipheriv(name, kek, ALTERNATIVE_IV)
    return Buffer.concat([decipher.update(wrapped), decipher.final()])
  } catch {
    throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the wrapped key is not authentic')
  }
}

function cipherOf(kek: KeyObject): string {
  const name = kek.type === 'secret' ? CIPHER_OF_BYTES[kek.symmetricKeySize ?? 0] : undefined
  if (name === undefined) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the key is not an AES key')
  return name
}

import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { DataKey, KeyBinding, WrappedKey } from '#foundation/crypto'
import type { KeyReference } from './key-provider.ts'

const AES_KEY_BYTES = 32
const MAX_MATERIAL_BYTES = 512

/** Whether it can be key material: 1 to 512 bytes. */
export function isMaterial({ byteLength }: Uint8Array): boolean {
  return byteLength >= 1 && byteLength <= MAX_MATERIAL_BYTES
}

/** @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for what is no key material. */
export function demandMaterial(material: Uint8Array): void {
  if (!isMaterial(material)) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'key material is 1 to 512 bytes')
}

/** What a provider gives for material that it wrapped. @param wrapped base64url. Nothing of the binding but its own members is taken over. */
export function wrappedUnder({ keyId, version }: KeyReference, wrapped: string, { tenant, resource, purpose }: KeyBinding): WrappedKey {
  return { keyId, version, wrapped, binding: { tenant, resource, purpose } }
}

/** A key of unwrapped material, which is erased, whatever comes of it. */
export function keyOf(material: Uint8Array): KeyObject {
  try {
    return createSecretKey(material)
  } finally {
    material.fill(0)
  }
}

/** A fresh AES-256 key, wrapped by whoever asks; its bytes are erased. @throws {RedoubtError} what `wrap` throws. */
export async function freshDataKey(wrap: (material: Uint8Array) => Promise<WrappedKey>): Promise<DataKey> {
  const material = randomBytes(AES_KEY_BYTES)
  try {
    return { wrapped: await wrap(material), key: createSecretKey(material) }
  } finally {
    material.fill(0)
  }
}

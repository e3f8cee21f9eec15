import { verify, type KeyObject } from 'node:crypto'

/** DSSE payload type of an in-toto statement. */
export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/**
 * DSSE v1 pre-authentication encoding: what is signed in place of the payload, so that the type is signed with it.
 * @see DSSE protocol.md, "Signature Definition": `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`
 */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType, 'utf8')
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.byteLength} `), type, Buffer.from(` ${payload.byteLength} `), payload])
}

/**
 * The signature hash follows the curve; the specification's text omits it, its reference implementation does it.
 * Keyed by OpenSSL's curve names.
 */
const HASH_OF_CURVE: Readonly<Record<string, string>> = { prime256v1: 'sha256', secp384r1: 'sha384', secp521r1: 'sha512' }

/** @returns the hash for this key, or null when it is not an EC key on P-256, P-384 or P-521. */
export function signatureHash(publicKey: KeyObject): string | null {
  if (publicKey.asymmetricKeyType !== 'ec') return null
  return HASH_OF_CURVE[publicKey.asymmetricKeyDetails?.namedCurve ?? ''] ?? null
}

/** @returns false for a wrong signature and for a key of a kind that Open Model Signing does not know. Never throws. */
export function verifyEcdsa(publicKey: KeyObject, message: Uint8Array, signature: Uint8Array, hash = signatureHash(publicKey)): boolean {
  if (hash === null) return false
  try {
    return verify(hash, message, { key: publicKey, dsaEncoding: 'der' }, signature)
  } catch {
    return false
  }
}

import { createHash } from 'node:crypto'
import { type ErrorCode, parseStrictJson } from '#foundation/core'

export interface Expectation {
  readonly challenge: string
  readonly origin: string
  readonly relyingParty: string
}

const USER_PRESENT = 0x01
const USER_VERIFIED = 0x04
const AUTHENTICATOR_DATA_BYTES = 37

/**
 * Names the first thing that is wrong with the client's data, in the order of the specification; null when nothing is. For registration
 * and assertion alike, so that each refusal has its own code: the library throws text.
 * @see Web Authentication Level 3 §7.1, §7.2 (type, challenge, origin)
 */
export function faultOfClientData(
  clientDataJSON: string,
  type: 'webauthn.create' | 'webauthn.get',
  expected: Expectation,
): ErrorCode | null {
  const bytes = Buffer.from(clientDataJSON, 'base64url')
  let data: Record<string, unknown>
  try {
    data = parseStrictJson(bytes, { maxBytes: bytes.byteLength, maxDepth: 4 }) as Record<string, unknown>
  } catch {
    return 'ERR_WEBAUTHN'
  }
  if (typeof data !== 'object' || data === null) return 'ERR_WEBAUTHN'
  if (data['type'] !== type) return 'ERR_WEBAUTHN_TYPE'
  if (data['challenge'] !== expected.challenge) return 'ERR_WEBAUTHN_CHALLENGE'
  // A frame of another site is another origin, whatever the frame itself shows.
  if (data['origin'] !== expected.origin || data['crossOrigin'] === true) return 'ERR_WEBAUTHN_ORIGIN'
  return null
}

/** As above, for the authenticator's data: relying party, user presence and verification. */
export function faultOfAuthenticatorData(authenticatorData: Uint8Array, relyingParty: string): ErrorCode | null {
  if (authenticatorData.byteLength < AUTHENTICATOR_DATA_BYTES) return 'ERR_WEBAUTHN'
  const hash = createHash('sha256').update(relyingParty).digest()
  if (!hash.equals(authenticatorData.subarray(0, 32))) return 'ERR_WEBAUTHN_RELYING_PARTY'
  const flags = authenticatorData[32]!
  if ((flags & USER_PRESENT) === 0 || (flags & USER_VERIFIED) === 0) return 'ERR_WEBAUTHN_USER_VERIFICATION'
  return null
}

import type { VerifiedRegistrationResponse } from '@simplewebauthn/server'
import { z } from 'zod'

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/)

/** What a browser sends, cut to what is used; unknown members of the outer objects are dropped, not passed on. */
export const registrationResponse = z.object({
  id: base64url.max(1_400),
  rawId: base64url.max(1_400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: base64url.max(4_096),
    attestationObject: base64url.max(12_288),
    transports: z.array(z.string().max(32)).max(8).default([]),
  }),
})
export type RegistrationResponse = z.output<typeof registrationResponse>

/** COSE algorithms taken: EdDSA, ES256, RS256 (platform keys of Windows). */
export const COSE_ALGORITHMS = [-8, -7, -257] as const

export interface VerifiedCredential {
  readonly id: string
  /** COSE_Key. */
  readonly publicKey: Uint8Array
  readonly counter: number
  readonly aaguid: string
  readonly transports: readonly string[]
  readonly attestation: string
  readonly backupEligible: boolean
  readonly backedUp: boolean
}

export interface RegistrationExpectation {
  readonly challenge: string
  readonly origin: string
  readonly relyingParty: string
}

/**
 * Formats that are taken. We ask for no attestation, so browsers send `none`; some security keys answer `packed` all the same.
 * The others carry certificate chains whose check in the library may fetch a revocation list from an address that the sender chose.
 */
const FORMATS = new Set(['none', 'packed'])

/**
 * Verifies a registration: type, challenge, origin, relying party, user presence and verification, key, attestation signature.
 * @returns the credential, or null for anything that does not verify. Never throws for what a browser may send, and makes no outbound request.
 * @see Web Authentication Level 3 §7.1
 */
export async function verifyRegistration(
  response: RegistrationResponse,
  expected: RegistrationExpectation,
): Promise<VerifiedCredential | null> {
  let result: VerifiedRegistrationResponse
  // Costs 50 ms to load and is needed once in the life of most installations.
  const [{ verifyRegistrationResponse }, { decodeAttestationObject }] = await Promise.all([
    import('@simplewebauthn/server'),
    import('@simplewebauthn/server/helpers'),
  ])
  try {
    if (!FORMATS.has(decodeAttestationObject(new Uint8Array(Buffer.from(response.response.attestationObject, 'base64url'))).get('fmt')))
      return null
    result = await verifyRegistrationResponse({
      response: {
        id: response.id,
        rawId: response.rawId,
        type: response.type,
        clientExtensionResults: {},
        response: { clientDataJSON: response.response.clientDataJSON, attestationObject: response.response.attestationObject },
      },
      expectedChallenge: expected.challenge,
      expectedOrigin: expected.origin,
      expectedRPID: expected.relyingParty,
      expectedType: 'webauthn.create',
      requireUserPresence: true,
      requireUserVerification: true,
      supportedAlgorithmIDs: [...COSE_ALGORITHMS],
    })
  } catch {
    return null
  }
  // The library returns `verified: false` for a bad signature and throws for all else: both are a no.
  if (!result.verified) return null
  const { credential, aaguid, fmt, credentialDeviceType, credentialBackedUp } = result.registrationInfo
  // The library takes the id in the answer on trust; the signed one is inside the authenticator data.
  if (credential.id !== response.id) return null
  return {
    id: credential.id,
    publicKey: credential.publicKey,
    counter: credential.counter,
    aaguid,
    transports: response.response.transports,
    attestation: fmt,
    backupEligible: credentialDeviceType === 'multiDevice',
    backedUp: credentialBackedUp,
  }
}

import type { VerifiedRegistrationResponse } from '@simplewebauthn/server'
import type { ErrorCode } from '#foundation/core'
import { z } from 'zod'
import { type Expectation, faultOfAuthenticatorData, faultOfClientData } from './webauthn-faults.ts'

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

export interface VerifiedRegistration extends VerifiedCredential {
  /** Certificates of the attestation in DER, the key's own first; empty when there are none. Verified is only that the first one's key signed. */
  readonly chain: readonly Uint8Array[]
}

/**
 * Formats that are taken. Unless a list of models is configured we ask for no attestation, and browsers send `none`; security keys send `packed`.
 * The others carry certificate chains whose check in the library may fetch a revocation list from an address that the sender chose.
 */
const FORMATS = new Set(['none', 'packed'])

/**
 * Verifies a registration: type, challenge, origin, relying party, user presence and verification, key, attestation signature.
 * @returns the credential, or the code of the first thing that does not verify. Never throws for what a browser may send, and makes no outbound request.
 * @see Web Authentication Level 3 §7.1
 */
export async function verifyRegistration(response: RegistrationResponse, expected: Expectation): Promise<VerifiedRegistration | ErrorCode> {
  const fault = faultOfClientData(response.response.clientDataJSON, 'webauthn.create', expected)
  if (fault !== null) return fault
  let chain: readonly Uint8Array[]
  let result: VerifiedRegistrationResponse
  // Costs 50 ms to load and is needed once in the life of most installations.
  const [{ verifyRegistrationResponse }, { decodeAttestationObject }] = await Promise.all([
    import('@simplewebauthn/server'),
    import('@simplewebauthn/server/helpers'),
  ])
  try {
    const attestation = decodeAttestationObject(new Uint8Array(Buffer.from(response.response.attestationObject, 'base64url')))
    if (!FORMATS.has(attestation.get('fmt'))) return 'ERR_WEBAUTHN'
    const unfit = faultOfAuthenticatorData(attestation.get('authData'), expected.relyingParty)
    if (unfit !== null) return unfit
    chain = [...(attestation.get('attStmt').get('x5c') ?? [])]
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
    return 'ERR_WEBAUTHN'
  }
  // The library returns `verified: false` for a bad signature and throws for all else: both are a no.
  if (!result.verified) return 'ERR_WEBAUTHN_SIGNATURE'
  const { credential, aaguid, fmt, credentialDeviceType, credentialBackedUp } = result.registrationInfo
  // The library takes the id in the answer on trust; the signed one is inside the authenticator data.
  if (credential.id !== response.id) return 'ERR_WEBAUTHN_CREDENTIAL'
  return {
    id: credential.id,
    publicKey: credential.publicKey,
    counter: credential.counter,
    aaguid,
    transports: response.response.transports,
    attestation: fmt,
    backupEligible: credentialDeviceType === 'multiDevice',
    backedUp: credentialBackedUp,
    chain,
  }
}

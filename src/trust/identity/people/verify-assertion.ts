import type { ErrorCode } from '#foundation/core'
import { z } from 'zod'
import { faultOfAuthenticatorData, faultOfClientData, type Expectation } from '../webauthn-faults.ts'
import type { Credential } from './factor-store.ts'

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/)

/** What a browser sends from `navigator.credentials.get`, cut to what is used. */
export const assertionResponse = z.object({
  id: base64url.max(1_400),
  rawId: base64url.max(1_400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: base64url.max(4_096),
    authenticatorData: base64url.max(4_096),
    signature: base64url.max(2_048),
    userHandle: base64url.max(128).nullish(),
  }),
})
export type AssertionResponse = z.output<typeof assertionResponse>

export interface VerifiedAssertion {
  readonly counter: number
  readonly backupEligible: boolean
  readonly backedUp: boolean
}

const BACKUP_ELIGIBLE = 0x08
const BACKED_UP = 0x10

/**
 * Verifies an assertion of this credential. What depends on stored state (counter, owner, roles) is the caller's to look at, after the
 * signature: nobody who cannot sign learns of it. Never throws for what a browser may send.
 * @see Web Authentication Level 3 §7.2
 */
export async function verifyAssertion(
  response: AssertionResponse,
  credential: Pick<Credential, 'id' | 'publicKey'>,
  expected: Expectation,
): Promise<VerifiedAssertion | ErrorCode> {
  const { clientDataJSON, authenticatorData, signature } = response.response
  const fault =
    faultOfClientData(clientDataJSON, 'webauthn.get', expected) ??
    faultOfAuthenticatorData(Buffer.from(authenticatorData, 'base64url'), expected.relyingParty)
  if (fault !== null) return fault
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
  try {
    const result = await verifyAuthenticationResponse({
      response: {
        id: response.id,
        rawId: response.rawId,
        type: response.type,
        clientExtensionResults: {},
        response: { clientDataJSON, authenticatorData, signature },
      },
      expectedChallenge: expected.challenge,
      expectedOrigin: expected.origin,
      expectedRPID: expected.relyingParty,
      expectedType: 'webauthn.get',
      requireUserVerification: true,
      // Zero: the counter is compared by the caller, under a code of its own and with the stored value of that moment.
      credential: { id: credential.id, publicKey: new Uint8Array(credential.publicKey), counter: 0 },
    })
    // A bad signature is not thrown, it is `verified: false`.
    if (!result.verified) return 'ERR_WEBAUTHN_SIGNATURE'
    const data = Buffer.from(authenticatorData, 'base64url')
    const flags = data[32]!
    return {
      counter: result.authenticationInfo.newCounter,
      backupEligible: (flags & BACKUP_ELIGIBLE) !== 0,
      backedUp: (flags & BACKED_UP) !== 0,
    }
  } catch {
    return 'ERR_WEBAUTHN'
  }
}

import type { AuthenticationScheme, ErrorCode } from '#foundation/core'
import type { BindingKind } from '#trust/client'

/** Algorithms a proof may be signed with. @see RFC 9449 §7.1 (`algs`) */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'] as const

/** How a token of this binding is presented. A certificate is no scheme: such tokens come as Bearer (RFC 8705 §3). */
export const schemeOf = (binding: BindingKind): AuthenticationScheme => (binding === 'dpop' ? 'DPoP' : 'Bearer')

/**
 * The value of `www-authenticate` that goes with a refusal (status 401). A token that is bound to a key is asked for as DPoP, whatever
 * is wrong with it.
 * @see RFC 6750 §3, RFC 9449 §7.1 and §9 (`use_dpop_nonce`)
 */
export function authenticateHeader(code: ErrorCode, scheme: AuthenticationScheme): string {
  return code === 'ERR_TOKEN_MISSING' ? 'Bearer' : challenge(scheme, [`error="${errorOf(code)}"`, `error_description="${code}"`])
}

/** One challenge, with the algorithms of proofs where proofs are asked for. */
export function challenge(scheme: AuthenticationScheme, parameters: readonly string[]): string {
  return `${scheme} ${[...parameters, ...(scheme === 'DPoP' ? [`algs="${PROOF_ALGORITHMS.join(' ')}"`] : [])].join(', ')}`
}

function errorOf(code: ErrorCode): string {
  if (code === 'ERR_DPOP_NONCE') return 'use_dpop_nonce'
  // Binding failures are of the token (RFC 9449 §7.1): the proof itself was fine.
  return code.startsWith('ERR_DPOP_') && code !== 'ERR_DPOP_BINDING' ? 'invalid_dpop_proof' : 'invalid_token'
}

import type { ErrorCode } from '#foundation/core'

/** Algorithms a proof may be signed with. @see RFC 9449 §7.1 (`algs`) */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'] as const

/**
 * The value of `www-authenticate` that goes with a refusal (status 401).
 * @see RFC 6750 §3, RFC 9449 §7.1 and §9 (`use_dpop_nonce`)
 */
export function authenticateHeader(code: ErrorCode): string {
  if (code === 'ERR_TOKEN_MISSING') return 'Bearer'
  const dpop = code.startsWith('ERR_DPOP_') || code === 'ERR_TOKEN_DOWNGRADE'
  const scheme = dpop ? 'DPoP' : 'Bearer'
  const algorithms = dpop ? `, algs="${PROOF_ALGORITHMS.join(' ')}"` : ''
  return `${scheme} error="${errorOf(code)}", error_description="${code}"${algorithms}`
}

function errorOf(code: ErrorCode): string {
  if (code === 'ERR_DPOP_NONCE') return 'use_dpop_nonce'
  // Binding failures are of the token (RFC 9449 §7.1): the proof itself was fine.
  return code.startsWith('ERR_DPOP_') && code !== 'ERR_DPOP_BINDING' ? 'invalid_dpop_proof' : 'invalid_token'
}

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { countHeader } from '#foundation/core'
import type { Artifacts } from '../artifacts.ts'
import { PROOF_WINDOW_SECONDS } from './dpop-proof.ts'
import { type TokenBinding, type TokenBindings, UNBOUND } from './token-binding.ts'
import { refusal, type TokenRefusal } from './token-grant.ts'

export const TOKEN_PATH = '/oauth/token'
/** Granted to clocks beyond the window of a proof, as for assertions. */
const CLOCK_SKEW_SECONDS = 5

/**
 * What the proof of a request for a token binds it to; nothing without one. The proof is used up when this resolves, over a restart too.
 * @see RFC 9449 §5
 */
export async function boundByProof(
  req: IncomingMessage,
  { artifacts, bindings }: { readonly artifacts: Artifacts; readonly bindings: TokenBindings },
): Promise<TokenBinding | TokenRefusal> {
  const proofs = countHeader(req.rawHeaders, 'dpop')
  if (proofs === 0) return UNBOUND
  if (proofs > 1) return refusal('invalid_dpop_proof', 'ERR_DPOP_MISSING')
  const proof = bindings.proofForToken(TOKEN_PATH, String(req.headers['dpop']))
  if (typeof proof === 'string') return refusal(proof === 'ERR_DPOP_NONCE' ? 'use_dpop_nonce' : 'invalid_dpop_proof', proof)
  const id = createHash('sha256').update(`${proof.thumbprint}\n${proof.id}`).digest('base64url')
  const until = (proof.issuedAt + PROOF_WINDOW_SECONDS + CLOCK_SKEW_SECONDS) * 1000
  if (!(await artifacts.claim('DpopProof', id, until))) return refusal('invalid_dpop_proof', 'ERR_DPOP_REPLAYED')
  return { kind: 'dpop', thumbprint: proof.thumbprint }
}

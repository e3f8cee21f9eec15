import type { ServerResponse } from 'node:http'
import type { ErrorCode, JsonObject } from '#foundation/core'
import { answerOAuthError } from '../http.ts'

/** A "no" on the way to a token: `error` by RFC 6749 §5.2, RFC 8693 §2.2.2 or RFC 9449 §5. */
export interface TokenRefusal {
  readonly status: 400 | 401
  readonly error: string
  readonly code: ErrorCode
}
/** @see RFC 6749 §5.1, RFC 8693 §2.2.1 */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'Bearer' | 'DPoP'
  /** Seconds. */
  readonly expires_in: number
  readonly issued_token_type?: string
}

/** What a token will say beside who signed it, for whom and when. */
export interface Grant {
  readonly claims: JsonObject
  readonly actor: { readonly type: string; readonly id: string }
  readonly purpose: string
  readonly legalBasis: string
  readonly expiresAtSeconds: number
  /** For the record. */
  readonly details: JsonObject
  /** Members of the answer that are special to the grant. */
  readonly answer: Pick<TokenAnswer, 'issued_token_type'>
}

export const refusal = (error: string, code: ErrorCode, status: 400 | 401 = 400): TokenRefusal => ({ status, error, code })

/** Whoever has to sign another proof gets the nonce for it along (RFC 9449 §8). */
export function refuseToken(res: ServerResponse, { status, error, code }: TokenRefusal, nonce: string): void {
  answerOAuthError(res, status, error, code, code.startsWith('ERR_DPOP_') ? { 'dpop-nonce': nonce } : {})
}

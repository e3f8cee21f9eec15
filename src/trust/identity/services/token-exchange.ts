import type { Clock, ErrorCode } from '#foundation/core'
import type { Account } from '../service-account.ts'
import type { Principal } from '../authenticator.ts'
import { single } from '../client-assertion.ts'
import type { AccessToken } from '../verify-access-token.ts'
import type { TokenBinding } from './token-binding.ts'
import { type Grant, refusal, type TokenRefusal } from './token-grant.ts'

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'

export interface ExchangeOptions {
  readonly issuer: string
  readonly clock: Clock
  readonly tokenLifetimeSeconds: number
  readonly examine: (token: string) => { readonly token: AccessToken; readonly principal: Principal } | ErrorCode
}

/**
 * A token by which a service acts for a user: the user stays the principal, the service is named beside it. It is never broader than
 * what it is made of: it ends with the user's token at the latest, carries no role that the service may not take over, is for the user's
 * purpose if the service may act for that, dies with the user's token, session and account and with the service's, and is bound if the
 * user's token was.
 * @see RFC 8693 §2.1, §4.1 (`act`); the actor is the client itself, so `actor_token` is not taken.
 */
export function exchange(form: URLSearchParams, account: Account, binding: TokenBinding, options: ExchangeOptions): Grant | TokenRefusal {
  const subjectToken = single(form, 'subject_token')
  const requested = form.getAll('requested_token_type')
  if (
    subjectToken === null ||
    single(form, 'subject_token_type') !== ACCESS_TOKEN_TYPE ||
    requested.some((type) => type !== ACCESS_TOKEN_TYPE) ||
    form.has('actor_token') ||
    form.getAll('audience').some((audience) => audience !== options.issuer)
  )
    return refusal('invalid_request', 'ERR_TOKEN_REQUEST')
  const { mayActFor } = account
  if (mayActFor === null) return refusal('unauthorized_client', 'ERR_EXCHANGE_DENIED')
  const subject = options.examine(subjectToken)
  if (typeof subject === 'string') return refusal('invalid_request', 'ERR_EXCHANGE_SUBJECT')
  const { token, principal } = subject
  if (token.actor !== null) return refusal('invalid_request', 'ERR_EXCHANGE_CHAINED')
  if (token.person === null) return refusal('invalid_request', 'ERR_EXCHANGE_SUBJECT')
  if (!principal.roles.some((role) => mayActFor.roles.includes(role))) return refusal('invalid_grant', 'ERR_EXCHANGE_DENIED')
  if (!mayActFor.purposes.includes(principal.purpose)) return refusal('invalid_target', 'ERR_EXCHANGE_PURPOSE')
  if (token.binding.kind !== 'none' && binding.kind === 'none') return refusal('invalid_request', 'ERR_TOKEN_BINDING')
  const now = Math.floor(options.clock.now() / 1000)
  const expiresAtSeconds = Math.min(Math.floor(token.expiresAt / 1000), now + options.tokenLifetimeSeconds)
  if (expiresAtSeconds <= now) return refusal('invalid_request', 'ERR_EXCHANGE_SUBJECT')
  return {
    claims: {
      sid: token.person.sessionId,
      auth_time: Math.floor(token.person.authTime / 1000),
      acr: String(token.person.mfaLevel),
      amr: [...token.person.amr],
      sub: principal.facts.id,
      account_epoch: token.epoch,
      act: { sub: account.name, epoch: account.epoch, parent: token.id },
    },
    actor: { type: principal.facts.type, id: principal.facts.id },
    purpose: principal.purpose,
    legalBasis: principal.legalBasis,
    expiresAtSeconds,
    details: { onBehalfBy: account.name, subjectTokenId: token.id },
    answer: { issued_token_type: ACCESS_TOKEN_TYPE },
  }
}

import { type KeyObject, sign } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AuditSink, type Clock, countHeader, type ErrorCode, type JsonObject, newId } from '#foundation/core'
import { sourceAddress, subscriberOf } from '#trust/conditions'
import type { Accounts } from '../accounts.ts'
import type { Account } from '../service-account.ts'
import type { Artifacts } from '../artifacts.ts'
import type { Principal } from '../authenticator.ts'
import { authenticateClient, claimedClient, single } from '../client-assertion.ts'
import { answerJson, answerOAuthError, mediaType } from '../http.ts'
import type { AccessToken } from '../verify-access-token.ts'
import type { ClientThrottle, Wait } from './client-throttle.ts'
import { certificateOf } from './credentials.ts'
import { boundByProof, TOKEN_PATH } from './request-proof.ts'
import { confirmationOf, type TokenBinding, type TokenBindings } from './token-binding.ts'
import { type Grant, refusal, refuseToken, type TokenAnswer, type TokenRefusal } from './token-grant.ts'
import { exchange, TOKEN_EXCHANGE } from './token-exchange.ts'

const CLIENT_CREDENTIALS = 'client_credentials'
/** The grants of programs. Those of people are the authorization server's. */
export const SERVICE_GRANTS: readonly string[] = [CLIENT_CREDENTIALS, TOKEN_EXCHANGE]

export interface ServiceTokenOptions {
  readonly issuer: string
  /** Ed25519 private key of the issuer, in memory only. */
  readonly privateKey: KeyObject
  readonly keyId: string
  readonly tokenLifetimeSeconds: number
  readonly accounts: Accounts
  readonly artifacts: Artifacts
  readonly audit: AuditSink
  readonly clock: Clock
  readonly bindings: TokenBindings
  readonly throttle: ClientThrottle
  /** In production the bootstrap account gets no token. */
  readonly production: boolean
  /** A token that a client presents as the user it acts for, verified in full; without its binding, which only its holder can show. */
  readonly examine: (token: string) => { readonly token: AccessToken; readonly principal: Principal } | ErrorCode
  /** Told of every request that is refused, with the client that it claims to come from. */
  readonly refused: (code: ErrorCode, claimedClient: string | null) => void
}

/**
 * The token endpoint for programs: client credentials and token exchange, with private_key_jwt or the certificate of the connection.
 * Before a token exists, its request is within the rate of its source, its assertion is used up, its proof of possession is used up, and
 * its issue is in the audit log.
 * @see RFC 6749 §4.4, RFC 7523, RFC 8693, RFC 8705, RFC 8707, RFC 9068, RFC 9449 §5
 */
export class ServiceTokens {
  readonly #options: ServiceTokenOptions
  readonly #header: string

  constructor(options: ServiceTokenOptions) {
    this.#options = options
    this.#header = encode({ alg: 'EdDSA', typ: 'at+jwt', kid: options.keyId })
  }

  /** @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`: no token then. */
  async handle(req: IncomingMessage, res: ServerResponse, form: URLSearchParams): Promise<void> {
    const { throttle, refused, bindings } = this.#options
    const claimed = claimedClient(form)
    const source = subscriberOf(sourceAddress(req))
    const wait = throttle.admit(source, claimed)
    if (wait !== null) return this.slowDown(res, wait, claimed)
    const granted = await this.#grant(req, form, source, claimed)
    if ('error' in granted) {
      refused(granted.code, claimed)
      return refuseToken(res, granted, bindings.nonce)
    }
    answerJson(res, 200, granted)
  }

  /** @see RFC 6585 §4 */
  slowDown(res: ServerResponse, { code, seconds }: Wait, claimed: string | null): void {
    this.#options.refused(code, claimed)
    answerOAuthError(res, 429, 'slow_down', code, { 'retry-after': String(seconds) })
  }

  async #grant(req: IncomingMessage, form: URLSearchParams, source: string, claimed: string | null): Promise<TokenAnswer | TokenRefusal> {
    const { issuer, clock, throttle, production } = this.#options
    if (mediaType(req) !== 'application/x-www-form-urlencoded') return refusal('invalid_request', 'ERR_INPUT_CONTENT_TYPE')
    const grantType = single(form, 'grant_type')
    if (grantType === null || req.headers.authorization !== undefined) return refusal('invalid_request', 'ERR_TOKEN_REQUEST')
    const certificate = certificateOf(req)
    const rules = { audiences: [issuer, issuer + TOKEN_PATH], now: clock.now(), certificate }
    const account = await authenticateClient(form, this.#options, rules)
    if (typeof account === 'string' || (production && account.roles.includes('bootstrap'))) {
      throttle.failed(source, claimed)
      return refusal('invalid_client', typeof account === 'string' ? account : 'ERR_CLIENT_AUTHENTICATION', 401)
    }
    throttle.succeeded(source, account.name)
    // RFC 8707 §2: there is one resource, and it is us.
    if (form.getAll('resource').some((resource) => resource !== issuer)) return refusal('invalid_target', 'ERR_TOKEN_REQUEST')
    const binding = await this.#bind(req, account, certificate)
    if ('error' in binding) return binding
    const grant =
      grantType === TOKEN_EXCHANGE
        ? exchange(form, account, binding, this.#options)
        : grantType === CLIENT_CREDENTIALS
          ? this.#ofAccount(account)
          : refusal('unsupported_grant_type', 'ERR_GRANT_TYPE')
    return 'error' in grant ? grant : this.#issue(grant, account, binding)
  }

  /** What the token will be bound to, shown in this request; used up if it can be. */
  async #bind(req: IncomingMessage, account: Account, certificate: string | null): Promise<TokenBinding | TokenRefusal> {
    const proofs = countHeader(req.rawHeaders, 'dpop')
    if (account.binding === 'mtls') {
      if (proofs > 0) return refusal('invalid_dpop_proof', 'ERR_TOKEN_SCHEME')
      if (certificate === null || certificate !== account.certificate) return refusal('invalid_client', 'ERR_CLIENT_CERTIFICATE', 401)
      return { kind: 'mtls', thumbprint: certificate }
    }
    if (proofs === 0 && account.binding === 'dpop') return refusal('invalid_dpop_proof', 'ERR_DPOP_MISSING')
    return boundByProof(req, this.#options)
  }

  #ofAccount(account: Account): Grant {
    const { clock, tokenLifetimeSeconds } = this.#options
    return {
      claims: { sub: account.name, account_epoch: account.epoch },
      actor: { type: account.facts.type, id: account.facts.id },
      purpose: account.purpose,
      legalBasis: account.legalBasis,
      expiresAtSeconds: Math.floor(clock.now() / 1000) + tokenLifetimeSeconds,
      details: {},
      answer: {},
    }
  }

  async #issue(grant: Grant, account: Account, binding: TokenBinding): Promise<TokenAnswer | TokenRefusal> {
    const { issuer, audit, clock, accounts, privateKey } = this.#options
    const issuedAt = Math.floor(clock.now() / 1000)
    const tokenId = newId('at')
    await audit.record({
      type: 'token.issue',
      actor: grant.actor,
      action: 'authenticate',
      resource: { type: 'System', id: 'identity' },
      outcome: 'success',
      purpose: grant.purpose,
      legalBasis: grant.legalBasis,
      details: { tokenId, expiresAt: grant.expiresAtSeconds * 1000, binding: binding.kind, ...grant.details },
    })
    // While the record was written the account may have ended; a token of its last epoch would be refused anyway.
    if (accounts.get(account.name)?.epoch !== account.epoch) return refusal('invalid_client', 'ERR_ACCOUNT_DISABLED', 401)
    const payload = {
      iss: issuer,
      aud: issuer,
      client_id: account.name,
      jti: tokenId,
      iat: issuedAt,
      exp: grant.expiresAtSeconds,
      ...grant.claims,
      ...confirmationOf(binding),
    }
    const input = `${this.#header}.${encode(payload)}`
    return {
      access_token: `${input}.${sign(null, Buffer.from(input, 'latin1'), privateKey).toString('base64url')}`,
      token_type: binding.kind === 'dpop' ? 'DPoP' : 'Bearer',
      expires_in: grant.expiresAtSeconds - issuedAt,
      ...grant.answer,
    }
  }
}

const encode = (value: JsonObject): string => Buffer.from(JSON.stringify(value)).toString('base64url')

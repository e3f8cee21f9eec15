import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditEvent, AuditSink, Clock, EntityUid, ErrorCode } from '#foundation/core'
import { sourceAddress, subscriberOf } from '#trust/conditions'
import type { Accounts } from './accounts.ts'
import type { Account } from './service-account.ts'
import type { Artifacts } from './artifacts.ts'
import { authenticateClient, claimedClient, single } from './client-assertion.ts'
import { answer, answerJson, answerOAuthError, mediaType } from './http.ts'
import type { ClientThrottle, Wait } from './services/client-throttle.ts'
import { certificateOf } from './services/credentials.ts'
import { confirmationOf } from './services/token-binding.ts'
import type { AccessToken } from './verify-access-token.ts'

export interface TokenEndpoints {
  readonly issuer: string
  readonly accounts: Accounts
  readonly artifacts: Artifacts
  readonly audit: AuditSink
  readonly clock: Clock
  /** Verifies a token in full, revocation and account state included. */
  readonly inspect: (token: string) => AccessToken | ErrorCode
  /** Revokes for this process at once, durably when it resolves. */
  readonly revoke: (token: AccessToken) => Promise<boolean>
  readonly throttle: ClientThrottle
  /** The rate of requests that clients of the house make for people, by where they come from. */
  readonly pacePerson: (sourceAddress: string) => Wait | null
  readonly refused: (code: ErrorCode, claimedClient: string | null) => void
  /** Clients of the house, which have no secret: what they show is the refresh token itself. */
  readonly houseClients: {
    has(id: string): boolean
    revokeRefreshToken(clientId: string, token: string): Promise<void>
  }
}

/**
 * Revocation of our JWT access tokens, which oidc-provider refuses to do. Only the client a token was issued to may revoke it.
 * A token that is not valid any more is answered like one just revoked: its owner has what it wanted.
 * @see RFC 7009 §2.1, §2.2
 */
export async function revoke(endpoints: TokenEndpoints, req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<void> {
  const form = new URLSearchParams(mediaType(req) === 'application/x-www-form-urlencoded' ? body.toString('utf8') : '')
  const house = single(form, 'client_id')
  if (house !== null && endpoints.houseClients.has(house)) {
    // Such a client shows nothing but the token: without a pace, whoever guesses would have an oracle and a way to keep the disk busy.
    const wait = endpoints.pacePerson(sourceAddress(req))
    if (wait !== null) return slowDown(endpoints, res, wait, null)
    const shown = single(form, 'token')
    if (shown === null) return answerOAuthError(res, 400, 'invalid_request', 'ERR_TOKEN_REQUEST')
    const access = endpoints.inspect(shown)
    if (typeof access === 'string') await endpoints.houseClients.revokeRefreshToken(house, shown)
    else if (access.client === house) {
      await endpoints.revoke(access)
      await endpoints.audit.record(revocation({ type: 'User', id: access.account }, access.id))
    }
    return answer(res, 200, 'text/plain', '')
  }
  const call = await readCall(endpoints, '/oauth/revoke', req, res, body)
  if (call === null) return
  const token = endpoints.inspect(call.token)
  if (typeof token === 'string') return answer(res, 200, 'text/plain', '')
  if (token.client !== call.client.name) return answerOAuthError(res, 400, 'unauthorized_client', 'ERR_TOKEN_REQUEST')
  await endpoints.revoke(token)
  await endpoints.audit.record(revocation({ type: call.client.facts.type, id: call.client.facts.id }, token.id))
  answer(res, 200, 'text/plain', '')
}

const revocation = (actor: EntityUid, tokenId: string): AuditEvent => ({
  type: 'token.revoke',
  actor,
  action: 'authenticate',
  resource: { type: 'System', id: 'identity' },
  outcome: 'success',
  details: { tokenId },
})

/**
 * Introspection of our JWT access tokens. A client learns of its own tokens only; of anything else it learns `active: false`.
 * @see RFC 7662 §2.2, §4
 */
export async function introspect(endpoints: TokenEndpoints, req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<void> {
  const call = await readCall(endpoints, '/oauth/introspect', req, res, body)
  if (call === null) return
  const token = endpoints.inspect(call.token)
  if (typeof token === 'string' || token.client !== call.client.name) return answerJson(res, 200, { active: false })
  answerJson(res, 200, {
    active: true,
    iss: token.issuer,
    aud: endpoints.issuer,
    sub: token.account,
    client_id: token.client,
    jti: token.id,
    iat: token.issuedAt / 1000,
    exp: token.expiresAt / 1000,
    token_type: token.binding.kind === 'dpop' ? 'DPoP' : 'Bearer',
    ...confirmationOf(token.binding),
    ...(token.actor === null ? {} : { act: { sub: token.actor.account } }),
  })
}

/** @see RFC 6585 §4 */
function slowDown(endpoints: TokenEndpoints, res: ServerResponse, { code, seconds }: Wait, claimed: string | null): void {
  endpoints.refused(code, claimed)
  answerOAuthError(res, 429, 'slow_down', code, { 'retry-after': String(seconds) })
}

async function readCall(
  endpoints: TokenEndpoints,
  path: string,
  req: IncomingMessage,
  res: ServerResponse,
  body: Buffer,
): Promise<{ readonly client: Account; readonly token: string } | null> {
  if (mediaType(req) !== 'application/x-www-form-urlencoded') {
    answerOAuthError(res, 400, 'invalid_request', 'ERR_INPUT_CONTENT_TYPE')
    return null
  }
  const form = new URLSearchParams(body.toString('utf8'))
  const claimed = claimedClient(form)
  const source = subscriberOf(sourceAddress(req))
  const wait = endpoints.throttle.admit(source, claimed)
  if (wait !== null) {
    slowDown(endpoints, res, wait, claimed)
    return null
  }
  const rules = {
    audiences: [endpoints.issuer, `${endpoints.issuer}${path}`],
    now: endpoints.clock.now(),
    certificate: certificateOf(req),
  }
  const client = await authenticateClient(form, endpoints, rules)
  if (typeof client === 'string') {
    endpoints.throttle.failed(source, claimed)
    endpoints.refused(client, claimed)
    answerOAuthError(res, 401, 'invalid_client', client)
    return null
  }
  endpoints.throttle.succeeded(source, client.name)
  const token = single(form, 'token')
  if (token === null) {
    answerOAuthError(res, 400, 'invalid_request', 'ERR_TOKEN_REQUEST')
    return null
  }
  return { client, token }
}

import type { Clock, ErrorCode } from '#foundation/core'
import { errors, type FailedContext, interactionPolicy, type OidcContext, type PersonToken, type Provider } from 'oidc-provider'
import type { People, Person, Session } from '../people/people.ts'
import { isThumbprint } from '../services/token-binding.ts'
import { sealOf } from './browser.ts'
import type { Consents } from './consents.ts'
import { DEVICE_CODE_SECONDS } from './device-codes.ts'
import { type FamilyKeys, KEY_REFUSALS } from './family-keys.ts'
import { errorPage, PAGE_HEADERS } from './page.ts'
import { lacking, requirementOf } from './requirements.ts'

/** Headers by which the router tells the flows what it knows; a caller's own of these names do not get through. */
export const BROWSER_HEADER = 'x-redoubt-browser'
export const SOURCE_HEADER = 'x-redoubt-source'
/** Thumbprint of the key whose proof came along; the proof was verified and is used up. */
export const PROOF_KEY_HEADER = 'x-redoubt-proof-key'
/** Names of oidc-provider's cookies, which never leave: the router makes them up from ours. */
export const PROVIDER_COOKIES = { session: 'session', interaction: 'interaction', resume: 'resume' } as const

const HOUR = 60 * 60
/** Idle time of a refresh token; it ends sooner with its session. */
const REFRESH_SECONDS = 12 * HOUR
export const GRANT_SECONDS = 31 * 24 * HOUR
const FLOW_SECONDS = 15 * 60

export interface FlowsOptions {
  readonly issuer: string
  readonly people: People
  readonly consents: Consents
  readonly familyKeys: FamilyKeys
  readonly clock: Clock
}

/** The session of this id, while it and its owner may go on. */
export function liveSession(people: People, id: string): { readonly session: Session; readonly person: Person } | null {
  const session = people.sessions.get(id)
  const person = session === null ? null : people.find(session.userId)
  return session === null || person === null || person.disabled ? null : { session, person }
}

/**
 * People's part of oidc-provider's configuration: authorization code with PKCE, refresh tokens that rotate, device flow. Whatever a
 * person sees is a page of ours; the library validates requests, makes codes and tokens, and asks us who is signed in.
 * @see RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 8628, RFC 9207, RFC 9470, RFC 9700, OpenID Connect Core 1.0
 */
export function flowConfiguration({ issuer, people, consents, familyKeys, clock }: FlowsOptions): Record<string, unknown> {
  const page = (ctx: OidcContext, path: string, flow: string): string => {
    const query = new URLSearchParams({ flow, flow_seal: sealOf(ctx.get(BROWSER_HEADER), `flow ${flow}`) })
    return `${issuer}${path}?${query.toString()}`
  }
  return {
    scopes: ['openid'],
    acrValues: ['1', '2', '3'],
    subjectTypes: ['public'],
    pkce: { required: () => true },
    // RFC 9700 §4.1.1: the parameter is compared, so it has to be there.
    allowOmittingSingleRegisteredRedirectUri: false,
    cookies: {
      names: PROVIDER_COOKIES,
      long: { signed: false, httpOnly: true, sameSite: 'lax' },
      short: { signed: false, httpOnly: true, sameSite: 'lax' },
    },
    interactions: {
      policy: policy(people, clock),
      url: (ctx: OidcContext, flow: { readonly uid: string; readonly prompt: { readonly name: string } }) =>
        page(ctx, flow.prompt.name === 'consent' ? '/consent' : '/sign-in', flow.uid),
    },
    // RFC 9449 §10: the code that comes of this request, and whatever comes of the code, is for the holder of this key.
    extraParams: {
      dpop_jkt(_ctx: OidcContext, value: string | undefined) {
        if (value !== undefined && !isThumbprint(value)) throw new errors.InvalidRequest('dpop_jkt is no thumbprint')
      },
    },
    findAccount: async (ctx: OidcContext, sub: string, token?: { readonly sessionUid?: string; readonly grantId?: string }) => {
      const person = people.find(sub)
      if (person === null || person.disabled) return undefined
      // A code, refresh token or device code is worth as much as the session behind it.
      if (token !== undefined && liveSession(people, token.sessionUid ?? '')?.person.id !== sub) return undefined
      // Asked before a refresh token is used up: a thief without the key does not even end the family.
      if (token?.grantId !== undefined) await familyKeys.demand(token.grantId, ctx.get(PROOF_KEY_HEADER))
      return { accountId: sub, claims: async () => ({ sub }) }
    },
    // A grant is one family of tokens: what a person said before becomes a new one each time, so that a stolen token ends only its own.
    loadExistingGrant: async (ctx: OidcContext) => {
      const { oidc } = ctx
      const { accountId } = oidc.session
      const given = oidc.result?.consent?.grantId
      const person = people.find(accountId)
      if (given === undefined && (person === null || !(await consents.given(accountId, person.epoch, oidc.client.clientId))))
        return undefined
      const grant =
        given === undefined ? await newGrant(oidc.provider, accountId, oidc.client.clientId) : await oidc.provider.Grant.find(given)
      const key = oidc.params['dpop_jkt']
      if (grant !== undefined && typeof key === 'string') await familyKeys.bind(grant.jti, key)
      return grant
    },
    issueRefreshToken: async (_ctx: OidcContext, client: { grantTypeAllowed(type: string): boolean }) =>
      client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: () => true,
    // Judged in findAccount, which knows our sessions.
    expiresWithSession: async () => false,
    ttl: {
      AuthorizationCode: 60,
      DeviceCode: DEVICE_CODE_SECONDS,
      Grant: GRANT_SECONDS,
      IdToken: 600,
      Interaction: FLOW_SECONDS,
      RefreshToken: REFRESH_SECONDS,
      Session: HOUR,
    },
  }
}

/** Saved with its scope, so that the library finds it. @returns the grant with its id. */
export async function newGrant(provider: Provider, accountId: string, clientId: string): Promise<{ readonly jti: string }> {
  const grant = new provider.Grant({ accountId, clientId })
  grant.addOIDCScope('openid')
  await grant.save()
  return grant
}

/**
 * The library's own checks, and ours: what was shown at sign-in must reach the level that the request names, and be no older than it
 * allows. Someone who has just signed in for this very request is not asked for their age again.
 */
function policy(people: People, clock: Clock): unknown {
  const { Check } = interactionPolicy
  const missing = ({ oidc }: OidcContext): 'level' | 'age' | null => {
    const live = liveSession(people, oidc.session.uid)
    return live === null ? null : lacking(live.session, requirementOf(oidc.params), clock.now())
  }
  const prompts = interactionPolicy.base()
  const { checks } = prompts.get('login')
  const unmet = 'unmet_authentication_requirements'
  checks.add(new Check('level', 'the sign-in does not reach the level asked for', unmet, (ctx) => missing(ctx) === 'level'))
  checks.add(new Check('age', 'the sign-in is too old', unmet, (ctx) => missing(ctx) === 'age' && ctx.oidc.result?.login === undefined))
  return prompts
}

/** RFC 9068 §2.2: what the access token of a person says. Times in seconds. */
export function personClaims(
  token: PersonToken,
  { issuer, people }: Pick<FlowsOptions, 'issuer' | 'people'>,
): { readonly person: Person; readonly session: Session; readonly claims: Record<string, unknown> } {
  const live = liveSession(people, token.sessionUid ?? '')
  if (live === null || live.person.id !== token.accountId) throw new errors.InvalidGrant('the session has ended')
  const { person, session } = live
  return {
    person,
    session,
    claims: {
      iss: issuer,
      sub: person.id,
      aud: issuer,
      client_id: token.clientId,
      sid: session.id,
      auth_time: Math.floor(session.authTime / 1000),
      acr: String(session.mfaLevel),
      amr: [...session.amr],
      account_epoch: person.epoch,
    },
  }
}

/** Errors of the authorization endpoint are seen by people; those of the other endpoints by programs. */
export function renderFlowError(ctx: OidcContext, out: { readonly error: string }, error: Error): void {
  if (ctx.oidc.route !== 'authorization' && ctx.oidc.route !== 'resume') {
    ctx.body = out
    return
  }
  for (const [name, value] of Object.entries(PAGE_HEADERS)) ctx.set(name, value)
  ctx.type = 'html'
  ctx.body = errorPage(codeOfFlowError(ctx, error) ?? 'ERR_AUTHORIZATION_REQUEST').text
}

/** Our own code for what the library refused, by what it says; null when it has none of its own. */
export function codeOfFlowError(
  ctx: FailedContext,
  error: Error & { readonly error?: string; readonly error_detail?: string },
): ErrorCode | null {
  const said = `${error.error_detail ?? ''} ${(error as { error_description?: string }).error_description ?? ''}`
  const route = ctx.oidc?.route
  if (error.error === 'invalid_redirect_uri') return 'ERR_REDIRECT_URI'
  for (const [words, code] of Object.entries(KEY_REFUSALS)) if (said.includes(words)) return code
  if (/refresh token already used/.test(said)) return 'ERR_REFRESH_REUSED'
  if (/already (?:consumed|used)/.test(said)) return 'ERR_CODE_REPLAYED'
  if (/code_verifier|code_challenge|PKCE/.test(said)) return 'ERR_PKCE'
  if (/redirect_uri mismatch/.test(said)) return 'ERR_REDIRECT_URI'
  const responseType = ctx.oidc?.params?.['response_type']
  if (responseType !== undefined && responseType !== 'code') return 'ERR_GRANT_TYPE'
  if (error.error === 'unsupported_grant_type' || /requested grant type/.test(said)) return 'ERR_GRANT_TYPE'
  if (error.error === 'invalid_scope') return 'ERR_SCOPE'
  if (error.error === 'invalid_target') return 'ERR_TOKEN_AUDIENCE'
  if (error.error === 'unmet_authentication_requirements') return 'ERR_MFA_REQUIRED'
  if (error.name === 'SessionNotFound') return 'ERR_SIGN_IN_FLOW'
  return route === 'authorization' || route === 'resume' ? 'ERR_AUTHORIZATION_REQUEST' : null
}

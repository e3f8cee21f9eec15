import type { KeyObject } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AuditSink, type Clock, type ErrorCode, type JsonObject, newId } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { errors, type IssuedToken, type OidcContext, Provider, type StructuredToken } from 'oidc-provider'
import type { Accounts } from './accounts.ts'
import { Artifacts } from './artifacts.ts'
import { assertionExpiry, assertionId, judgeAssertion } from './client-assertion.ts'
import { POLL_INTERVAL_SECONDS } from './sign-in/device-codes.ts'
import { codeOfFlowError, renderFlowError, SOURCE_HEADER } from './sign-in/flows.ts'
import type { SignIn } from './sign-in/sign-in.ts'

export interface AuthorizationServerOptions {
  readonly issuer: string
  /** Ed25519 private key of the issuer, in memory only. */
  readonly privateKey: KeyObject
  readonly keyId: string
  readonly tokenLifetimeSeconds: number
  readonly accounts: Accounts
  readonly artifacts: Artifacts
  /** People's part: their flows, sessions and clients. */
  readonly signIn: SignIn
  readonly audit: AuditSink
  readonly clock: Clock
  readonly logger: Logger
  /** In production the bootstrap account gets no token. */
  readonly production: boolean
  /** Told of every request for a token that is refused, with the client that it claims to come from. */
  readonly refused: (code: ErrorCode, claimedClient: string | null) => void
}

/**
 * The embedded oidc-provider, cut down to what is served: client credentials with private_key_jwt, people's flows (`sign-in/flows.ts`),
 * and JWT access tokens for the one resource that we are.
 *
 * Three things are done in its hooks because they must be awaited before a token exists: the assertion is judged by our
 * stricter rules, it is claimed for its one use, and the issue is in the audit log.
 * The library reads the system clock to judge the signature's `exp`; issue times and all other judgements use ours.
 * @see RFC 6749 §4.4, RFC 7523, RFC 8707, RFC 9068
 */
export function createAuthorizationServer(options: AuthorizationServerOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { issuer, accounts, artifacts, signIn, audit, clock, logger } = options
  const resourceServer = {
    scope: '',
    audience: issuer,
    accessTokenTTL: options.tokenLifetimeSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'EdDSA', kid: options.keyId } },
  }
  const seconds = (): number => options.tokenLifetimeSeconds

  const people = signIn.configuration()
  const provider = new Provider(issuer, {
    ...people,
    adapter: (model: string) =>
      model === 'Client'
        ? Artifacts.readOnly((id) => signIn.client(id) ?? clientOf(accounts, id, options.production))
        : (signIn.adapter(model) ?? replayOnce(model, artifacts)),
    jwks: { keys: [{ ...options.privateKey.export({ format: 'jwk' }), kid: options.keyId, alg: 'EdDSA', use: 'sig' }] },
    // Every endpoint has its place under /oauth even while it is not served: the room's own router decides what is.
    routes: {
      authorization: '/oauth/authorize',
      token: '/oauth/token',
      jwks: '/oauth/jwks',
      revocation: '/oauth/revoke',
      introspection: '/oauth/introspect',
      end_session: '/oauth/end-session',
      device_authorization: '/oauth/device-authorization',
      code_verification: '/device',
    },
    responseTypes: ['code'],
    clientAuthMethods: ['private_key_jwt', 'none'],
    clientDefaults: {
      grant_types: ['client_credentials'],
      response_types: [],
      id_token_signed_response_alg: 'EdDSA',
      token_endpoint_auth_method: 'private_key_jwt',
    },
    enabledJWA: { clientAuthSigningAlgValues: ['EdDSA', 'Ed25519', 'ES256'] },
    clockTolerance: 5,
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: {
        enabled: true,
        charset: 'base-20',
        mask: '****-****',
        deviceInfo: (ctx: OidcContext) => ({ address: ctx.get(SOURCE_HEADER) }),
      },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => issuer,
        getResourceServerInfo: (_ctx: unknown, resource: string) => {
          if (resource !== issuer) throw new errors.InvalidTarget()
          return resourceServer
        },
        useGrantedResource: () => false,
      },
    },
    ttl: { ...(people['ttl'] as object), AccessToken: seconds, ClientCredentials: seconds },
    clientBasedCORS: () => false,
    renderError: renderFlowError,
    assertJwtClientAuthClaimsAndHeader: async (_ctx: unknown, claims: JsonObject, header: JsonObject) => {
      const reason = judgeAssertion(header, claims, {
        algorithms: (typeof claims['iss'] === 'string' ? accounts.get(claims['iss'])?.algorithms : undefined) ?? [],
        audiences: [issuer, `${issuer}/oauth/token`],
        now: clock.now(),
      })
      if (reason !== null) throw new errors.InvalidClientAuth(reason)
      const { iss, jti, exp } = claims as { iss: string; jti: string; exp: number }
      if (!(await artifacts.claim('Assertion', assertionId(iss, jti), assertionExpiry(exp)))) {
        throw new errors.InvalidClientAuth('the assertion was used before')
      }
    },
    formats: {
      customizers: {
        jwt: async (_ctx: unknown, token: IssuedToken, structured: StructuredToken) => {
          const issuedAt = Math.floor(clock.now() / 1000)
          if (token.kind === 'AccessToken') {
            const issue = { id: newId('at'), issuedAt, expiresAt: issuedAt + options.tokenLifetimeSeconds }
            structured.payload = await signIn.claimsFor(token, issue)
            return
          }
          const account = accounts.get(token.clientId)
          if (account === null || account.disabled) throw new errors.InvalidClientAuth('the account is disabled')
          structured.payload = {
            iss: issuer,
            sub: account.name,
            aud: issuer,
            client_id: account.name,
            jti: newId('at'),
            iat: issuedAt,
            exp: issuedAt + options.tokenLifetimeSeconds,
            account_epoch: account.epoch,
          }
          await audit.record({
            type: 'token.issue',
            actor: { type: account.facts.type, id: account.facts.id },
            action: 'authenticate',
            resource: { type: 'System', id: 'identity' },
            outcome: 'success',
            purpose: account.purpose,
            legalBasis: account.legalBasis,
            details: { tokenId: structured.payload['jti'] as string, expiresAt: (issuedAt + options.tokenLifetimeSeconds) * 1000 },
          })
        },
      },
    },
  })
  // The room hands over requests whose forwarding headers it has written itself, so URLs follow the issuer, not the caller.
  provider.proxy = true
  provider.on('grant.error', (ctx, error) => {
    const claimed = ctx.oidc?.client?.clientId ?? ctx.oidc?.params?.['client_id']
    // A device that waits is no refusal.
    if (error.error === 'authorization_pending') return
    options.refused(
      error.error === 'invalid_client' ? 'ERR_CLIENT_AUTHENTICATION' : (codeOfFlowError(ctx, error) ?? 'ERR_TOKEN_REQUEST'),
      typeof claimed === 'string' ? claimed : null,
    )
  })
  for (const event of ['authorization.error', 'device_authorization.error'] as const)
    provider.on(event, (ctx, error) => options.refused(codeOfFlowError(ctx, error) ?? 'ERR_AUTHORIZATION_REQUEST', null))
  provider.on('device_authorization.success', (_ctx, answer) => Object.assign(answer, { interval: POLL_INTERVAL_SECONDS }))
  provider.on('server_error', (_ctx, error) => logger.error({ err: error }, 'the authorization server failed'))
  provider.on('error', (error) => logger.error({ err: error }, 'the authorization server failed'))
  signIn.attach(provider)
  const callback = provider.callback()
  return (req, res) => {
    callback(req, res).catch((error: unknown) => {
      logger.error({ err: error }, 'the authorization server failed')
      if (!res.headersSent) res.writeHead(500).end()
    })
  }
}

/** The metadata of a client, or undefined when the account may not have tokens. */
function clientOf(accounts: Accounts, id: string, production: boolean): Record<string, unknown> | undefined {
  const account = accounts.get(id)
  if (account === null || account.disabled || (production && account.roles.includes('bootstrap'))) return undefined
  return {
    client_id: account.name,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'private_key_jwt',
    id_token_signed_response_alg: 'EdDSA',
    jwks: { keys: [{ ...account.publicKeyJwk, use: 'sig' }] },
  }
}

/** The library looks first and writes later, which two simultaneous requests can both pass; our claim above is atomic, so its own memory is not needed. */
function replayOnce(model: string, artifacts: Artifacts): ReturnType<Artifacts['adapter']> {
  const adapter = artifacts.adapter(model)
  if (model !== 'ReplayDetection') return adapter
  return { ...adapter, find: async () => undefined, upsert: async () => undefined }
}

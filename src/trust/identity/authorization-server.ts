import { randomBytes, type KeyObject } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type AuditSink, type Clock, type ErrorCode, type JsonObject, newId } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { errors, type IssuedToken, Provider, type StructuredToken } from 'oidc-provider'
import type { Accounts } from './accounts.ts'
import { Artifacts } from './artifacts.ts'
import { assertionExpiry, assertionId, judgeAssertion } from './client-assertion.ts'

export interface AuthorizationServerOptions {
  readonly issuer: string
  /** Ed25519 private key of the issuer, in memory only. */
  readonly privateKey: KeyObject
  readonly keyId: string
  readonly tokenLifetimeSeconds: number
  readonly accounts: Accounts
  readonly artifacts: Artifacts
  readonly audit: AuditSink
  readonly clock: Clock
  readonly logger: Logger
  /** In production the bootstrap account gets no token. */
  readonly production: boolean
  /** Told of every request for a token that is refused, with the client that it claims to come from. */
  readonly refused: (code: ErrorCode, claimedClient: string | null) => void
}

/**
 * The embedded oidc-provider, cut down to what is served: client credentials with private_key_jwt and JWT access tokens for
 * the one resource that we are. People's sign-in adds to this configuration, it does not replace it.
 *
 * Three things are done in its hooks because they must be awaited before a token exists: the assertion is judged by our
 * stricter rules, it is claimed for its one use, and the issue is in the audit log.
 * The library reads the system clock to judge the signature's `exp`; issue times and all other judgements use ours.
 * @see RFC 6749 §4.4, RFC 7523, RFC 8707, RFC 9068
 */
export function createAuthorizationServer(options: AuthorizationServerOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { issuer, accounts, artifacts, audit, clock, logger } = options
  const resourceServer = {
    scope: '',
    audience: issuer,
    accessTokenTTL: options.tokenLifetimeSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'EdDSA', kid: options.keyId } },
  }
  const seconds = (): number => options.tokenLifetimeSeconds

  const provider = new Provider(issuer, {
    adapter: (model: string) =>
      model === 'Client' ? Artifacts.readOnly((id) => clientOf(accounts, id, options.production)) : replayOnce(model, artifacts),
    jwks: { keys: [{ ...options.privateKey.export({ format: 'jwk' }), kid: options.keyId, alg: 'EdDSA', use: 'sig' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    // Every endpoint has its place under /oauth even while it is not served: the room's own router decides what is.
    routes: {
      authorization: '/oauth/authorize',
      token: '/oauth/token',
      jwks: '/oauth/jwks',
      revocation: '/oauth/revoke',
      introspection: '/oauth/introspect',
      end_session: '/oauth/end-session',
    },
    responseTypes: ['code'],
    scopes: [],
    clientAuthMethods: ['private_key_jwt'],
    clientDefaults: {
      grant_types: [],
      response_types: [],
      id_token_signed_response_alg: 'EdDSA',
      token_endpoint_auth_method: 'private_key_jwt',
    },
    enabledJWA: { clientAuthSigningAlgValues: ['EdDSA', 'Ed25519', 'ES256'] },
    clockTolerance: 5,
    features: {
      // Programs get their tokens from an endpoint of ours: `services/token-endpoint.ts`.
      clientCredentials: { enabled: false },
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
    ttl: { AccessToken: seconds, ClientCredentials: seconds },
    clientBasedCORS: () => false,
    renderError: (ctx: { body: unknown }, out: unknown) => {
      ctx.body = out
    },
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
          const account = accounts.get(token.clientId)
          if (account === null || account.disabled) throw new errors.InvalidClientAuth('the account is disabled')
          const issuedAt = Math.floor(clock.now() / 1000)
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
    const claimed = ctx.oidc?.client?.clientId ?? ctx.oidc?.params?.client_id
    options.refused(
      error.error === 'invalid_client' ? 'ERR_CLIENT_AUTHENTICATION' : 'ERR_TOKEN_REQUEST',
      typeof claimed === 'string' ? claimed : null,
    )
  })
  provider.on('server_error', (_ctx, error) => logger.error({ err: error }, 'the authorization server failed'))
  provider.on('error', (error) => logger.error({ err: error }, 'the authorization server failed'))
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
    grant_types: [],
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

import type { KeyObject } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Clock, type ErrorCode, newId } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { errors, type IssuedToken, type OidcContext, Provider, type StructuredToken } from 'oidc-provider'
import { Artifacts } from './artifacts.ts'
import { POLL_INTERVAL_SECONDS } from './sign-in/device-codes.ts'
import { type TokenBinding, UNBOUND } from './services/token-binding.ts'
import { codeOfFlowError, PROOF_KEY_HEADER, renderFlowError, SOURCE_HEADER } from './sign-in/flows.ts'
import type { SignIn } from './sign-in/sign-in.ts'

export interface AuthorizationServerOptions {
  readonly issuer: string
  /** Ed25519 private key of the issuer, in memory only. */
  readonly privateKey: KeyObject
  readonly keyId: string
  readonly tokenLifetimeSeconds: number
  readonly artifacts: Artifacts
  /** People's part: their flows, sessions and clients. */
  readonly signIn: SignIn
  readonly clock: Clock
  readonly logger: Logger
  /** Told of every request for a token that is refused, with the client that it claims to come from. */
  readonly refused: (code: ErrorCode, claimedClient: string | null) => void
}

/**
 * The embedded oidc-provider, cut down to what is served: people's flows (`sign-in/flows.ts`) with JWT access tokens for the one
 * resource that we are. Programs have a token endpoint of their own (`services/token-endpoint.ts`).
 * @see RFC 6749, RFC 8707, RFC 9068
 */
export function createAuthorizationServer(options: AuthorizationServerOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { issuer, artifacts, signIn, clock, logger } = options
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
      model === 'Client' ? Artifacts.readOnly((id) => signIn.client(id)) : (signIn.adapter(model) ?? artifacts.adapter(model)),
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
    clientAuthMethods: ['none'],
    clientDefaults: {
      grant_types: [],
      response_types: [],
      id_token_signed_response_alg: 'EdDSA',
      token_endpoint_auth_method: 'none',
    },
    clockTolerance: 5,
    features: {
      // Programs get their tokens from an endpoint of ours: `services/token-endpoint.ts`.
      clientCredentials: { enabled: false },
      deviceFlow: {
        enabled: true,
        charset: 'base-20',
        mask: '****-****',
        deviceInfo: (ctx: OidcContext) => ({ address: ctx.get(SOURCE_HEADER) }),
      },
      devInteractions: { enabled: false },
      // Proofs are verified and used up by the room's own router, with the nonces and the codes of all others; the family has the key.
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
    ttl: { ...(people['ttl'] as object), AccessToken: seconds },
    clientBasedCORS: () => false,
    renderError: renderFlowError,
    formats: {
      customizers: {
        jwt: async (ctx: OidcContext, token: IssuedToken, structured: StructuredToken) => {
          const issuedAt = Math.floor(clock.now() / 1000)
          const issue = { id: newId('at'), issuedAt, expiresAt: issuedAt + options.tokenLifetimeSeconds }
          structured.payload = await signIn.claimsFor(token, issue, bindingOf(ctx.get(PROOF_KEY_HEADER)))
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
  provider.on('grant.success', (ctx) => {
    if (bindingOf(ctx.get(PROOF_KEY_HEADER)).kind === 'dpop') Object.assign(ctx.body as object, { token_type: 'DPoP' })
  })
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

const bindingOf = (thumbprint: string): TokenBinding => (thumbprint === '' ? UNBOUND : { kind: 'dpop', thumbprint })

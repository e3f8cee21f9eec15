import { IncomingMessage, type ServerResponse } from 'node:http'
import { asRedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { sourceAddress } from '#trust/conditions'
import type { EnrolmentPages } from './enrolment-pages.ts'
import { single } from './client-assertion.ts'
import { answer, answerOAuthError, answerProblem, readBody } from './http.ts'
import { PROOF_ALGORITHMS } from './services/challenge.ts'
import { TOKEN_PATH } from './services/request-proof.ts'
import type { TokenBinding } from './services/token-binding.ts'
import { SERVICE_GRANTS, type ServiceTokens } from './services/token-endpoint.ts'
import { refuseToken, type TokenRefusal } from './services/token-grant.ts'
import { BROWSER_HEADER, PROOF_KEY_HEADER, PROVIDER_COOKIES, SOURCE_HEADER } from './sign-in/flows.ts'
import { type Arrival, type SignIn, sourceOf } from './sign-in/sign-in.ts'
import { introspect, revoke, type TokenEndpoints } from './token-endpoints.ts'

const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

export interface OpenRoute {
  readonly method: 'GET' | 'POST'
  /** `:token` stands for one path segment. */
  readonly path: string
  readonly open: true
  readonly why: string
}

/** Every route of this room, and so every route that anyone may call without an access token. Reviewed; a test compares it with what answers. */
export const OPEN_ROUTES: readonly OpenRoute[] = [
  { method: 'GET', path: '/.well-known/oauth-authorization-server', open: true, why: 'public metadata (RFC 8414)' },
  { method: 'GET', path: '/.well-known/openid-configuration', open: true, why: 'the same metadata where OpenID clients look for it' },
  { method: 'GET', path: '/oauth/jwks', open: true, why: 'public keys' },
  { method: 'POST', path: '/oauth/token', open: true, why: 'authenticates the client itself, or proves a code, refresh or device code' },
  { method: 'POST', path: '/oauth/revoke', open: true, why: 'authenticates the client itself, by private_key_jwt' },
  { method: 'POST', path: '/oauth/introspect', open: true, why: 'authenticates the client itself, by private_key_jwt' },
  { method: 'GET', path: '/oauth/authorize', open: true, why: 'sends whoever is not signed in to sign in (RFC 6749 §3.1)' },
  { method: 'GET', path: '/oauth/authorize/:token', open: true, why: 'resumes a flow of the same browser, by its seal' },
  { method: 'POST', path: '/oauth/device-authorization', open: true, why: 'a device asks for a code; a person decides (RFC 8628 §3.1)' },
  { method: 'GET', path: '/oauth/end-session', open: true, why: 'asks whoever is signed in whether to sign out' },
  { method: 'GET', path: '/sign-in', open: true, why: 'where people show who they are' },
  { method: 'POST', path: '/sign-in', open: true, why: 'takes a login name and tells nothing of it' },
  { method: 'POST', path: '/sign-in/passkey', open: true, why: 'verifies a passkey; sealed form of the same browser' },
  { method: 'POST', path: '/sign-in/code', open: true, why: 'verifies a code, locked after a few; sealed form of the same browser' },
  { method: 'POST', path: '/sign-in/recovery', open: true, why: 'verifies a recovery code, locked after a few; sealed form' },
  { method: 'POST', path: '/sign-in/cancel', open: true, why: 'declines a flow of the same browser; sealed form' },
  { method: 'GET', path: '/sign-in/assets/pages.css', open: true, why: 'static file of the pages' },
  { method: 'GET', path: '/sign-in/assets/sign-in.js', open: true, why: 'static file of the sign-in page' },
  { method: 'GET', path: '/consent', open: true, why: 'demands a session of the flow it asks about' },
  { method: 'POST', path: '/consent', open: true, why: 'demands a session and a sealed form of the same browser' },
  { method: 'GET', path: '/device', open: true, why: 'demands a session; others are sent to sign in' },
  { method: 'POST', path: '/device', open: true, why: 'demands a session and a sealed form; wrong codes are counted' },
  { method: 'POST', path: '/device/decide', open: true, why: 'demands a session and a sealed form; wrong codes are counted' },
  { method: 'GET', path: '/sessions', open: true, why: 'demands a session and shows its owner their own' },
  { method: 'POST', path: '/sessions/end', open: true, why: 'demands a session and a sealed form; ends one’s own' },
  { method: 'POST', path: '/sessions/factor', open: true, why: 'demands a session that showed enough just before, and a sealed form' },
  { method: 'POST', path: '/sign-out', open: true, why: 'ends the session of the browser; sealed form' },
  { method: 'GET', path: '/console/', open: true, why: 'says that there is no console' },
  { method: 'GET', path: '/console/callback', open: true, why: 'says that there is no console; uses nothing of its query' },
  { method: 'GET', path: '/enrol/assets/enrol.js', open: true, why: 'static file of the enrolment page' },
  { method: 'GET', path: '/enrol/:token', open: true, why: 'the link carries 256 random bits, works once and for minutes' },
  { method: 'POST', path: '/enrol/:token/begin', open: true, why: 'the link carries 256 random bits, works once and for minutes' },
  { method: 'POST', path: '/enrol/:token/complete', open: true, why: 'the link carries 256 random bits, works once and for minutes' },
  { method: 'POST', path: '/enrol/:token/totp/begin', open: true, why: 'the link carries 256 random bits, works once and for minutes' },
  { method: 'POST', path: '/enrol/:token/totp/complete', open: true, why: 'the link carries 256 random bits, works once and for minutes' },
]

/** @returns the methods served at a path; empty when nothing is. */
export function methodsAt(path: string): readonly string[] {
  const segments = path.split('/')
  return OPEN_ROUTES.filter((route) => {
    const pattern = route.path.split('/')
    return (
      pattern.length === segments.length &&
      pattern.every((part, i) => (part === ':token' ? segments[i] !== '' && segments[i] !== 'assets' : part === segments[i]))
    )
  }).map((route) => route.method)
}

export interface RouterOptions {
  readonly issuer: string
  readonly endpoints: TokenEndpoints
  readonly pages: EnrolmentPages
  readonly serviceTokens: ServiceTokens
  readonly signIn: SignIn
  /** What a token for a person will be bound to, shown in this request by a client of the house; used up if it can be. */
  readonly bindPerson: (req: IncomingMessage, clientId: string) => Promise<TokenBinding | TokenRefusal>
  /** Nonce for proofs. */
  readonly nonce: () => string
  readonly authorizationServer: (req: IncomingMessage, res: ServerResponse) => void
  readonly logger: Logger
}

/** Routes by exact path from the list above, reads bounded bodies, and hands the authorization server requests that it can trust. */
export function createRouter(options: RouterOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { issuer, endpoints, pages, serviceTokens, signIn, bindPerson, nonce, authorizationServer, logger } = options
  const metadata = JSON.stringify(metadataOf(issuer))

  const route = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const path = (req.url ?? '/').split('?', 1)[0]!
    const methods = methodsAt(path)
    const method = req.method === 'HEAD' ? 'GET' : req.method
    if (methods.length === 0) return answerProblem(res, 'ERR_ROUTE_UNKNOWN')
    if (!methods.includes(method ?? '')) return answerProblem(res, 'ERR_METHOD_NOT_ALLOWED', { allow: methods.join(', ') })
    const body = method === 'POST' ? await readBody(req) : Buffer.alloc(0)
    if (path.startsWith('/.well-known/')) return answer(res, 200, 'application/json; charset=utf-8', metadata)
    if (path === TOKEN_PATH) {
      const form = new URLSearchParams(body.toString('utf8'))
      // Clients of the house stand for people, whose grants are the authorization server's; every other client is a program.
      const client = single(form, 'client_id') ?? ''
      if (signIn.client(client) === undefined) return serviceTokens.handle(req, res, form)
      const wait = endpoints.pacePerson(sourceAddress(req))
      if (wait !== null) return serviceTokens.slowDown(res, wait, null)
      const binding = await bindPerson(req, client)
      if ('error' in binding) {
        endpoints.refused(binding.code, null)
        return refuseToken(res, binding, nonce())
      }
      if (!paced(form, signIn)) {
        endpoints.refused('ERR_DEVICE_POLLING', null)
        return answerOAuthError(res, 400, 'slow_down', 'ERR_DEVICE_POLLING')
      }
      return authorizationServer(clean(req, path, body, issuer, { [PROOF_KEY_HEADER]: binding.thumbprint }), res)
    }
    if (path === '/oauth/revoke') return revoke(endpoints, req, res, body)
    if (path === '/oauth/introspect') return introspect(endpoints, req, res, body)
    if (path.startsWith('/enrol/')) return pages.handle(path.slice('/enrol/'.length), req, res, body)
    if (path === '/oauth/authorize' || path.startsWith('/oauth/authorize/')) {
      const arrival = signIn.arrive(req, res, path.split('/')[3] ?? null)
      if (arrival !== null) authorizationServer(clean(req, path, body, issuer, {}, arrival), withoutCookies(res))
      return
    }
    if (await signIn.handle(path, req, res, body)) return
    if (path === '/oauth/device-authorization' && !signIn.mayBegin(req))
      return answerOAuthError(res, 429, 'temporarily_unavailable', 'ERR_LIMIT_REQUESTS', { 'retry-after': '60' })
    authorizationServer(clean(req, path, body, issuer), res)
  }

  return (req, res) => {
    route(req, res).catch((thrown: unknown) => {
      const error = asRedoubtError(thrown)
      if (error.status >= 500) logger.error({ err: error }, 'an identity route failed')
      if (req.url?.startsWith('/oauth/') === true) {
        answerOAuthError(res, error.status, error.status < 500 ? 'invalid_request' : 'server_error', error.code)
      } else answerProblem(res, error.code)
    })
  }
}

/**
 * A request for the authorization server with the body that was read within bounds and with no header that the caller could use
 * to change how the server sees its own address. Cookies and forwarding headers of the caller do not get through, the query only to a
 * new authorization request; who is signed in is told in cookies of the library's own, made up here.
 */
function clean(
  req: IncomingMessage,
  path: string,
  body: Buffer,
  issuer: string,
  told: Readonly<Record<string, string>> = {},
  arrival: Arrival | null = null,
): IncomingMessage {
  const copy = new IncomingMessage(req.socket)
  copy.method = req.method ?? 'GET'
  const url = req.url ?? ''
  copy.url = arrival !== null && arrival.flow === null && url.includes('?') ? `${path}${url.slice(url.indexOf('?'))}` : path
  copy.headers = {
    host: new URL(issuer).host,
    'x-forwarded-proto': 'https',
    accept: 'application/json',
    [SOURCE_HEADER]: sourceOf(req).sourceAddress,
    ...told,
    ...(arrival === null ? {} : { [BROWSER_HEADER]: arrival.browserSecret, cookie: cookiesOf(arrival) }),
    ...(req.headers['content-type'] === undefined ? {} : { 'content-type': req.headers['content-type'] }),
    ...(req.headers.authorization === undefined ? {} : { authorization: req.headers.authorization }),
    ...(body.byteLength === 0 ? {} : { 'content-length': String(body.byteLength) }),
  }
  copy.httpVersion = req.httpVersion
  copy.httpVersionMajor = req.httpVersionMajor
  copy.httpVersionMinor = req.httpVersionMinor
  copy.complete = true
  if (body.byteLength > 0) copy.push(body)
  copy.push(null)
  return copy
}

function cookiesOf({ sessionId, flow }: Arrival): string {
  const cookies = { [PROVIDER_COOKIES.session]: sessionId, [PROVIDER_COOKIES.resume]: flow }
  return Object.entries(cookies)
    .flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]))
    .join('; ')
}

/** The library's cookies are between it and the router; what a browser keeps is for our own pages to say. */
function withoutCookies(res: ServerResponse): ServerResponse {
  // A copy: the library adds to the list that it finds.
  const ours = [res.getHeader('set-cookie') ?? []].flat().map(String)
  const write = res.writeHead.bind(res) as (...parts: unknown[]) => ServerResponse
  res.writeHead = (...parts: unknown[]) => {
    if (ours.length === 0) res.removeHeader('set-cookie')
    else res.setHeader('set-cookie', ours)
    return write(...parts)
  }
  return res
}

/** Polls of a device are paced before they reach the library, which does not pace them. */
function paced(form: URLSearchParams, signIn: SignIn): boolean {
  const code = form.get('device_code')
  return code === null || form.get('grant_type') !== DEVICE_CODE_GRANT || signIn.mayPoll(code)
}

/** RFC 8414 §2: what is served, and nothing else. Our own text, because the library's would name endpoints that are not served yet. */
function metadataOf(issuer: string): Record<string, unknown> {
  const authentication = { methods: ['private_key_jwt', 'self_signed_tls_client_auth'], algorithms: ['EdDSA', 'Ed25519', 'ES256'] }
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    device_authorization_endpoint: `${issuer}/oauth/device-authorization`,
    end_session_endpoint: `${issuer}/oauth/end-session`,
    authorization_response_iss_parameter_supported: true,
    code_challenge_methods_supported: ['S256'],
    response_modes_supported: ['query'],
    acr_values_supported: ['1', '2', '3'],
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/oauth/jwks`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    grant_types_supported: [...SERVICE_GRANTS, 'authorization_code', 'refresh_token', DEVICE_CODE_GRANT],
    response_types_supported: ['code'],
    scopes_supported: ['openid'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['EdDSA'],
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    tls_client_certificate_bound_access_tokens: true,
    token_endpoint_auth_methods_supported: [...authentication.methods, 'none'],
    token_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    revocation_endpoint_auth_methods_supported: [...authentication.methods, 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    introspection_endpoint_auth_methods_supported: authentication.methods,
    introspection_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
  }
}

import { IncomingMessage, type ServerResponse } from 'node:http'
import { asRedoubtError } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { EnrolmentPages } from './enrolment-pages.ts'
import { answer, answerOAuthError, answerProblem, readBody } from './http.ts'
import { PROOF_ALGORITHMS } from './services/challenge.ts'
import { SERVICE_GRANTS, type ServiceTokens, TOKEN_PATH } from './services/token-endpoint.ts'
import { introspect, revoke, type TokenEndpoints } from './token-endpoints.ts'

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
  { method: 'POST', path: '/oauth/token', open: true, why: 'authenticates the client itself, by private_key_jwt or certificate' },
  { method: 'POST', path: '/oauth/revoke', open: true, why: 'authenticates the client itself, by private_key_jwt' },
  { method: 'POST', path: '/oauth/introspect', open: true, why: 'authenticates the client itself, by private_key_jwt' },
  { method: 'GET', path: '/enrol/assets/enrol.js', open: true, why: 'static file of the enrolment page' },
  { method: 'GET', path: '/enrol/assets/enrol.css', open: true, why: 'static file of the enrolment page' },
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

/** Grants that the authorization server answers; every other one, and none, is answered by the endpoint for programs. */
const PEOPLE_GRANTS: readonly string[] = []

export interface RouterOptions {
  readonly issuer: string
  readonly endpoints: TokenEndpoints
  readonly pages: EnrolmentPages
  readonly serviceTokens: ServiceTokens
  readonly authorizationServer: (req: IncomingMessage, res: ServerResponse) => void
  readonly logger: Logger
}

/** Routes by exact path from the list above, reads bounded bodies, and hands the authorization server requests that it can trust. */
export function createRouter(options: RouterOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { issuer, endpoints, pages, serviceTokens, authorizationServer, logger } = options
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
      if (!PEOPLE_GRANTS.includes(form.get('grant_type') ?? '')) return serviceTokens.handle(req, res, form)
    }
    if (path === '/oauth/revoke') return revoke(endpoints, req, res, body)
    if (path === '/oauth/introspect') return introspect(endpoints, req, res, body)
    if (path.startsWith('/enrol/')) return pages.handle(path.slice('/enrol/'.length), req, res, body)
    authorizationServer(clean(req, path, body, issuer), res)
  }

  return (req, res) => {
    route(req, res).catch((thrown: unknown) => {
      const error = asRedoubtError(thrown)
      if (error.status >= 500) logger.error({ err: error }, 'an identity route failed')
      // What is left of an unread body must not be taken for the next request.
      const headers = req.complete ? {} : { connection: 'close' }
      if (req.url?.startsWith('/oauth/') === true) {
        answerOAuthError(res, error.status, error.status < 500 ? 'invalid_request' : 'server_error', error.code, headers)
      } else answerProblem(res, error.code, headers)
      if (!req.complete) res.once('finish', () => req.destroy())
    })
  }
}

/**
 * A request for the authorization server with the body that was read within bounds and with no header that the caller could use
 * to change how the server sees its own address. Query, cookies and forwarding headers of the caller do not get through.
 */
function clean(req: IncomingMessage, path: string, body: Buffer, issuer: string): IncomingMessage {
  const copy = new IncomingMessage(req.socket)
  copy.method = req.method ?? 'GET'
  copy.url = path
  copy.headers = {
    host: new URL(issuer).host,
    'x-forwarded-proto': 'https',
    accept: 'application/json',
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

/** RFC 8414 §2: what is served, and nothing else. Our own text, because the library's would name endpoints that are not served yet. */
function metadataOf(issuer: string): Record<string, unknown> {
  const authentication = { methods: ['private_key_jwt', 'self_signed_tls_client_auth'], algorithms: ['EdDSA', 'Ed25519', 'ES256'] }
  return {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/oauth/jwks`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    grant_types_supported: SERVICE_GRANTS,
    response_types_supported: [],
    scopes_supported: [],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['EdDSA'],
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    tls_client_certificate_bound_access_tokens: true,
    token_endpoint_auth_methods_supported: authentication.methods,
    token_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    revocation_endpoint_auth_methods_supported: authentication.methods,
    revocation_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    introspection_endpoint_auth_methods_supported: authentication.methods,
    introspection_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
  }
}

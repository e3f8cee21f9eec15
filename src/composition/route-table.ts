import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from '#assets/registry'
import { ERROR_TABLE, type EntityFacts, RedoubtError, type SubjectSealer, problemOf } from '#foundation/core'
import { type House, challengeOf } from '#gateway/pipeline'
import {
  chatRoutes,
  createRouter,
  type Exchange,
  inferenceErrorAnswer,
  openInferenceRoutes,
  renderAnthropicError,
  renderOpenAiError,
  type Route,
} from '#gateway/routes'
import type { ModelServer, UpstreamRoute, Upstreams } from '#gateway/serving'
import { type Api, logRoutes } from '#interfaces/api'
import type { AuditLog } from '#trust/audit'
import type { SourceAddresses } from '#trust/conditions'
import type { Identity } from '#trust/identity'
import { frontDoor, withHead } from './front-door.ts'
import type { Readiness } from './readiness.ts'
import { VERSION } from './version.ts'

export interface RouteTableOptions {
  readonly house: House
  readonly api: Api
  readonly identity: Identity
  readonly log: AuditLog
  readonly upstreams: Upstreams
  readonly models: ModelServer
  readonly registry: Registry
  readonly sealer: Pick<SubjectSealer, 'pseudonym'>
  readonly readiness: Readiness
  readonly facts: (route: UpstreamRoute) => EntityFacts
  readonly metrics: () => Promise<string>
}

/** Every route and method of the server, each with how it is guarded. What is not in here is refused. */
export function routeTable(options: RouteTableOptions): readonly Route[] {
  const { house, api, identity, log, upstreams, models, registry, sealer, facts } = options
  const served = [
    ...chatRoutes({ house, upstreams, facts, pseudonym: (subject) => sealer.pseudonym(subject) }),
    ...openInferenceRoutes({ house, models, registry, version: VERSION, ready: () => options.readiness.state === 'ready' }),
    ...identity.paths.map((path): Route => delegated(path.method, path.path, { open: path.why }, identity.handler)),
    ...api.routes.map((route): Route =>
      delegated(route.method, route.path, route.open === null ? 'token' : { open: route.open }, api.handle),
    ),
    ...logRoutes(house, log),
    ...frontDoor(),
  ]
  return [...served.map((route) => unlessDraining(route, options.readiness)), ...healthRoutes(options)]
}

/** What begins while the server ends would be cut in the middle; its sender is told at once, so that it can go elsewhere. */
export function unlessDraining(route: Route, readiness: Pick<Readiness, 'state'>): Route {
  return {
    ...route,
    handle(exchange) {
      if (readiness.state === 'draining') throw new RedoubtError('ERR_DRAINING')
      return route.handle(exchange)
    },
  }
}

function delegated(
  method: string,
  path: string,
  access: Route['access'],
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Route {
  return { method: method as Route['method'], path, access, handle: ({ request, response }) => handle(request, response) }
}

function healthRoutes({ readiness, metrics, log }: RouteTableOptions): readonly Route[] {
  const plain = ({ response }: Exchange, status: number, text: string): void => {
    response.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  }
  const open = { open: 'one word on the state of the server, for orchestrators' }
  return withHead([
    { method: 'GET', path: '/livez', access: open, handle: (exchange) => plain(exchange, 200, 'ok\n') },
    {
      method: 'GET',
      path: '/readyz',
      access: open,
      handle(exchange) {
        const { state, reason } = readiness
        // Without its log the server refuses everything: traffic belongs elsewhere until it is back.
        if (state === 'ready' && !log.health().ok) return plain(exchange, 503, 'failed ERR_AUDIT_UNAVAILABLE\n')
        return plain(exchange, state === 'ready' ? 200 : 503, `${state}${reason ? ` ${reason.code}` : ''}\n`)
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: { open: 'counts and durations without names, for Prometheus' },
      handle: async (exchange) => plain(exchange, 200, await metrics()),
    },
  ])
}

/** @param hosts names that the server answers to, in lower case. */
export function createHandler(
  options: Pick<RouteTableOptions, 'house'>,
  routes: readonly Route[],
  hosts: ReadonlySet<string>,
  sources: Pick<SourceAddresses, 'settle'>,
): (request: IncomingMessage, response: ServerResponse) => void {
  return createRouter({ routes, hosts, sources, onError: (error, exchange) => sendError(options, error, exchange) })
}

/** Errors before a route is found, in the shape of the surface that the path belongs to. */
function sendError({ house }: Pick<RouteTableOptions, 'house'>, error: RedoubtError, { response, requestId, path }: Exchange): void {
  if (error.status >= 500) house.logger.error({ requestId, code: error.code, err: error.cause ?? error }, 'request failed')
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (path === '/v1/messages' || path.startsWith('/v1/messages/')) return write(response, renderAnthropicError(error, requestId))
  if (path.startsWith('/v1/')) return write(response, renderOpenAiError(error, requestId))
  if (path.startsWith('/v2')) return write(response, inferenceErrorAnswer(error, requestId))
  const body = JSON.stringify(problemOf(error, requestId))
  write(response, {
    status: ERROR_TABLE[error.code].status,
    headers: {
      'content-type': 'application/problem+json',
      'x-request-id': requestId,
      ...(error.status === 401 ? { 'www-authenticate': challengeOf(error) } : {}),
    },
    body,
  })
}

function write(
  response: ServerResponse,
  rendered: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string },
): void {
  response.writeHead(rendered.status, { ...rendered.headers, 'content-length': Buffer.byteLength(rendered.body) })
  response.end(rendered.body)
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { countHeader, newId, RedoubtError } from '#foundation/core'
import type { SourceAddresses } from '#trust/conditions'

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD'
  /** `/v2/models/:model/infer`; a part that starts with `:` is variable, a last part `*` takes the rest. */
  readonly path: string
  /** `token`: the handler demands an access token. Otherwise why anyone may call it: this is the reviewed list. */
  readonly access: 'token' | { readonly open: string }
  handle(exchange: Exchange): void | Promise<void>
}

export interface Exchange {
  readonly requestId: string
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Canonical path without query. */
  readonly path: string
  readonly query: string
  /** Variable parts, percent-decoded, in order. */
  readonly parameters: readonly string[]
}

export interface RouterOptions {
  readonly routes: readonly Route[]
  /** Host names, without port, that this server answers to. */
  readonly hosts: ReadonlySet<string>
  /** Finds out who calls before anyone asks. */
  readonly sources: Pick<SourceAddresses, 'settle'>
  /** Writes the error in the shape of the surface that the path belongs to. */
  onError(error: RedoubtError, exchange: Exchange): void
}

const MAX_URL_CHARACTERS = 4096
const PORT = /:\d{1,5}$/
const SINGLE_HEADERS = ['content-type', 'content-encoding', 'redoubt-subject', 'redoubt-purpose'] as const
/** One plain path: no dot segments, no doubled slashes, no encoded slash, backslash, dot or control character. */
const CANONICAL_PATH = /^(?:\/[A-Za-z0-9_.~!$&'()*+,;=:@%-]*)+$/
const FORBIDDEN_IN_PATH = /\/\/|\/\.{1,2}(?:\/|$)|%(?:2[fFeE]|5[cC]|[01][0-9a-fA-F]|7[fF]|00)/

/**
 * Finds the one handler of a request. Host and path are made canonical before anything looks at them: two parts that read one
 * request differently are how gateways get confused (CVE-2026-49468).
 */
export function createRouter(options: RouterOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const table = options.routes.map((route) => ({ route, parts: route.path.split('/') }))
  // A path without variable parts is found by one look-up.
  const fixed = new Map<string, Route[]>()
  for (const { route } of table) if (!/[:*]/.test(route.path)) fixed.set(route.path, [...(fixed.get(route.path) ?? []), route])
  const variable = table.filter(({ route }) => /[:*]/.test(route.path))

  return (request, response) => {
    const requestId = newId('req')
    const url = request.url ?? '/'
    const cut = url.indexOf('?')
    const path = cut < 0 ? url : url.slice(0, cut)
    const exchange = (parameters: readonly string[]): Exchange => ({
      requestId,
      request,
      response,
      path,
      query: cut < 0 ? '' : url.slice(cut + 1),
      parameters,
    })
    const run = (): void | Promise<void> => {
      options.sources.settle(request)
      checkHost(request, options.hosts)
      checkHeaders(request)
      const known = fixed.get(path)
      // A path that is a key of the table is canonical because the table's are.
      if (!known || url.length > MAX_URL_CHARACTERS) checkCanonical(url, path)
      const found = known ?? matching(variable, path)
      if (found.length === 0) throw new RedoubtError('ERR_ROUTE_UNKNOWN')
      const route = found.find((candidate) => candidate.method === request.method)
      if (!route) {
        response.setHeader('allow', [...new Set(found.map((candidate) => candidate.method))].join(', '))
        throw new RedoubtError('ERR_METHOD_NOT_ALLOWED')
      }
      return route.handle(exchange(parametersOf(route.path, path)))
    }
    const refuse = (thrown: unknown): void => {
      options.onError(
        thrown instanceof RedoubtError ? thrown : new RedoubtError('ERR_INTERNAL', undefined, { cause: thrown }),
        exchange([]),
      )
    }
    try {
      const answered = run()
      if (answered) answered.catch(refuse)
    } catch (thrown) {
      refuse(thrown)
    }
  }
}

function checkHost(request: IncomingMessage, hosts: ReadonlySet<string>): void {
  const { host } = request.headers
  if (host === undefined || countHeader(request.rawHeaders, 'host') !== 1 || !hosts.has(host.replace(PORT, '').toLowerCase()))
    throw new RedoubtError('ERR_HOST_INVALID', 'the host header names another server')
}

/**
 * What says how a body is read, and for whom and what: an intermediary that takes the other of two lines, or unpacks what is read as it came here,
 * sees another request than we do.
 */
function checkHeaders({ headers, rawHeaders }: IncomingMessage): void {
  for (const name of SINGLE_HEADERS)
    if (headers[name] !== undefined && countHeader(rawHeaders, name) !== 1)
      throw new RedoubtError('ERR_INPUT_INVALID', `the header \`${name}\` is sent twice`)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new RedoubtError('ERR_INPUT_CONTENT_TYPE', 'compressed bodies are not read: send the body as it is')
}

function checkCanonical(url: string, path: string): void {
  if (url.length > MAX_URL_CHARACTERS || !CANONICAL_PATH.test(path) || FORBIDDEN_IN_PATH.test(path))
    throw new RedoubtError('ERR_HOST_INVALID', 'the path is not canonical')
}

function matching(table: readonly { readonly route: Route; readonly parts: readonly string[] }[], path: string): Route[] {
  const wanted = path.split('/')
  return table
    .filter(({ parts }) => {
      const open = parts.at(-1) === '*'
      if (open ? wanted.length < parts.length : wanted.length !== parts.length) return false
      return parts.every((part, i) => part === '*' || (part.startsWith(':') ? wanted[i] !== '' : part === wanted[i]))
    })
    .map(({ route }) => route)
}

function parametersOf(pattern: string, path: string): readonly string[] {
  if (!/[:*]/.test(pattern)) return []
  const wanted = path.split('/')
  return pattern.split('/').flatMap((part, i) => {
    if (part === '*') return [wanted.slice(i).join('/')]
    return part.startsWith(':') ? [decode(wanted[i] ?? '')] : []
  })
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new RedoubtError('ERR_HOST_INVALID', 'the path is not canonical')
  }
}

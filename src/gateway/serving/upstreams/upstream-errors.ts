import { type ErrorCode, RedoubtError } from '#foundation/core'

/** An upstream's error body is read only this far; the rest cannot matter. */
export const MAX_ERROR_BODY_BYTES = 64 * 1024

type Evidence = Record<string, string | number | boolean | null>

/** What an upstream may say in `code`, `type` and `param`: identifiers, so that no prompt and no key can ride along. */
const IDENTIFIER = /^[A-Za-z][A-Za-z0-9_.[\]-]{0,127}$/
/** A run that could be somebody's number. */
const DIGITS = /\d{6}/

const CODES: Readonly<Record<string, ErrorCode>> = {
  UND_ERR_CONNECT_TIMEOUT: 'ERR_UPSTREAM_UNREACHABLE',
  UND_ERR_HEADERS_TIMEOUT: 'ERR_UPSTREAM_TIMEOUT',
  UND_ERR_BODY_TIMEOUT: 'ERR_UPSTREAM_TIMEOUT',
  UND_ERR_HEADERS_OVERFLOW: 'ERR_UPSTREAM_PROTOCOL',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'ERR_UPSTREAM_PROTOCOL',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'ERR_UPSTREAM_PROTOCOL',
  // What is no HTTP from the first byte has no code of the parser, only the name of its error.
  HTTPParserError: 'ERR_UPSTREAM_PROTOCOL',
  UND_ERR_CLOSED: 'ERR_DRAINING',
  UND_ERR_DESTROYED: 'ERR_DRAINING',
  UND_ERR_SOCKET: 'ERR_UPSTREAM_RESET',
  ECONNRESET: 'ERR_UPSTREAM_RESET',
  EPIPE: 'ERR_UPSTREAM_RESET',
}

/**
 * Maps what the transport threw. The cause is left out on purpose: transport errors carry sockets and pieces of the
 * response; the platform's error code is kept as evidence, which is what an operator searches for.
 */
export function fromTransport(thrown: unknown, upstream: string): RedoubtError {
  if (thrown instanceof RedoubtError) return thrown
  const code = errorCode(thrown)
  const mapped: ErrorCode = Object.hasOwn(CODES, code)
    ? (CODES[code] ?? 'ERR_UPSTREAM_RESET')
    : code.startsWith('HPE_')
      ? 'ERR_UPSTREAM_PROTOCOL'
      : 'ERR_UPSTREAM_UNREACHABLE'
  return new RedoubtError(mapped, undefined, { evidence: { upstream, reason: code } })
}

/** Node groups the failures of several addresses; the first says enough. */
function errorCode(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'UNKNOWN'
  const own = (thrown as { readonly code?: unknown }).code
  if (typeof own === 'string') return own
  const first: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown.cause
  return first instanceof Error ? errorCode(first) : thrown.name
}

/**
 * Maps an answer that is not 2xx. What the client can mend (400, 404, 413, 422) stays a client error with the upstream's own
 * `code` and `param`; a refused credential is our operator's matter. The upstream's message is not passed on: it may quote
 * the prompt, and on a 401 a part of our key.
 */
export function fromStatus(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array, upstream: string): RedoubtError {
  const evidence: Evidence = { upstream, upstreamStatus: status, ...identifiers(body) }
  const named = typeof evidence['upstreamCode'] === 'string' ? ` (\`${evidence['upstreamCode']}\`)` : ''
  if (status === 429) {
    const retryAfterMs = retryAfter(headers)
    if (retryAfterMs !== null) evidence['retryAfterMs'] = retryAfterMs
    return new RedoubtError('ERR_UPSTREAM_LIMIT', `the upstream limits its requests${named}`, { evidence })
  }
  if (status === 400 || status === 404 || status === 413 || status === 422) {
    return new RedoubtError('ERR_UPSTREAM_REJECTED', `the upstream did not accept the request${named}`, { evidence })
  }
  if (status >= 300 && status < 400) {
    return new RedoubtError('ERR_UPSTREAM_PROTOCOL', 'the upstream redirects, which is not followed', { evidence })
  }
  return new RedoubtError('ERR_UPSTREAM_REFUSED', `the upstream answered with status ${status}${named}`, { evidence })
}

function identifiers(body: Uint8Array): Evidence {
  try {
    return readUpstreamError(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')))
  } catch {
    return {}
  }
}

/** The identifiers of an error document in OpenAI's shape, as evidence: `upstreamCode`, `upstreamType`, `param`. */
export function readUpstreamError(document: unknown): Evidence {
  const error = (document as { readonly error?: unknown } | null)?.error
  if (typeof error !== 'object' || error === null) return {}
  const found: Evidence = {}
  for (const [member, name] of [
    ['code', 'upstreamCode'],
    ['type', 'upstreamType'],
    ['param', 'param'],
  ] as const) {
    const value = (error as Record<string, unknown>)[member]
    if (typeof value === 'string' && IDENTIFIER.test(value) && !DIGITS.test(value)) found[name] = value
  }
  return found
}

/** RFC 9110 §10.2.3 in seconds (dates are not used by model upstreams), or OpenAI's `retry-after-ms`. */
function retryAfter(headers: Readonly<Record<string, string>>): number | null {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN)
  if (Number.isFinite(ms) && ms >= 0) return Math.min(ms, 3_600_000)
  const seconds = Number(headers['retry-after'] ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1000, 3_600_000) : null
}

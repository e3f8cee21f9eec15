import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { countHeader, type ErrorCode } from '#foundation/core'
import { forwardedCertificate } from '#trust/conditions'
import { MAX_TOKEN_CHARACTERS } from '../compact-jws.ts'

/** What a request carries beside its token to show that it may use it. */
export interface Possession {
  readonly method: string
  /** The `dpop` header, and how often it was sent. */
  readonly proof: string | undefined
  readonly proofCount: number
  /** SHA-256 thumbprint of the caller's certificate (`certificateOf`); null without one. */
  readonly certificate: () => string | null
  /** Sets a header of the answer, whatever the answer will be. */
  readonly setHeader: (name: string, value: string) => void
}

export interface Credentials {
  readonly authorization: string | undefined
  /** How many `authorization` headers the request carries; Node joins or drops repeated ones. */
  readonly authorizationCount: number
  /** The request target: tokens in it are refused, proofs are for its path. */
  readonly url: string
  /** Absent where only bearer tokens are taken: a bound token is refused there. */
  readonly possession?: Possession
}

/** All that a request says about who makes it. Headers that name a certificate or another address count from
 * named proxies alone, and were read at the door: whoever calls writes them. */
export function credentialsOf(request: IncomingMessage, response: ServerResponse): Credentials {
  const { rawHeaders, headers } = request
  return {
    authorization: headers.authorization,
    authorizationCount: countHeader(rawHeaders, 'authorization'),
    url: request.url ?? '/',
    possession: {
      method: request.method ?? '',
      proof: typeof headers['dpop'] === 'string' ? headers['dpop'] : undefined,
      proofCount: headers['dpop'] === undefined ? 0 : countHeader(rawHeaders, 'dpop'),
      certificate: () => certificateOf(request),
      setHeader: (name, value) => {
        if (!response.headersSent) response.setHeader(name, value)
      },
    },
  }
}

/**
 * `x5t#S256` of the caller's certificate (RFC 8705 §3.1): the one that the other end of this very connection proved to hold in the
 * handshake. On a connection of a named proxy it is the one that the proxy forwards and never the proxy's own. Null without one.
 */
export function certificateOf(request: IncomingMessage): string | null {
  const forwarded = forwardedCertificate(request)
  if (forwarded === undefined) return certificateOfConnection(request.socket)
  return forwarded === null ? null : thumbprintOf(forwarded)
}

const thumbprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('base64url')

/** TLS 1.3 knows no renegotiation, so a connection has one certificate for its life. */
const certificates = new WeakMap<Socket, string | null>()

export function certificateOfConnection(socket: Socket): string | null {
  let thumbprint = certificates.get(socket)
  if (thumbprint === undefined) {
    const certificate = (socket as Partial<TLSSocket>).getPeerX509Certificate?.()
    thumbprint = certificate === undefined ? null : thumbprintOf(certificate.raw)
    certificates.set(socket, thumbprint)
  }
  return thumbprint
}

export type Scheme = 'bearer' | 'dpop'
const SCHEME = /^(bearer|dpop) ([A-Za-z0-9._~+/=-]+)$/i
type Located =
  | { readonly code: ErrorCode; readonly text: ''; readonly scheme: 'bearer' }
  | { readonly code: null; readonly text: string; readonly scheme: Scheme }

/** A scheme, a space and the longest token. */
const MAX_AUTHORIZATION_CHARACTERS = 'bearer '.length + MAX_TOKEN_CHARACTERS

const misplaced = (code: ErrorCode): Located => ({ code, text: '', scheme: 'bearer' })

/**
 * One token, in one authorization header, and nowhere else.
 * @see RFC 6750 §2 (a request must not use more than one method), RFC 9449 §7.1, RFC 9700 §4.3.2 (not in the query)
 */
export function locateToken({ authorization, authorizationCount, url }: Credentials): Located {
  if (authorizationCount > 1) return misplaced('ERR_TOKEN_PLACEMENT')
  if (url.includes('?') && namesToken(url)) return misplaced('ERR_TOKEN_PLACEMENT')
  if (authorization === undefined || authorization === '') return misplaced('ERR_TOKEN_MISSING')
  // The parser's own cap comes before any work on the text; the pattern below is linear, but so is a megabyte.
  if (authorization.length > MAX_AUTHORIZATION_CHARACTERS) return misplaced('ERR_TOKEN_TOO_LARGE')
  const [, scheme, text] = SCHEME.exec(authorization) ?? []
  if (scheme === undefined || text === undefined) return misplaced('ERR_TOKEN_MALFORMED')
  return { code: null, text, scheme: scheme.length === 'dpop'.length ? 'dpop' : 'bearer' }
}

function namesToken(url: string): boolean {
  for (const name of new URLSearchParams(url.slice(url.indexOf('?') + 1)).keys()) {
    if (name.toLowerCase() === 'access_token') return true
  }
  return false
}

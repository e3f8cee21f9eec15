import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { RedoubtError } from '#foundation/core'
import { addressBytes, canonicalAddress } from './address.ts'
import { Networks } from './networks.ts'

/** More proxies in a row are a loop or an attack. */
const MAX_HOPS = 32
const MAX_CHARACTERS = 4_096
const MAX_CACHED = 10_000
const UNKNOWN_ADDRESS = '0.0.0.0'
/** Certificates are a kilobyte or two. */
const MAX_CERTIFICATE_CHARACTERS = 16_384
/** RFC 8941 §3.3.5, as RFC 9440 §2.1 wants it: base64 with its padding, between colons. */
const BYTE_SEQUENCE = /^:((?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?):$/

declare module 'node:http' {
  interface IncomingMessage {
    /** Canonical address of the caller, once `SourceAddresses.settle` found it. */
    redoubtSource?: string
    /**
     * DER of the certificate by which the caller connected to a named proxy; null when the connection is a named proxy's and it names
     * none. Absent when the caller connected by itself: then the certificate is that of the connection.
     */
    redoubtCertificate?: Uint8Array | null
  }
}

/**
 * The caller's address: what `SourceAddresses.settle` found at the door of the server, else the other end of the connection.
 * Canonical; IPv4 callers of a dual-stack socket appear as IPv4.
 */
export function sourceAddress(request: IncomingMessage): string {
  return request.redoubtSource ?? canonicalAddress(request.socket.remoteAddress ?? '') ?? UNKNOWN_ADDRESS
}

/** What a named proxy says of the caller's certificate; undefined when the caller connected by itself. */
export const forwardedCertificate = (request: IncomingMessage): Uint8Array | null | undefined => request.redoubtCertificate

/**
 * Who calls, behind proxies that the operator named. `forwarded` (RFC 7239) and `x-forwarded-for` count only on connections from these;
 * the caller is the rightmost hop that is none of them, for what stands left of it anyone may have written. From everyone else both
 * are ignored.
 * A named proxy may connect with a certificate of its own, which says nothing of the caller: behind a proxy the caller's is the one in
 * the header that the operator named (RFC 9440, `Client-Cert`), or none.
 */
export class SourceAddresses {
  readonly #trusted: Networks | null
  /** Whether an address is a trusted proxy's. */
  readonly #known = new Map<string, boolean>()

  /** Lower case. */
  readonly #certificateHeader: string | null

  /**
   * @param trustedProxies CIDR ranges, checked by the configuration.
   * @param certificateHeader in which they forward their client's certificate; null when they do not.
   */
  constructor(trustedProxies: readonly string[], certificateHeader: string | null = null) {
    this.#certificateHeader = certificateHeader?.toLowerCase() ?? null
    this.#trusted = trustedProxies.length === 0 ? null : new Networks({ proxies: trustedProxies })
  }

  /**
   * Finds the caller of a request and marks the request with it. Once, before anything asks.
   * @throws {RedoubtError} `ERR_FORWARDED_INVALID` when a trusted proxy sends what is malformed, names no address, or names two callers
   *   or certificates.
   */
  settle(request: IncomingMessage): void {
    const peer = canonicalAddress(request.socket.remoteAddress ?? '') ?? UNKNOWN_ADDRESS
    const proxied = this.isProxy(peer)
    request.redoubtSource = proxied ? this.#named(peer, request.headers) : peer
    if (proxied) request.redoubtCertificate = this.#certificateBehind(request)
  }

  /** Whether the other end of a connection is a named proxy. */
  isProxy(address: string): boolean {
    const peer = canonicalAddress(address) ?? UNKNOWN_ADDRESS
    return this.#trusted !== null && this.#isTrusted(peer)
  }

  #certificateBehind({ headers }: IncomingMessage): Uint8Array | null {
    const name = this.#certificateHeader
    const value = headers[name ?? '']
    if (name === null || value === undefined) return null
    const [, base64] = (typeof value === 'string' && value.length <= MAX_CERTIFICATE_CHARACTERS && BYTE_SEQUENCE.exec(value)) || []
    // A line that a client sends too is joined to the proxy's, and neither is taken.
    if (base64 === undefined) throw invalid(`\`${name}\` is not one certificate between colons`)
    return Buffer.from(base64, 'base64')
  }

  /** As `settle`, for what is no HTTP/1.1 request. @param address of the other end of the connection. @returns the caller's, canonical. */
  behind(address: string, headers: IncomingHttpHeaders): string {
    const peer = canonicalAddress(address) ?? UNKNOWN_ADDRESS
    return this.isProxy(peer) ? this.#named(peer, headers) : peer
  }

  #named(peer: string, headers: IncomingHttpHeaders): string {
    const forwarded = headers['forwarded']
    const xForwardedFor = headers['x-forwarded-for']
    const byStandard = forwarded === undefined ? null : this.#caller(forwardedHops(forwarded))
    const byCustom = xForwardedFor === undefined ? null : this.#caller(customHops(xForwardedFor))
    // A proxy writes one of the two and may pass the other on as its client wrote it: only what agrees can be told from that.
    if (byStandard !== null && byCustom !== null && byStandard !== byCustom) throw invalid('the headers name two callers')
    return byStandard ?? byCustom ?? peer
  }

  /** @param hops nearest proxy's first. */
  #caller(hops: Iterable<string>): string {
    let caller: string | null = null
    let count = 0
    for (const hop of hops) {
      if (++count > MAX_HOPS) throw invalid('there are too many hops')
      caller = addressOf(hop)
      if (!this.#isTrusted(caller)) return caller
    }
    if (caller === null) throw invalid('it names nobody')
    return caller
  }

  #isTrusted(address: string): boolean {
    let trusted = this.#known.get(address)
    if (trusted === undefined) {
      const bytes = addressBytes(address)
      trusted = bytes !== null && this.#trusted?.nameOf(bytes) === 'proxies'
      if (this.#known.size >= MAX_CACHED) this.#known.clear()
      this.#known.set(address, trusted)
    }
    return trusted
  }
}

/** Hops of `x-forwarded-for`, the last first. What stands left of the caller is not even looked at. */
function* customHops(value: string | readonly string[]): Generator<string> {
  const text = joined(value)
  for (let end = text.length; end >= 0;) {
    const start = text.lastIndexOf(',', end - 1)
    yield text.slice(start + 1, end).trim()
    if (start < 0) return
    end = start
  }
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\t\\x20-\\x7e])*"'
const PAIR = new RegExp(`(${TOKEN})=(?:(${TOKEN})|(${QUOTED}))`, 'y')
const SEPARATOR = /[ \t]*(,)[ \t]*|(;)/y

/**
 * The `for` parameters of `forwarded`, the last first. Read whole and strictly: a quotation mark that a client leaves open must not
 * swallow what the proxy appends.
 * @see RFC 7239 §4
 */
function forwardedHops(value: string | readonly string[]): readonly string[] {
  const text = joined(value).trim()
  const hops: string[] = []
  let names = new Set<string>()
  for (let at = 0; ;) {
    PAIR.lastIndex = at
    const pair = PAIR.exec(text)
    if (pair === null) throw invalid('`forwarded` is malformed')
    const [whole, name = '', token, quoted] = pair
    const parameter = name.toLowerCase()
    if (names.has(parameter)) throw invalid('`forwarded` names a parameter twice in one element')
    names.add(parameter)
    if (parameter === 'for') hops.push(token ?? (quoted ?? '').slice(1, -1).replace(/\\(.)/g, '$1'))
    at += whole.length
    if (at === text.length) {
      if (!names.has('for')) throw invalid('an element of `forwarded` has no `for`')
      return hops.reverse()
    }
    SEPARATOR.lastIndex = at
    const separator = SEPARATOR.exec(text)
    if (separator === null) throw invalid('`forwarded` is malformed')
    at += separator[0].length
    if (separator[1] === undefined) continue
    // Each proxy says for whom: an element without it would move the others by one.
    if (!names.has('for')) throw invalid('an element of `forwarded` has no `for`')
    names = new Set()
  }
}

function joined(value: string | readonly string[]): string {
  const text = typeof value === 'string' ? value : value.join(',')
  if (text.length > MAX_CHARACTERS) throw invalid('the header is too long')
  return text
}

const WITH_PORT = /^(?:(\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?|\[([0-9a-fA-F:.]+)\](?::\d{1,5})?)$/

/** An address, with or without a port; `unknown` and names of a proxy's own (RFC 7239 §6.2, §6.3) are none. */
function addressOf(hop: string): string {
  const [, v4, v6] = WITH_PORT.exec(hop) ?? []
  const address = hop.includes('%') ? null : canonicalAddress(v4 ?? v6 ?? hop)
  if (address === null) throw invalid('a hop is no address')
  return address
}

const invalid = (why: string): RedoubtError => new RedoubtError('ERR_FORWARDED_INVALID', `a proxy's headers are refused: ${why}`)

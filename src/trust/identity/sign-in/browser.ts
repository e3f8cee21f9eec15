import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RedoubtError } from '#foundation/core'
import { mediaType } from '../http.ts'

/** The secret of a session that was signed in. */
export const SESSION_COOKIE = '__Host-redoubt-session'
/** A random secret that ties forms and flows to the browser that began them, signed in or not. */
export const BROWSER_COOKIE = '__Host-redoubt-browser'
/** `__Host-`: no other host, no plain HTTP and no path can plant them (RFC 6265bis §4.1.3.2). Lax, because clients send people here. */
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax'
const SECRET = /^[A-Za-z0-9_-]{43}$/
const MAX_FORM_FIELDS = 16

/**
 * What a browser keeps for us: two cookies. A form carries a seal that only this browser's secret makes, so a form or a flow of another
 * browser is worth nothing here; nothing is kept on our side.
 */
export class Browser {
  readonly #response: ServerResponse
  #secret: string
  #session: string | null

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#response = response
    const cookies = readCookies(request.headers.cookie)
    const known = cookies.get(BROWSER_COOKIE)
    this.#session = cookies.get(SESSION_COOKIE) ?? null
    this.#secret = known ?? ''
    if (known === undefined) this.renew()
  }

  get secret(): string {
    return this.#secret
  }

  /** The secret of the session that the browser claims; null when there is none. */
  get session(): string | null {
    return this.#session
  }

  /** A new secret: forms that were sealed before are dead. At each sign-in and step-up. */
  renew(): void {
    this.#secret = randomBytes(32).toString('base64url')
    this.#write()
  }

  /** After a sign-in or step-up: whatever the browser held before is worth nothing any more. */
  signedIn(sessionSecret: string): void {
    this.#session = sessionSecret
    this.renew()
  }

  signedOut(): void {
    this.#session = ''
    this.renew()
  }

  /** @param matter what the seal is for: a flow, or a form of one page. */
  seal(matter: string): string {
    return sealOf(this.#secret, matter)
  }

  sealed(matter: string, seal: string | null): boolean {
    const wanted = Buffer.from(this.seal(matter))
    const given = Buffer.from(seal ?? '')
    return given.byteLength === wanted.byteLength && timingSafeEqual(given, wanted)
  }

  #write(): void {
    const cookies = [`${BROWSER_COOKIE}=${this.#secret}; ${ATTRIBUTES}`]
    if (this.#session === '') cookies.push(`${SESSION_COOKIE}=; Max-Age=0; ${ATTRIBUTES}`)
    else if (this.#session !== null) cookies.push(`${SESSION_COOKIE}=${this.#session}; ${ATTRIBUTES}`)
    this.#response.setHeader('set-cookie', cookies)
  }
}

export const sealOf = (secret: string, matter: string): string => createHmac('sha256', secret).update(matter).digest('base64url')

/** Only our own cookies, only of the form that we give out; one that is sent twice is none, for who can tell which is ours. */
function readCookies(header: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const doubled = new Set<string>()
  for (const part of (header ?? '').split(';')) {
    const cut = part.indexOf('=')
    const name = part.slice(0, cut).trim()
    if (name !== SESSION_COOKIE && name !== BROWSER_COOKIE) continue
    const value = part.slice(cut + 1).trim()
    if (found.has(name)) doubled.add(name)
    if (SECRET.test(value)) found.set(name, value)
  }
  for (const name of doubled) found.delete(name)
  return found
}

/**
 * A form that one of our own pages sent: from our origin by what the browser says of itself, and sealed for this page and this browser.
 * @throws {RedoubtError} `ERR_FORM_ORIGIN` for a form of any other page; `ERR_INPUT_CONTENT_TYPE`, `ERR_INPUT_INVALID`.
 * @see RFC 6454 §7, Fetch Metadata
 */
export function readForm(request: IncomingMessage, body: Buffer, browser: Browser, issuer: string): URLSearchParams {
  if (mediaType(request) !== 'application/x-www-form-urlencoded') throw new RedoubtError('ERR_INPUT_CONTENT_TYPE')
  // Every browser names the origin of a form that it posts; a proxy or page that hides it gets no further.
  if (request.headers.origin !== issuer) throw new RedoubtError('ERR_FORM_ORIGIN')
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') throw new RedoubtError('ERR_FORM_ORIGIN')
  const form = new URLSearchParams(body.toString('utf8'))
  const names = [...form.keys()]
  if (names.length > MAX_FORM_FIELDS || new Set(names).size !== names.length) throw new RedoubtError('ERR_INPUT_INVALID')
  if (!browser.sealed('form', form.get('seal'))) throw new RedoubtError('ERR_FORM_ORIGIN')
  return form
}

import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { asRedoubtError, type AuditSink, type Clock, ERROR_TABLE, type ErrorCode } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { sourceAddress, subscriberOf } from '#trust/conditions'
import type { Adapter, OidcContext, PersonToken, Provider } from 'oidc-provider'
import type { Artifacts } from '../artifacts.ts'
import { answer } from '../http.ts'
import type { People } from '../people/people.ts'
import { confirmationOf, type TokenBinding } from '../services/token-binding.ts'
import { Attempts } from './attempts.ts'
import { Browser, readForm } from './browser.ts'
import { houseClients } from './clients.ts'
import { showConsent, takeConsent } from './consent-page.ts'
import { Consents } from './consents.ts'
import { showConsole } from './console-page.ts'
import { DeviceCodes } from './device-codes.ts'
import { CODE_ATTEMPTS, decide, DEVICE_SESSION, showDevice, takeCode } from './device-page.ts'
import { FamilyKeys } from './family-keys.ts'
import { flowAdapter, ISSUED_TOKEN } from './flow-artifacts.ts'
import { flowConfiguration, GRANT_SECONDS, liveSession, personClaims } from './flows.ts'
import { answerPage, errorPage, PAGE_HEADERS } from './page.ts'
import { addFactor, endSession, showSessions, showSignOut, signOut } from './sessions-page.ts'
import { cancel, showSignIn, takeFactor, takeName } from './sign-in-page.ts'
import type { SignInParts, Visit } from './visit.ts'

export interface SignInOptions {
  readonly issuer: string
  readonly people: People
  readonly artifacts: Artifacts
  readonly audit: AuditSink
  readonly clock: Clock
  readonly logger: Logger
  /** Ends an access token for this process at once, durably when it resolves. */
  readonly revokeToken: (id: string, expiresAt: number) => Promise<unknown>
  /** Whether anyone signed in from this address before. */
  readonly knows: (sourceAddress: string) => boolean
  readonly refused: (code: ErrorCode) => void
}

type PageHandler = (parts: SignInParts, visit: Visit) => void | Promise<void>

/** Every page, by method and path; their rows in `OPEN_ROUTES` say why they are open. */
const PAGES: Readonly<Record<string, PageHandler>> = {
  'GET /sign-in': showSignIn,
  'POST /sign-in': takeName,
  'POST /sign-in/passkey': (parts, visit) => takeFactor(parts, visit, 'passkey'),
  'POST /sign-in/code': (parts, visit) => takeFactor(parts, visit, 'code'),
  'POST /sign-in/recovery': (parts, visit) => takeFactor(parts, visit, 'recovery'),
  'POST /sign-in/cancel': cancel,
  'GET /consent': showConsent,
  'POST /consent': takeConsent,
  'GET /device': showDevice,
  'POST /device': takeCode,
  'POST /device/decide': decide,
  'GET /sessions': showSessions,
  'POST /sessions/end': endSession,
  'POST /sessions/factor': addFactor,
  'GET /oauth/end-session': showSignOut,
  'POST /sign-out': signOut,
  'GET /console/': showConsole,
  'GET /console/callback': showConsole,
}

const FILES: Readonly<Record<string, readonly [type: string, file: string]>> = {
  '/sign-in/assets/pages.css': ['text/css; charset=utf-8', 'pages.css'],
  '/sign-in/assets/sign-in.js': ['text/javascript; charset=utf-8', 'sign-in.browser.js'],
}

/** Whatever anyone may begin is written down, so there is a bound on beginning; a person begins a few in a minute, an office some dozens. */
const BEGINNINGS = { windowMs: 60_000, perKey: 120, together: 3_000 } as const

/** What a browser brings to the authorization endpoint, in terms that the router can hand on. */
export interface Arrival {
  readonly browserSecret: string
  /** Session that the browser is signed in with; null for none. */
  readonly sessionId: string | null
  /** Flow that is resumed; null for a new one. */
  readonly flow: string | null
}

/** People sign in: pages of ours around the flows of oidc-provider. */
export class SignIn {
  readonly #options: SignInOptions
  readonly #parts: SignInParts
  readonly #familyKeys: FamilyKeys
  readonly #files: ReadonlyMap<string, readonly [type: string, content: string]>
  readonly #beginnings: { readonly known: Attempts; readonly strangers: Attempts }
  #provider: Provider | null = null

  constructor(options: SignInOptions) {
    const { issuer, people, artifacts, audit, clock } = options
    this.#options = options
    this.#familyKeys = new FamilyKeys(artifacts, GRANT_SECONDS)
    this.#beginnings = { known: new Attempts(clock, BEGINNINGS), strangers: new Attempts(clock, BEGINNINGS) }
    this.#files = new Map(
      Object.entries(FILES).map(([path, [type, file]]) => [
        path,
        [type, readFileSync(new URL(`./pages/${file}`, import.meta.url), 'utf8')],
      ]),
    )
    this.#parts = {
      issuer,
      people,
      provider: () => this.#provider!,
      clients: houseClients(issuer),
      consents: new Consents(artifacts),
      devices: new DeviceCodes(artifacts, clock),
      codeAttempts: new Attempts(clock, CODE_ATTEMPTS),
      artifacts,
      audit,
      clock,
      refused: options.refused,
    }
  }

  /** Called once, when the library has been made with `configuration()`. */
  attach(provider: Provider): void {
    this.#provider = provider
  }

  configuration(): Record<string, unknown> {
    return {
      ...flowConfiguration({ ...this.#parts, familyKeys: this.#familyKeys }),
      revokeGrantPolicy: async (ctx: OidcContext) => {
        // A token that was rotated away and comes back is in two hands: the family ends, and with it the session behind it.
        const { RefreshToken: token } = ctx.oidc.entities
        if (token?.consumed !== undefined) await this.#endAfterReplay('ERR_REFRESH_REUSED', token.sessionUid)
        return true
      },
    }
  }

  adapter(model: string): Adapter | null {
    const { artifacts, revokeToken, people } = this.#options
    return flowAdapter(model, {
      artifacts,
      session: (id) => liveSession(people, id),
      revokeToken,
      replayed: async (code, payload) => {
        if (payload.grantId !== undefined) await this.#endFamily(payload.grantId)
        if (code === 'ERR_REFRESH_REUSED') await this.#endAfterReplay(code, payload['sessionUid'] as string | undefined)
        this.#options.refused(code)
      },
    })
  }

  client(id: string): Readonly<Record<string, unknown>> | undefined {
    return this.#parts.clients.get(id)?.metadata
  }

  /** Claims of a person's access token. Recorded, and tied to its family and the family to its key, before it exists. Times in seconds. */
  async claimsFor(
    token: PersonToken,
    issue: { readonly id: string; readonly issuedAt: number; readonly expiresAt: number },
    binding: TokenBinding,
  ): Promise<Record<string, unknown>> {
    const { audit, artifacts } = this.#options
    const { person, session, claims } = personClaims(token, this.#parts)
    if (token.grantId !== undefined)
      await artifacts.adapter(ISSUED_TOKEN).upsert(issue.id, { grantId: token.grantId }, issue.expiresAt - issue.issuedAt)
    if (token.grantId !== undefined && binding.kind === 'dpop') await this.#familyKeys.bind(token.grantId, binding.thumbprint)
    await audit.record({
      type: 'token.issue',
      actor: { type: 'User', id: person.id },
      action: 'authenticate',
      resource: { type: 'System', id: 'identity' },
      outcome: 'success',
      purpose: person.purpose,
      legalBasis: person.legalBasis,
      details: {
        tokenId: issue.id,
        expiresAt: issue.expiresAt * 1000,
        client: token.clientId,
        session: session.id,
        mfaLevel: session.mfaLevel,
        binding: binding.kind,
      },
    })
    return { ...claims, jti: issue.id, iat: issue.issuedAt, exp: issue.expiresAt, ...confirmationOf(binding) }
  }

  /** False when too much was begun from there, or by all strangers or all known places together, in the last minute: authorization requests and device codes. */
  mayBegin(req: IncomingMessage): boolean {
    const { sourceAddress } = sourceOf(req)
    const subscriber = subscriberOf(sourceAddress)
    // Counted apart, so that strangers from everywhere do not use up what is for the places where people sign in.
    const beginnings = this.#options.knows(sourceAddress) ? this.#beginnings.known : this.#beginnings.strangers
    if (beginnings.wait(subscriber) > 0) {
      this.#options.refused('ERR_LIMIT_REQUESTS')
      return false
    }
    beginnings.count(subscriber)
    return true
  }

  /** False when a device polls faster than it was told (RFC 8628 §3.5). */
  mayPoll(deviceCode: string): boolean {
    return this.#parts.devices.poll(deviceCode)
  }

  /**
   * Revokes a refresh token of a client of the house: its family ends, and the session when the device had one of its own.
   * A token that is not of this client, or of nobody, is answered alike (RFC 7009 §2.2).
   */
  async revokeRefreshToken(clientId: string, token: string): Promise<void> {
    const found = await this.#provider!.RefreshToken.find(token, { ignoreExpiration: true })
    if (found === undefined || found.clientId !== clientId) return
    await this.#endFamily(found.grantId)
    const by = { type: 'User', id: found.accountId } as const
    const session = found.sessionUid ?? ''
    if ((await this.#options.artifacts.adapter(DEVICE_SESSION).find(session)) !== undefined)
      await this.#options.people.sessions.end(session, by)
    await this.#options.audit.record({
      type: 'token.revoke',
      actor: by,
      action: 'authenticate',
      resource: { type: 'System', id: 'identity' },
      outcome: 'success',
      details: { client: clientId, session },
    })
  }

  async #endFamily(grantId: string): Promise<void> {
    const { artifacts } = this.#options
    // Access tokens first: which they are is read off rows that the second line deletes.
    await this.adapter('AccessToken')!.revokeByGrantId(grantId)
    await artifacts.adapter('RefreshToken').revokeByGrantId(grantId)
    await artifacts.adapter('Grant').destroy(grantId)
  }

  /** Effective first, recorded after: this narrows. */
  async #endAfterReplay(code: ErrorCode, sessionId: string | undefined): Promise<void> {
    const { people, audit } = this.#options
    const session = people.sessions.get(sessionId ?? '')
    if (session !== null) await people.sessions.end(session.id, { type: 'System', id: 'identity' })
    await audit.record({
      type: 'token.replay',
      actor: session === null ? { type: 'System', id: 'identity' } : { type: 'User', id: session.userId },
      action: 'authenticate',
      resource: { type: 'System', id: 'identity' },
      outcome: 'refused',
      code,
      details: { session: sessionId ?? '' },
    })
  }

  /** Who comes to the authorization endpoint. @returns null when the answer has been given: the flow is of another browser, or there are too many. */
  arrive(req: IncomingMessage, res: ServerResponse, flow: string | null): Arrival | null {
    if (flow === null && !this.mayBegin(req)) {
      res.setHeader('retry-after', '60')
      answerPage(res, ERROR_TABLE.ERR_LIMIT_REQUESTS.status, errorPage('ERR_LIMIT_REQUESTS'))
      return null
    }
    const browser = new Browser(req, res)
    if (flow !== null && !browser.sealed(`flow ${flow}`, queryOf(req).get('flow_seal'))) {
      this.#fail(res, 'ERR_SIGN_IN_FLOW')
      return null
    }
    for (const [name, value] of Object.entries(PAGE_HEADERS)) if (name !== 'content-security-policy') res.setHeader(name, value)
    return { browserSecret: browser.secret, sessionId: this.#signedIn(browser)?.session.id ?? null, flow }
  }

  /** @returns false when the path is none of these pages. */
  async handle(path: string, req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<boolean> {
    const file = this.#files.get(path)
    if (file !== undefined) {
      answer(res, 200, file[0], file[1], PAGE_HEADERS)
      return true
    }
    const method = req.method === 'HEAD' ? 'GET' : (req.method ?? '')
    const handler = PAGES[`${method} ${path}`]
    if (handler === undefined) return false
    try {
      const browser = new Browser(req, res)
      const form = method === 'POST' ? readForm(req, body, browser, this.#options.issuer) : new URLSearchParams()
      await handler(this.#parts, { req, res, query: queryOf(req), form, browser, source: sourceOf(req), signedIn: this.#signedIn(browser) })
    } catch (thrown) {
      const { code, status, cause } = asRedoubtError(thrown)
      if (status >= 500) this.#options.logger.error({ err: cause ?? thrown }, 'a sign-in page failed')
      this.#fail(res, code)
    }
    return true
  }

  #signedIn(browser: Browser): Visit['signedIn'] {
    const session = browser.session === null ? null : this.#options.people.sessions.bySecret(browser.session)
    return session === null ? null : liveSession(this.#options.people, session.id)
  }

  #fail(res: ServerResponse, code: ErrorCode): void {
    if (ERROR_TABLE[code].status < 500) this.#options.refused(code)
    answerPage(res, ERROR_TABLE[code].status, errorPage(code))
  }
}

const queryOf = (req: IncomingMessage): URLSearchParams => {
  const url = req.url ?? ''
  return new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '')
}

export const sourceOf = (req: IncomingMessage): { readonly sourceAddress: string; readonly userAgent: string } => ({
  sourceAddress: sourceAddress(req),
  userAgent: (req.headers['user-agent'] ?? '').slice(0, 256),
})

import { hash } from 'node:crypto'
import type { Clock, EntityFacts, EntityUid, ErrorCode, LegalBasis, Role } from '#foundation/core'
import type { Account, Accounts, AccountSlot } from './accounts.ts'
import { parseCompactJws } from './compact-jws.ts'
import type { Denylist } from './denylist.ts'
import type { PersonToken, PersonTokens, PersonView } from './people/person-tokens.ts'
import { TokenCache } from './token-cache.ts'
import { type AccessToken, type TokenRules, verifyAccessToken } from './verify-access-token.ts'

/** Whoever makes a request, as the policies and the log know it. The same object is given for the same token while nothing changes. */
export interface Principal {
  readonly facts: EntityFacts
  readonly name: string
  readonly roles: readonly Role[]
  readonly purpose: string
  readonly legalBasis: LegalBasis
  /** 0 none, 1 one factor, 2 two factors, 3 hardware-bound. A service account proves one key. */
  readonly mfaLevel: number
  /** When a person showed their factors, epoch milliseconds; null for programs. */
  readonly authTime: number | null
  /** Session of a person; null for programs. */
  readonly sessionId: string | null
  readonly token: { readonly id: string; readonly issuer: string; readonly expiresAt: number }
}

export interface Refusal {
  readonly code: ErrorCode
}

export interface Credentials {
  readonly authorization: string | undefined
  /** How many `authorization` headers the request carries; Node joins or drops repeated ones. */
  readonly authorizationCount: number
  /** The request target, to refuse tokens in it. */
  readonly url: string
}

interface VerifiedAccount {
  readonly token: AccessToken
  readonly slot: AccountSlot
  account: Account
  principal: Principal
}

interface VerifiedPerson {
  readonly token: PersonToken
  readonly slot: null
  view: PersonView | null
}

type Verified = VerifiedAccount | VerifiedPerson

export interface AuthenticatorOptions {
  readonly rules: TokenRules
  readonly accounts: Accounts
  readonly people: PersonTokens
  readonly denylist: Denylist
  readonly clock: Clock
  readonly cacheEntries: number
  readonly production: boolean
  readonly refused: (code: ErrorCode, known: EntityUid | null) => void
}

/** One frozen object for each code, so that a refusal allocates nothing. */
const refusals = new Map<ErrorCode, Refusal>()
function refusal(code: ErrorCode): Refusal {
  let one = refusals.get(code)
  if (one === undefined) {
    one = Object.freeze({ code })
    refusals.set(code, one)
  }
  return one
}

const MFA_LEVEL_OF_SERVICE_ACCOUNTS = 1

/**
 * Answers who is asking, for every request anew (B8). A token that was verified before is recognised by its SHA-256 and costs
 * no signature check, but expiry, revocation and the present state of its account are looked at each time.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  readonly #cache: TokenCache<Verified>

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#cache = new TokenCache(options.cacheEntries)
  }

  get cached(): number {
    return this.#cache.size
  }

  /** Synchronous; never throws for bad input. */
  authenticate(credentials: Credentials): Principal | Refusal {
    const token = locateToken(credentials)
    if (token.code !== null) return this.#refuse(token.code, null)
    const { clock } = this.#options
    const now = clock.now()
    const key = hash('sha256', token.text, 'base64url')
    let verified = this.#cache.get(key)
    if (verified === undefined) {
      const result = this.#verify(token.text, now)
      if (typeof result === 'string') return this.#refuse(result, this.#claimedActor(token.text))
      verified = result
      this.#cache.set(key, verified)
    }
    const answer = this.#judge(verified, now)
    if (typeof answer === 'string') {
      if (answer === 'ERR_TOKEN_EXPIRED') this.#cache.delete(key)
      return this.#refuse(answer, { type: verified.slot === null ? 'User' : 'ServiceAccount', id: verified.token.account })
    }
    return answer
  }

  /** What became of a principal since it was authenticated: for streams, which outlive the check at their start. */
  stillValid(principal: Principal): ErrorCode | null {
    const { accounts, denylist, clock } = this.#options
    const { token } = principal
    if (token.expiresAt <= clock.now()) return 'ERR_TOKEN_EXPIRED'
    if (denylist.has(token.issuer, token.id)) return 'ERR_TOKEN_REVOKED'
    if (principal.sessionId !== null) return this.#options.people.stillValid(principal, clock.now())
    const account = accounts.get(principal.name)
    if (account === null) return 'ERR_ACCOUNT_UNKNOWN'
    if (account.disabled) return 'ERR_ACCOUNT_DISABLED'
    return account.facts === principal.facts ? null : 'ERR_TOKEN_REVOKED'
  }

  /** What policies would know of an account or a person, to ask what it may do. Its token is none: `stillValid` refuses it. */
  describe(name: string): Principal | null {
    const account = this.#options.accounts.get(name)
    const { issuer } = this.#options.rules
    return account === null ? this.#options.people.describe(name, issuer) : principalOf(account, { id: '', issuer, expiresAt: 0 })
  }

  /** As `authenticate`, for a token that is presented as a parameter: revocation and introspection. Records nothing. */
  inspect(text: string): AccessToken | ErrorCode {
    const now = this.#options.clock.now()
    const verified = this.#verify(text, now)
    if (typeof verified === 'string') return verified
    const answer = this.#judge(verified, now)
    return typeof answer === 'string' ? answer : verified.token
  }

  #verify(text: string, now: number): Verified | ErrorCode {
    const token = verifyAccessToken(text, this.#options.rules, now)
    if (typeof token === 'string') return token
    if (token.person !== null) return { token: { ...token, person: token.person }, slot: null, view: null }
    const slot = this.#options.accounts.slot(token.account)
    if (slot === undefined) return 'ERR_ACCOUNT_UNKNOWN'
    return { token, slot, account: slot.current, principal: principalOf(slot.current, token) }
  }

  #judge(verified: Verified, now: number): Principal | ErrorCode {
    const { token } = verified
    if (token.expiresAt <= now) return 'ERR_TOKEN_EXPIRED'
    if (this.#options.denylist.has(token.issuer, token.id)) return 'ERR_TOKEN_REVOKED'
    return verified.slot === null ? this.#judgePerson(verified, now) : this.#judgeAccount(verified)
  }

  #judgePerson(verified: VerifiedPerson, now: number): Principal | ErrorCode {
    const view = this.#options.people.judge(verified.token, now, verified.view)
    if (typeof view === 'string') return view
    verified.view = view
    return view.principal
  }

  #judgeAccount(verified: VerifiedAccount): Principal | ErrorCode {
    const { token, slot } = verified
    const account = slot.current
    if (account.disabled) return 'ERR_ACCOUNT_DISABLED'
    if (account.epoch !== token.epoch) return 'ERR_TOKEN_REVOKED'
    if (this.#options.production && account.roles.includes('bootstrap')) return 'ERR_ACCOUNT_DISABLED'
    if (account !== verified.account) {
      verified.account = account
      verified.principal = principalOf(account, token)
    }
    return verified.principal
  }

  #refuse(code: ErrorCode, known: EntityUid | null): Refusal {
    this.#options.refused(code, known)
    return refusal(code)
  }

  /** The account an unverified token names, if there is one of that name: useful in the log, and never more than a claim. */
  #claimedActor(text: string): EntityUid | null {
    const jws = parseCompactJws(text)
    if (typeof jws === 'string') return null
    const { sub } = jws.payload
    return typeof sub === 'string' ? (this.#options.accounts.get(sub)?.facts ?? this.#options.people.known(sub)) : null
  }
}

const BEARER = /^bearer ([A-Za-z0-9._~+/=-]+)$/i
type Located = { readonly code: ErrorCode; readonly text: '' } | { readonly code: null; readonly text: string }

/**
 * One token, in one authorization header, and nowhere else.
 * @see RFC 6750 §2 (a request must not use more than one method), RFC 9700 §4.3.2 (not in the query)
 */
function locateToken({ authorization, authorizationCount, url }: Credentials): Located {
  if (authorizationCount > 1) return { code: 'ERR_TOKEN_PLACEMENT', text: '' }
  if (url.includes('?') && namesToken(url)) return { code: 'ERR_TOKEN_PLACEMENT', text: '' }
  if (authorization === undefined || authorization === '') return { code: 'ERR_TOKEN_MISSING', text: '' }
  // The parser's own cap comes before any work on the text; the pattern below is linear, but so is a megabyte.
  if (authorization.length > 8_200) return { code: 'ERR_TOKEN_TOO_LARGE', text: '' }
  const text = BEARER.exec(authorization)?.[1]
  return text === undefined ? { code: 'ERR_TOKEN_MALFORMED', text: '' } : { code: null, text }
}

function namesToken(url: string): boolean {
  for (const name of new URLSearchParams(url.slice(url.indexOf('?') + 1)).keys()) {
    if (name.toLowerCase() === 'access_token') return true
  }
  return false
}

function principalOf(account: Account, token: Pick<AccessToken, 'id' | 'issuer' | 'expiresAt'>): Principal {
  return {
    facts: account.facts,
    name: account.name,
    roles: account.roles,
    purpose: account.purpose,
    legalBasis: account.legalBasis,
    mfaLevel: MFA_LEVEL_OF_SERVICE_ACCOUNTS,
    authTime: null,
    sessionId: null,
    token: { id: token.id, issuer: token.issuer, expiresAt: token.expiresAt },
  }
}

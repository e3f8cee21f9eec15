import { hash } from 'node:crypto'
import type { Clock, EntityFacts, EntityUid, ErrorCode, LegalBasis, Role } from '#foundation/core'
import type { Account, Accounts } from './accounts.ts'
import { parseCompactJws } from './compact-jws.ts'
import type { Denylist } from './denylist.ts'
import type { Person, Session } from './people/people.ts'
import { type Credentials, locateToken } from './services/credentials.ts'
import { narrowed } from './services/delegation.ts'
import { type BindingKind, type TokenBindings, wantsNonce } from './services/token-binding.ts'
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
  /** What the token is bound to, and was shown to hold in this request. */
  readonly tokenBinding: BindingKind
  /** The service account that acts for the person; empty when the principal acts for itself. */
  readonly onBehalfBy: string
  readonly token: { readonly id: string; readonly issuer: string; readonly expiresAt: number }
}

/** The people that tokens may speak for. */
export interface PeopleInView {
  find(userId: string): Person | null
  readonly sessions: { get(id: string): Session | null }
}

export interface Refusal {
  readonly code: ErrorCode
}

/** The present state of whoever a token speaks for, and of the service that acts for them. */
interface Subjects {
  readonly subject: Account | Person
  readonly service: Account | null
}

interface Verified {
  readonly token: AccessToken
  subjects: Subjects
  principal: Principal
}

export interface AuthenticatorOptions {
  readonly rules: TokenRules
  readonly accounts: Accounts
  readonly people: PeopleInView | null
  readonly denylist: Denylist
  readonly bindings: TokenBindings
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
  /** The token behind each principal that was given out and is still in use. */
  readonly #held = new WeakMap<Principal, Verified>()

  constructor(options: AuthenticatorOptions) {
    this.#options = options
    this.#cache = new TokenCache(options.cacheEntries)
  }

  get cached(): number {
    return this.#cache.size
  }

  /** Synchronous; never throws for bad input. */
  authenticate(credentials: Credentials): Principal | Refusal {
    const located = locateToken(credentials)
    if (located.code !== null) return this.#refuse(located.code, null, credentials)
    const now = this.#options.clock.now()
    const key = hash('sha256', located.text, 'base64url')
    let verified = this.#cache.get(key)
    if (verified === undefined) {
      const result = this.#verify(located.text, now)
      if (typeof result === 'string') return this.#refuse(result, this.#claimedActor(located.text), credentials)
      verified = result
      this.#cache.set(key, verified)
    }
    const code =
      this.#judge(verified, now) ?? this.#options.bindings.judge(verified.token.binding, located.text, located.scheme, credentials)
    if (code !== null) {
      if (code === 'ERR_TOKEN_EXPIRED') this.#cache.delete(key)
      return this.#refuse(code, verified.principal.facts, credentials)
    }
    return verified.principal
  }

  /** What became of a principal since it was authenticated: for streams, which outlive the check at their start. */
  stillValid(principal: Principal): ErrorCode | null {
    const held = this.#held.get(principal)
    if (held === undefined) return 'ERR_TOKEN_REVOKED'
    const code = this.#judge(held, this.#options.clock.now())
    // Judging may have brought the present state; what was decided for the old one does not hold for the new one.
    return code ?? (held.principal === principal ? null : 'ERR_TOKEN_REVOKED')
  }

  /** What policies would know of an account, to ask what it may do. Its token is none: `stillValid` refuses it. */
  describe(name: string): Principal | null {
    const account = this.#options.accounts.get(name)
    return account === null ? null : ofAccount(account, { id: '', issuer: this.#options.rules.issuer, expiresAt: 0 }, account.binding)
  }

  /**
   * As `authenticate`, for a token that is presented as a parameter: revocation, introspection, exchange. Its binding is not asked for,
   * since whoever presents it here is not its holder. Records nothing.
   */
  inspect(text: string): { readonly token: AccessToken; readonly principal: Principal } | ErrorCode {
    const now = this.#options.clock.now()
    const verified = this.#verify(text, now)
    if (typeof verified === 'string') return verified
    return this.#judge(verified, now) ?? { token: verified.token, principal: verified.principal }
  }

  #verify(text: string, now: number): Verified | ErrorCode {
    const token = verifyAccessToken(text, this.#options.rules, now)
    if (typeof token === 'string') return token
    const subjects = this.#subjects(token)
    if (subjects === null) return 'ERR_ACCOUNT_UNKNOWN'
    const verified = { token, subjects, principal: principalOf(subjects, token) }
    this.#held.set(verified.principal, verified)
    return verified
  }

  #subjects({ subject, signIn, actor }: AccessToken): Subjects | null {
    const { accounts, people } = this.#options
    const found = signIn === null ? accounts.get(subject) : (people?.find(subject) ?? null)
    const service = actor === null ? null : accounts.get(actor.account)
    return found === null || (actor !== null && service === null) ? null : { subject: found, service }
  }

  #judge(verified: Verified, now: number): ErrorCode | null {
    const { token } = verified
    const { denylist, production, people } = this.#options
    if (token.expiresAt <= now) return 'ERR_TOKEN_EXPIRED'
    if (denylist.has(token.issuer, token.id)) return 'ERR_TOKEN_REVOKED'
    const subjects = this.#subjects(token)
    if (subjects === null) return 'ERR_ACCOUNT_UNKNOWN'
    const { subject, service } = subjects
    if (subject.disabled) return 'ERR_ACCOUNT_DISABLED'
    if (subject.epoch !== token.epoch) return 'ERR_TOKEN_REVOKED'
    if (production && subject.roles.includes('bootstrap')) return 'ERR_ACCOUNT_DISABLED'
    if (token.signIn !== null && people?.sessions.get(token.signIn.sid)?.userId !== token.subject) return 'ERR_SESSION_ENDED'
    const code = service === null ? bindingDemanded(subject, token) : this.#judgeService(service, token)
    if (code !== null) return code
    const before = verified.subjects
    if (subject.facts !== before.subject.facts || service?.facts !== before.service?.facts) {
      verified.subjects = subjects
      verified.principal = principalOf(subjects, token)
      this.#held.set(verified.principal, verified)
    }
    return null
  }

  /** A token by which a service acts for someone lives no longer than the service may, nor than the token it was exchanged for. */
  #judgeService(service: Account, token: AccessToken): ErrorCode | null {
    const { actor, issuer } = token
    if (service.disabled) return 'ERR_ACCOUNT_DISABLED'
    if (service.epoch !== actor?.epoch || this.#options.denylist.has(issuer, actor.parent)) return 'ERR_TOKEN_REVOKED'
    return bindingDemanded(service, token)
  }

  #refuse(code: ErrorCode, known: EntityUid | null, { possession }: Credentials): Refusal {
    this.#options.refused(code, known)
    if (wantsNonce(code)) possession?.setHeader('dpop-nonce', this.#options.bindings.nonce)
    return refusal(code)
  }

  /** The account an unverified token names, if there is one of that name: useful in the log, and never more than a claim. */
  #claimedActor(text: string): EntityUid | null {
    const jws = parseCompactJws(text)
    if (typeof jws === 'string') return null
    const { sub } = jws.payload
    return typeof sub === 'string' ? (this.#options.accounts.get(sub)?.facts ?? null) : null
  }
}

/** An account that takes bound tokens only has no use for others, whoever signed them. */
function bindingDemanded(holder: Account | Person, token: AccessToken): ErrorCode | null {
  if (!('binding' in holder) || holder.binding === 'none') return null
  if (holder.binding !== token.binding.kind) return 'ERR_TOKEN_BINDING'
  return holder.binding === 'mtls' && holder.certificate !== token.binding.thumbprint ? 'ERR_TOKEN_CERTIFICATE' : null
}

type TokenFacts = Pick<AccessToken, 'id' | 'issuer' | 'expiresAt'>
const factsOfToken = ({ id, issuer, expiresAt }: TokenFacts): Principal['token'] => ({ id, issuer, expiresAt })

function principalOf({ subject, service }: Subjects, token: AccessToken): Principal {
  if ('publicKeyJwk' in subject) return ofAccount(subject, token, token.binding.kind)
  const principal = ofPerson(subject, token)
  return service === null ? principal : narrowed(principal, service)
}

function ofAccount(account: Account, token: TokenFacts, tokenBinding: BindingKind): Principal {
  return {
    facts: account.facts,
    name: account.name,
    roles: account.roles,
    purpose: account.purpose,
    legalBasis: account.legalBasis,
    mfaLevel: MFA_LEVEL_OF_SERVICE_ACCOUNTS,
    authTime: null,
    sessionId: null,
    tokenBinding,
    onBehalfBy: '',
    token: factsOfToken(token),
  }
}

function ofPerson(person: Person, token: AccessToken): Principal {
  const mfaLevel = Number(token.signIn?.acr ?? 0)
  const { id, facts, roles, purpose, legalBasis } = person
  return {
    facts: { ...facts, attributes: { ...facts.attributes, mfaLevel } },
    name: id,
    roles,
    purpose,
    legalBasis,
    mfaLevel,
    authTime: token.signIn === null ? null : token.signIn.auth_time * 1000,
    sessionId: token.signIn?.sid ?? null,
    tokenBinding: token.binding.kind,
    onBehalfBy: '',
    token: factsOfToken(token),
  }
}

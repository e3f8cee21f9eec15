import { hash } from 'node:crypto'
import {
  type AuthenticationScheme,
  type Clock,
  type EntityFacts,
  type EntityUid,
  type ErrorCode,
  type LegalBasis,
  RedoubtError,
  type Role,
} from '#foundation/core'
import type { Accounts } from './accounts.ts'
import type { Account, AccountSlot } from './service-account.ts'
import { parseCompactJws } from './compact-jws.ts'
import type { Denylist } from './denylist.ts'
import type { PersonToken, PersonTokens, PersonView } from './people/person-tokens.ts'
import { schemeOf } from './services/challenge.ts'
import { type Credentials, locateToken } from './services/credentials.ts'
import { narrowed } from './services/delegation.ts'
import type { BindingKind } from '#trust/client'
import { type TokenBinding, type TokenBindings, wantsNonce } from './services/token-binding.ts'
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
  /** What the token is bound to; that the caller holds it was shown in this request. */
  readonly tokenBinding: BindingKind
  /** Thumbprint of the key that the token is bound to; left out for bearer tokens. */
  readonly keyThumbprint?: string
  /** The service account that acts for the person; empty when the principal acts for itself. */
  readonly onBehalfBy: string
  readonly token: { readonly id: string; readonly issuer: string; readonly expiresAt: number }
}

export interface Refusal {
  readonly code: ErrorCode
  /** Left out for Bearer. */
  readonly scheme?: 'DPoP'
}

/** A refusal as an error, which knows how to ask for better credentials. */
export const refusalError = ({ code, scheme }: Refusal): RedoubtError =>
  new RedoubtError(code, undefined, scheme === undefined ? {} : { scheme })

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
  /** What the service that acts for the person sees of them; null when there is none. */
  delegated: Delegated | null
}

interface Delegated {
  readonly token: PersonToken
  /** The person, as they are for themselves. */
  readonly person: Principal
  readonly service: Account
  readonly principal: Principal
}

type Verified = VerifiedAccount | VerifiedPerson

export interface AuthenticatorOptions {
  readonly rules: TokenRules
  readonly accounts: Accounts
  readonly people: PersonTokens
  readonly denylist: Denylist
  readonly bindings: TokenBindings
  readonly clock: Clock
  readonly cacheEntries: number
  readonly production: boolean
  readonly refused: (code: ErrorCode, known: EntityUid | null) => void
}

/** One frozen object for each code and scheme, so that a refusal allocates nothing. */
const refusals = { Bearer: new Map<ErrorCode, Refusal>(), DPoP: new Map<ErrorCode, Refusal>() }
function refusal(code: ErrorCode, scheme: AuthenticationScheme): Refusal {
  let one = refusals[scheme].get(code)
  if (one === undefined) {
    one = Object.freeze({ code, ...(scheme === 'DPoP' ? { scheme } : {}) })
    refusals[scheme].set(code, one)
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
  readonly #delegated = new WeakMap<Principal, Delegated>()

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
    if (located.code !== null) return this.#refuse(located.code, null, 'Bearer', credentials)
    const now = this.#options.clock.now()
    const key = hash('sha256', located.text, 'base64url')
    let verified = this.#cache.get(key)
    if (verified === undefined) {
      const result = this.#verify(located.text, now)
      // What it is bound to is not known; whoever sent it said how it is to be presented.
      if (typeof result === 'string')
        return this.#refuse(result, this.#claimedActor(located.text), located.scheme === 'dpop' ? 'DPoP' : 'Bearer', credentials)
      verified = result
      this.#cache.set(key, verified)
    }
    let answer = this.#judge(verified, now)
    if (typeof answer !== 'string') {
      // Last of all, because a proof is used up by it.
      const code = this.#options.bindings.judge(verified.token.binding, located.text, located.scheme, credentials, holderOf(verified))
      if (code === null) return answer
      answer = code
    }
    if (answer === 'ERR_TOKEN_EXPIRED') this.#cache.delete(key)
    return this.#refuse(answer, holderOf(verified), schemeOf(verified.token.binding.kind), credentials)
  }

  /** What became of a principal since it was authenticated: for streams, which outlive the check at their start. */
  stillValid(principal: Principal): ErrorCode | null {
    const { accounts, denylist, clock } = this.#options
    const { token } = principal
    if (token.expiresAt <= clock.now()) return 'ERR_TOKEN_EXPIRED'
    if (denylist.has(token.issuer, token.id)) return 'ERR_TOKEN_REVOKED'
    if (principal.onBehalfBy !== '') return this.#delegationValid(principal, clock.now())
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
    if (account === null) return this.#options.people.describe(name, issuer)
    return principalOf(account, { id: '', issuer, expiresAt: 0 }, { kind: account.binding, thumbprint: '' })
  }

  /**
   * As `authenticate`, for a token that is presented as a parameter: revocation, introspection, exchange. Its binding is not asked for,
   * since whoever presents it here need not be its holder. Records nothing.
   */
  inspect(text: string): { readonly token: AccessToken; readonly principal: Principal } | ErrorCode {
    const now = this.#options.clock.now()
    const verified = this.#verify(text, now)
    if (typeof verified === 'string') return verified
    const principal = this.#judge(verified, now)
    return typeof principal === 'string' ? principal : { token: verified.token, principal }
  }

  #verify(text: string, now: number): Verified | ErrorCode {
    const token = verifyAccessToken(text, this.#options.rules, now)
    if (typeof token === 'string') return token
    if (token.person !== null) return { token: { ...token, person: token.person }, slot: null, view: null, delegated: null }
    const slot = this.#options.accounts.slot(token.account)
    if (slot === undefined) return 'ERR_ACCOUNT_UNKNOWN'
    return { token, slot, account: slot.current, principal: principalOf(slot.current, token, token.binding) }
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
    const { token } = verified
    const { actor } = token
    if (actor === null) return view.principal
    const service = this.#options.accounts.get(actor.account)
    const code = this.#judgeService(service, token)
    if (code !== null || service === null) return code ?? 'ERR_ACCOUNT_UNKNOWN'
    if (verified.delegated?.person !== view.principal || verified.delegated.service !== service) {
      verified.delegated = { token, person: view.principal, service, principal: narrowed(view.principal, service) }
      this.#delegated.set(verified.delegated.principal, verified.delegated)
    }
    return verified.delegated.principal
  }

  /** A service acts for someone no longer than it may act at all, nor than the token lives that it was given. */
  #judgeService(service: Account | null, { actor, issuer, binding }: AccessToken): ErrorCode | null {
    if (service === null || actor === null) return 'ERR_ACCOUNT_UNKNOWN'
    if (service.disabled) return 'ERR_ACCOUNT_DISABLED'
    if (service.epoch !== actor.epoch || this.#options.denylist.has(issuer, actor.parent)) return 'ERR_TOKEN_REVOKED'
    return bindingDemanded(service, binding)
  }

  #delegationValid(principal: Principal, now: number): ErrorCode | null {
    const delegated = this.#delegated.get(principal)
    if (delegated === undefined) return 'ERR_TOKEN_REVOKED'
    const { token, person, service } = delegated
    return this.#judgeService(this.#options.accounts.get(service.name), token) ?? this.#options.people.stillValid(person, now)
  }

  #judgeAccount(verified: VerifiedAccount): Principal | ErrorCode {
    const { token, slot } = verified
    const account = slot.current
    if (account.disabled) return 'ERR_ACCOUNT_DISABLED'
    if (account.epoch !== token.epoch) return 'ERR_TOKEN_REVOKED'
    if (this.#options.production && account.roles.includes('bootstrap')) return 'ERR_ACCOUNT_DISABLED'
    const code = bindingDemanded(account, token.binding)
    if (code !== null) return code
    if (account !== verified.account) {
      verified.account = account
      verified.principal = principalOf(account, token, token.binding)
    }
    return verified.principal
  }

  #refuse(code: ErrorCode, known: EntityUid | null, scheme: AuthenticationScheme, { possession }: Credentials): Refusal {
    this.#options.refused(code, known)
    if (wantsNonce(code)) possession?.setHeader('dpop-nonce', this.#options.bindings.nonce)
    return refusal(code, scheme)
  }

  /** The account an unverified token names, if there is one of that name: useful in the log, and never more than a claim. */
  #claimedActor(text: string): EntityUid | null {
    const jws = parseCompactJws(text)
    if (typeof jws === 'string') return null
    const { sub } = jws.payload
    return typeof sub === 'string' ? (this.#options.accounts.get(sub)?.facts ?? this.#options.people.known(sub)) : null
  }
}

/** Whoever acts with a token: of one by which a service acts for a person, the service. */
function holderOf({ token, slot }: Verified): EntityUid {
  if (token.actor !== null) return { type: 'ServiceAccount', id: token.actor.account }
  return { type: slot === null ? 'User' : 'ServiceAccount', id: token.account }
}

/** An account that takes bound tokens only has no use for others, whoever signed them. */
function bindingDemanded({ binding, certificate }: Account, { kind, thumbprint }: TokenBinding): ErrorCode | null {
  if (binding === 'none') return null
  if (binding !== kind) return 'ERR_TOKEN_BINDING'
  return binding === 'mtls' && certificate !== thumbprint ? 'ERR_TOKEN_CERTIFICATE' : null
}

function principalOf(account: Account, token: Pick<AccessToken, 'id' | 'issuer' | 'expiresAt'>, binding: TokenBinding): Principal {
  return {
    facts: account.facts,
    name: account.name,
    roles: account.roles,
    purpose: account.purpose,
    legalBasis: account.legalBasis,
    mfaLevel: MFA_LEVEL_OF_SERVICE_ACCOUNTS,
    authTime: null,
    sessionId: null,
    tokenBinding: binding.kind,
    ...(binding.thumbprint === '' ? {} : { keyThumbprint: binding.thumbprint }),
    onBehalfBy: '',
    token: { id: token.id, issuer: token.issuer, expiresAt: token.expiresAt },
  }
}

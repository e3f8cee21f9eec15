import type { EntityUid, ErrorCode } from '#foundation/core'
import type { Principal } from '../authenticator.ts'
import type { AccessToken, PersonClaims } from '../verify-access-token.ts'
import type { PersonRecord, PersonStore } from './person-store.ts'
import type { SessionStore } from './session-store.ts'

export type PersonToken = AccessToken & { readonly person: PersonClaims }

/** The principal of a person's token, made anew only when the person or the session changed. */
export interface PersonView {
  readonly record: PersonRecord
  readonly principal: Principal
}

/** What became of the person and the session of a token, looked at on every request (B5, B8). Synchronous, no I/O. */
export class PersonTokens {
  readonly #people: PersonStore
  readonly #sessions: SessionStore

  constructor(people: PersonStore, sessions: SessionStore) {
    this.#people = people
    this.#sessions = sessions
  }

  /** @param before What was answered for this token last time. @returns the same while nothing changed. */
  judge(token: PersonToken, now: number, before: PersonView | null): PersonView | ErrorCode {
    const record = this.#people.get(token.account)
    if (record === null) return 'ERR_ACCOUNT_UNKNOWN'
    if (record.disabled) return 'ERR_ACCOUNT_DISABLED'
    const shown = this.#sessions.levelOf(token.person.sessionId, record.id, now, true)
    if (shown === null) return 'ERR_SESSION_ENDED'
    if (record.epoch !== token.epoch) return 'ERR_ACCOUNT_CHANGED'
    // A token says what was shown when it was issued; the session knows whether that is so.
    const mfaLevel = token.person.mfaLevel < shown ? token.person.mfaLevel : shown
    if (before !== null && before.record === record && before.principal.mfaLevel === mfaLevel) return before
    return { record, principal: principalOf(record, token, mfaLevel) }
  }

  /** Whom a token names, if there is such a person. */
  known(userId: string): EntityUid | null {
    return this.#people.get(userId)?.facts ?? null
  }

  /** What policies would know of a person who shows the best factors that they have. Its token is none: `stillValid` refuses it. */
  describe(userId: string, issuer: string): Principal | null {
    const record = this.#people.get(userId)
    if (record === null) return null
    const mfaLevel = this.#people.bestLevelOf(userId)
    const { roles, purpose, legalBasis, factsAt } = record
    const token = { id: '', issuer, expiresAt: 0 }
    return {
      facts: factsAt[mfaLevel],
      name: userId,
      roles,
      purpose,
      legalBasis,
      mfaLevel,
      authTime: null,
      sessionId: null,
      tokenBinding: 'none',
      onBehalfBy: '',
      token,
    }
  }

  /** For what runs: as `judge`, without counting as use. */
  stillValid(principal: Principal, now: number): ErrorCode | null {
    const record = this.#people.get(principal.facts.id)
    if (record === null) return 'ERR_ACCOUNT_UNKNOWN'
    if (record.disabled) return 'ERR_ACCOUNT_DISABLED'
    if (principal.sessionId === null || this.#sessions.levelOf(principal.sessionId, record.id, now, false) === null)
      return 'ERR_SESSION_ENDED'
    return record.factsAt[principal.mfaLevel] === principal.facts ? null : 'ERR_ACCOUNT_CHANGED'
  }
}

function principalOf(record: PersonRecord, token: PersonToken, mfaLevel: 1 | 2 | 3): Principal {
  return {
    facts: record.factsAt[mfaLevel],
    name: record.id,
    roles: record.roles,
    purpose: record.purpose,
    legalBasis: record.legalBasis,
    mfaLevel,
    authTime: token.person.authTime,
    sessionId: token.person.sessionId,
    tokenBinding: token.binding.kind,
    ...(token.binding.thumbprint === '' ? {} : { keyThumbprint: token.binding.thumbprint }),
    onBehalfBy: '',
    token: { id: token.id, issuer: token.issuer, expiresAt: token.expiresAt },
  }
}

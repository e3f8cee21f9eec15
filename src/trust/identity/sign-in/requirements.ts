import type { Session } from '../people/people.ts'

/** What a request wants of the sign-in behind it (RFC 9470 §4, OpenID Connect Core §3.1.2.1). */
export interface Requirement {
  /** 0 for none. */
  readonly level: number
  /** Seconds; null for any age. */
  readonly maxAge: number | null
}

export const NO_REQUIREMENT: Requirement = { level: 0, maxAge: null }

/** For who adds a key to their own account. */
export const FOR_A_NEW_FACTOR: Requirement = { level: 2, maxAge: 240 }

/** Levels are ordered, so the lowest that is named is what must be reached. */
export function requirementOf(params: Readonly<Record<string, unknown>>): Requirement {
  const named = typeof params['acr_values'] === 'string' ? params['acr_values'].split(' ').filter((one) => /^[123]$/.test(one)) : []
  // oidc-provider has checked that it is a whole number; a device's request comes as text, an authorization request as number.
  const maxAge = params['max_age'] === undefined ? null : Number(params['max_age'])
  return {
    level: named.length === 0 ? 0 : Math.min(...named.map(Number)),
    maxAge: maxAge !== null && Number.isFinite(maxAge) && maxAge >= 0 ? maxAge : null,
  }
}

/** @param now epoch milliseconds. @returns what is missing, or null. */
export function lacking(session: Pick<Session, 'mfaLevel' | 'authTime'>, wanted: Requirement, now: number): 'level' | 'age' | null {
  if (session.mfaLevel < wanted.level) return 'level'
  return wanted.maxAge !== null && now - session.authTime > wanted.maxAge * 1000 ? 'age' : null
}

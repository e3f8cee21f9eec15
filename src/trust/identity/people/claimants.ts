import type { SubjectSealer } from '#foundation/core'
import type { Target } from './attempt-guard.ts'
import { canonicalLoginName, loginDigest } from './login-name.ts'
import type { Claimant } from './people.ts'
import type { PersonRecord, PersonStore } from './person-store.ts'

/** Sealing and hashing for nobody are done in this name. */
export const NOBODY = 'user_nobody'

export interface Claimed {
  /** Null when nobody has the name: the caller goes on all the same and refuses at the end. */
  readonly person: PersonRecord | null
  readonly target: Target
  /** The person, or nobody: for work that has to be done either way. */
  readonly subject: string
}

/** Whom a claim names. One keyed hash and one look-up whether there is such a person or not. */
export function resolveClaimant(claimant: Claimant, people: PersonStore, sealer: SubjectSealer): Claimed {
  if ('userId' in claimant) {
    const person = people.get(claimant.userId)
    const key = person?.loginDigest ?? sealer.pseudonym(`person ${claimant.userId}`)
    return { person, target: { key, userId: person?.id ?? null }, subject: person?.id ?? NOBODY }
  }
  // What cannot be a name is hashed as the empty name, which nobody has.
  const key = loginDigest(sealer, canonicalLoginName(claimant.loginName) ?? '')
  const person = people.byLoginDigest(key)
  return { person, target: { key, userId: person?.id ?? null }, subject: person?.id ?? NOBODY }
}

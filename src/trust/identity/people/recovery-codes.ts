import { randomInt } from 'node:crypto'
import type { Clock, EntityUid, ErrorCode, SubjectSealer } from '#foundation/core'
import type { WriteQueue } from '../write-queue.ts'
import { SIGN_IN_FAILED } from './assertions.ts'
import type { AttemptGuard } from './attempt-guard.ts'
import { resolveClaimant } from './claimants.ts'
import type { FactorStore } from './factor-store.ts'
import type { Claimant, SignedIn, SignInRefusal, SignInSource } from './people.ts'
import { describePerson, faultSince, type PersonStore } from './person-store.ts'

const CODES = 10
/** Crockford's base32: no letter that is read as another. 16 of them are 80 bits, so a keyed hash needs no slowness. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LENGTH = 16
const MAX_TYPED = 64

/** Ten codes, as people read them: four groups of four. */
export function newRecoveryCodes(): readonly string[] {
  return Array.from({ length: CODES }, () =>
    Array.from({ length: LENGTH / 4 }, () => Array.from({ length: 4 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')).join('-'),
  )
}

/** HMAC-SHA-256 under a key of the keyring, over person and code. */
export function recoveryDigest(sealer: SubjectSealer, userId: string, code: string): string {
  const plain = code.slice(0, MAX_TYPED).toLowerCase().replaceAll(/[\s-]/g, '').replaceAll('o', '0').replaceAll(/[il]/g, '1')
  return sealer.pseudonym(`recovery-code ${userId} ${plain.toWellFormed()}`)
}

export interface RecoveryParts {
  readonly people: PersonStore
  readonly factors: FactorStore
  readonly guard: AttemptGuard
  readonly queue: WriteQueue
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly refused: (code: ErrorCode, known: EntityUid | null) => void
}

/** Signing in with a recovery code: one factor, each code once. Powerful people have none; two others help them. */
export class RecoveryCheck {
  readonly #parts: RecoveryParts

  constructor(parts: RecoveryParts) {
    this.#parts = parts
  }

  async use(claimant: Claimant, code: string, source: SignInSource): Promise<SignedIn | SignInRefusal> {
    const { people, factors, guard, sealer, clock, queue } = this.#parts
    const { person, target, subject } = resolveClaimant(claimant, people, sealer)
    const attempt = guard.admit(target, source.sourceAddress)
    if ('retryAfterSeconds' in attempt) {
      this.#parts.refused('ERR_SIGN_IN_LOCKED', person?.facts ?? null)
      return { code: 'ERR_SIGN_IN_LOCKED', retryAfterSeconds: attempt.retryAfterSeconds }
    }
    const digest = recoveryDigest(sealer, subject, code)
    const allowed = person !== null && !person.disabled && !person.powerful
    // INVARIANT: gone from memory in the turn that found it, so that two requests with one code are one sign-in.
    if (!allowed || !factors.spendCode(subject, digest)) {
      await attempt.failed()
      this.#parts.refused('ERR_RECOVERY_CODE', person?.facts ?? null)
      return SIGN_IN_FAILED
    }
    people.refresh(person.id)
    await queue.write(() => factors.removeCode(person.id, digest))
    await attempt.succeeded(person.id)
    const present = people.get(person.id)
    const changed = faultSince(person, present)
    if (changed !== null || present === null) {
      this.#parts.refused(changed ?? 'ERR_ACCOUNT_UNKNOWN', person.facts)
      return SIGN_IN_FAILED
    }
    return { person: describePerson(present), amr: ['otp'], mfaLevel: 1, authTime: clock.now(), recovered: true }
  }
}

import { type Clock, type EntityUid, type ErrorCode, type SubjectSealer } from '#foundation/core'
import { Secret, TOTP } from 'otpauth'
import type { WriteQueue } from '../write-queue.ts'
import { SIGN_IN_FAILED } from './assertions.ts'
import type { AttemptGuard } from './attempt-guard.ts'
import { NOBODY, resolveClaimant } from './claimants.ts'
import type { FactorStore } from './factor-store.ts'
import type { Claimant, SignedIn, SignInRefusal, SignInSource } from './people.ts'
import { describePerson, faultSince, type PersonStore } from './person-store.ts'

/** RFC 4226 §4 R6 asks for 160 bits. */
const SECRET_BYTES = 20
const PERIOD_SECONDS = 30
const DIGITS = 6
/** Steps of clock difference that are forgiven, each way (RFC 6238 §5.2). */
const WINDOW = 1
const CODE = /^[0-9]{6}$/
const CONTEXT = 'identity/totp'

export const newTotpSecret = (): Uint8Array => new Secret({ size: SECRET_BYTES }).bytes

function generator(secret: Uint8Array, label = ''): TOTP {
  return new TOTP({
    issuer: 'Redoubt',
    label,
    digits: DIGITS,
    period: PERIOD_SECONDS,
    secret: new Secret({ buffer: new Uint8Array(secret).buffer }),
  })
}

/** For the person's code generator: the key URI, and the secret in base32 for typing. */
export function keyUri(secret: Uint8Array, label: string): { readonly uri: string; readonly secret: string } {
  const totp = generator(secret, label)
  return { uri: totp.toString(), secret: totp.secret.base32 }
}

/** @returns the time step that the code is of, or null. */
export function stepOf(secret: Uint8Array, code: string, now: number): number | null {
  const digits = code.replaceAll(' ', '')
  const delta = generator(secret).validate({ token: CODE.test(digits) ? digits : 'xxxxxx', timestamp: now, window: WINDOW })
  return delta === null ? null : Math.floor(now / 1000 / PERIOD_SECONDS) + delta
}

export const sealTotp = async (sealer: SubjectSealer, userId: string, secret: Uint8Array): Promise<string> =>
  Buffer.from((await sealer.seal(userId, secret, CONTEXT)).ciphertext).toString('base64url')

export interface TotpParts {
  readonly people: PersonStore
  readonly factors: FactorStore
  readonly guard: AttemptGuard
  readonly queue: WriteQueue
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly refused: (code: ErrorCode, known: EntityUid | null) => void
}

/**
 * Signing in with a time-based code (RFC 6238), for those whose roles are not powerful. A code is taken once: its step and all before
 * it are spent, durably, before anyone is let in. For a name that nobody has the same is done with a secret that nobody has.
 */
export class TotpCheck {
  readonly #parts: TotpParts
  #decoy: Promise<string> | null = null

  constructor(parts: TotpParts) {
    this.#parts = parts
  }

  async verify(claimant: Claimant, code: string, source: SignInSource): Promise<SignedIn | SignInRefusal> {
    const { people, factors, guard, sealer, clock, queue } = this.#parts
    const { person, target, subject } = resolveClaimant(claimant, people, sealer)
    const attempt = guard.admit(target, source.sourceAddress)
    if ('retryAfterSeconds' in attempt) {
      this.#parts.refused('ERR_SIGN_IN_LOCKED', person?.facts ?? null)
      return { code: 'ERR_SIGN_IN_LOCKED', retryAfterSeconds: attempt.retryAfterSeconds }
    }
    const stored = factors.totp(subject)
    this.#decoy ??= sealTotp(sealer, NOBODY, newTotpSecret())
    const decoy = await this.#decoy
    const owner = stored === null ? NOBODY : subject
    const secret = await sealer.open(
      { pseudonym: sealer.pseudonym(owner), ciphertext: Buffer.from(stored?.sealed ?? decoy, 'base64url') },
      CONTEXT,
    )
    const step = stepOf(secret, code, clock.now())
    const fault = this.#fault(person?.id ?? null, step)
    if (fault !== null || person === null || step === null) {
      await attempt.failed()
      this.#parts.refused(fault ?? 'ERR_TOTP_CODE', person?.facts ?? null)
      return SIGN_IN_FAILED
    }
    // INVARIANT: spent in the turn that found it unspent, so that two requests with one code are one sign-in.
    factors.keepTotp(person.id, { ...factors.totp(person.id)!, lastStep: step, lastUsedAt: clock.now() })
    await queue.write(() => factors.storeStep(person.id, step, clock.now()))
    await attempt.succeeded(person.id)
    const present = people.get(person.id)
    const changed = faultSince(person, present)
    if (changed !== null || present === null) {
      this.#parts.refused(changed ?? 'ERR_ACCOUNT_UNKNOWN', person.facts)
      return SIGN_IN_FAILED
    }
    return { person: describePerson(present), amr: ['otp'], mfaLevel: 1, authTime: clock.now(), recovered: false }
  }

  #fault(userId: string | null, step: number | null): ErrorCode | null {
    const person = userId === null ? null : this.#parts.people.get(userId)
    const stored = userId === null ? null : this.#parts.factors.totp(userId)
    if (person === null || stored === null || step === null) return 'ERR_TOTP_CODE'
    if (step <= stored.lastStep) return 'ERR_TOTP_REUSED'
    if (person.powerful) return 'ERR_FACTOR_NOT_ALLOWED'
    return person.disabled ? 'ERR_ACCOUNT_DISABLED' : null
  }
}

import { type AlertSink, type Clock, type EntityUid, type ErrorCode, newId, type SubjectSealer } from '#foundation/core'
import type { PublicKeyCredentialRequestOptionsJSON } from '@simplewebauthn/server'
import type { WriteQueue } from '../write-queue.ts'
import type { AttemptGuard } from './attempt-guard.ts'
import { resolveClaimant } from './claimants.ts'
import { DecoyCredentials } from './decoy-credentials.ts'
import { type Expiring, PendingChallenges } from './pending-challenges.ts'
import type { Credential, FactorStore } from './factor-store.ts'
import type { Claimant, SignedIn, SignInRefusal, SignInSource } from './people.ts'
import { describePerson, faultSince, type PersonRecord, type PersonStore } from './person-store.ts'
import { type KeyModels, levelOfKey, refusalOfKey } from './powerful-roles.ts'
import { type AssertionResponse, verifyAssertion } from './verify-assertion.ts'

/** Long enough to find the key in a drawer. */
const CHALLENGE_LIFETIME_MS = 5 * 60 * 1000
/** A P-256 key (COSE) whose private half nobody has: what unknown credentials are verified against, so that they take as long. */
const DECOY_KEY = new Uint8Array(
  Buffer.from(
    'a5010203262001215820' +
      '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296' +
      '225820' +
      '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
    'hex',
  ),
)

export interface AssertionParts {
  readonly people: PersonStore
  readonly factors: FactorStore
  readonly guard: AttemptGuard
  readonly queue: WriteQueue
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly issuer: string
  readonly models: KeyModels
  readonly alerts: AlertSink | null
  readonly refused: (code: ErrorCode, known: EntityUid | null) => void
}

interface Pending extends Expiring {
  readonly challenge: string
  /** Whose keys may answer: anyone's when null, nobody's when the name is unknown. */
  readonly claimed: { readonly userId: string | null } | null
}

type Judged =
  | { readonly verdict: ErrorCode; readonly known: EntityUid | null }
  | { readonly verdict: Credential; readonly known: EntityUid; readonly person: PersonRecord }

export const SIGN_IN_FAILED: SignInRefusal = Object.freeze({ code: 'ERR_SIGN_IN', retryAfterSeconds: 0 })

/**
 * Signing in with a passkey. A challenge is bound to its handle and its person, serves one attempt, and expires; a key that answers is
 * judged by what is stored of it at that moment. The outside learns yes or no; the log has the reason.
 * There is no lock per person here: nobody guesses a private key, and a lock would only let strangers keep its owner out.
 */
export class Assertions {
  readonly #parts: AssertionParts
  readonly #decoys: DecoyCredentials
  readonly #pending: PendingChallenges<Pending>

  constructor(parts: AssertionParts) {
    this.#parts = parts
    this.#decoys = new DecoyCredentials(parts.factors, parts.sealer)
    this.#pending = new PendingChallenges(parts.clock, (address) => parts.guard.knows(address))
  }

  async begin(
    claimant: Claimant | null,
    source: SignInSource,
  ): Promise<{ readonly handle: string; readonly options: PublicKeyCredentialRequestOptionsJSON }> {
    const { clock, issuer, people, sealer } = this.#parts
    const claimed = claimant === null ? null : resolveClaimant(claimant, people, sealer)
    const { generateAuthenticationOptions } = await import('@simplewebauthn/server')
    const options = await generateAuthenticationOptions({
      rpID: new URL(issuer).hostname,
      timeout: CHALLENGE_LIFETIME_MS,
      userVerification: 'required',
      ...(claimed === null
        ? {}
        : { allowCredentials: this.#allowed(claimed.target.key, claimed.person?.id ?? null).map((id) => ({ id })) }),
    })
    const handle = newId('sig')
    const pending: Pending = {
      challenge: options.challenge,
      claimed: claimed === null ? null : { userId: claimed.person?.id ?? null },
      expiresAt: clock.now() + CHALLENGE_LIFETIME_MS,
    }
    this.#pending.add(handle, pending, source.sourceAddress)
    return { handle, options }
  }

  async complete(handle: string, response: AssertionResponse, source: SignInSource): Promise<SignedIn | SignInRefusal> {
    const { clock, guard, factors, people, queue } = this.#parts
    // INVARIANT: taken out before anything is awaited, so that a challenge can be answered once, whatever the answer is worth.
    const pending = this.#pending.take(handle)
    const attempt = guard.admit(null, source.sourceAddress)
    if ('retryAfterSeconds' in attempt) return this.#refuse('ERR_SIGN_IN_LOCKED', null, attempt.retryAfterSeconds)
    const judged = await this.#judge(pending, response)
    if (!('person' in judged)) {
      await attempt.failed()
      if (judged.verdict === 'ERR_WEBAUTHN_COUNTER' && judged.known !== null) this.#alertCopy(judged.known)
      return this.#refuse(judged.verdict, judged.known)
    }
    const credential = judged.verdict
    // One that was taken away since it was judged is not put back.
    if (factors.credential(credential.id) === null) {
      await attempt.failed()
      return this.#refuse('ERR_WEBAUTHN_CREDENTIAL', judged.known)
    }
    factors.keepCredential(credential)
    await queue.write(() => factors.storeUse(credential))
    // Whatever was taken away while the disk was busy is taken away, and other rights may ask for another key.
    let changed = faultSince(judged.person, people.get(credential.userId))
    await (changed === null ? attempt.succeeded(credential.userId) : attempt.failed())
    changed ??= faultSince(judged.person, people.get(credential.userId))
    if (changed !== null) return this.#refuse(changed, judged.known)
    return {
      person: describePerson(judged.person),
      amr: [credential.backupEligible ? 'swk' : 'hwk', 'user', 'mfa'],
      mfaLevel: levelOfKey(credential, this.#parts.models),
      authTime: clock.now(),
      recovered: false,
    }
  }

  purge(): void {
    this.#pending.purge()
  }

  /** @returns the credential with its new counter, or why not. Everything after the verification is one turn of the event loop. */
  async #judge(pending: Pending | undefined, response: AssertionResponse): Promise<Judged> {
    const { clock, factors, issuer, people, models } = this.#parts
    if (pending === undefined) return { verdict: 'ERR_WEBAUTHN_CHALLENGE', known: null }
    const owner = factors.credential(response.id)?.userId ?? null
    const fits = owner !== null && fitsClaim(pending, owner, response.response.userHandle ?? null)
    const key = fits ? factors.credential(response.id) : null
    const verified = await verifyAssertion(response, key ?? { id: response.id, publicKey: DECOY_KEY }, {
      challenge: pending.challenge,
      origin: issuer,
      relyingParty: new URL(issuer).hostname,
    })
    if (key === null) {
      // Faults of the data come first; that the signature is not of the decoy says nothing.
      const fault = typeof verified === 'string' && verified !== 'ERR_WEBAUTHN_SIGNATURE' ? verified : 'ERR_WEBAUTHN_CREDENTIAL'
      return { verdict: fault, known: null }
    }
    const known = { type: 'User', id: key.userId }
    if (typeof verified === 'string') return { verdict: verified, known }
    const present = factors.credential(response.id)
    const person = people.get(key.userId)
    if (present === null || person === null) return { verdict: 'ERR_WEBAUTHN_CREDENTIAL', known }
    // §7.2 step 22: two zeros are a key that does not count; all else must have grown, or there are two of it.
    if ((verified.counter > 0 || present.counter > 0) && verified.counter <= present.counter)
      return { verdict: 'ERR_WEBAUTHN_COUNTER', known }
    // §7.2 step 19: eligibility is a property of the key and does not change.
    if (verified.backupEligible !== present.backupEligible) return { verdict: 'ERR_WEBAUTHN_SYNCED', known }
    const unfit = refusalOfKey(present, person.powerful, models)
    if (unfit !== null) return { verdict: unfit, known }
    return { verdict: { ...present, counter: verified.counter, backedUp: verified.backedUp, lastUsedAt: clock.now() }, known, person }
  }

  /** The ids of a person's keys, or for a name that nobody has such that only this server can tell from real ones (§14.6.2). */
  #allowed(key: string, userId: string | null): readonly string[] {
    const { factors } = this.#parts
    // Made for everyone, so that it takes as long.
    const decoys = this.#decoys.idsFor(key)
    const ids = userId === null ? [] : factors.credentialsOf(userId).map(({ id }) => id)
    return ids.length === 0 ? decoys : ids
  }

  /** The signature was good and the counter was not: two devices hold this key, or one was set back. */
  #alertCopy(subject: EntityUid): void {
    this.#parts.alerts?.raise({
      kind: 'access.key.copied',
      severity: 'critical',
      summary: 'The counter of a security key went backwards: there may be a copy of it',
      subject,
      key: subject.id,
      details: { code: 'ERR_WEBAUTHN_COUNTER' },
    })
  }

  #refuse(code: ErrorCode, known: EntityUid | null, retryAfterSeconds = 0): SignInRefusal {
    this.#parts.refused(code, known)
    return code === 'ERR_SIGN_IN_LOCKED' ? { code, retryAfterSeconds } : SIGN_IN_FAILED
  }
}

/** Without a name the key must say whose it is; with one it must be that person's, and a handle must not say otherwise (§7.2 step 6). */
function fitsClaim({ claimed }: Pending, owner: string, userHandle: string | null): boolean {
  const named = userHandle === null ? null : Buffer.from(userHandle, 'base64url').toString('utf8')
  if (claimed === null) return named === owner
  return claimed.userId === owner && (named === null || named === owner)
}

import type { DatabaseSync } from 'node:sqlite'
import { newId, RedoubtError } from '#foundation/core'
import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server'
import type { AttestationRoots } from '../attestation-roots.ts'
import { COSE_ALGORITHMS, verifyRegistration, type RegistrationResponse } from '../webauthn.ts'
import { type Acting, demandPerson } from './acting.ts'
import { CHALLENGE_LIFETIME_MS, EnrolmentAttempts, type Pending } from './enrolment-attempts.ts'
import { digestOf, EnrolmentLinks, type UsableLink } from './enrolment-links.ts'
import { alreadyOne, type Enrolled, FIRST_ADMINISTRATOR_ROLES, NewFactors, type NewFactorsOptions } from './new-factors.ts'
import type { EnrolmentLink, SignedIn } from './people.ts'
import { isPowerful, type KeyModels, refusalOfKey } from './powerful-roles.ts'
import { keyUri, newTotpSecret, stepOf } from './totp.ts'

/** How long ago two factors may have been shown by whoever adds one to their own account. */
const FRESH_MS = 5 * 60 * 1000
const MAX_PASSKEYS = 10

export interface EnrolmentOptions extends NewFactorsOptions {
  readonly raw: DatabaseSync
  /** `https://host[:port]`; its host is the relying party id. */
  readonly issuer: string
  readonly linkMinutes: number
  readonly models: KeyModels
  readonly roots: AttestationRoots | null
  /** The account of the command line, where it acts in place of people. */
  readonly isBootstrap: (account: string) => boolean
}

/** Whom a link is for: a person, or whoever becomes the first administrator by it. */
export type LinkKind = 'first-administrator' | 'person' | 'person-with-totp'

/**
 * Enrolment of a factor by a one-use link: for the first administrator, who is made by it, and for everyone else, who exists already.
 * A challenge serves one attempt, successful or not. The person's
 * name goes to the authenticator and, sealed under the person's key, to log and database.
 * @see Web Authentication Level 3 §7.1
 */
export class Enrolment {
  readonly #options: EnrolmentOptions
  readonly #links: EnrolmentLinks
  readonly #attempts: EnrolmentAttempts
  readonly #newFactors: NewFactors

  constructor(options: EnrolmentOptions) {
    this.#options = options
    this.#links = new EnrolmentLinks(options)
    this.#attempts = new EnrolmentAttempts(options.clock)
    this.#newFactors = new NewFactors(options, this.#links)
  }

  /** Whether anyone can sign in as administrator: else the server prints a link for whoever sits at its terminal. */
  administratorEnrolled(): boolean {
    const { people } = this.#options
    return people.list().some((person) => people.isAdministrator(person))
  }

  /**
   * For a first administrator, while there is none. A new link makes every older unused one of this kind invalid.
   * @throws {RedoubtError} `ERR_CONFLICT`, `ERR_ACCESS_PROGRAM`, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`; no link is valid then.
   */
  async createLink(by: Acting): Promise<EnrolmentLink> {
    demandPerson(by, this.#options.isBootstrap)
    if (this.administratorEnrolled()) throw alreadyOne()
    return this.#links.make(null, by)
  }

  /**
   * For a person who never had a factor. Whoever had one adds to it themselves, or is helped by two others: a single administrator
   * cannot come to sign in as someone else.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_CONFLICT`, `ERR_ACCESS_PROGRAM`.
   */
  async createPersonLink(userId: string, by: Acting): Promise<EnrolmentLink> {
    const person = this.#options.roster.require(userId)
    if (person.enrolledAt !== null)
      throw new RedoubtError(
        'ERR_CONFLICT',
        'the person has enrolled before: they add keys themselves, and lost keys take a recovery by two others',
      )
    if (person.powerful) demandPerson(by, this.#options.isBootstrap)
    return this.#links.make(person, by)
  }

  /** After two others agreed. */
  createRecoveryLink(userId: string, by: Acting): Promise<EnrolmentLink> {
    return this.#links.make(this.#options.roster.require(userId), by)
  }

  /** For oneself. @throws {RedoubtError} `ERR_MFA_REQUIRED`. */
  async createOwnLink(shown: Pick<SignedIn, 'mfaLevel' | 'authTime' | 'recovered'>, userId: string): Promise<EnrolmentLink> {
    const person = this.#options.roster.require(userId)
    const fresh = shown.authTime + FRESH_MS > this.#options.clock.now()
    // One phished code must not become a key for good: it takes two factors, or a recovery code from the drawer.
    const enough = shown.mfaLevel >= 2 || (shown.recovered && !person.powerful)
    if (!fresh || !enough || person.disabled) throw new RedoubtError('ERR_MFA_REQUIRED')
    return this.#links.make(person, { type: 'User', id: userId })
  }

  /** Null when the link is used, expired or unknown, or its person is disabled or not who it was made for any more. */
  kindOf(token: string): LinkKind | null {
    const link = this.#links.find(token)
    if (link === null) return null
    if (link.person === null) return this.administratorEnrolled() ? null : 'first-administrator'
    return link.person.powerful ? 'person' : 'person-with-totp'
  }

  /** @returns what the browser needs to make a credential, or null when the link is not usable. @param displayName for a first administrator. */
  async begin(token: string, displayName: string | null): Promise<PublicKeyCredentialCreationOptionsJSON | null> {
    const link = this.#links.find(token)
    if (link === null) return null
    this.#demandOpen(link)
    const { factors, issuer, models, roster } = this.#options
    const { person } = link
    const name = person === null ? displayName : await roster.loginNameOf(person.id)
    if (name === null) throw new RedoubtError('ERR_INPUT_INVALID', 'the person has no name')
    const userId = person?.id ?? newId('user')
    const powerful = person?.powerful ?? isPowerful(FIRST_ADMINISTRATOR_ROLES)
    const { generateRegistrationOptions } = await import('@simplewebauthn/server')
    const created = await generateRegistrationOptions({
      rpName: 'Redoubt',
      rpID: new URL(issuer).hostname,
      userID: new Uint8Array(Buffer.from(userId, 'utf8')),
      userName: name,
      userDisplayName: name,
      timeout: CHALLENGE_LIFETIME_MS,
      // Without it browsers hide the model of the authenticator.
      attestationType: powerful && models.aaguids.size > 0 ? 'direct' : 'none',
      supportedAlgorithmIDs: [...COSE_ALGORITHMS],
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      excludeCredentials: factors.credentialsOf(userId).map(({ id }) => ({ id })),
    })
    this.#attempts.begin(digestOf(token), { userId, challenge: created.challenge })
    return created
  }

  /**
   * Verifies the new credential and gives it to its owner: recorded first, then durable, then answered.
   * @throws {RedoubtError} `ERR_ENROLMENT_INVALID` for the link, an `ERR_WEBAUTHN…` for the credential or its challenge.
   */
  async complete(token: string, displayName: string | null, response: RegistrationResponse): Promise<Enrolled> {
    const { issuer, factors, models, roots, clock } = this.#options
    const { link, pending } = this.#take(token)
    if (pending?.challenge === undefined) throw new RedoubtError('ERR_WEBAUTHN_CHALLENGE')
    const verified = await verifyRegistration(response, {
      challenge: pending.challenge,
      origin: issuer,
      relyingParty: new URL(issuer).hostname,
    })
    if (typeof verified === 'string') throw new RedoubtError(verified)
    const powerful = link.person?.powerful ?? isPowerful(FIRST_ADMINISTRATOR_ROLES)
    // The model is what the key says of itself unless its maker's certificate says so too; only that is kept as attestation.
    const vouched = roots !== null && roots.vouchFor(verified.chain, clock.now())
    const credential = vouched ? verified : { ...verified, attestation: 'none' }
    const unfit = refusalOfKey(credential, powerful, models)
    if (unfit !== null) throw new RedoubtError(unfit)
    // Without certificates of makers the word of the key is taken, but it has to be given under its signature.
    if (powerful && models.aaguids.size > 0 && verified.attestation === 'none') throw new RedoubtError('ERR_WEBAUTHN_AUTHENTICATOR')
    if (factors.credential(credential.id) !== null) throw new RedoubtError('ERR_WEBAUTHN_CREDENTIAL', 'the key is enrolled already')
    if (factors.credentialsOf(pending.userId).length >= MAX_PASSKEYS)
      throw new RedoubtError('ERR_CONFLICT', `a person has at most ${MAX_PASSKEYS} keys`)
    return this.#attempts.once(link.digest, async () => {
      if (link.person !== null) return this.#newFactors.add(link, link.person, { credential })
      if (displayName === null) throw new RedoubtError('ERR_INPUT_INVALID', 'the person has no name')
      await this.#newFactors.enrolFirst(link, pending.userId, displayName, credential)
      return { recoveryCodes: [] }
    })
  }

  /** A new secret for a code generator; null when the link is not usable. @throws {RedoubtError} `ERR_FACTOR_NOT_ALLOWED` for powerful people. */
  async beginTotp(token: string): Promise<{ readonly uri: string; readonly secret: string } | null> {
    const link = this.#links.find(token)
    if (link === null) return null
    if (link.person === null || link.person.powerful) throw new RedoubtError('ERR_FACTOR_NOT_ALLOWED')
    const secret = newTotpSecret()
    this.#attempts.begin(digestOf(token), { userId: link.person.id, secret })
    return keyUri(secret, (await this.#options.roster.loginNameOf(link.person.id)) ?? '')
  }

  /** @throws {RedoubtError} `ERR_ENROLMENT_INVALID`, `ERR_TOTP_CODE`: the secret is gone then, and a new one begins. */
  async completeTotp(token: string, code: string): Promise<Enrolled> {
    const { link, pending } = this.#take(token)
    if (pending?.secret === undefined || link.person === null) throw new RedoubtError('ERR_TOTP_CODE')
    if (link.person.powerful) throw new RedoubtError('ERR_FACTOR_NOT_ALLOWED')
    const step = stepOf(pending.secret, code, this.#options.clock.now())
    if (step === null) throw new RedoubtError('ERR_TOTP_CODE')
    const { person } = link
    const totp = { secret: pending.secret, step }
    return this.#attempts.once(link.digest, () => this.#newFactors.add(link, person, { totp }))
  }

  async purge(): Promise<void> {
    this.#attempts.purge()
    await this.#links.purge()
  }

  /** A link for a first administrator is worth nothing when there is one. */
  #demandOpen({ person }: UsableLink): void {
    if (person === null && this.administratorEnrolled()) throw alreadyOne()
  }

  /** The link, and what was begun on it. */
  #take(token: string): {
    readonly link: UsableLink
    readonly pending: Pending | null
  } {
    const link = this.#links.find(token)
    if (link === null) throw new RedoubtError('ERR_ENROLMENT_INVALID')
    this.#demandOpen(link)
    return { link, pending: this.#attempts.take(link.digest) }
  }
}

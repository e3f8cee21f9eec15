import type { DatabaseSync } from 'node:sqlite'
import { asRedoubtError, type AuditSink, type Clock, newId, RedoubtError, type Role, type SubjectSealer } from '#foundation/core'
import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server'
import type { AttestationRoots } from '../attestation-roots.ts'
import { COSE_ALGORITHMS, verifyRegistration, type RegistrationResponse, type VerifiedCredential } from '../webauthn.ts'
import type { WriteQueue } from '../write-queue.ts'
import { type Acting, demandPerson, makerOf } from './acting.ts'
import { digestOf, EnrolmentLinks, type UsableLink } from './enrolment-links.ts'
import { factorId, type FactorStore } from './factor-store.ts'
import type { EnrolmentLink, SignedIn } from './people.ts'
import type { PersonChanges } from './person-changes.ts'
import type { PersonRecord, PersonStore } from './person-store.ts'
import { isPowerful, type KeyModels, refusalOfKey } from './powerful-roles.ts'
import { newRecoveryCodes, recoveryDigest } from './recovery-codes.ts'
import type { Roster } from './roster.ts'
import { keyUri, newTotpSecret, sealTotp, stepOf } from './totp.ts'

/** Long enough to find the key in a drawer; the page asks for a new challenge when it is over. */
const CHALLENGE_LIFETIME_MS = 5 * 60 * 1000
/** How long ago two factors may have been shown by whoever adds one to their own account. */
const FRESH_MS = 5 * 60 * 1000
const MAX_PASSKEYS = 10
const FIRST_ADMINISTRATOR_ROLES: readonly Role[] = ['administrator', 'security-officer']

export interface EnrolmentOptions {
  readonly raw: DatabaseSync
  readonly queue: WriteQueue
  readonly changes: PersonChanges
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly people: PersonStore
  readonly factors: FactorStore
  readonly roster: Roster
  /** `https://host[:port]`; its host is the relying party id. */
  readonly issuer: string
  readonly linkMinutes: number
  readonly models: KeyModels
  readonly roots: AttestationRoots | null
  /** The account of the command line, where it acts in place of people. */
  readonly isBootstrap: (account: string) => boolean
}

export interface Enrolled {
  /** Given out once; empty for powerful people, and for who has codes already. */
  readonly recoveryCodes: readonly string[]
}

/** Whom a link is for: a person, or whoever becomes the first administrator by it. */
export type LinkKind = 'first-administrator' | 'person' | 'person-with-totp'

interface Pending {
  readonly userId: string
  readonly expiresAt: number
  readonly challenge?: string
  readonly secret?: Uint8Array
}

/**
 * Enrolment of a factor by a one-use link: for the first administrator, who is made by it, and for everyone else, who exists already.
 * A challenge serves one attempt, successful or not. The person's
 * name goes to the authenticator and, sealed under the person's key, to log and database.
 * @see Web Authentication Level 3 §7.1
 */
export class Enrolment {
  readonly #options: EnrolmentOptions
  readonly #links: EnrolmentLinks
  /** Links whose new factor is being recorded and stored. */
  readonly #completing = new Set<string>()
  readonly #pending = new Map<string, Pending>()

  constructor(options: EnrolmentOptions) {
    this.#options = options
    this.#links = new EnrolmentLinks(options)
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
    this.#wait(token, { userId, challenge: created.challenge })
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
    return this.#once(link.digest, async () => {
      if (link.person !== null) return this.#add(link, link.person, { credential })
      if (displayName === null) throw new RedoubtError('ERR_INPUT_INVALID', 'the person has no name')
      await this.#enrolFirst(link, pending.userId, displayName, credential)
      return { recoveryCodes: [] }
    })
  }

  /** A new secret for a code generator; null when the link is not usable. @throws {RedoubtError} `ERR_FACTOR_NOT_ALLOWED` for powerful people. */
  async beginTotp(token: string): Promise<{ readonly uri: string; readonly secret: string } | null> {
    const link = this.#links.find(token)
    if (link === null) return null
    if (link.person === null || link.person.powerful) throw new RedoubtError('ERR_FACTOR_NOT_ALLOWED')
    const secret = newTotpSecret()
    this.#wait(token, { userId: link.person.id, secret })
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
    return this.#once(link.digest, () => this.#add(link, person, { totp }))
  }

  async purge(): Promise<void> {
    const now = this.#options.clock.now()
    for (const [link, { expiresAt }] of this.#pending) if (expiresAt <= now) this.#pending.delete(link)
    await this.#links.purge()
  }

  /** A link for a first administrator is worth nothing when there is one. */
  #demandOpen({ person }: UsableLink): void {
    if (person === null && this.administratorEnrolled()) throw alreadyOne()
  }

  #wait(token: string, pending: Omit<Pending, 'expiresAt'>): void {
    this.#pending.set(digestOf(token), { ...pending, expiresAt: this.#options.clock.now() + CHALLENGE_LIFETIME_MS })
  }

  /** The link, and what was begun on it: taken out before anything is awaited, so that a challenge can be answered once, whatever the answer is worth. */
  #take(token: string): {
    readonly link: UsableLink
    readonly pending: Pending | null
  } {
    const link = this.#links.find(token)
    if (link === null) throw new RedoubtError('ERR_ENROLMENT_INVALID')
    this.#demandOpen(link)
    const pending = this.#pending.get(link.digest) ?? null
    this.#pending.delete(link.digest)
    return { link, pending: pending !== null && pending.expiresAt > this.#options.clock.now() ? pending : null }
  }

  /** Two browsers on one link: one of them goes on from here, so the log never tells of two. */
  async #once<Result>(digest: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#completing.has(digest)) throw new RedoubtError('ERR_ENROLMENT_INVALID')
    this.#completing.add(digest)
    try {
      return await work()
    } finally {
      this.#completing.delete(digest)
    }
  }

  async #enrolFirst(link: UsableLink, userId: string, displayName: string, credential: VerifiedCredential): Promise<void> {
    const { roster, clock, factors, people, queue } = this.#options
    const now = clock.now()
    const build = (name: Pick<PersonRecord, 'loginDigest' | 'loginSealed'>) =>
      ({
        id: userId,
        ...name,
        roles: FIRST_ADMINISTRATOR_ROLES,
        groups: [],
        purpose: '',
        legalBasis: 'legitimate-interests',
        disabled: false,
        epoch: 0,
        createdAt: now,
        enrolledAt: now,
        createdBy: link.madeBy,
        enrolledBy: link.madeBy,
      }) as const
    await roster.take(displayName, userId, build, async (state) => {
      const event = this.#event(userId, { roles: [...FIRST_ADMINISTRATOR_ROLES], ...detailsOf(credential) })
      await this.#recorded({ ...event, personal: [{ subject: userId, fields: { displayName } }] }, () =>
        queue.write(() => {
          this.#links.spend(link.digest)
          // Two links of this kind, used at once or made by a replica: what is stored decides.
          if (people.administratorStored()) throw alreadyOne()
          people.insert(state)
          factors.storeCredential({ ...credential, userId, createdAt: now, lastUsedAt: null })
        }),
      )
      factors.keepCredential({ ...credential, userId, createdAt: now, lastUsedAt: null })
      people.keep(state)
    })
  }

  async #add(
    link: UsableLink,
    person: PersonRecord,
    added: { readonly credential: VerifiedCredential } | { readonly totp: { readonly secret: Uint8Array; readonly step: number } },
  ): Promise<Enrolled> {
    const { changes, clock, factors, people, sealer } = this.#options
    const { id: userId } = person
    const now = clock.now()
    const recoveryCodes = person.powerful || person.factors.recoveryCodes > 0 ? [] : newRecoveryCodes()
    const digests = recoveryCodes.map((code) => recoveryDigest(sealer, userId, code))
    const credential = 'credential' in added ? { ...added.credential, userId, createdAt: now, lastUsedAt: null } : null
    const totp =
      'totp' in added
        ? { sealed: await sealTotp(sealer, userId, added.totp.secret), lastStep: added.totp.step, createdAt: now, lastUsedAt: null }
        : null
    const details = 'credential' in added ? detailsOf(added.credential) : { totp: true }
    // Whoever adds to what they have does it themselves, and stays whose they were.
    const enrolledBy = link.madeBy === makerOf({ type: 'User', id: userId }) ? person.enrolledBy : link.madeBy
    const demandSame = (present: PersonRecord | null): PersonRecord => {
      // Rights and factors are those that the link was made for, or it is for someone else.
      if (present === null || present.disabled || present.epoch !== person.epoch) throw new RedoubtError('ERR_ENROLMENT_INVALID')
      return present
    }
    await this.#recorded(this.#event(userId, { ...details, recoveryCodes: digests.length }), async () => {
      try {
        await changes.widen(
          userId,
          (present) => ({ ...demandSame(present), enrolledAt: present.enrolledAt ?? now, enrolledBy }),
          () => {
            this.#links.spend(link.digest)
            if (credential !== null) factors.storeCredential(credential)
            if (totp !== null) factors.storeTotp(userId, totp)
            if (digests.length > 0) factors.storeCodes(userId, digests)
          },
        )
        // In the turn in which the factor becomes effective: whoever takes factors away after this sees it.
        demandSame(people.get(userId))
        if (credential !== null) factors.keepCredential(credential)
        if (totp !== null) factors.keepTotp(userId, totp)
        if (digests.length > 0) factors.keepCodes(userId, digests)
        people.refresh(userId)
      } catch (thrown) {
        await changes.store(userId, () => factors.restore(userId, credential?.id ?? null))
        throw thrown
      }
    })
    return { recoveryCodes }
  }

  #event(userId: string, details: Readonly<Record<string, string | number | boolean | string[]>>) {
    return {
      type: 'access.enrolment.complete',
      actor: { type: 'User', id: userId },
      action: 'manageAccess',
      resource: { type: 'System', id: 'identity' },
      details,
    } as const
  }

  async #recorded(event: Omit<Parameters<AuditSink['record']>[0], 'outcome'>, store: () => Promise<void>): Promise<void> {
    const { audit } = this.#options
    await audit.record({ ...event, outcome: 'success' })
    try {
      await store()
    } catch (error) {
      const { personal: _, ...plain } = event
      await audit.record({ ...plain, outcome: 'failed', code: asRedoubtError(error).code })
      throw error
    }
  }
}

const alreadyOne = (): RedoubtError => new RedoubtError('ERR_CONFLICT', 'there is an administrator, who makes everyone else')

const detailsOf = (credential: VerifiedCredential) => ({
  credential: factorId(credential.id),
  aaguid: credential.aaguid,
  attestation: credential.attestation,
  backedUp: credential.backedUp,
})

import { asRedoubtError, type AuditSink, type Clock, RedoubtError, type Role, type SubjectSealer } from '#foundation/core'
import type { VerifiedCredential } from '../webauthn.ts'
import type { WriteQueue } from '../write-queue.ts'
import { makerOf } from './acting.ts'
import type { EnrolmentLinks, UsableLink } from './enrolment-links.ts'
import { factorId, type FactorStore } from './factor-store.ts'
import type { PersonChanges } from './person-changes.ts'
import type { PersonRecord, PersonStore } from './person-store.ts'
import { newRecoveryCodes, recoveryDigest } from './recovery-codes.ts'
import type { Roster } from './roster.ts'
import { sealTotp } from './totp.ts'

export const FIRST_ADMINISTRATOR_ROLES: readonly Role[] = ['administrator', 'security-officer']

export interface NewFactorsOptions {
  readonly queue: WriteQueue
  readonly changes: PersonChanges
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly people: PersonStore
  readonly factors: FactorStore
  readonly roster: Roster
}

export interface Enrolled {
  /** Given out once; empty for powerful people, and for who has codes already. */
  readonly recoveryCodes: readonly string[]
}

/** Gives factors that were verified to their owners: recorded first, then durable, then effective. */
export class NewFactors {
  readonly #options: NewFactorsOptions
  readonly #links: Pick<EnrolmentLinks, 'spend'>

  constructor(options: NewFactorsOptions, links: Pick<EnrolmentLinks, 'spend'>) {
    this.#options = options
    this.#links = links
  }

  /** Makes the first administrator. @throws {RedoubtError} `ERR_CONFLICT` when there is one. */
  async enrolFirst(link: UsableLink, userId: string, displayName: string, credential: VerifiedCredential): Promise<void> {
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

  /** @throws {RedoubtError} `ERR_ENROLMENT_INVALID` when the person is not who the link was made for any more; they have what they had then. */
  async add(
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

export const alreadyOne = (): RedoubtError => new RedoubtError('ERR_CONFLICT', 'there is an administrator, who makes everyone else')

const detailsOf = (credential: VerifiedCredential) => ({
  credential: factorId(credential.id),
  aaguid: credential.aaguid,
  attestation: credential.attestation,
  backedUp: credential.backedUp,
})

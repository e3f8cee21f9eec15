import {
  type AuditSink,
  type Clock,
  type JsonObject,
  LEGAL_BASES,
  newId,
  RedoubtError,
  type Role,
  ROLES,
  type SubjectSealer,
} from '#foundation/core'
import { z } from 'zod'
import type { WriteQueue } from '../write-queue.ts'
import { type Acting, demandPerson, makerOf } from './acting.ts'
import type { FactorStore } from './factor-store.ts'
import { factorId } from './factor-store.ts'
import { loginDigest, requireLoginName } from './login-name.ts'
import type { NewPerson } from './people.ts'
import type { PersonChanges } from './person-changes.ts'
import type { PersonRecord, PersonState, PersonStore } from './person-store.ts'
import { isPowerful, POWERFUL_ROLES } from './powerful-roles.ts'
import type { SessionStore } from './session-store.ts'

const MAX_PEOPLE = 100_000
const NAME_CONTEXT = 'identity/login-name'
const word = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'lower-case letters, digits, dot, dash, underscore; at most 63')
const distinct = (values: readonly string[]): boolean => new Set(values).size === values.length
const roles = z
  .array(z.enum(ROLES.filter((role) => role !== 'bootstrap')))
  .min(1)
  .max(ROLES.length)
  .refine(distinct, 'each role once')
const groups = z.array(word).max(32).refine(distinct, 'each group once')
const newPerson = z
  .object({
    loginName: z.string(),
    roles,
    groups: groups.default([]),
    // None is allowed, and worth nothing: policies refuse data and models to a person who states no purpose.
    purpose: z.union([word, z.literal('')]),
    legalBasis: z.enum(LEGAL_BASES),
  })
  .strict()
const rights = z.object({ roles: roles.optional(), groups: groups.optional() }).strict()

export interface RosterParts {
  readonly people: PersonStore
  readonly factors: FactorStore
  readonly sessions: SessionStore
  readonly queue: WriteQueue
  readonly changes: PersonChanges
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly announce: (id: string) => void
  /** The account of the command line, where it acts in place of people. */
  readonly isBootstrap: (account: string) => boolean
}

/**
 * Who there is, and with which rights. What widens access is recorded before it takes effect; what narrows it takes effect, cuts what
 * runs and is durable before it is recorded. Either way a log that cannot be written makes the call fail.
 */
export class Roster {
  readonly #parts: RosterParts
  /** Names that are being given away. */
  readonly #taking = new Set<string>()

  constructor(parts: RosterParts) {
    this.#parts = parts
  }

  /** @throws {RedoubtError} `ERR_INPUT_INVALID`; `ERR_CONFLICT` when someone has the name, in any spelling; `ERR_ACCESS_PROGRAM`. */
  async create(ask: NewPerson, by: Acting): Promise<PersonRecord> {
    const { people, clock } = this.#parts
    const { loginName, ...state } = valid(newPerson, ask)
    this.#demandPersonFor(by, state.roles)
    if (people.size >= MAX_PEOPLE) throw new RedoubtError('ERR_CONFLICT', `there are ${MAX_PEOPLE} people already`)
    const id = newId('user')
    const made = { enrolledAt: null, createdBy: makerOf(by), enrolledBy: null }
    return this.take(
      loginName,
      id,
      (name) => ({ id, ...name, ...state, disabled: false, epoch: 0, createdAt: clock.now(), ...made }),
      async (state, canonical) => {
        await this.#record('access.person.create', id, by, {
          details: { roles: [...state.roles], groups: [...state.groups], purpose: state.purpose, legalBasis: state.legalBasis },
          personal: [{ subject: id, fields: { loginName: canonical } }],
        })
        await this.#parts.queue.write(() => people.insert(state))
        return people.keep(state)
      },
    )
  }

  /** Reserves a login name while `store` makes its owner: two at once do not get one name. */
  async take<Result>(
    loginName: string,
    id: string,
    build: (name: Pick<PersonState, 'loginDigest' | 'loginSealed'>) => PersonState,
    store: (state: PersonState, canonical: string) => Promise<Result>,
  ): Promise<Result> {
    const { people, sealer } = this.#parts
    const canonical = requireLoginName(loginName)
    const digest = loginDigest(sealer, canonical)
    if (people.byLoginDigest(digest) !== null || this.#taking.has(digest))
      throw new RedoubtError('ERR_CONFLICT', 'someone has this login name')
    this.#taking.add(digest)
    try {
      const sealed = await sealer.seal(id, Buffer.from(canonical, 'utf8'), NAME_CONTEXT)
      return await store(build({ loginDigest: digest, loginSealed: Buffer.from(sealed.ciphertext).toString('base64url') }), canonical)
    } finally {
      this.#taking.delete(digest)
    }
  }

  async loginNameOf(userId: string): Promise<string | null> {
    const { people, sealer } = this.#parts
    const sealed = people.get(userId)?.loginSealed ?? null
    if (sealed === null) return null
    try {
      const opened = await sealer.open({ pseudonym: sealer.pseudonym(userId), ciphertext: Buffer.from(sealed, 'base64url') }, NAME_CONTEXT)
      return Buffer.from(opened).toString('utf8')
    } catch (thrown) {
      if (thrown instanceof RedoubtError && thrown.code === 'ERR_KEYS_DESTROYED') return null
      throw thrown
    }
  }

  /** @throws {RedoubtError} `ERR_ACCESS_LAST_ADMINISTRATOR`. */
  async disable(userId: string, by: Acting): Promise<PersonRecord> {
    const before = this.require(userId)
    this.#demandAnother(before)
    // Of who is disabled already too: whoever is enabling them at this moment did not know of this.
    this.#parts.changes.narrow({ ...before, disabled: true, epoch: before.epoch + 1 })
    await this.#parts.changes.store(userId)
    await this.#parts.sessions.endAll(userId, by)
    await this.#record('access.person.disable', userId, by, { details: { epoch: this.require(userId).epoch } })
    return this.require(userId)
  }

  async enable(userId: string, by: Acting): Promise<PersonRecord> {
    const before = this.require(userId)
    if (!before.disabled) return before
    this.#demandPersonFor(by, before.roles)
    await this.#record('access.person.enable', userId, by, {})
    return this.#parts.changes.widen(userId, (present) => {
      // Who was enabled and disabled again on the way stays disabled: this call knew nothing of the reason.
      if (present.epoch !== before.epoch) throw new RedoubtError('ERR_CONFLICT', CHANGED_MEANWHILE)
      return { ...present, disabled: false }
    })
  }

  /** @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_ACCESS_SELF`, `ERR_ACCESS_LAST_ADMINISTRATOR`, `ERR_ACCESS_PROGRAM`. */
  async change(
    userId: string,
    ask: { readonly roles?: readonly Role[]; readonly groups?: readonly string[] },
    by: Acting,
  ): Promise<PersonRecord> {
    const { sessions } = this.#parts
    const wanted = valid(rights, ask)
    if (by.type === 'User' && by.id === userId) throw new RedoubtError('ERR_ACCESS_SELF')
    const before = this.require(userId)
    const next = { roles: wanted.roles ?? before.roles, groups: wanted.groups ?? before.groups }
    this.#demandPersonFor(by, [...before.roles, ...next.roles])
    const kept = { roles: both(before.roles, next.roles), groups: both(before.groups, next.groups) }
    // First what is taken away, then the record, then what is added.
    if (kept.roles.length < before.roles.length || kept.groups.length < before.groups.length) {
      if (!kept.roles.includes('administrator')) this.#demandAnother(before)
      this.#parts.changes.narrow({ ...before, ...kept, epoch: before.epoch + 1 })
      await this.#parts.changes.store(userId)
    }
    await this.#record('access.person.change', userId, by, {
      details: { roles: [...next.roles], groups: [...next.groups], before: { roles: [...before.roles], groups: [...before.groups] } },
    })
    if (next.roles.length === kept.roles.length && next.groups.length === kept.groups.length) return this.require(userId)
    const record = await this.#parts.changes.widen(userId, (present) => ({
      ...present,
      roles: merged(before.roles, next.roles, present.roles),
      groups: merged(before.groups, next.groups, present.groups),
      epoch: present.epoch + 1,
    }))
    this.#parts.announce(userId)
    // With power come other factors: they are asked for anew, in sessions and token families that begin with them.
    if (record.roles.some((role) => POWERFUL_ROLES.includes(role) && !before.roles.includes(role))) await sessions.endAll(userId, by)
    return record
  }

  /** Ends sessions too: one of them may be of whoever has the factor. @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_ACCESS_LAST_ADMINISTRATOR`. */
  async removeFactor(userId: string, id: string, by: Acting): Promise<PersonRecord> {
    const { factors, sessions } = this.#parts
    const before = this.require(userId)
    const credential = factors.credentialsOf(userId).find((one) => factorId(one.id) === id)
    const totp = id === 'totp' && factors.totp(userId) !== null
    if (credential === undefined && !totp) throw new RedoubtError('ERR_NOT_FOUND', 'the person has no such factor')
    if (credential !== undefined) {
      if (before.factors.passkeys === 1) this.#demandAnother(before)
      factors.dropCredential(credential)
    } else factors.dropTotp(userId)
    this.#parts.changes.narrow({ ...before, epoch: before.epoch + 1 })
    await this.#parts.changes.store(userId, () => {
      if (credential !== undefined) factors.removeCredential(credential.id)
      else factors.removeTotp(userId)
    })
    await sessions.endAll(userId, by)
    await this.#record('access.factor.remove', userId, by, { details: { factor: id } })
    return this.require(userId)
  }

  /** Everything that could sign the person in, and every session. Effective and durable when it resolves; the caller records it. */
  async removeAllFactors(userId: string, by: Acting): Promise<number> {
    const { factors, sessions } = this.#parts
    const before = this.require(userId)
    const credentials = factors.credentialsOf(userId)
    const removed = credentials.length + (factors.totp(userId) === null ? 0 : 1)
    for (const credential of credentials) factors.dropCredential(credential)
    factors.dropTotp(userId)
    factors.dropCodes(userId)
    this.#parts.changes.narrow({ ...before, epoch: before.epoch + 1 })
    await this.#parts.changes.store(userId, () => {
      // Also one that is stored and not yet in effect.
      factors.removeCredentialsOf(userId)
      factors.removeTotp(userId)
      factors.removeCodes(userId)
    })
    await sessions.endAll(userId, by)
    return removed
  }

  /** @param roles those of the person before and after. */
  #demandPersonFor(by: Acting, roles: readonly Role[]): void {
    if (isPowerful(roles)) demandPerson(by, this.#parts.isBootstrap)
  }

  /**
   * Before the person ceases to be an administrator who can sign in. Looked at in the turn in which it is done: of two administrators
   * who take the rights of each other at once one is told no.
   */
  #demandAnother(person: PersonRecord): void {
    const { people } = this.#parts
    if (people.isAdministrator(person) && !people.list().some((other) => other.id !== person.id && people.isAdministrator(other)))
      throw new RedoubtError('ERR_ACCESS_LAST_ADMINISTRATOR')
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  require(userId: string): PersonRecord {
    const record = this.#parts.people.get(userId)
    if (record === null) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such person')
    return record
  }

  async #record(
    type: string,
    userId: string,
    by: Acting,
    more: { readonly details?: JsonObject; readonly personal?: readonly { readonly subject: string; readonly fields: JsonObject }[] },
  ): Promise<void> {
    await this.#parts.audit.record({
      type,
      actor: { type: by.type, id: by.id },
      action: 'manageAccess',
      resource: { type: 'Account', id: userId },
      outcome: 'success',
      ...more,
    })
  }
}

const CHANGED_MEANWHILE = 'the person was changed by someone else meanwhile; look at them and try again'

const both = <Value>(some: readonly Value[], others: readonly Value[]): Value[] => some.filter((one) => others.includes(one))

/**
 * What is asked for on top of what others did meanwhile: what they took away is not given back, and what they gave stays.
 * @param before what whoever asks has looked at, @param next what they want of it, @param present what it is by now.
 */
function merged<Value>(before: readonly Value[], next: readonly Value[], present: readonly Value[]): Value[] {
  const wanted = next.filter((one) => present.includes(one) || !before.includes(one))
  return [...wanted, ...present.filter((one) => !before.includes(one) && !next.includes(one))]
}

function valid<Output>(schema: z.ZodType<Output>, ask: unknown): Output {
  const parsed = schema.safeParse(ask)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new RedoubtError('ERR_INPUT_INVALID', `the person is not valid at \`${issue?.path.join('.') ?? ''}\``)
}

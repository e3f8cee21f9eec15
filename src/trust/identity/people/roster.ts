import {
  type AuditSink,
  type Clock,
  type EntityUid,
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
import type { FactorStore } from './factor-store.ts'
import { factorId } from './factor-store.ts'
import { loginDigest, requireLoginName } from './login-name.ts'
import type { NewPerson } from './people.ts'
import type { PersonRecord, PersonState, PersonStore } from './person-store.ts'
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
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly announce: (id: string) => void
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

  /** @throws {RedoubtError} `ERR_INPUT_INVALID`; `ERR_CONFLICT` when someone has the name, in any spelling. */
  async create(ask: NewPerson, by: EntityUid): Promise<PersonRecord> {
    const { people, clock } = this.#parts
    const { loginName, ...state } = valid(newPerson, ask)
    if (people.size >= MAX_PEOPLE) throw new RedoubtError('ERR_CONFLICT', `there are ${MAX_PEOPLE} people already`)
    const id = newId('user')
    return this.take(
      loginName,
      id,
      (name) => ({ id, ...name, ...state, disabled: false, epoch: 0, createdAt: clock.now(), enrolledAt: null }),
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

  async disable(userId: string, by: EntityUid): Promise<PersonRecord> {
    const before = this.require(userId)
    const after = before.disabled ? before : this.#narrow({ ...before, disabled: true, epoch: before.epoch + 1 })
    await this.#save(after)
    await this.#parts.sessions.endAll(userId, by)
    await this.#record('access.person.disable', userId, by, { details: { epoch: after.epoch } })
    return this.require(userId)
  }

  async enable(userId: string, by: EntityUid): Promise<PersonRecord> {
    const { people } = this.#parts
    if (!this.require(userId).disabled) return this.require(userId)
    await this.#record('access.person.enable', userId, by, {})
    const after = { ...this.require(userId), disabled: false }
    await this.#save(after)
    return people.keep(after)
  }

  async change(
    userId: string,
    ask: { readonly roles?: readonly Role[]; readonly groups?: readonly string[] },
    by: EntityUid,
  ): Promise<PersonRecord> {
    const { people } = this.#parts
    const wanted = valid(rights, ask)
    if (by.type === 'User' && by.id === userId) throw new RedoubtError('ERR_ACCESS_SELF')
    const before = this.require(userId)
    const next = { roles: wanted.roles ?? before.roles, groups: wanted.groups ?? before.groups }
    const kept = {
      roles: before.roles.filter((role) => next.roles.includes(role)),
      groups: before.groups.filter((group) => next.groups.includes(group)),
    }
    const narrows = kept.roles.length < before.roles.length || kept.groups.length < before.groups.length
    // First what is taken away, then the record, then what is added.
    if (narrows) await this.#save(this.#narrow({ ...before, ...kept, epoch: before.epoch + 1 }))
    await this.#record('access.person.change', userId, by, {
      details: { roles: [...next.roles], groups: [...next.groups], before: { roles: [...before.roles], groups: [...before.groups] } },
    })
    const present = this.require(userId)
    const widens = next.roles.length > kept.roles.length || next.groups.length > kept.groups.length
    if (!widens) return present
    // Only what is asked for now and was there before or is added here: a change in between has narrowed for good.
    const after = {
      ...present,
      roles: next.roles.filter((role) => present.roles.includes(role) || !before.roles.includes(role)),
      groups: next.groups.filter((group) => present.groups.includes(group) || !before.groups.includes(group)),
      epoch: present.epoch + 1,
    }
    await this.#save(after)
    const record = people.keep(after)
    this.#parts.announce(userId)
    return record
  }

  /** Ends sessions too: one of them may be of whoever has the factor. @throws {RedoubtError} `ERR_NOT_FOUND`. */
  async removeFactor(userId: string, id: string, by: EntityUid): Promise<PersonRecord> {
    const { factors, sessions, queue } = this.#parts
    const before = this.require(userId)
    const credential = factors.credentialsOf(userId).find((one) => factorId(one.id) === id)
    if (id === 'totp' && factors.totp(userId) !== null) {
      factors.dropTotp(userId)
      await queue.write(() => factors.removeTotp(userId))
    } else if (credential !== undefined) {
      factors.dropCredential(credential)
      await queue.write(() => factors.removeCredential(credential.id))
    } else throw new RedoubtError('ERR_NOT_FOUND', 'the person has no such factor')
    await this.#save(this.#narrow({ ...before, epoch: before.epoch + 1 }))
    await sessions.endAll(userId, by)
    await this.#record('access.factor.remove', userId, by, { details: { factor: id } })
    return this.require(userId)
  }

  /** Everything that could sign the person in, and every session. Effective and durable when it resolves; the caller records it. */
  async removeAllFactors(userId: string, by: EntityUid): Promise<number> {
    const { factors, sessions, queue } = this.#parts
    const before = this.require(userId)
    const credentials = factors.credentialsOf(userId)
    const removed = credentials.length + (factors.totp(userId) === null ? 0 : 1)
    for (const credential of credentials) factors.dropCredential(credential)
    factors.dropTotp(userId)
    factors.dropCodes(userId)
    const after = this.#narrow({ ...before, epoch: before.epoch + 1 })
    await queue.write(() => {
      for (const { id } of credentials) factors.removeCredential(id)
      factors.removeTotp(userId)
      factors.removeCodes(userId)
      this.#parts.people.save(after)
    })
    await sessions.endAll(userId, by)
    return removed
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  require(userId: string): PersonRecord {
    const record = this.#parts.people.get(userId)
    if (record === null) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such person')
    return record
  }

  /** Effective on the next request, and on what runs now. */
  #narrow(state: PersonState): PersonRecord {
    const record = this.#parts.people.keep(state)
    this.#parts.announce(record.id)
    return record
  }

  async #save(state: PersonState): Promise<void> {
    await this.#parts.queue.write(() => this.#parts.people.save(state))
  }

  async #record(
    type: string,
    userId: string,
    by: EntityUid,
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

function valid<Output>(schema: z.ZodType<Output>, ask: unknown): Output {
  const parsed = schema.safeParse(ask)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new RedoubtError('ERR_INPUT_INVALID', `the person is not valid at \`${issue?.path.join('.') ?? ''}\``)
}

import type { DatabaseSync } from 'node:sqlite'
import type { EntityFacts, ErrorCode, LegalBasis, Role } from '#foundation/core'
import type { FactorStore } from './factor-store.ts'
import type { MfaLevel, Person } from './people.ts'
import { isPowerful, type KeyModels, levelOfKey, refusalOfKey } from './powerful-roles.ts'

/** What is stored of a person; the rest follows from it. */
export interface PersonState {
  readonly id: string
  readonly loginDigest: string | null
  /** base64url of the login name sealed under the person's key. */
  readonly loginSealed: string | null
  readonly roles: readonly Role[]
  readonly groups: readonly string[]
  readonly purpose: string
  readonly legalBasis: LegalBasis
  readonly disabled: boolean
  readonly epoch: number
  readonly createdAt: number
  /** When the first factor was enrolled. From then on no single administrator can make a link in the person's name. */
  readonly enrolledAt: number | null
  /** Who made the person, as `makerOf` says it; null when that is not known. */
  readonly createdBy: string | null
  /** Who else made the last link by which a factor was enrolled, and could have used it; null when nobody did or it is not known. */
  readonly enrolledBy: string | null
}

export interface PersonRecord extends Person, PersonState {
  /** By MFA level; the same objects until something changes, so that engines may cache by identity. */
  readonly factsAt: readonly [EntityFacts, EntityFacts, EntityFacts, EntityFacts]
}

interface Row {
  readonly id: string
  readonly login_digest: string | null
  readonly login_sealed: string | null
  readonly roles: string
  readonly member_of: string
  readonly purpose: string
  readonly legal_basis: string
  readonly disabled: number
  readonly epoch: number
  readonly created_at: number
  readonly enrolled_at: number | null
  readonly created_by: string | null
  readonly enrolled_by: string | null
}

/** Everyone, in SQLite and in memory. `insert` and `save` are statements for the room's write queue; `keep` is what makes a change effective. */
export class PersonStore {
  readonly #raw: DatabaseSync
  readonly #factors: FactorStore
  readonly #models: KeyModels
  readonly #people = new Map<string, PersonRecord>()
  readonly #byLogin = new Map<string, string>()

  constructor(raw: DatabaseSync, factors: FactorStore, models: KeyModels) {
    this.#raw = raw
    this.#factors = factors
    this.#models = models
    for (const row of raw.prepare('SELECT * FROM identity_users').all() as unknown as Row[]) this.keep(fromRow(row))
  }

  get size(): number {
    return this.#people.size
  }

  get(id: string): PersonRecord | null {
    return this.#people.get(id) ?? null
  }

  byLoginDigest(digest: string): PersonRecord | null {
    const id = this.#byLogin.get(digest)
    return id === undefined ? null : this.get(id)
  }

  /** 0 when the person has no factor that would sign them in. */
  bestLevelOf(id: string): 0 | MfaLevel {
    const record = this.get(id)
    if (record === null) return 0
    const keys = this.#factors.credentialsOf(id).filter((key) => refusalOfKey(key, record.powerful, this.#models) === null)
    if (keys.length > 0) return keys.some((key) => levelOfKey(key, this.#models) === 3) ? 3 : 2
    return record.factors.totp && !record.powerful ? 1 : 0
  }

  /** Who can sign in as administrator: an administrator without a key cannot. */
  isAdministrator({ roles, disabled, factors }: PersonRecord): boolean {
    return roles.includes('administrator') && !disabled && factors.passkeys > 0
  }

  /** As `isAdministrator` of anyone, by what is stored: for the transaction that would make the first one. */
  administratorStored(): boolean {
    const found = this.#raw.prepare(
      `SELECT 1 FROM identity_users WHERE disabled = 0 AND roles LIKE '%"administrator"%'
         AND id IN (SELECT user_id FROM identity_credentials) LIMIT 1`,
    )
    return found.get() !== undefined
  }

  list(): readonly PersonRecord[] {
    return [...this.#people.values()].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
  }

  /** Effective from here on. */
  keep(state: PersonState): PersonRecord {
    const record = build(state, this.#factors.countOf(state.id), this.#people.get(state.id) ?? null)
    this.#people.set(record.id, record)
    if (record.loginDigest !== null) this.#byLogin.set(record.loginDigest, record.id)
    return record
  }

  /** After a change of the person's factors. */
  refresh(id: string): PersonRecord | null {
    const record = this.get(id)
    return record === null ? null : this.keep(record)
  }

  insert(state: PersonState): void {
    this.#raw
      .prepare(
        `INSERT INTO identity_users (id, login_digest, login_sealed, roles, member_of, purpose, legal_basis, disabled, epoch, created_at, enrolled_at, created_by, enrolled_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        state.id,
        state.loginDigest,
        state.loginSealed,
        JSON.stringify(state.roles),
        JSON.stringify(state.groups),
        state.purpose,
        state.legalBasis,
        state.disabled ? 1 : 0,
        state.epoch,
        state.createdAt,
        state.enrolledAt,
        state.createdBy,
        state.enrolledBy,
      )
  }

  save(state: PersonState): void {
    this.#raw
      .prepare('UPDATE identity_users SET roles = ?, member_of = ?, disabled = ?, epoch = ?, enrolled_at = ?, enrolled_by = ? WHERE id = ?')
      .run(
        JSON.stringify(state.roles),
        JSON.stringify(state.groups),
        state.disabled ? 1 : 0,
        state.epoch,
        state.enrolledAt,
        state.enrolledBy,
        state.id,
      )
  }
}

function fromRow(row: Row): PersonState {
  return {
    id: row.id,
    loginDigest: row.login_digest,
    loginSealed: row.login_sealed,
    roles: JSON.parse(row.roles) as Role[],
    groups: JSON.parse(row.member_of) as string[],
    purpose: row.purpose,
    legalBasis: row.legal_basis as LegalBasis,
    disabled: row.disabled !== 0,
    epoch: row.epoch,
    createdAt: row.created_at,
    enrolledAt: row.enrolled_at,
    createdBy: row.created_by,
    enrolledBy: row.enrolled_by,
  }
}

function build(state: PersonState, factors: Person['factors'], before: PersonRecord | null): PersonRecord {
  const { id, roles, groups, purpose, legalBasis } = state
  const parents = [...roles.map((role) => ({ type: 'Role', id: role })), ...groups.map((group) => ({ type: 'Group', id: group }))]
  const at = (mfaLevel: number): EntityFacts => ({ type: 'User', id, attributes: { purpose, legalBasis, mfaLevel }, parents })
  const same = before !== null && before.roles === roles && before.groups === groups
  const factsAt = same ? before.factsAt : ([at(0), at(1), at(2), at(3)] as const)
  return { ...state, factors, powerful: isPowerful(roles), factsAt, facts: factsAt[0] }
}

/**
 * What became of a person while their factor was judged: with other rights another factor may be asked for, and a factor may be one
 * that was just taken away. @returns null when nothing did.
 */
export function faultSince(judged: PersonRecord, present: PersonRecord | null): ErrorCode | null {
  if (present === null || present.disabled) return 'ERR_ACCOUNT_DISABLED'
  return present.epoch === judged.epoch ? null : 'ERR_ACCOUNT_CHANGED'
}

/** The person without what only this room uses; fit to be shown. */
export function describePerson(record: PersonRecord): Person {
  const { id, roles, groups, purpose, legalBasis, disabled, epoch, createdAt, factors, powerful, facts } = record
  return { id, roles, groups, purpose, legalBasis, disabled, epoch, createdAt, factors, powerful, facts }
}

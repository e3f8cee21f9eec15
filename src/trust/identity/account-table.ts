import type { DatabaseSync } from 'node:sqlite'
import type { LegalBasis, Role } from '#foundation/core'
import type { BindingKind, PublicJwk } from '#trust/client'
import { type Account, accountOf, type Delegation } from './service-account.ts'

interface Row {
  readonly name: string
  readonly roles: string
  readonly purpose: string
  readonly legal_basis: string
  readonly public_key: string
  readonly epoch: number
  readonly disabled: number
  readonly created_at: number
  readonly binding: string
  readonly certificate: string | null
  readonly may_act_for: string | null
}

/** Accounts as rows. What it writes is to be called inside the transaction of somebody else. */
export class AccountTable {
  readonly #raw: DatabaseSync

  constructor(raw: DatabaseSync) {
    this.#raw = raw
  }

  all(): readonly Account[] {
    return (this.#raw.prepare('SELECT * FROM identity_accounts').all() as unknown as Row[]).map(fromRow)
  }

  insert({ name, roles, purpose, legalBasis, publicKeyJwk, createdAt, binding, certificate, mayActFor }: Account): void {
    this.#raw
      .prepare(
        `INSERT INTO identity_accounts (name, roles, purpose, legal_basis, public_key, epoch, disabled, created_at, binding, certificate, may_act_for)
         VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?)`,
      )
      .run(
        name,
        JSON.stringify(roles),
        purpose,
        legalBasis,
        JSON.stringify(publicKeyJwk),
        createdAt,
        binding,
        certificate,
        mayActFor === null ? null : JSON.stringify(mayActFor),
      )
  }

  /** What can change of an account. */
  update({ name, roles, publicKeyJwk, certificate, epoch, disabled }: Account): void {
    this.#raw
      .prepare('UPDATE identity_accounts SET roles = ?, public_key = ?, certificate = ?, epoch = ?, disabled = ? WHERE name = ?')
      .run(JSON.stringify(roles), JSON.stringify(publicKeyJwk), certificate, epoch, disabled ? 1 : 0, name)
  }
}

function fromRow(row: Row): Account {
  return accountOf({
    name: row.name,
    roles: JSON.parse(row.roles) as Role[],
    purpose: row.purpose,
    legalBasis: row.legal_basis as LegalBasis,
    disabled: row.disabled !== 0,
    epoch: row.epoch,
    createdAt: row.created_at,
    publicKeyJwk: JSON.parse(row.public_key) as PublicJwk,
    binding: row.binding as BindingKind,
    certificate: row.certificate,
    mayActFor: row.may_act_for === null ? null : (JSON.parse(row.may_act_for) as Delegation),
  })
}

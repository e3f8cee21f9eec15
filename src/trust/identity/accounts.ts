import type { DatabaseSync } from 'node:sqlite'
import { type AuditSink, type Clock, type EntityUid, type JsonObject, RedoubtError, type Role } from '#foundation/core'
import { AccountTable } from './account-table.ts'
import { accountKeys, checkNewAccount, type CreatedAccount, nameTaken, type NewAccount } from './new-account.ts'
import { type Account, accountOf, type AccountSlot, describe, type ServiceAccount } from './service-account.ts'
import { readCertificate } from './services/client-certificate.ts'
import type { WriteQueue } from './write-queue.ts'

/**
 * The service accounts, in SQLite and in memory. What widens access is recorded in the log before it takes effect; what
 * narrows it takes effect before it is recorded. Either way a log that cannot be written makes the call fail.
 */
export class Accounts {
  readonly #slots = new Map<string, AccountSlot>()
  readonly #table: AccountTable
  readonly #queue: WriteQueue
  readonly #audit: AuditSink
  readonly #clock: Clock

  constructor(raw: DatabaseSync, queue: WriteQueue, audit: AuditSink, clock: Clock) {
    this.#table = new AccountTable(raw)
    this.#queue = queue
    this.#audit = audit
    this.#clock = clock
    for (const account of this.#table.all()) this.#slots.set(account.name, { current: account })
  }

  slot(name: string): AccountSlot | undefined {
    return this.#slots.get(name)
  }

  get(name: string): Account | null {
    return this.#slots.get(name)?.current ?? null
  }

  list(): readonly Account[] {
    return [...this.#slots.values()].map((slot) => slot.current).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /**
   * Durable and recorded before it resolves.
   * @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_CONFLICT` if the name is or was in use, `ERR_AUDIT_UNAVAILABLE`.
   */
  async create(ask: NewAccount, by: EntityUid, options: { readonly bootstrap?: boolean } = {}): Promise<CreatedAccount> {
    const { privateKeyJwk, ...checked } = checkNewAccount(ask, (name) => this.#slots.has(name), options)
    const { name, roles, purpose, legalBasis, binding, certificate, mayActFor } = checked
    const account = accountOf({ ...checked, disabled: false, epoch: 0, createdAt: this.#clock.now() })
    await this.#record('access.account.create', account, by, {
      roles: [...roles],
      purpose,
      legalBasis,
      binding,
      ...(certificate === null ? {} : { certificate }),
      ...(mayActFor === null ? {} : { mayActFor: { roles: [...mayActFor.roles], purposes: [...mayActFor.purposes] } }),
    })
    await this.#queue.write(() => {
      if (this.#slots.has(name)) throw nameTaken(name)
      this.#table.insert(account)
    })
    this.#slots.set(name, { current: account })
    return { account: describe(account), privateKeyJwk }
  }

  /**
   * Gives the account a new key pair, or a new certificate if it has one; tokens and assertions under the old one are refused from now on.
   * @param pem the new certificate of an account that authenticates with one.
   * @throws {RedoubtError} `ERR_INPUT_INVALID` for a certificate that is not acceptable, or none where there has to be one.
   */
  async replaceKey(name: string, by: EntityUid, pem?: string): Promise<CreatedAccount> {
    const slot = this.#require(name)
    if ((pem !== undefined) !== (slot.current.certificate !== null))
      throw new RedoubtError(
        'ERR_INPUT_INVALID',
        pem === undefined ? 'this account needs a new certificate' : 'this account has no certificate',
      )
    const certificate = pem === undefined ? null : readCertificate(pem)
    const key = accountKeys(certificate?.publicKeyJwk)
    const thumbprint = certificate?.thumbprint ?? null
    await this.#record('access.account.replaceKey', slot.current, by, thumbprint === null ? {} : { certificate: thumbprint })
    const next = accountOf({ ...slot.current, epoch: slot.current.epoch + 1, publicKeyJwk: key.publicKeyJwk, certificate: thumbprint })
    slot.current = next
    await this.#store(next)
    return { account: describe(next), privateKeyJwk: key.privateKeyJwk }
  }

  /** Refused from the next request on, in this process before anything is awaited. Idempotent. */
  async disable(name: string, by: EntityUid): Promise<ServiceAccount> {
    const slot = this.#require(name)
    if (!slot.current.disabled) slot.current = accountOf({ ...slot.current, disabled: true, epoch: slot.current.epoch + 1 })
    await this.#store(slot.current)
    await this.#record('access.account.disable', slot.current, by, {})
    return describe(slot.current)
  }

  /**
   * Takes a role away, or disables the account when it has no other; from the next request on, in this process before anything is
   * awaited. Doing it again changes nothing.
   */
  async removeRole(name: string, role: Role, by: EntityUid): Promise<ServiceAccount> {
    const slot = this.#require(name)
    const roles = slot.current.roles.filter((other) => other !== role)
    if (roles.length === 0) return this.disable(name, by)
    // Its tokens stay valid: what they may do is asked of the account as it is.
    if (roles.length < slot.current.roles.length) slot.current = accountOf({ ...slot.current, roles })
    await this.#store(slot.current)
    await this.#record('access.account.removeRole', slot.current, by, { role, roles: [...roles] })
    return describe(slot.current)
  }

  #require(name: string): AccountSlot {
    const slot = this.#slots.get(name)
    if (slot === undefined) throw new RedoubtError('ERR_NOT_FOUND', `there is no service account \`${name}\``)
    return slot
  }

  async #store(account: Account): Promise<void> {
    await this.#queue.write(() => this.#table.update(account))
  }

  async #record(type: string, account: Account, by: EntityUid, details: JsonObject): Promise<void> {
    await this.#audit.record({
      type,
      actor: { type: by.type, id: by.id },
      action: 'manageAccess',
      resource: { type: 'Account', id: account.name },
      outcome: 'success',
      details: { ...details, epoch: account.epoch },
    })
  }
}

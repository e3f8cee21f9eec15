import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import {
  type AuditSink,
  type Clock,
  type EntityFacts,
  type EntityUid,
  type JsonObject,
  LEGAL_BASES,
  type LegalBasis,
  RedoubtError,
  type Role,
  ROLES,
} from '#foundation/core'
import { type BindingKind, BINDINGS, type PrivateJwk, type PublicJwk } from '#trust/client'
import { z } from 'zod'
import { readCertificate } from './services/client-certificate.ts'
import { HOUSE_CLIENT_IDS } from './sign-in/clients.ts'
import type { WriteQueue } from './write-queue.ts'

/** A program that acts: what it is for and why that is lawful are fixed when it is made. Immutable; a change is a new object. */
export interface ServiceAccount {
  /** Also its client id and its entity id. A name is never given twice, so that an old log entry names one account for ever. */
  readonly name: string
  readonly roles: readonly Role[]
  readonly purpose: string
  readonly legalBasis: LegalBasis
  readonly disabled: boolean
  /** Counts what ends all tokens of the account at once: a new key, disabling. */
  readonly epoch: number
  readonly createdAt: number
  readonly publicKeyJwk: PublicJwk
  /** What each of its tokens must be bound to; `none` leaves it to the program. */
  readonly binding: BindingKind
  /** SHA-256 thumbprint (`x5t#S256`) of the certificate by which it authenticates in place of an assertion; null without one. */
  readonly certificate: string | null
  /** For whom it may act by token exchange; null for nobody. */
  readonly mayActFor: Delegation | null
}

/** What a service may take over from users: these of their roles, for these purposes. Fixed when the account is made. */
export interface Delegation {
  readonly roles: readonly Role[]
  readonly purposes: readonly string[]
}

export interface Account extends ServiceAccount {
  readonly facts: EntityFacts
  readonly publicKey: KeyObject
  /** What an assertion of this account may name: Ed25519 has an old and a new name (RFC 9864 §2.2). */
  readonly algorithms: readonly string[]
}

/** Where the present state of an account is found; held by cached tokens, so that a change reaches them at the next request. */
export interface AccountSlot {
  current: Account
}

const ED25519_NAMES = ['EdDSA', 'Ed25519'] as const
const ES256_NAMES = ['ES256'] as const

const word = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'lower-case letters, digits, dot, dash, underscore; at most 63')
const publicJwk = z.union([
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().length(43) }).strict(),
  z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string().length(43), y: z.string().length(43) }).strict(),
])
const newAccount = z
  .object({
    name: word,
    roles: z
      .array(z.enum(ROLES))
      .min(1)
      .refine((roles) => new Set(roles).size === roles.length, 'each role once'),
    // None is allowed, and worth nothing: policies refuse data and models to an account that states no purpose.
    purpose: z.union([word, z.literal('')]),
    legalBasis: z.enum(LEGAL_BASES),
    publicKeyJwk: publicJwk.optional(),
    binding: z.enum(BINDINGS).default('none'),
    certificate: z.string().max(16_384).optional(),
    mayActFor: z
      .object({
        roles: z.array(z.enum(ROLES).exclude(['bootstrap'])).min(1),
        purposes: z.array(word).min(1).max(16),
      })
      .strict()
      .optional(),
  })
  .strict()

export interface NewAccount {
  readonly name: string
  readonly roles: readonly Role[]
  readonly purpose: string
  readonly legalBasis: LegalBasis
  /** The client's own public key (Ed25519 or P-256), if it keeps its private key to itself; else a pair is made. */
  readonly publicKeyJwk?: PublicJwk | undefined
  /** Default `none`; `mtls` needs a certificate. */
  readonly binding?: BindingKind | undefined
  /** PEM of a certificate on a P-256 or Ed25519 key, self-signed or not: the account authenticates with it and gets tokens bound to it. */
  readonly certificate?: string | undefined
  readonly mayActFor?: Delegation | undefined
}

export interface CreatedAccount {
  readonly account: ServiceAccount
  /** Given out once and kept nowhere here; null when the caller brought a public key. */
  readonly privateKeyJwk: PrivateJwk | null
}

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

/**
 * The service accounts, in SQLite and in memory. What widens access is recorded in the log before it takes effect; what
 * narrows it takes effect before it is recorded. Either way a log that cannot be written makes the call fail.
 */
export class Accounts {
  readonly #slots = new Map<string, AccountSlot>()
  readonly #raw: DatabaseSync
  readonly #queue: WriteQueue
  readonly #audit: AuditSink
  readonly #clock: Clock

  constructor(raw: DatabaseSync, queue: WriteQueue, audit: AuditSink, clock: Clock) {
    this.#raw = raw
    this.#queue = queue
    this.#audit = audit
    this.#clock = clock
    for (const row of raw.prepare('SELECT * FROM identity_accounts').all() as unknown as Row[]) {
      this.#slots.set(row.name, { current: fromRow(row) })
    }
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
    const parsed = newAccount.safeParse(ask)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw new RedoubtError('ERR_INPUT_INVALID', `the service account is not valid at \`${issue?.path.join('.') ?? ''}\``)
    }
    const { name, roles, purpose, legalBasis } = parsed.data
    if (roles.includes('bootstrap') && options.bootstrap !== true) {
      throw new RedoubtError('ERR_INPUT_INVALID', 'the role `bootstrap` is not given by hand')
    }
    // In a token such a name would mean a program and a person's client at once.
    if (HOUSE_CLIENT_IDS.some((id) => id === name)) throw new RedoubtError('ERR_CONFLICT', `\`${name}\` is a client of the house`)
    if (this.#slots.has(name)) throw new RedoubtError('ERR_CONFLICT', `a service account \`${name}\` exists or existed`)
    const certificate = parsed.data.certificate === undefined ? null : readCertificate(parsed.data.certificate)
    if (certificate !== null && parsed.data.publicKeyJwk !== undefined)
      throw new RedoubtError('ERR_INPUT_INVALID', 'bring a public key or a certificate, not both')
    if ((parsed.data.binding === 'mtls') !== (certificate !== null))
      throw new RedoubtError('ERR_INPUT_INVALID', 'a certificate and the binding `mtls` belong together')
    const { binding, mayActFor = null } = parsed.data
    const key = keyPair(certificate?.publicKeyJwk ?? parsed.data.publicKeyJwk)
    const account = build({
      name,
      roles,
      purpose,
      legalBasis,
      disabled: false,
      epoch: 0,
      createdAt: this.#clock.now(),
      publicKeyJwk: key.publicKeyJwk,
      binding,
      certificate: certificate?.thumbprint ?? null,
      mayActFor,
    })
    await this.#record('access.account.create', account, by, {
      roles: [...roles],
      purpose,
      legalBasis,
      binding,
      ...(certificate === null ? {} : { certificate: certificate.thumbprint }),
      ...(mayActFor === null ? {} : { mayActFor: { roles: [...mayActFor.roles], purposes: [...mayActFor.purposes] } }),
    })
    await this.#queue.write(() => {
      if (this.#slots.has(name)) throw new RedoubtError('ERR_CONFLICT', `a service account \`${name}\` exists or existed`)
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
          JSON.stringify(key.publicKeyJwk),
          account.createdAt,
          binding,
          account.certificate,
          mayActFor === null ? null : JSON.stringify(mayActFor),
        )
    })
    this.#slots.set(name, { current: account })
    return { account: describe(account), privateKeyJwk: key.privateKeyJwk }
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
    const key = keyPair(certificate?.publicKeyJwk)
    const thumbprint = certificate?.thumbprint ?? null
    await this.#record('access.account.replaceKey', slot.current, by, thumbprint === null ? {} : { certificate: thumbprint })
    const next = build({ ...slot.current, epoch: slot.current.epoch + 1, publicKeyJwk: key.publicKeyJwk, certificate: thumbprint })
    slot.current = next
    await this.#store(next)
    return { account: describe(next), privateKeyJwk: key.privateKeyJwk }
  }

  /** Refused from the next request on, in this process before anything is awaited. Idempotent. */
  async disable(name: string, by: EntityUid): Promise<ServiceAccount> {
    const slot = this.#require(name)
    if (!slot.current.disabled) slot.current = build({ ...slot.current, disabled: true, epoch: slot.current.epoch + 1 })
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
    if (roles.length < slot.current.roles.length) slot.current = build({ ...slot.current, roles })
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
    await this.#queue.write(() =>
      this.#raw
        .prepare('UPDATE identity_accounts SET roles = ?, public_key = ?, certificate = ?, epoch = ?, disabled = ? WHERE name = ?')
        .run(
          JSON.stringify(account.roles),
          JSON.stringify(account.publicKeyJwk),
          account.certificate,
          account.epoch,
          account.disabled ? 1 : 0,
          account.name,
        ),
    )
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

/** The account without what only this room uses; fit to be shown. */
export function describe(account: ServiceAccount): ServiceAccount {
  const { name, roles, purpose, legalBasis, disabled, epoch, createdAt, publicKeyJwk, binding, certificate, mayActFor } = account
  return { name, roles, purpose, legalBasis, disabled, epoch, createdAt, publicKeyJwk, binding, certificate, mayActFor }
}

function fromRow(row: Row): Account {
  return build({
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

function build(account: ServiceAccount): Account {
  const { name, roles, purpose, legalBasis, publicKeyJwk } = account
  return {
    ...describe(account),
    publicKey: publicKeyOf(publicKeyJwk),
    algorithms: publicKeyJwk.crv === 'Ed25519' ? ED25519_NAMES : ES256_NAMES,
    facts: {
      type: 'ServiceAccount',
      id: name,
      attributes: { purpose, legalBasis },
      parents: roles.map((role) => ({ type: 'Role', id: role })),
    },
  }
}

function publicKeyOf(jwk: PublicJwk): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' })
  } catch (cause) {
    throw new RedoubtError('ERR_INPUT_INVALID', 'the public key is not a key', { cause })
  }
}

function keyPair(given: PublicJwk | undefined): { readonly publicKeyJwk: PublicJwk; readonly privateKeyJwk: PrivateJwk | null } {
  if (given !== undefined) return { publicKeyJwk: given, privateKeyJwk: null }
  const { privateKey } = generateKeyPairSync('ed25519')
  const { x, d } = privateKey.export({ format: 'jwk' })
  if (x === undefined || d === undefined) throw new RedoubtError('ERR_INTERNAL', 'the key pair has no JWK form')
  return { publicKeyJwk: { kty: 'OKP', crv: 'Ed25519', x }, privateKeyJwk: { kty: 'OKP', crv: 'Ed25519', x, d } }
}

import { createPublicKey, type KeyObject } from 'node:crypto'
import { type EntityFacts, type LegalBasis, RedoubtError, type Role } from '#foundation/core'
import type { BindingKind, PublicJwk } from '#trust/client'

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

/** The account without what only this room uses; fit to be shown. */
export function describe(account: ServiceAccount): ServiceAccount {
  const { name, roles, purpose, legalBasis, disabled, epoch, createdAt, publicKeyJwk, binding, certificate, mayActFor } = account
  return { name, roles, purpose, legalBasis, disabled, epoch, createdAt, publicKeyJwk, binding, certificate, mayActFor }
}

/** With what is derived of it. @throws {RedoubtError} `ERR_INPUT_INVALID` when the public key is none. */
export function accountOf(account: ServiceAccount): Account {
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

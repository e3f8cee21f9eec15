import { generateKeyPairSync } from 'node:crypto'
import { LEGAL_BASES, type LegalBasis, RedoubtError, type Role, ROLES } from '#foundation/core'
import { type BindingKind, BINDINGS, type PrivateJwk, type PublicJwk } from '#trust/client'
import { z } from 'zod'
import type { Delegation, ServiceAccount } from './service-account.ts'
import { readCertificate } from './services/client-certificate.ts'
import { HOUSE_CLIENT_IDS } from './sign-in/clients.ts'

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

/** The keys of an account; the private one is null when the program keeps it to itself. */
interface AccountKeys {
  readonly publicKeyJwk: PublicJwk
  readonly privateKeyJwk: PrivateJwk | null
}

type Checked = Omit<ServiceAccount, 'disabled' | 'epoch' | 'createdAt'> & Pick<AccountKeys, 'privateKeyJwk'>

/**
 * What an account is made with; with a key pair where none was brought.
 * @param taken whether the name is or was in use.
 * @throws {RedoubtError} `ERR_INPUT_INVALID`; `ERR_CONFLICT` for a name that is taken, by a client of the house too.
 */
export function checkNewAccount(
  ask: NewAccount,
  taken: (name: string) => boolean,
  { bootstrap = false }: { readonly bootstrap?: boolean },
): Checked {
  const parsed = newAccount.safeParse(ask)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new RedoubtError('ERR_INPUT_INVALID', `the service account is not valid at \`${issue?.path.join('.') ?? ''}\``)
  }
  const { name, roles, purpose, legalBasis, binding, mayActFor = null, publicKeyJwk } = parsed.data
  if (roles.includes('bootstrap') && !bootstrap) {
    throw new RedoubtError('ERR_INPUT_INVALID', 'the role `bootstrap` is not given by hand')
  }
  // In a token such a name would mean a program and a person's client at once.
  if (HOUSE_CLIENT_IDS.some((id) => id === name)) throw new RedoubtError('ERR_CONFLICT', `\`${name}\` is a client of the house`)
  if (taken(name)) throw nameTaken(name)
  const certificate = parsed.data.certificate === undefined ? null : readCertificate(parsed.data.certificate)
  if (certificate !== null && publicKeyJwk !== undefined)
    throw new RedoubtError('ERR_INPUT_INVALID', 'bring a public key or a certificate, not both')
  if ((binding === 'mtls') !== (certificate !== null))
    throw new RedoubtError('ERR_INPUT_INVALID', 'a certificate and the binding `mtls` belong together')
  const keys = accountKeys(certificate?.publicKeyJwk ?? publicKeyJwk)
  return { name, roles, purpose, legalBasis, binding, certificate: certificate?.thumbprint ?? null, mayActFor, ...keys }
}

/** The key that was given, or a new Ed25519 pair. */
export function accountKeys(given: PublicJwk | undefined): AccountKeys {
  if (given !== undefined) return { publicKeyJwk: given, privateKeyJwk: null }
  const { privateKey } = generateKeyPairSync('ed25519')
  const { x, d } = privateKey.export({ format: 'jwk' })
  if (x === undefined || d === undefined) throw new RedoubtError('ERR_INTERNAL', 'the key pair has no JWK form')
  return { publicKeyJwk: { kty: 'OKP', crv: 'Ed25519', x }, privateKeyJwk: { kty: 'OKP', crv: 'Ed25519', x, d } }
}

export const nameTaken = (name: string): RedoubtError => new RedoubtError('ERR_CONFLICT', `a service account \`${name}\` exists or existed`)

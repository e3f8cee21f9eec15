import { join } from 'node:path'
import { type EntityUid, RedoubtError } from '#foundation/core'
import { z } from 'zod'
import type { PrivateJwk } from './accounts.ts'
import type { Identity } from './identity.ts'
import { readSecretFile, writeSecretFile } from './secret-file.ts'

/** In the secrets directory, next to the passphrase, in development only. */
export const BOOTSTRAP_KEY_FILE = 'cli-key.json'
export const BOOTSTRAP_ACCOUNT = 'cli'

const accountFile = z
  .object({
    issuer: z.url(),
    accountId: z.string().min(1),
    privateKeyJwk: z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() }).strict(),
  })
  .strict()

/** What a client needs to get tokens: where, as whom, with which key. */
export interface AccountFile {
  readonly issuer: string
  readonly accountId: string
  readonly privateKeyJwk: PrivateJwk
}

export const accountFilePath = (secretsDir: string, name: string): string => join(secretsDir, 'accounts', `${name}.json`)

/** @throws {RedoubtError} `ERR_STORAGE_IO`. */
export const writeAccountFile = (path: string, content: AccountFile): void => writeSecretFile(path, content)

/**
 * @returns null when there is no such file.
 * @throws {RedoubtError} `ERR_CONFIG_SECRET` when others can read it or when it is not an account file.
 */
export const readAccountFile = (path: string): AccountFile | null => readSecretFile(path, accountFile, 'an account file')

/**
 * The account under which the CLI acts on this host in development: makes it, or its key file, if either is missing.
 * The key stays the same while file and account fit each other; the file follows a change of the issuer.
 * @returns the path of the key file.
 * @throws {RedoubtError} `ERR_CONFIG_INSECURE` in production.
 */
export async function ensureBootstrapAccount(identity: Identity, secretsDir: string): Promise<{ readonly path: string }> {
  if (identity.profile === 'production') throw new RedoubtError('ERR_CONFIG_INSECURE', 'production has no bootstrap account')
  const path = join(secretsDir, BOOTSTRAP_KEY_FILE)
  const by: EntityUid = { type: 'System', id: 'redoubt' }
  const account = identity.serviceAccounts.get(BOOTSTRAP_ACCOUNT)
  const file = readAccountFile(path)
  if (account !== null && file !== null && file.privateKeyJwk.x === account.publicKeyJwk.x) {
    if (file.issuer !== identity.issuer) writeAccountFile(path, { ...file, issuer: identity.issuer })
    return { path }
  }
  const { privateKeyJwk } =
    account === null
      ? await identity.createBootstrapAccount(
          { name: BOOTSTRAP_ACCOUNT, roles: ['bootstrap'], purpose: 'operations', legalBasis: 'legitimate-interests' },
          by,
        )
      : await identity.serviceAccounts.replaceKey(BOOTSTRAP_ACCOUNT, by)
  if (privateKeyJwk === null) throw new RedoubtError('ERR_INTERNAL')
  writeAccountFile(path, { issuer: identity.issuer, accountId: BOOTSTRAP_ACCOUNT, privateKeyJwk })
  return { path }
}

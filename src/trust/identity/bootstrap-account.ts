import { join } from 'node:path'
import { type EntityUid, RedoubtError } from '#foundation/core'
import { BOOTSTRAP_KEY_FILE, readAccountFile, writeAccountFile } from '#trust/client'
import type { Identity } from './identity.ts'

export const BOOTSTRAP_ACCOUNT = 'cli'

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

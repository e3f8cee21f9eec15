import { closeSync, constants, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type EntityUid, parseStrictJson, RedoubtError } from '#foundation/core'
import { z } from 'zod'
import type { PrivateJwk } from './accounts.ts'
import type { Identity } from './identity.ts'

/** In the secrets directory, next to the passphrase, in development only. */
export const BOOTSTRAP_KEY_FILE = 'cli-key.json'
export const BOOTSTRAP_ACCOUNT = 'cli'
const MAX_FILE_BYTES = 16 * 1024

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

/** Writes a private key so that it is whole or absent, readable by its owner only from the first byte on. */
export function writeAccountFile(path: string, content: AccountFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.new`
  rmSync(temporary, { force: true })
  try {
    const file = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
    try {
      writeSync(file, `${JSON.stringify(content, null, 2)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch (cause) {
    rmSync(temporary, { force: true })
    throw new RedoubtError('ERR_STORAGE_IO', `cannot write \`${path}\``, { cause })
  }
}

/**
 * @returns null when there is no such file.
 * @throws {RedoubtError} `ERR_CONFIG_SECRET` when others can read it or when it is not an account file.
 */
export function readAccountFile(path: string): AccountFile | null {
  let bytes: Buffer
  try {
    const { mode, size } = statSync(path)
    if ((mode & 0o077) !== 0) throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` can be read by others; make it 0600`)
    if (size > MAX_FILE_BYTES) throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` is not an account file`)
    bytes = readFileSync(path)
  } catch (cause) {
    if (cause instanceof RedoubtError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` cannot be read`, { cause })
  }
  let value: unknown
  try {
    value = parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: 3 })
  } catch {
    // The parser's error could quote the key, so it is not kept as a cause.
    throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` is not an account file`)
  }
  const parsed = accountFile.safeParse(value)
  if (!parsed.success) throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` is not an account file`)
  return parsed.data
}

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

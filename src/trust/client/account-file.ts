import { join } from 'node:path'
import type { JsonValue } from '#foundation/core'
import { membersOf } from './members.ts'
import { readSecretFile, writeSecretFile } from './secret-file.ts'

/** In the secrets directory, next to the passphrase, in development only. */
export const BOOTSTRAP_KEY_FILE = 'cli-key.json'

/** @see RFC 8037 §2, RFC 7518 §6.2.1 */
export interface PublicJwk {
  readonly kty: 'OKP' | 'EC'
  readonly crv: 'Ed25519' | 'P-256'
  readonly x: string
  readonly y?: string
}
export interface PrivateJwk extends PublicJwk {
  readonly d: string
}

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

function accountFile(value: JsonValue): AccountFile | null {
  const file = membersOf(value, ['issuer', 'accountId', 'privateKeyJwk'])
  const key = membersOf(file?.privateKeyJwk, ['kty', 'crv', 'x', 'd'])
  if (file === null || key === null) return null
  const { issuer, accountId } = file
  const { kty, crv, x, d } = key
  if (typeof issuer !== 'string' || !URL.canParse(issuer) || typeof accountId !== 'string' || accountId === '') return null
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string' || typeof d !== 'string') return null
  return { issuer, accountId, privateKeyJwk: { kty, crv, x, d } }
}

import { argon2, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { RedoubtError } from '#foundation/core'
import { KEY_BYTES } from './segment-layout.ts'

/** 272 ms on a two-core machine: paid once at start. */
export const DEFAULT_ARGON2: Argon2Parameters = { memoryKiB: 131_072, passes: 3, parallelism: 4 }
/** OWASP Password Storage Cheat Sheet, argon2id: m = 19 MiB, t = 2, p = 1. */
const FLOOR: Argon2Parameters = { memoryKiB: 19_456, passes: 2, parallelism: 1 }
/** Parameters are read from a file: these bound what a changed file can make us spend. */
const CEILING: Argon2Parameters = { memoryKiB: 4_194_304, passes: 64, parallelism: 64 }
const SALT_BYTES = 16
const MAX_SALT_BYTES = 64

const range = (name: keyof Argon2Parameters) => z.number().int().min(FLOOR[name]).max(CEILING[name])

/** Cost of argon2id; never below the OWASP floor. */
export const argon2Schema = z
  .object({
    memoryKiB: range('memoryKiB').describe(
      'argon2id memory in KiB that the passphrase costs when a keyring is made; an existing one keeps its own',
    ),
    passes: range('passes').describe('argon2id passes'),
    parallelism: range('parallelism').describe('argon2id lanes'),
  })
  .strict()
  .readonly()

export interface Argon2Parameters {
  /** Memory in KiB. */
  readonly memoryKiB: number
  readonly passes: number
  readonly parallelism: number
}

export function newArgon2Salt(): Uint8Array {
  return randomBytes(SALT_BYTES)
}

/**
 * Derives a 256-bit key from a passphrase, off the main thread.
 * @param salt 16 to 64 bytes, random, stored with the parameters.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for parameters below the floor or beyond the ceiling, or an unfit salt.
 * @see RFC 9106
 */
export async function deriveKeyArgon2id(passphrase: Uint8Array, salt: Uint8Array, parameters: Argon2Parameters): Promise<KeyObject> {
  const checked = argon2Schema.safeParse(parameters)
  if (!checked.success) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the argon2id parameters are out of range')
  if (salt.byteLength < SALT_BYTES || salt.byteLength > MAX_SALT_BYTES)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the argon2id salt is 16 to 64 bytes')
  const { memoryKiB, passes, parallelism } = checked.data
  const derived = await new Promise<Buffer>((resolve, reject) => {
    argon2('argon2id', { message: passphrase, nonce: salt, parallelism, tagLength: KEY_BYTES, memory: memoryKiB, passes }, (error, tag) =>
      error ? reject(new RedoubtError('ERR_CRYPTO_PARAMETER', 'argon2id failed', { cause: error })) : resolve(tag),
    )
  })
  const key = createSecretKey(derived)
  derived.fill(0)
  return key
}

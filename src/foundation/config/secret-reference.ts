import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { RedoubtError } from '#foundation/core'

const MAX_SECRET_BYTES = 64 * 1024
/** The authorities that a system trusts are some 250 KiB. */
const MAX_TRUSTED_BYTES = 1024 * 1024

/** A secret is named in the configuration, never written there. */
export const secretReference = z
  .string()
  .regex(
    /^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|kms:.+)$/,
    'must be a reference: `env:NAME`, `file:PATH` or `kms:URI`, never the secret itself',
  )

/**
 * Fetches what a reference names, without a trailing line break. The value is never logged and not kept here.
 * @throws {RedoubtError} `ERR_CONFIG_SECRET` when it is absent, empty, too large, readable by others, or of a kind not available.
 */
export function resolveSecret(reference: string, environment: NodeJS.ProcessEnv = process.env): string {
  return resolve(reference, environment, SECRET)
}

/**
 * Fetches a certificate that is trusted, which is no secret: its file may be read by everyone, as those of the system are, and changed by nobody else.
 * @throws {RedoubtError} `ERR_CONFIG_SECRET` when it is absent, empty, too large, writable by everyone, or of a kind not available.
 */
export function resolveTrusted(reference: string, environment: NodeJS.ProcessEnv = process.env): string {
  return resolve(reference, environment, TRUSTED)
}

/** Which permissions of a file everyone may not have, and what to do when they do. */
interface Forbidden {
  readonly mode: number
  readonly problem: string
  readonly maxBytes: number
}
const SECRET: Forbidden = { mode: 0o007, problem: 'is open to everyone; run `chmod 600` on it', maxBytes: MAX_SECRET_BYTES }
const TRUSTED: Forbidden = { mode: 0o002, problem: 'can be changed by everyone; run `chmod 644` on it', maxBytes: MAX_TRUSTED_BYTES }

function resolve(reference: string, environment: NodeJS.ProcessEnv, forbidden: Forbidden): string {
  const value = fetch(reference, environment, forbidden).replace(/\r?\n$/, '')
  if (value === '') throw new RedoubtError('ERR_CONFIG_SECRET', `\`${reference}\` is empty`)
  return value
}

function fetch(reference: string, environment: NodeJS.ProcessEnv, forbidden: Forbidden): string {
  if (reference.startsWith('env:')) {
    const value = environment[reference.slice(4)]
    if (value === undefined) throw new RedoubtError('ERR_CONFIG_SECRET', `the environment variable of \`${reference}\` is not set`)
    return value
  }
  if (reference.startsWith('file:')) return readFileWithin(reference, reference.slice(5), forbidden)
  throw new RedoubtError('ERR_CONFIG_SECRET', `\`${reference}\`: this kind of reference is not available yet; use \`env:\` or \`file:\``)
}

function readFileWithin(reference: string, path: string, forbidden: Forbidden): string {
  let mode: number
  let size: number
  try {
    ;({ mode, size } = statSync(path))
  } catch (cause) {
    throw new RedoubtError('ERR_CONFIG_SECRET', `the file of \`${reference}\` cannot be read`, { cause })
  }
  const { problem, maxBytes } = forbidden
  if ((mode & forbidden.mode) !== 0) throw new RedoubtError('ERR_CONFIG_SECRET', `the file of \`${reference}\` ${problem}`)
  if (size > maxBytes) throw new RedoubtError('ERR_CONFIG_SECRET', `the file of \`${reference}\` exceeds ${maxBytes} bytes`)
  return readFileSync(path, 'utf8')
}

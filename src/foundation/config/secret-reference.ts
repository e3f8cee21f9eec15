import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { RedoubtError } from '#foundation/core'

const MAX_SECRET_BYTES = 64 * 1024

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
  const value = fetch(reference, environment).replace(/\r?\n$/, '')
  if (value === '') throw new RedoubtError('ERR_CONFIG_SECRET', `\`${reference}\` is empty`)
  return value
}

function fetch(reference: string, environment: NodeJS.ProcessEnv): string {
  if (reference.startsWith('env:')) {
    const value = environment[reference.slice(4)]
    if (value === undefined) throw new RedoubtError('ERR_CONFIG_SECRET', `the environment variable of \`${reference}\` is not set`)
    return value
  }
  if (reference.startsWith('file:')) return readSecretFile(reference, reference.slice(5))
  throw new RedoubtError('ERR_CONFIG_SECRET', `\`${reference}\`: this kind of reference is not available yet; use \`env:\` or \`file:\``)
}

function readSecretFile(reference: string, path: string): string {
  let mode: number
  let size: number
  try {
    ;({ mode, size } = statSync(path))
  } catch (cause) {
    throw new RedoubtError('ERR_CONFIG_SECRET', `the file of \`${reference}\` cannot be read`, { cause })
  }
  if ((mode & 0o007) !== 0)
    throw new RedoubtError('ERR_CONFIG_SECRET', `the file of \`${reference}\` is open to everyone; run \`chmod 600\` on it`)
  if (size > MAX_SECRET_BYTES) throw new RedoubtError('ERR_CONFIG_SECRET', `the file of \`${reference}\` exceeds ${MAX_SECRET_BYTES} bytes`)
  return readFileSync(path, 'utf8')
}

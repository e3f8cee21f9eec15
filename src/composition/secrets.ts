import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolveSecret } from '#foundation/config'
import { RedoubtError } from '#foundation/core'
import type { Configuration } from './configuration.ts'

/**
 * The passphrase of the keyring. In development one is generated beside the data directory, loudly; production refuses to start
 * without a reference.
 */
export function passphrase(configuration: Configuration, warn: (message: string) => void): Uint8Array {
  if (configuration.passphrase !== undefined) return new TextEncoder().encode(resolveSecret(configuration.passphrase))
  if (configuration.profile === 'production')
    throw new RedoubtError(
      'ERR_CONFIG_INSECURE',
      'under `profile: production` the configuration must name a `passphrase:` reference; none is generated',
    )
  const path = join(configuration.secretsDir, 'passphrase')
  mkdirSync(configuration.secretsDir, { recursive: true, mode: 0o700 })
  if (!existsSync(path)) {
    writeFileSync(path, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx', flush: true })
    warn(`a passphrase was generated in ${path}; fit for development only`)
  }
  if ((statSync(path).mode & 0o077) !== 0)
    throw new RedoubtError('ERR_CONFIG_INSECURE', `\`${path}\` can be read by others; run \`chmod 600\` on it`)
  return new TextEncoder().encode(readFileSync(path, 'utf8').trim())
}

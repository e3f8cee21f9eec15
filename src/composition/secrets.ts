import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, constants, existsSync, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolveSecret } from '#foundation/config'
import { RedoubtError } from '#foundation/core'
import type { Configuration } from './configuration.ts'

/** Shorter ones are guessed offline by whoever has the data directory, whatever each guess costs. */
export const MIN_PASSPHRASE_CHARACTERS = 16

/** Whether a passphrase opens the keyring: whatever else holds the root has credentials of its own. */
export function opensByPassphrase({ keys }: Pick<Configuration, 'keys'>): boolean {
  return keys.provider.kind === 'sealed-file' && keys.unseal === 'passphrase'
}

/**
 * The passphrase of the keyring. In development one is generated beside the data directory, loudly; production refuses to start
 * without a reference.
 */
export function passphrase(
  configuration: Pick<Configuration, 'passphrase' | 'profile' | 'secretsDir'>,
  warn: (message: string) => void,
): Uint8Array {
  if (configuration.passphrase !== undefined) {
    const secret = resolveSecret(configuration.passphrase)
    if (configuration.profile === 'production' && secret.length < MIN_PASSPHRASE_CHARACTERS)
      throw new RedoubtError(
        'ERR_CONFIG_INSECURE',
        `under \`profile: production\` the passphrase has at least ${MIN_PASSPHRASE_CHARACTERS} characters`,
      )
    return new TextEncoder().encode(secret)
  }
  if (configuration.profile === 'production')
    throw new RedoubtError(
      'ERR_CONFIG_INSECURE',
      'under `profile: production` the configuration must name a `passphrase:` reference; none is generated',
    )
  const path = join(configuration.secretsDir, 'passphrase')
  makePrivate(configuration.secretsDir)
  if (!existsSync(path)) {
    writeFileSync(path, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx', flush: true })
    warn(`a passphrase was generated in ${path}; fit for development only`)
  }
  return new TextEncoder().encode(readPrivate(path).trim())
}

function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
  } catch (cause) {
    throw new RedoubtError('ERR_CONFIG_INSECURE', `the secrets directory \`${folder}\` cannot be made its owner's alone`, { cause })
  }
}

/** What is looked at is what is read: one descriptor, no link, so that nobody changes the file in between. */
function readPrivate(path: string): string {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    throw new RedoubtError('ERR_CONFIG_INSECURE', `\`${path}\` is no plain file that can be read`, { cause })
  }
  try {
    const status = fstatSync(descriptor)
    const strangers = status.uid !== 0 && process.getuid !== undefined && status.uid !== process.getuid()
    if (!status.isFile() || strangers)
      throw new RedoubtError('ERR_CONFIG_INSECURE', `\`${path}\` is no plain file of the user that runs the server`)
    if ((status.mode & 0o077) !== 0)
      throw new RedoubtError('ERR_CONFIG_INSECURE', `\`${path}\` can be read by others; run \`chmod 600\` on it`)
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

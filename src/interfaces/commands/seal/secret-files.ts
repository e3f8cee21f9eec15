import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { resolveSecret } from '#foundation/config'
import { RedoubtError } from '#foundation/core'
import { needsPassphrase, openRecipientKey, parseRecipient, type FileKeys, type Recipient, type RecipientKey } from '#foundation/crypto'

/** What is shorter is guessed by whoever has the file, whatever each guess costs. */
const MIN_PASSPHRASE_CHARACTERS = 16
const MAX_TEXT_BYTES = 65_536
const INLINE = 'redoubt-recipient-'

/** @returns null where no file was named. @throws {RedoubtError} `ERR_CONFIG_SECRET` as `resolveSecret`; `ERR_USAGE` for a short one that is to be used anew. */
export function readPassphrase(path: string | undefined, { fresh }: { readonly fresh: boolean }): Uint8Array | null {
  if (path === undefined) return null
  const secret = resolveSecret(`file:${path}`)
  if (fresh && secret.length < MIN_PASSPHRASE_CHARACTERS)
    throw new RedoubtError('ERR_USAGE', `a passphrase has at least ${MIN_PASSPHRASE_CHARACTERS} characters`)
  return new TextEncoder().encode(secret)
}

/**
 * Each is a recipient's line itself, or a file of such lines (empty ones and those with `#` are passed over).
 * @throws {RedoubtError} `ERR_CRYPTO_RECIPIENT`, naming the file and line.
 */
export function readRecipients(named: readonly string[]): readonly Recipient[] {
  return named.flatMap((name) => {
    if (name.startsWith(INLINE)) return [parseRecipient(name)]
    const lines = readBounded(name)
      .toString('utf8')
      .split(/\r?\n/)
      .map((text, at) => ({ text: text.trim(), place: `\`${name}\` line ${at + 1}` }))
      .filter(({ text }) => text !== '' && !text.startsWith('#'))
    if (lines.length === 0) throw new RedoubtError('ERR_CRYPTO_RECIPIENT', `\`${name}\` names no recipient`)
    return lines.map(({ text, place }) => {
      try {
        return parseRecipient(text)
      } catch (cause) {
        throw new RedoubtError('ERR_CRYPTO_RECIPIENT', `${place} is no recipient`, { cause })
      }
    })
  })
}

/** The keys of key files; where one is sealed, the passphrase is for it and not for the file that is to be opened. */
export async function readFileKeys(keyFiles: readonly string[], passphraseFile: string | undefined): Promise<FileKeys> {
  const passphrase = readPassphrase(passphraseFile, { fresh: false })
  if (keyFiles.length === 0 && passphrase === null)
    throw new RedoubtError('ERR_USAGE', 'name what opens the file: a recipient’s key file with `--key`, or `--passphrase-file`')
  const recipients: RecipientKey[] = []
  for (const path of keyFiles) {
    const bytes = readBounded(path)
    if (!needsPassphrase(bytes)) refuseOpenToEveryone(path)
    else if (passphrase === null)
      throw new RedoubtError('ERR_USAGE', `\`${path}\` is sealed under a passphrase; name it with \`--passphrase-file\``)
    recipients.push(await openRecipientKey(bytes, passphrase))
  }
  return { recipients, passphrase }
}

/** A private key in clear is as secret as a passphrase, and its file is held to the same. */
function refuseOpenToEveryone(path: string): void {
  if ((statSync(path).mode & 0o007) !== 0)
    throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` holds a private key in clear and is open to everyone; run \`chmod 600\` on it`)
}

/** A small text file, whatever is under the name: a device or a pipe that never ends is not read to its end. */
function readBounded(path: string): Buffer {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(MAX_TEXT_BYTES + 1)
    let length = 0
    for (let n = 1; n > 0 && length < bytes.length; length += n) n = readSync(file, bytes, length, bytes.length - length, null)
    if (length > MAX_TEXT_BYTES) throw new RedoubtError('ERR_USAGE', `\`${path}\` has more than ${MAX_TEXT_BYTES} bytes`)
    return bytes.subarray(0, length)
  } finally {
    closeSync(file)
  }
}

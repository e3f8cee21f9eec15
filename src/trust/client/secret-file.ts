import { closeSync, constants, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { type JsonValue, parseStrictJson, RedoubtError } from '#foundation/core'

const MAX_FILE_BYTES = 16 * 1024

/** Writes a secret so that it is whole or absent, readable by its owner only from the first byte on. @throws {RedoubtError} `ERR_STORAGE_IO`. */
export function writeSecretFile(path: string, content: object): void {
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
 * @param kind the content out of the JSON; null when it is not of this kind.
 * @param what how messages name such a file.
 * @returns null when there is no such file.
 * @throws {RedoubtError} `ERR_CONFIG_SECRET` when others can read it or when it is not of this kind.
 */
export function readSecretFile<Content>(path: string, kind: (value: JsonValue) => Content | null, what: string): Content | null {
  let bytes: Buffer
  try {
    const { mode, size } = statSync(path)
    if ((mode & 0o077) !== 0) throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` can be read by others; make it 0600`)
    if (size > MAX_FILE_BYTES) throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` is not ${what}`)
    bytes = readFileSync(path)
  } catch (cause) {
    if (cause instanceof RedoubtError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` cannot be read`, { cause })
  }
  let value: JsonValue
  try {
    value = parseStrictJson(bytes, { maxBytes: MAX_FILE_BYTES, maxDepth: 3 })
  } catch {
    // The parser's error could quote the secret, so it is not kept as a cause.
    throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` is not ${what}`)
  }
  const content = kind(value)
  if (content === null) throw new RedoubtError('ERR_CONFIG_SECRET', `\`${path}\` is not ${what}`)
  return content
}

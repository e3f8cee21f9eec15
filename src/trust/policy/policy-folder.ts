import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { RedoubtError } from '#foundation/core'
import { defaultInvariants, defaultPolicyFiles } from './bundled.ts'
import type { PolicyFile } from './policy-file.ts'
import { MAX_FILE_CHARACTERS } from './policy-text.ts'

const MAX_FILES = 256
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads an operator's `*.cedar` files, or those with another ending, in the order of their names; other files and subfolders are not looked at.
 * @throws {RedoubtError} `ERR_POLICY_INVALID` if the folder cannot be read, a file is no plain file, too large or not UTF-8:
 * a policy that cannot be read might be a forbid.
 */
export function readPolicyFolder(path: string, suffix = '.cedar'): readonly PolicyFile[] {
  let names: readonly string[]
  try {
    names = readdirSync(path)
      .filter((name) => name.endsWith(suffix))
      .sort()
  } catch (cause) {
    throw new RedoubtError('ERR_POLICY_INVALID', `the policy folder \`${path}\` cannot be read`, { cause })
  }
  if (names.length > MAX_FILES) throw new RedoubtError('ERR_POLICY_INVALID', `the policy folder holds more than ${MAX_FILES} files`)
  return names.map((name) => ({ name, text: readPolicyFile(join(path, name), name) }))
}

/** @throws {RedoubtError} `ERR_POLICY_INVALID`, as `readPolicyFolder`. */
export function readPolicyFile(path: string, name: string): string {
  let descriptor: number | null = null
  try {
    descriptor = openSync(path, 'r')
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw new RedoubtError('ERR_POLICY_INVALID', `${name}: not a plain file`)
    const bytes = Buffer.alloc(MAX_FILE_CHARACTERS + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(descriptor, bytes, length, bytes.length - length, null)
    if (length > MAX_FILE_CHARACTERS) throw new RedoubtError('ERR_POLICY_INVALID', `${name}: the file exceeds ${MAX_FILE_CHARACTERS} bytes`)
    return decoder.decode(bytes.subarray(0, length))
  } catch (cause) {
    if (cause instanceof RedoubtError) throw cause
    throw new RedoubtError('ERR_POLICY_INVALID', `${name}: the file cannot be read as UTF-8 text`, { cause })
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

/** Adds an operator's files to the bundled ones; a file of the same name takes the bundled one's place. */
export const withDefaultPolicies = (files: readonly PolicyFile[]): readonly PolicyFile[] => over(defaultPolicyFiles(), files)

/** Adds an operator's statements to the bundled ones, as `withDefaultPolicies`. */
export const withDefaultInvariants = (files: readonly PolicyFile[]): readonly PolicyFile[] => over(defaultInvariants(), files)

function over(bundled: readonly PolicyFile[], files: readonly PolicyFile[]): readonly PolicyFile[] {
  const byName = new Map<string, PolicyFile>()
  for (const file of [...bundled, ...files]) byName.set(file.name, file)
  return [...byName.values()]
}

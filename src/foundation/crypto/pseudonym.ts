import { createHmac, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'

const MAX_SUBJECT_LENGTH = 1024

/**
 * The keyed pseudonym of a person: HMAC-SHA-256, base64url. Here, and not beside the keys, for threads that have one key and no need of the rest.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` for an empty, ill-formed or overlong subject.
 */
export function pseudonymOf(key: KeyObject, subject: string): string {
  // Ill-formed strings would share a pseudonym: UTF-8 turns every lone surrogate into U+FFFD.
  if (subject === '' || subject.length > MAX_SUBJECT_LENGTH || !subject.isWellFormed())
    throw new RedoubtError('ERR_INPUT_INVALID', 'a subject is well-formed text of 1 to 1024 characters')
  return createHmac('sha256', key).update(subject).digest('base64url')
}

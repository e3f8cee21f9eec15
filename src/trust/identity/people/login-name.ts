import { RedoubtError, type SubjectSealer } from '#foundation/core'

export const MAX_LOGIN_NAME = 128
/** Any writing system, joiners included; no control characters and nothing that reorders the text around it. */
const ALLOWED = /^[^\p{Cc}\p{Cs}\p{Co}\u202A-\u202E\u2066-\u2069]+$/u

/** One spelling for names that look the same (NFKC) and differ in case or in spaces around them. Null for what cannot be a name. */
export function canonicalLoginName(name: string): string | null {
  if (name.length > MAX_LOGIN_NAME || !name.isWellFormed()) return null
  const canonical = name.normalize('NFKC').trim().toLowerCase()
  return canonical !== '' && canonical.length <= MAX_LOGIN_NAME && ALLOWED.test(canonical) ? canonical : null
}

/** @throws {RedoubtError} `ERR_INPUT_INVALID`. */
export function requireLoginName(name: string): string {
  const canonical = canonicalLoginName(name)
  if (canonical === null)
    throw new RedoubtError('ERR_INPUT_INVALID', `a login name is visible text of at most ${MAX_LOGIN_NAME} characters`)
  return canonical
}

/** HMAC-SHA-256 under the key of the pseudonyms: without the keyring nobody can try names against the database. */
export const loginDigest = (sealer: SubjectSealer, canonical: string): string => sealer.pseudonym(`login-name ${canonical}`)

import { createHmac } from 'node:crypto'
import { lettersOf } from './letters.ts'

/** 80 bits: two values of a trillion meet with a chance below one in two. Shorter than the digest, so that it is no proof of the value. */
const DIGEST_BYTES = 10

/** Spellings of one value are one: case, white space and the signs between groups are no matter, where signs are not part of it. */
export function canonicalValue(entity: string, value: string): string {
  const folded = value
    .normalize('NFKC')
    .replaceAll(/\p{Cf}/gu, '')
    .toLowerCase()
  return SIGNS_MATTER.has(entity) ? folded.replaceAll(/\s+/g, ' ').trim() : folded.replaceAll(/[^\p{L}\p{N}]/gu, '')
}
const SIGNS_MATTER: ReadonlySet<string> = new Set(['EMAIL_ADDRESS', 'IP_ADDRESS', 'URL', 'DATE_TIME', 'ADDRESS', 'API_KEY', 'PASSWORD'])

/** A keyed digest of a value, as letters: the same for one key, entity and value, and not to be guessed by whoever has no key. */
export function digestOf(key: Uint8Array, entity: string, value: string): string {
  return lettersOf(
    createHmac('sha256', key)
      .update(`${entity}\n${canonicalValue(entity, value)}`)
      .digest()
      .subarray(0, DIGEST_BYTES),
  )
}

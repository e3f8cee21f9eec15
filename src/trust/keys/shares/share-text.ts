import { createHash, randomBytes } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { constantTimeEqual } from '#foundation/crypto'
import { combinePoints, MAX_SHARES, splitSecret } from './shamir.ts'

const PREFIX = 'rdbs1'
const SET_BYTES = 8
/** As much as the key that it opens. */
export const ROOT_SECRET_BYTES = 32
const CHECKSUM_BYTES = 5
const SHARE_BYTES = SET_BYTES + 3 + ROOT_SECRET_BYTES + CHECKSUM_BYTES
/** Crockford's, without letters that are mistaken for digits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const GROUP = 5
const MAX_TEXT = 256

/** Which shares belong together; in the keyring file too. */
export interface ShareSet {
  /** 16 hexadecimal digits, new for each set. */
  readonly set: string
  readonly threshold: number
  readonly of: number
}

/** What one holder keeps. */
export interface Share extends ShareSet {
  /** 1 to `of`. */
  readonly index: number
  readonly bytes: Uint8Array
}

/** A fresh root secret and its shares as texts; whoever asked shows them once and keeps none. @throws {RedoubtError} `ERR_CRYPTO_PARAMETER`. */
export function makeShares(size: Pick<ShareSet, 'threshold' | 'of'>): {
  readonly secret: Uint8Array
  readonly set: ShareSet
  readonly texts: readonly string[]
} {
  const secret = randomBytes(ROOT_SECRET_BYTES)
  const points = splitSecret(secret, size)
  const set: ShareSet = { set: randomBytes(SET_BYTES).toString('hex'), threshold: size.threshold, of: size.of }
  return { secret, set, texts: points.map((point) => writeShare({ ...set, ...point })) }
}

/**
 * The root secret of enough shares of one set; whether it is the right one the keyring tells.
 * @throws {RedoubtError} `ERR_KEYS_SHARE` when they are too few or of several sets.
 */
export function combineShares(shares: readonly Share[]): Uint8Array {
  const [first] = shares
  if (first === undefined || shares.length < first.threshold) throw new RedoubtError('ERR_KEYS_SHARE', 'there are too few shares')
  if (shares.some(({ set, threshold, of }) => set !== first.set || threshold !== first.threshold || of !== first.of))
    throw new RedoubtError('ERR_KEYS_SHARE', 'these shares are not of one set')
  return combinePoints(shares.slice(0, first.threshold))
}

/** `rdbs1-` and base32 in groups: set ‖ threshold ‖ of ‖ index ‖ point ‖ the first bytes of SHA-256 over all of that. */
export function writeShare({ set, threshold, of, index, bytes }: Share): string {
  const body = Buffer.concat([Buffer.from(set, 'hex'), Buffer.from([threshold, of, index]), bytes])
  const letters = base32(Buffer.concat([body, checksum(body)]))
  return [PREFIX, ...(letters.match(new RegExp(`.{1,${GROUP}}`, 'g')) ?? [])].join('-')
}

/**
 * Reads a share as it was written or typed: case, spaces and hyphens do not matter, `o`, `i` and `l` are the digits they look like.
 * @throws {RedoubtError} `ERR_KEYS_SHARE`; the checksum tells a slip of the fingers from a share that does not belong.
 */
export function readShare(text: string): Share {
  if (text.length > MAX_TEXT) throw new RedoubtError('ERR_KEYS_SHARE', 'a share is shorter than that')
  const letters = text.toLowerCase().replace(/[\s-]+/g, '')
  if (!letters.startsWith(PREFIX)) throw new RedoubtError('ERR_KEYS_SHARE', `a share begins with \`${PREFIX}-\``)
  const bytes = fromBase32(letters.slice(PREFIX.length).replaceAll('o', '0').replace(/[il]/g, '1'))
  if (bytes?.byteLength !== SHARE_BYTES) throw new RedoubtError('ERR_KEYS_SHARE', 'the share is not whole')
  const body = bytes.subarray(0, -CHECKSUM_BYTES)
  if (!constantTimeEqual(checksum(body), bytes.subarray(-CHECKSUM_BYTES)))
    throw new RedoubtError('ERR_KEYS_SHARE', 'the share has a slip in it: compare it with what was written down')
  const [threshold, of, index] = body.subarray(SET_BYTES, SET_BYTES + 3) as unknown as readonly [number, number, number]
  if (threshold < 2 || threshold > of || of > MAX_SHARES || index < 1 || index > of) throw new RedoubtError('ERR_KEYS_SHARE')
  return { set: body.subarray(0, SET_BYTES).toString('hex'), threshold, of, index, bytes: body.subarray(SET_BYTES + 3) }
}

function checksum(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(`${PREFIX} share`).update(body).digest().subarray(0, CHECKSUM_BYTES)
}

function base32(bytes: Uint8Array): string {
  let [text, bits, value] = ['', 0, 0]
  for (const byte of bytes) {
    value = (value << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(value >> (bits - 5)) & 31]
    value &= 31
  }
  return bits === 0 ? text : text + ALPHABET[(value << (5 - bits)) & 31]
}

/** @returns null for what `base32` does not write, leftover bits included. */
function fromBase32(text: string): Buffer | null {
  const bytes: number[] = []
  let [bits, value] = [0, 0]
  for (const letter of text) {
    const digit = ALPHABET.indexOf(letter)
    if (digit === -1) return null
    value = (value << 5) | digit
    bits += 5
    if (bits >= 8) bytes.push((value >> (bits -= 8)) & 0xff)
    value &= 0xfff
  }
  return (value & ((1 << bits) - 1)) === 0 && bits < 5 ? Buffer.from(bytes) : null
}

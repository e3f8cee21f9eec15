import { randomBytes } from 'node:crypto'
import { RedoubtError } from '#foundation/core'

export const MAX_SHARES = 16
const MIN_THRESHOLD = 2

/** A point of the polynomials of a secret: one ordinate for each of its bytes. */
export interface Point {
  /** The abscissa, 1 to 255; the secret lies at 0. */
  readonly index: number
  readonly bytes: Uint8Array
}

/**
 * Shamir's secret sharing over GF(2^8), byte by byte: any `threshold` points give the secret back, fewer tell nothing about it.
 * @param random bytes of the polynomials' coefficients, uniform and for this call alone.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` unless 2 ≤ threshold ≤ of ≤ 16 and there is a secret.
 * @see Shamir, How to share a secret, CACM 22 (1979)
 */
export function splitSecret(
  secret: Uint8Array,
  { threshold, of }: { readonly threshold: number; readonly of: number },
  random: (size: number) => Uint8Array = randomBytes,
): readonly Point[] {
  if (!Number.isInteger(threshold) || !Number.isInteger(of) || threshold < MIN_THRESHOLD || threshold > of || of > MAX_SHARES)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', `a secret is shared among 2 to ${MAX_SHARES}, of whom 2 or more are needed`)
  if (secret.byteLength === 0) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'there is no secret to share')
  // The coefficient of each power, for all bytes; also a leading one of zero, or what is known of it would tell of the secret.
  const coefficients = Array.from({ length: threshold - 1 }, () => random(secret.byteLength))
  const points = Array.from({ length: of }, (_, at) => {
    const index = at + 1
    const bytes = new Uint8Array(secret.byteLength)
    for (let byte = 0; byte < bytes.byteLength; byte++) {
      let value = 0
      for (let power = coefficients.length - 1; power >= 0; power--) value = multiply(value, index) ^ coefficients[power]![byte]!
      bytes[byte] = multiply(value, index) ^ secret[byte]!
    }
    return { index, bytes }
  })
  for (const one of coefficients) one.fill(0)
  return points
}

/**
 * The secret that exactly these points give, by Lagrange's interpolation at 0. Points of several secrets, or too few, give another one:
 * whoever combines checks what comes out.
 * @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for points that cannot be of one secret.
 */
export function combinePoints(points: readonly Point[]): Uint8Array {
  const size = points[0]?.bytes.byteLength ?? 0
  const indices = new Set(points.map(({ index }) => index))
  const sound = points.every(({ index, bytes }) => Number.isInteger(index) && index >= 1 && index <= 255 && bytes.byteLength === size)
  if (!sound || indices.size !== points.length || points.length < MIN_THRESHOLD || points.length > MAX_SHARES || size === 0)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'these shares are not of one secret')
  const secret = new Uint8Array(size)
  for (const { index, bytes } of points) {
    let weight = 1
    for (const other of indices) if (other !== index) weight = multiply(weight, multiply(other, inverse(other ^ index)))
    for (let byte = 0; byte < size; byte++) secret[byte] = secret[byte]! ^ multiply(weight, bytes[byte]!)
  }
  return secret
}

/** In GF(2^8) with the polynomial of AES (FIPS 197 §4.2). Without tables and branches, whose time would tell of the secret. */
export function multiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < 8; bit++) {
    product ^= -((b >> bit) & 1) & a
    a = ((a << 1) ^ (-((a >> 7) & 1) & 0x11b)) & 0xff
  }
  return product & 0xff
}

/** a^254, for the group has 255 elements. */
function inverse(a: number): number {
  let result = 1
  for (let bit = 7; bit >= 0; bit--) {
    result = multiply(result, result)
    if (((254 >> bit) & 1) === 1) result = multiply(result, a)
  }
  return result
}

/** Check digits from the publications that define them, written apart from the recognisers, so that a mistake of theirs shows. */
import { createHash } from 'node:crypto'
import type { Random } from '../planted/values.ts'

export const digits = (next: Random, count: number): string => Array.from({ length: count }, () => next(10)).join('')
export const letters = (next: Random, count: number, from = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'): string =>
  Array.from({ length: count }, () => from[next(from.length)]).join('')
export const two = (value: number): string => String(value).padStart(2, '0')
/** `9434765919` by `3-3-4` and a sign: `943 476 5919`. */
export function grouped(value: string, sizes: readonly number[], sign: string): string {
  let at = 0
  return sizes.map((size) => value.slice(at, (at += size))).join(sign)
}
export const weighted = (value: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * Number(value[i]), 0)

/** Draws bodies until one has a check digit. */
export function until(next: Random, draw: (next: Random) => string | null): string {
  for (let i = 0; i < 1000; i++) {
    const value = draw(next)
    if (value !== null) return value
  }
  throw new Error('no value has a check digit')
}

/** ISO/IEC 7812-1 annex B. */
export function luhn(body: string): string {
  let sum = 0
  for (const [i, sign] of [...body].reverse().entries()) {
    const product = Number(sign) * (i % 2 === 0 ? 2 : 1)
    sum += Math.floor(product / 10) + (product % 10)
  }
  return String((10 - (sum % 10)) % 10)
}

/** ISO 7064 MOD 97-10: the remainder of a number whose letters count 10 to 35. */
export function mod97(text: string): number {
  const numeric = text.replaceAll(/[A-Z]/gu, (sign) => String(sign.charCodeAt(0) - 55))
  return Number(BigInt(numeric) % 97n)
}

/** ISO 7064 MOD 11,10. */
export function mod1110(body: string): string {
  let product = 10
  for (const sign of body) {
    const sum = (Number(sign) + product) % 10 || 10
    product = (sum * 2) % 11
  }
  return String((11 - product) % 10)
}

/** The dihedral group of ten elements, Verhoeff 1969. */
function product(a: number, b: number): number {
  if (a < 5) return ((a + b) % 5) + (b < 5 ? 0 : 5)
  return ((a - b + 5) % 5) + (b < 5 ? 5 : 0)
}
const PERMUTE = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
export function verhoeff(body: string): string {
  const permuted = (digit: number, times: number): number => (times === 0 ? digit : permuted(PERMUTE[digit]!, times - 1))
  let state = 0
  for (const [i, sign] of [...body].reverse().entries()) state = product(state, permuted(Number(sign), (i + 1) % 8))
  return String([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].find((check) => product(state, check) === 0))
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** A Bitcoin address of random twenty bytes, `version` before them. */
export function base58check(version: number, next: Random): string {
  const payload = Buffer.from([version, ...Array.from({ length: 20 }, () => next(256))])
  const once = createHash('sha256').update(payload).digest()
  const whole = Buffer.concat([payload, createHash('sha256').update(once).digest().subarray(0, 4)])
  let value = BigInt(`0x${whole.toString('hex')}`)
  let text = ''
  for (; value > 0n; value /= 58n) text = BASE58[Number(value % 58n)]! + text
  return version === 0 ? `1${text}` : text
}

/** Italy, decree of 23 December 1976: odd places by a table, even ones by their value. */
export function fiscalCheck(body: string): string {
  const odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
  let sum = 0
  for (const [i, sign] of [...body].entries()) {
    const value = /\d/u.test(sign) ? Number(sign) : sign.charCodeAt(0) - 65
    sum += i % 2 === 0 ? odd[value]! : value
  }
  return String.fromCharCode(65 + (sum % 26))
}

/** The value with its last digit or letter changed by `by`. */
export function spoilt(value: string, next: Random): string {
  let at = value.length - 1
  while (at > 0 && !/[A-Z0-9]/iu.test(value[at]!)) at--
  const sign = value[at]!
  const alphabet = /\d/u.test(sign) ? '0123456789' : /[A-Z]/u.test(sign) ? 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' : 'abcdefghijkmnopqrstuvwxyz'
  const other = alphabet[(alphabet.indexOf(sign) + 1 + next(alphabet.length - 1)) % alphabet.length]!
  return value.slice(0, at) + other + value.slice(at + 1)
}

/** A day between 1940 and 2004, as year, month and day. */
export function birthday(next: Random): readonly [year: number, month: string, day: string] {
  return [1940 + next(65), two(1 + next(12)), two(1 + next(28))]
}

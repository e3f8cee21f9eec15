import { fail } from './evaluation-failure.ts'

/**
 * Cedar's Long, a signed 64-bit integer. INVARIANT: a value that is a safe integer is a `number`, every other a `bigint`;
 * so `===` is equality, and JavaScript's mixed comparison of the two is exact.
 */
export type Long = number | bigint

const MIN = -(2n ** 63n)
const MAX = 2n ** 63n - 1n

/** Brings an exact integer into canonical form. @throws {EvaluationFailure} outside the 64 bits. */
export function longOf(exact: bigint): Long {
  if (exact < MIN || exact > MAX) fail('integer overflow')
  const narrow = Number(exact)
  return Number.isSafeInteger(narrow) ? narrow : exact
}

// Each operation first tries doubles: if the rounded result is safe, the exact result was the same number.
export function add(left: Long, right: Long): Long {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right
    if (Number.isSafeInteger(sum)) return sum
  }
  return longOf(BigInt(left) + BigInt(right))
}

export function subtract(left: Long, right: Long): Long {
  if (typeof left === 'number' && typeof right === 'number') {
    const difference = left - right
    if (Number.isSafeInteger(difference)) return difference
  }
  return longOf(BigInt(left) - BigInt(right))
}

export function multiply(left: Long, right: Long): Long {
  if (typeof left === 'number' && typeof right === 'number') {
    const product = left * right
    // Adding 0 turns -0, which no Long is, into 0.
    if (Number.isSafeInteger(product)) return product + 0
  }
  return longOf(BigInt(left) * BigInt(right))
}

export function negate(value: Long): Long {
  return subtract(0, value)
}

/** Quotient rounded towards zero, as Rust's `/`. `divisor` is positive. */
export function quotient(value: Long, divisor: number): Long {
  return typeof value === 'number' ? Math.trunc(value / divisor) + 0 : longOf(value / BigInt(divisor))
}

/** Remainder in [0, divisor), as Rust's `rem_euclid`. `divisor` is positive. */
export function remainder(value: Long, divisor: number): number {
  const rest = typeof value === 'number' ? value % divisor : Number(value % BigInt(divisor))
  return rest < 0 ? rest + divisor : rest + 0
}

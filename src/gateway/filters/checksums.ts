/** Check digits that several kinds of number share. All take digits (or what is said) only. */

/** ISO/IEC 7812-1 annex B. */
export function luhn(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - 0x30
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2
    sum += digit
  }
  return sum % 10 === 0
}

/** Sum of the digits, each times its weight; `weights` may be shorter than `digits`. */
export function weightedSum(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, i) => sum + weight * (digits.charCodeAt(i) - 0x30), 0)
}

/** Letters as 10 to 35, then the remainder by 97 (ISO 7064). @param code capital letters and digits. */
export function mod97(code: string): number {
  let rest = 0
  for (let i = 0; i < code.length; i++) {
    const unit = code.charCodeAt(i)
    rest = unit >= 0x41 ? (rest * 100 + (unit - 0x37)) % 97 : (rest * 10 + (unit - 0x30)) % 97
  }
  return rest
}

/** The remainder of a number too long for one, by `divisor` below 2^20. */
export function remainder(digits: string, divisor: number): number {
  let rest = 0
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % divisor
  return rest
}

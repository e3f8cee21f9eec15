import { fail } from './evaluation-failure.ts'
import { type Long, longOf } from './long.ts'

/** Cedar's `decimal`: ten-thousandths in a signed 64-bit integer. */
export class Decimal {
  readonly tenThousandths: Long

  constructor(tenThousandths: Long) {
    this.tenThousandths = tenThousandths
  }
}

// Longer texts overflow or repeat zeros; Cedar accepts leading zeros, so the bound is generous.
const MAX_TEXT = 4096

/** @throws {EvaluationFailure} for what Cedar refuses: no digit on one side of the point, more than four after it, overflow. */
export function parseDecimal(text: string): Decimal {
  const match = text.length > MAX_TEXT ? null : /^(-?[0-9]+)\.([0-9]+)$/.exec(text)
  const [, whole, fraction] = match ?? []
  if (whole === undefined || fraction === undefined) return fail('the decimal is not valid')
  if (fraction.length > 4) return fail('a decimal has at most four digits after the point')
  const scaled = longOf(BigInt(whole) * 10_000n)
  const rest = BigInt(fraction.padEnd(4, '0'))
  return new Decimal(longOf(whole.startsWith('-') ? BigInt(scaled) - rest : BigInt(scaled) + rest))
}

/**
 * The decimal that a double stands for: the one with at most four digits after the point whose nearest double it is.
 * @throws {EvaluationFailure} when there is none, or it lies beyond 900,719,925,474.0991: nothing is rounded.
 */
export function exactDecimal(value: number): Decimal {
  const tenThousandths = Math.round(value * 10_000)
  // The quotient is rounded once, to the nearest double.
  if (!Number.isSafeInteger(tenThousandths) || tenThousandths / 10_000 !== value) return fail('the number is no decimal of four digits')
  return new Decimal(tenThousandths + 0)
}

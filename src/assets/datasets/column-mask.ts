import type { ColumnMask } from '#foundation/core'
import type { NumericValues, TextValues } from './dataset-version.ts'

/** What stands for a value that is not shown. That there is one is shown. */
export const REDACTED = '***'

type Values = NumericValues | TextValues

/** A date or instant of ISO 8601 (RFC 3339), of which the year is kept. */
const ISO_DATE = /^(\d{4})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:$|[T ])/
/** Shorter ones would be shown for the better part. */
const MIN_LENGTH_FOR_LAST4 = 8

/** The type of a column once it is masked: numbers that are not kept as numbers become text. */
export function maskedType(type: Values['type'], mask: ColumnMask): Values['type'] {
  return mask === 'keep' || (mask === 'coarse' && type !== 'text') ? type : 'text'
}

/** @throws nothing: a value that does not fit its mask is redacted. */
export function maskValues(column: Values, mask: Exclude<ColumnMask, 'hide'>): Values {
  if (mask === 'keep') return column
  const { name } = column
  if (column.type !== 'text' && mask === 'coarse') return { name, type: column.type, values: column.values.map(oneDigit) }
  const masked = (value: string): string => {
    if (mask === 'year') return ISO_DATE.exec(value)?.[1] ?? REDACTED
    if (mask === 'last4' && value.length >= MIN_LENGTH_FOR_LAST4) return `${REDACTED}${value.slice(-4)}`
    return REDACTED
  }
  const values =
    column.type === 'text'
      ? column.values.map((value) => (value === null ? null : masked(value)))
      : Array.from(column.values, (value) => (Number.isNaN(value) ? null : masked(String(value))))
  return { name, type: 'text', values }
}

/** Rounded to one significant digit; what is missing (NaN) stays so. */
function oneDigit(value: number): number {
  return Number.isNaN(value) ? value : Number(value.toPrecision(1))
}

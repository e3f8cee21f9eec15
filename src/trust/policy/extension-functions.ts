import { DateTime, Duration, type DurationUnit, parseDateTime, parseDuration } from './datetime.ts'
import { Decimal, parseDecimal } from './decimal.ts'
import { fail } from './evaluation-failure.ts'
import { IpAddress, parseIpAddress } from './ip-address.ts'
import { typeName, type Value } from './values.ts'

/** A function or method of Cedar's extension types. A method takes its receiver as first argument. */
export interface ExtensionFunction {
  readonly arity: 1 | 2
  /** @throws {EvaluationFailure} for an argument of another type, a text outside the grammar, an overflow. */
  readonly apply: (first: Value, second: Value) => Value
}

type Class<T> = abstract new (...args: never[]) => T

function as<T>(value: Value, type: Class<T>, name: string): T {
  return value instanceof type ? value : fail(`type error: expected ${name}, got ${typeName(value)}`)
}

const constructor = (parse: (text: string) => Value): ExtensionFunction => ({
  arity: 1,
  apply: (text) => parse(typeof text === 'string' ? text : fail(`type error: expected string, got ${typeName(text)}`)),
})
const ipTest = (test: (address: IpAddress) => boolean): ExtensionFunction => ({
  arity: 1,
  apply: (value) => test(as(value, IpAddress, 'ipaddr')),
})
const decimalOrder = (compare: (left: Decimal, right: Decimal) => boolean): ExtensionFunction => ({
  arity: 2,
  apply: (left, right) => compare(as(left, Decimal, 'decimal'), as(right, Decimal, 'decimal')),
})
const durationIn = (unit: DurationUnit): ExtensionFunction => ({
  arity: 1,
  apply: (value) => as(value, Duration, 'duration').in(unit),
})

/** @see Cedar language 4.5, extension types `ipaddr`, `decimal`, `datetime`, `duration` */
export const EXTENSION_FUNCTIONS: ReadonlyMap<string, ExtensionFunction> = new Map<string, ExtensionFunction>([
  ['ip', constructor(parseIpAddress)],
  ['decimal', constructor(parseDecimal)],
  ['datetime', constructor(parseDateTime)],
  ['duration', constructor(parseDuration)],
  ['isIpv4', ipTest((address) => !address.v6)],
  ['isIpv6', ipTest((address) => address.v6)],
  ['isLoopback', ipTest((address) => address.isLoopback())],
  ['isMulticast', ipTest((address) => address.isMulticast())],
  ['isInRange', { arity: 2, apply: (left, right) => as(left, IpAddress, 'ipaddr').isInRange(as(right, IpAddress, 'ipaddr')) }],
  ['lessThan', decimalOrder((left, right) => left.tenThousandths < right.tenThousandths)],
  ['lessThanOrEqual', decimalOrder((left, right) => left.tenThousandths <= right.tenThousandths)],
  ['greaterThan', decimalOrder((left, right) => left.tenThousandths > right.tenThousandths)],
  ['greaterThanOrEqual', decimalOrder((left, right) => left.tenThousandths >= right.tenThousandths)],
  ['offset', { arity: 2, apply: (left, right) => as(left, DateTime, 'datetime').offset(as(right, Duration, 'duration')) }],
  ['durationSince', { arity: 2, apply: (left, right) => as(left, DateTime, 'datetime').durationSince(as(right, DateTime, 'datetime')) }],
  ['toDate', { arity: 1, apply: (value) => as(value, DateTime, 'datetime').toDate() }],
  ['toTime', { arity: 1, apply: (value) => as(value, DateTime, 'datetime').toTime() }],
  ['toMilliseconds', durationIn('milliseconds')],
  ['toSeconds', durationIn('seconds')],
  ['toMinutes', durationIn('minutes')],
  ['toHours', durationIn('hours')],
  ['toDays', durationIn('days')],
])

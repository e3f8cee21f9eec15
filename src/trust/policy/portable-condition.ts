import { RedoubtError } from '#foundation/core'
import { CONSTANT, type Expression, FAILURE, operatorOf } from './compile-expression.ts'
import { DateTime, Duration } from './datetime.ts'
import { Decimal } from './decimal.ts'
import { IpAddress } from './ip-address.ts'
import type { OpenDecision, OpenRule } from './open-decision.ts'
import { operandsOf } from './row-reads.ts'
import { EntityValue, RecordValue, SetValue, type Value } from './values.ts'

/** What a thread is given in place of a value that is an object of a class. Structured cloning keeps the rest as it is. */
type Plain =
  | boolean
  | string
  | number
  | bigint
  | readonly ['entity', string, string]
  | readonly ['set', readonly Plain[]]
  | readonly ['record', readonly (readonly [string, Plain])[]]
  | readonly ['ip', boolean, number | bigint, number]
  | readonly ['decimal' | 'datetime' | 'duration', number | bigint]

interface Portable {
  readonly digest: string
  readonly open: OpenDecision
}

/** What is left of the policies reads the row alone, so constants are all that has to be put into another form. */
export function portableOf(open: OpenDecision, digest: string): Portable {
  const rules = (all: readonly OpenRule[]): OpenRule[] =>
    all.map(({ id, expression }) => ({ id, expression: mapConstants(expression, (value) => plainOf(value as Value)) }))
  return { digest, open: { permitted: open.permitted, forbids: rules(open.forbids), permits: rules(open.permits) } }
}

/** @throws {RedoubtError} `ERR_INTERNAL` for what is no condition. */
export function openOf(portable: unknown): Portable {
  if (typeof portable !== 'object' || portable === null) throw new RedoubtError('ERR_INTERNAL', 'a condition on rows did not come over')
  const { digest, open } = portable as Portable
  const rules = (all: readonly OpenRule[]): OpenRule[] =>
    all.map(({ id, expression }) => ({ id, expression: mapConstants(expression, (plain) => valueOf(plain as Plain)) }))
  return { digest, open: { permitted: open.permitted, forbids: rules(open.forbids), permits: rules(open.permits) } }
}

function mapConstants(expression: Expression, map: (constant: unknown) => unknown): Expression {
  const [name, operand] = operatorOf(expression)
  if (name === CONSTANT) return { [CONSTANT]: map(operand) }
  if (name === FAILURE) return expression
  const parts = operandsOf(name, operand).map(([key, part]) => [key, mapConstants(part as Expression, map)] as const)
  if (Array.isArray(operand)) return { [name]: parts.map(([, part]) => part) }
  if (parts.length === 0 && name !== 'Record') return { [name]: operand }
  return { [name]: name === 'Record' ? Object.fromEntries(parts) : { ...(operand as object), ...Object.fromEntries(parts) } }
}

function plainOf(value: Value): Plain {
  if (typeof value !== 'object') return value
  if (value instanceof EntityValue) return ['entity', value.type, value.id]
  if (value instanceof SetValue) return ['set', value.elements.map(plainOf)]
  if (value instanceof RecordValue) return ['record', [...value.fields].map(([name, field]) => [name, plainOf(field)] as const)]
  if (value instanceof IpAddress) return ['ip', value.v6, value.address, value.prefix]
  if (value instanceof Decimal) return ['decimal', value.tenThousandths]
  return value instanceof DateTime ? ['datetime', value.epochMs] : ['duration', value.ms]
}

function valueOf(plain: Plain): Value {
  if (typeof plain !== 'object') return plain
  switch (plain[0]) {
    case 'entity':
      return new EntityValue(plain[1], plain[2])
    case 'set':
      return new SetValue(plain[1].map(valueOf))
    case 'record':
      return new RecordValue(new Map(plain[1].map(([name, field]) => [name, valueOf(field)])))
    case 'ip':
      return new IpAddress(plain[1], plain[2], plain[3])
    case 'decimal':
      return new Decimal(plain[1])
    case 'datetime':
      return new DateTime(plain[1])
    default:
      return new Duration(plain[1])
  }
}

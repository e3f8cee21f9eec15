import { operatorOf } from './compile-expression.ts'
import { DateTime, Duration } from './datetime.ts'
import { Decimal } from './decimal.ts'
import { EXTENSION_FUNCTIONS } from './extension-functions.ts'
import { IpAddress } from './ip-address.ts'
import { EntityValue, RecordValue, SetValue, type Value } from './values.ts'

// What `why` shows of a long expression or value; the policy itself is in its file.
const MAX_TEXT = 240
const INFIX: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', '&&', '||', '+', '-', '*', 'in'])
const METHODS: ReadonlySet<string> = new Set(['contains', 'containsAll', 'containsAny', 'hasTag', 'getTag'])
const CONSTRUCTORS: ReadonlySet<string> = new Set(['ip', 'decimal', 'datetime', 'duration'])

/** An expression in Cedar's syntax, for people: cut when long, never parsed again. */
export function printExpression(expression: unknown): string {
  return cut(print(expression, 0))
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}

function print(expression: unknown, depth: number): string {
  if (depth > 40) return '…'
  const [name, operand] = operatorOf(expression)
  const inner = (part: unknown): string => print(part, depth + 1)
  const nested = (part: unknown): string => {
    const text = inner(part)
    return INFIX.has(operatorOf(part)[0]) ? `(${text})` : text
  }
  const { left, right, arg, attr } = operand as Readonly<Record<string, unknown>>
  if (INFIX.has(name)) return `${nested(left)} ${name} ${nested(right)}`
  if (METHODS.has(name)) return `${nested(left)}.${name}(${inner(right)})`
  if (EXTENSION_FUNCTIONS.has(name)) {
    const [first, ...rest] = operand as readonly unknown[]
    return CONSTRUCTORS.has(name) ? `${name}(${inner(first)})` : `${nested(first)}.${name}(${rest.map(inner).join(', ')})`
  }
  switch (name) {
    case 'Value':
      return printLiteral(operand)
    case 'Var':
      return String(operand)
    case '.':
      return `${nested(left)}${/^[A-Za-z_]\w*$/.test(String(attr)) ? `.${String(attr)}` : `[${JSON.stringify(attr)}]`}`
    case 'has':
      return `${nested(left)} has ${Array.isArray(attr) ? attr.join('.') : String(attr)}`
    case '!':
      return `!${operatorOf(arg)[0] === 'is' || operatorOf(arg)[0] === 'has' ? `(${inner(arg)})` : nested(arg)}`
    case 'neg':
      return `-${nested(arg)}`
    case 'isEmpty':
      return `${nested(arg)}.isEmpty()`
    case 'like': {
      const { pattern } = operand as { readonly pattern: readonly ('Wildcard' | { readonly Literal: string })[] }
      return `${nested(left)} like "${pattern.map((part) => (part === 'Wildcard' ? '*' : part.Literal)).join('')}"`
    }
    case 'is': {
      const { entity_type: type, in: group } = operand as { readonly entity_type: string; readonly in?: unknown }
      return `${nested(left)} is ${type}${group === undefined ? '' : ` in ${nested(group)}`}`
    }
    case 'if-then-else': {
      const branch = operand as { readonly if: unknown; readonly then: unknown; readonly else: unknown }
      return `if ${inner(branch.if)} then ${inner(branch.then)} else ${inner(branch.else)}`
    }
    case 'Set':
      return `[${(operand as readonly unknown[]).map(inner).join(', ')}]`
    case 'Record':
      return `{${Object.entries(operand as Readonly<Record<string, unknown>>)
        .map(([key, value]) => `${JSON.stringify(key)}: ${inner(value)}`)
        .join(', ')}}`
    default:
      return name
  }
}

function printLiteral(value: unknown): string {
  const entity = (value as { readonly __entity?: { readonly type: string; readonly id: string } } | null)?.__entity
  return entity ? `${entity.type}::${JSON.stringify(entity.id)}` : JSON.stringify(value)
}

/** A value for people. Facts are metadata (purposes, levels, states), so they may be shown. */
export function printValue(value: Value): string {
  return cut(printWhole(value))
}

function printWhole(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value !== 'object') return String(value)
  if (value instanceof EntityValue) return `${value.type}::${JSON.stringify(value.id)}`
  if (value instanceof SetValue) return `[${value.elements.map(printWhole).join(', ')}]`
  if (value instanceof RecordValue)
    return `{${[...value.fields].map(([name, field]) => `${JSON.stringify(name)}: ${printWhole(field)}`).join(', ')}}`
  if (value instanceof IpAddress)
    return value.v6 ? `ip 0x${value.address.toString(16)}/${value.prefix}` : `ip ${dotted(Number(value.address))}/${value.prefix}`
  if (value instanceof Decimal) return `decimal ${Number(value.tenThousandths) / 10_000}`
  if (value instanceof DateTime)
    return Math.abs(Number(value.epochMs)) <= 8.64e15 ? new Date(Number(value.epochMs)).toISOString() : `${value.epochMs} ms`
  return value instanceof Duration ? `${value.ms}ms` : ''
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

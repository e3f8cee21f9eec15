import { type Expression, operatorOf } from './compile-expression.ts'
import type { PolicyJson } from './compile-policy.ts'
import { BAD_DATETIMES, BAD_DECIMALS, BAD_DURATIONS, BAD_IPS } from './oracle-vocabulary.ts'
import { operandsOf } from './row-reads.ts'

/** Constructs that a naive evaluator of Cedar gets wrong: an oracle that never met one would prove little. Used by tests alone. */
export const TRAPS = [
  '`in` a list',
  '`has` a path',
  'equality of sets or records',
  '`contains` of what has structure',
  'IPv6',
  'a prefix of a network',
  'arithmetic that may leave 2^53 or 64 bits',
  '`is` beside a type whose name goes on',
  'an action in a group',
  'a literal outside its grammar',
  '`like`',
  '`if`',
  'a type in a scope',
  'a name that objects inherit',
] as const
export type Trap = (typeof TRAPS)[number]

const BAD: ReadonlySet<unknown> = new Set([...BAD_IPS, ...BAD_DECIMALS, ...BAD_DATETIMES, ...BAD_DURATIONS])
const STRUCTURED: ReadonlySet<string> = new Set(['Set', 'Record', 'ip', 'decimal', 'datetime', 'duration'])

export function trapsIn(policy: PolicyJson): ReadonlySet<Trap> {
  const found = new Set<Trap>()
  if (policy.action.op === 'in') found.add('an action in a group')
  if (policy.principal.op === 'is' || policy.resource.op === 'is') found.add('a type in a scope')
  for (const { body } of policy.conditions) collect(body, found)
  return found
}

function collect(expression: Expression, found: Set<Trap>): void {
  const [name, operand] = operatorOf(expression)
  const { left, right, attr, entity_type: type } = (operand ?? {}) as Readonly<Record<string, unknown>>
  const kindOf = (part: unknown): string => (part === undefined ? '' : operatorOf(part)[0])
  if (name === 'in' && kindOf(right) === 'Set') found.add('`in` a list')
  if (name === 'has' && Array.isArray(attr) && attr.length > 1) found.add('`has` a path')
  if ((name === '==' || name === '!=') && [left, right].some((side) => kindOf(side) === 'Set' || kindOf(side) === 'Record'))
    found.add('equality of sets or records')
  if (name === 'contains' && STRUCTURED.has(kindOf(right))) found.add('`contains` of what has structure')
  if (name === 'ip') {
    const text = JSON.stringify(operand)
    if (text.includes(':', text.indexOf('Value') + 8)) found.add('IPv6')
    if (text.includes('/')) found.add('a prefix of a network')
  }
  if (name === '+' || name === '-' || name === '*' || name === 'neg') found.add('arithmetic that may leave 2^53 or 64 bits')
  if (name === 'is' && type === 'User') found.add('`is` beside a type whose name goes on')
  if (name === 'in' && JSON.stringify(right).includes('"type":"Action"')) found.add('an action in a group')
  if (name === 'Value' && BAD.has(operand)) found.add('a literal outside its grammar')
  if (name === 'like') found.add('`like`')
  if (name === 'if-then-else') found.add('`if`')
  if ((name === '.' || name === 'has') && (attr === '__proto__' || attr === 'constructor')) found.add('a name that objects inherit')
  for (const [, part] of operandsOf(name, operand)) collect(part as Expression, found)
}

import { type FactValue, RedoubtError } from '#foundation/core'
import { type Expression, operatorOf } from '../compile-expression.ts'
import { DateTime } from '../datetime.ts'
import { IpAddress, parseIpAddress } from '../ip-address.ts'
import type { PolicySchema } from '../schema.ts'
import { printExpression } from '../print-expression.ts'
import { ATTRIBUTES, type Domain, subsets } from './domains.ts'
import { constantOf, type Kinds } from './simplify.ts'

/** The value of a variable: a fact, the absence of an optional attribute, or an id or set of parents of an entity. */
export type VariableValue = FactValue | null
/** Values of `context.hour`, `resource.purposes`, `principal#id`, `principal#parents` and so on. */
export type Assignment = ReadonlyMap<string, VariableValue>

/** What one atom reads, and the constants in it. */
export interface Reads {
  readonly variables: Set<string>
  readonly strings: Set<string>
  readonly entities: { readonly type: string; readonly id: string }[]
  readonly addresses: string[]
  readonly instants: number[]
  readonly numbers: number[]
}

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])
const CONSTRUCTORS: ReadonlySet<string> = new Set(['ip', 'datetime', 'duration', 'decimal'])

/** @throws {RedoubtError} `ERR_POLICY_ENUMERATION` for a test that no finite set of values represents. */
export function readsOf(atom: Expression, kinds: Kinds, schema: PolicySchema): Reads {
  const reads: Reads = { variables: new Set(), strings: new Set(), entities: [], addresses: [], instants: [], numbers: [] }
  visit(atom, { atom, kinds, schema, reads })
  const bare = ['principal', 'resource'].filter((name) => reads.variables.delete(name)) as ('principal' | 'resource')[]
  for (const name of bare) {
    const type = kinds[name]
    const parents = schema.entityTypes.get(type)?.parents
    if (reads.entities.some((entity) => entity.type === type)) reads.variables.add(`${name}#id`)
    if (reads.entities.some((entity) => parents?.has(entity.type))) reads.variables.add(`${name}#parents`)
  }
  return reads
}

interface Visit {
  readonly atom: Expression
  readonly kinds: Kinds
  readonly schema: PolicySchema
  readonly reads: Reads
}

function visit(expression: unknown, at: Visit): void {
  const [name, operand] = operatorOf(expression)
  const { reads } = at
  if (name === 'Value') {
    if (typeof operand === 'string') reads.strings.add(operand)
    const entity = (operand as { readonly __entity?: { readonly type: string; readonly id: string } } | null)?.__entity
    if (entity) reads.entities.push(entity)
    return
  }
  if (name === 'Var') {
    if (operand === 'context') throw notCovered(at.atom, 'the context as a whole')
    if (operand !== 'action') reads.variables.add(String(operand))
    return
  }
  if (name === '.' || name === 'has') {
    const { left, attr } = operand as { readonly left: Expression; readonly attr: string | readonly string[] }
    const variable = `${String(left['Var'])}.${typeof attr === 'string' ? attr : attr.join('.')}`
    const known = ATTRIBUTES.get(variable)
    if (left['Var'] === undefined || !known) throw notCovered(at.atom, `\`${variable.replace('undefined', '…')}\``)
    if (known.domain.kind === 'instant' || known.domain.kind === 'number') readBoundary(variable, at)
    reads.variables.add(variable)
    return
  }
  if (CONSTRUCTORS.has(name)) {
    if (name === 'ip') readAddress(expression as Expression, at)
    return
  }
  if (name === 'hasTag' || name === 'getTag') throw notCovered(at.atom, 'tags')
  if (name === 'like') {
    const { left } = operand as { readonly left: Expression }
    visit(left, at)
    const open = [...reads.variables].find((variable) => ATTRIBUTES.get(variable)?.domain.kind === 'text')
    if (open !== undefined) throw notCovered(at.atom, `\`like\` on \`${open}\``)
    return
  }
  partsOf(name, operand).forEach((part) => visit(part, at))
}

function partsOf(name: string, operand: unknown): readonly unknown[] {
  if (Array.isArray(operand)) return operand as readonly unknown[]
  if (name === 'is') {
    const { left, in: group } = operand as { readonly left: unknown; readonly in?: unknown }
    return group === undefined ? [left] : [left, group]
  }
  return Object.values(operand as object)
}

function readAddress(expression: Expression, at: Visit): void {
  const value = constantOf(expression, at.kinds, at.schema)
  if (!(value instanceof IpAddress)) throw notCovered(at.atom, 'an address that is no constant')
  const [literal] = expression['ip'] as readonly { readonly Value?: unknown }[]
  at.reads.addresses.push(String(literal?.Value))
}

/** An instant or an open number is compared with constants, and with nothing else: below, at and above each is then all there is. */
function readBoundary(variable: string, at: Visit): void {
  const [name, operand] = operatorOf(at.atom)
  const { left, right } = operand as { readonly left?: Expression; readonly right?: Expression }
  const isIt = (side: Expression | undefined): boolean => side !== undefined && printExpression(side) === variable
  const other = isIt(left) ? right : isIt(right) ? left : undefined
  const value = other && COMPARISONS.has(name) ? constantOf(other, at.kinds, at.schema) : undefined
  if (value instanceof DateTime) at.reads.instants.push(Number(value.epochMs))
  else if (typeof value === 'number') at.reads.numbers.push(value)
  else throw notCovered(at.atom, `\`${variable}\` other than compared with a constant`)
}

function notCovered(atom: Expression, what: string): RedoubtError {
  return new RedoubtError('ERR_POLICY_ENUMERATION', `the test \`${printExpression(atom)}\` reads ${what}, which enumeration does not cover`)
}

/** Constants of all atoms that share variables, merged. */
export interface Constants {
  readonly strings: ReadonlySet<string>
  readonly entities: readonly { readonly type: string; readonly id: string }[]
  readonly addresses: readonly string[]
  readonly instants: readonly number[]
  readonly numbers: readonly number[]
}

/**
 * Values that between them make every combination of the atoms' outcomes that any values make.
 * Texts are only compared for equality and membership, so the constants and as many fresh texts as there are variables represent
 * all; of sets, one element nobody names for each way in which they may overlap.
 */
export function valuesOf(
  variable: string,
  together: readonly string[],
  constants: Constants,
  kinds: Kinds,
  schema: PolicySchema,
): readonly VariableValue[] {
  const [name, part] = variable.split('#') as ['principal' | 'resource', string | undefined]
  if (part === 'id') return ['any', ...constants.entities.filter(({ type }) => type === kinds[name]).map(({ id }) => id)].filter(distinct)
  if (part === 'parents') {
    const parents = schema.entityTypes.get(kinds[name])?.parents
    const known = constants.entities.filter(({ type }) => parents?.has(type)).map(({ type, id }) => `${type}::${id}`)
    return subsets(known.filter(distinct).sort())
  }
  const attribute = ATTRIBUTES.get(variable)
  if (!attribute) throw new RedoubtError('ERR_INTERNAL', `the attribute \`${variable}\` has no domain`)
  const values = attributeValues(attribute.domain, together, constants)
  return attribute.optional ? [null, ...values] : values
}

function attributeValues(domain: Domain, together: readonly string[], constants: Constants): readonly FactValue[] {
  if (domain.kind === 'finite') return domain.values
  if (domain.kind === 'address') return addresses(constants.addresses)
  if (domain.kind === 'instant') return instants(constants.instants)
  if (domain.kind === 'number') return numbers(constants.numbers, domain)
  const kindOf = (variable: string): string | undefined => ATTRIBUTES.get(variable)?.domain.kind
  const scalars = together.filter((variable) => kindOf(variable) === 'text').length
  const known = new Set([...constants.strings, ...together.flatMap(finiteTexts)])
  const texts = [...fresh('some-purpose', Math.max(1, scalars), known), ...[...known].sort()]
  if (domain.kind === 'text') return texts
  const sets = together.filter((variable) => kindOf(variable) === 'texts').length
  return subsets([...texts, ...fresh('unnamed', 2 ** sets - 1, known)])
}

/** The texts that a variable of few values brings along: one of an open variable may equal any of them. */
function finiteTexts(variable: string): readonly string[] {
  const domain = ATTRIBUTES.get(variable)?.domain
  return domain?.kind === 'finite' ? domain.values.flat().filter((value) => typeof value === 'string') : []
}

function fresh(stem: string, count: number, taken: ReadonlySet<string>): readonly string[] {
  const found: string[] = []
  for (let i = 0; found.length < count; i++) {
    const text = i === 0 ? stem : `${stem}-${i + 1}`
    if (!taken.has(text)) found.push(text)
  }
  return found
}

const distinct = <T>(value: T, index: number, all: readonly T[]): boolean => all.indexOf(value) === index
/** An ordinary instant, where none is compared with. */
const SOME_INSTANT = Date.UTC(2026, 0, 5, 12)

function instants(constants: readonly number[]): readonly FactValue[] {
  const values = constants.flatMap((at) => [at - 1, at, at + 1]).filter((at) => at >= 0)
  return [SOME_INSTANT, ...values].filter(distinct)
}

function numbers(constants: readonly number[], { min, max }: { readonly min: number; readonly max: number }): readonly FactValue[] {
  const values = constants.flatMap((at) => [at - 1, at, at + 1]).filter((at) => at >= min && at <= max)
  return [min, max, ...values].filter(distinct)
}

/** Networks that a test may speak of without naming them. */
const SPECIAL = ['127.0.0.0/8', '224.0.0.0/4', '::1', 'ff00::/8']

/** One address of each interval between the ends of the networks: no test tells two addresses of one interval apart. */
function addresses(constants: readonly string[]): readonly FactValue[] {
  const networks = [...SPECIAL, ...constants].map(parseIpAddress)
  const starts = (v6: boolean, last: bigint): readonly bigint[] =>
    [0n, ...networks.filter((network) => network.v6 === v6).flatMap((network) => [BigInt(network.first), BigInt(network.last) + 1n])]
      .filter((start) => start <= last)
      .filter(distinct)
  return [...starts(false, 2n ** 32n - 1n).map(textV4), ...starts(true, 2n ** 128n - 1n).map(textV6)]
}

const textV4 = (address: bigint): string => [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 255n).join('.')
const textV6 = (address: bigint): string =>
  Array.from({ length: 8 }, (_, group) => ((address >> BigInt(112 - 16 * group)) & 0xffffn).toString(16)).join(':')

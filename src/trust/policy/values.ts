import { DateTime, type Duration } from './datetime.ts'
import { Decimal } from './decimal.ts'
import { IpAddress } from './ip-address.ts'

/** A Cedar value. `number | bigint` is a Long in the canonical form of `long.ts`. */
export type Value = boolean | string | number | bigint | EntityValue | SetValue | RecordValue | IpAddress | Decimal | DateTime | Duration

/** A reference to an entity. Type and id stay apart: a user `Bot::u` is not the `User::Bot` of id `u`. */
export class EntityValue {
  readonly type: string
  readonly id: string
  /** Names the entity in maps. A type never holds NUL, so two entities never share a key. */
  readonly key: string

  constructor(type: string, id: string) {
    this.type = type
    this.id = id
    this.key = entityKey(type, id)
  }
}

export function entityKey(type: string, id: string): string {
  return `${type}\0${id}`
}

/** A set, equal to another if each holds the other's elements, whatever order and repetition they were written in. */
export class SetValue {
  readonly elements: readonly Value[]
  readonly #plain = new Set<string | number | bigint | boolean>()
  readonly #structured = new Set<string>()
  #key: string | null = null

  constructor(elements: readonly Value[]) {
    const distinct: Value[] = []
    for (const element of elements) {
      if (this.has(element)) continue
      distinct.push(element)
      if (typeof element === 'object') this.#structured.add(structuralKey(element))
      else this.#plain.add(element)
    }
    this.elements = distinct
  }

  has(value: Value): boolean {
    if (typeof value !== 'object') return this.#plain.has(value)
    return this.#structured.size > 0 && this.#structured.has(structuralKey(value))
  }

  get key(): string {
    this.#key ??= `[${this.elements.map(structuralKey).sort().join('')}]`
    return this.#key
  }
}

/** A record. A Map, because an attribute may be called `__proto__` or `constructor`. */
export class RecordValue {
  readonly fields: ReadonlyMap<string, Value>
  #key: string | null = null

  constructor(fields: ReadonlyMap<string, Value>) {
    this.fields = fields
  }

  get key(): string {
    this.#key ??= `{${[...this.fields]
      .map(([name, value]) => structuralKey(name) + structuralKey(value))
      .sort()
      .join('')}}`
    return this.#key
  }
}

/** A text that two values share if and only if they are equal. Every form ends itself, so texts can be joined without ambiguity. */
export function structuralKey(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return value ? 'T' : 'F'
    case 'string':
      return `S${value.length}:${value}`
    case 'number':
    case 'bigint':
      return `L${value};`
    default:
      if (value instanceof EntityValue) return `E${value.type.length}:${value.type}${value.id.length}:${value.id}`
      if (value instanceof SetValue || value instanceof RecordValue) return value.key
      if (value instanceof IpAddress) return `I${value.v6 ? 6 : 4}/${value.prefix}/${value.address};`
      if (value instanceof Decimal) return `D${value.tenThousandths};`
      if (value instanceof DateTime) return `W${value.epochMs};`
      return `U${value.ms};`
  }
}

/** Cedar's `==`: structural, and false, never an error, between different types. */
export function equals(left: Value, right: Value): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object') return false
  if (left instanceof EntityValue) return right instanceof EntityValue && left.id === right.id && left.type === right.type
  return structuralKey(left) === structuralKey(right)
}

/** Cedar's name of a value's type, for messages. */
export function typeName(value: Value): string {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'number' || typeof value === 'bigint') return 'long'
  if (value instanceof EntityValue) return 'entity'
  if (value instanceof SetValue) return 'set'
  if (value instanceof RecordValue) return 'record'
  if (value instanceof IpAddress) return 'ipaddr'
  if (value instanceof Decimal) return 'decimal'
  return value instanceof DateTime ? 'datetime' : 'duration'
}

import type { Entity } from './evaluation.ts'
import { parseDateTime, parseDuration } from './datetime.ts'
import { parseDecimal } from './decimal.ts'
import { parseIpAddress } from './ip-address.ts'
import {
  ACTIONS,
  ALL_NAMES,
  BAD_DATETIMES,
  BAD_DECIMALS,
  BAD_DURATIONS,
  BAD_IPS,
  DATETIMES,
  DECIMALS,
  DURATIONS,
  IDS,
  IPS,
  type Kind,
  KINDS,
  LONGS,
  NAMES,
  STRINGS,
  TYPES,
} from './oracle-vocabulary.ts'
import { EntityValue, RecordValue, SetValue, type Value } from './values.ts'

/**
 * Makes policies and requests for the comparison with Cedar's own engine: mostly well-typed, so that policies decide something,
 * and in part ill-typed, absent, overflowing or malformed, so that the error paths are walked too. Used by tests alone.
 */

/** Seeded generator of uniform numbers in [0, 1) (splitmix32); the seed is printed by whoever runs it. */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32
  }
}

/** A value in the two forms that the engines take. */
interface Pair {
  readonly value: Value
  readonly json: unknown
}

export interface World {
  readonly entities: ReadonlyMap<string, Entity>
  readonly json: readonly unknown[]
  readonly uids: readonly EntityValue[]
}

export interface GeneratedRequest {
  readonly principal: EntityValue
  readonly action: EntityValue
  readonly resource: EntityValue
  readonly context: RecordValue
  readonly contextJson: unknown
}

// The shares below were tuned so that each engine answers allow, deny and error often, and were then left alone.
const WRONG_KIND = 0.025
const ABSENT = 0.08

export class OracleGenerator {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomSource(seed)
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n)
  }
  #chance(p: number): boolean {
    return this.#random() < p
  }
  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T
  }

  /** A handful of entities with attributes, tags and a hierarchy several levels deep, and the actions with their groups. */
  world(): World {
    const uids = new Map<string, EntityValue>()
    for (let i = 0; i < 5; i++) {
      const uid = this.#uid()
      uids.set(uid.key, uid)
    }
    // Parents come later in the list, so there is no cycle; some are not entities that anyone knows.
    const known = [...uids.values()]
    const list: { uid: EntityValue; parents: EntityValue[]; attributes: Pair; tags: Pair }[] = known.map((uid, index) => ({
      uid,
      parents: known
        .slice(index + 1)
        .filter(() => this.#chance(0.2))
        .concat(this.#chance(0.1) ? [new EntityValue('Role', 'nobody')] : []),
      attributes: this.#attributes(),
      tags: this.#tags(),
    }))
    const action = (id: string, ...parents: string[]): (typeof list)[number] => ({
      uid: new EntityValue('Action', id),
      parents: parents.map((parent) => new EntityValue('Action', parent)),
      attributes: { value: new RecordValue(new Map()), json: {} },
      tags: { value: new RecordValue(new Map()), json: {} },
    })
    list.push(action('read', 'some'), action('write', 'all'), action('some', 'all'), action('all'))
    const entities = new Map<string, Entity>()
    for (const { uid, parents, attributes, tags } of list.toReversed()) {
      const ancestors = new Set(parents.flatMap((parent) => [parent.key, ...(entities.get(parent.key)?.ancestors ?? [])]))
      entities.set(uid.key, { uid, attributes: attributes.value as RecordValue, tags: (tags.value as RecordValue).fields, ancestors })
    }
    const json = list.map(({ uid, parents, attributes, tags }) => ({
      uid: uidJson(uid),
      attrs: attributes.json,
      tags: tags.json,
      parents: parents.map(uidJson),
    }))
    return { entities, json, uids: known }
  }

  request(world: World): GeneratedRequest {
    const any = (): EntityValue => (this.#chance(0.05) ? this.#uid() : this.#pick(world.uids))
    const context = this.#attributes()
    return {
      principal: any(),
      action: new EntityValue('Action', this.#pick(ACTIONS)),
      resource: any(),
      context: context.value as RecordValue,
      contextJson: context.json,
    }
  }

  policy(): string {
    const conditions = Array.from({ length: this.#pick([0, 1, 1, 1, 1, 2]) }, () => {
      return `${this.#pick(['when', 'when', 'unless'])} { ${this.#expression('bool', 1 + this.#below(4))} }`
    })
    return `${this.#pick(['permit', 'forbid'])}(${this.#scope('principal')}, ${this.#actionScope()}, ${this.#scope('resource')}) ${conditions.join(' ')};`
  }

  #scope(name: string): string {
    const type = this.#pick(TYPES)
    const target = uidText(this.#uid())
    return this.#pick([
      name,
      name,
      name,
      name,
      name,
      `${name} == ${target}`,
      `${name} in ${target}`,
      `${name} is ${type}`,
      `${name} is ${type} in ${target}`,
    ])
  }

  #actionScope(): string {
    const one = (): string => `Action::"${this.#pick(ACTIONS)}"`
    return this.#pick(['action', 'action', `action == ${one()}`, `action in ${one()}`, `action in [${one()}, ${one()}]`])
  }

  #uid(): EntityValue {
    return new EntityValue(this.#pick(TYPES), this.#pick(IDS))
  }

  #attributes(): Pair {
    const members: [string, Pair][] = []
    for (const kind of KINDS) {
      for (const name of NAMES[kind]) {
        if (!this.#chance(ABSENT)) members.push([name, this.#value(this.#chance(WRONG_KIND) ? this.#pick(KINDS) : kind, 2)])
      }
    }
    return recordPair(members)
  }

  #tags(): Pair {
    return recordPair(STRINGS.filter(() => this.#chance(0.15)).map((name) => [name, this.#value(this.#pick(KINDS), 1)]))
  }

  #value(kind: Kind, depth: number): Pair {
    const extension = (fn: string, texts: readonly string[], parse: (text: string) => Value): Pair => {
      const text = this.#pick(texts)
      return { value: parse(text), json: { __extn: { fn, arg: text } } }
    }
    switch (kind) {
      case 'bool': {
        const value = this.#chance(0.5)
        return { value, json: value }
      }
      case 'long': {
        const value = this.#pick(LONGS)
        return { value, json: value }
      }
      case 'string': {
        const value = this.#pick(STRINGS)
        return { value, json: value }
      }
      case 'entity': {
        const uid = this.#uid()
        return { value: uid, json: { __entity: uidJson(uid) } }
      }
      case 'set': {
        const element = this.#pick(KINDS)
        const items = Array.from({ length: this.#below(4) }, () => this.#value(depth > 0 ? element : 'long', depth - 1))
        return { value: new SetValue(items.map((item) => item.value)), json: items.map((item) => item.json) }
      }
      case 'record':
        return recordPair(
          ['a', 'b', 'n']
            .filter(() => this.#chance(0.8))
            .map((name) => [name, this.#value(name === 'n' || depth <= 0 ? 'long' : this.#pick(KINDS), depth - 1)]),
        )
      case 'ip':
        return extension('ip', IPS, parseIpAddress)
      case 'decimal':
        return extension('decimal', DECIMALS, parseDecimal)
      case 'datetime':
        return extension('datetime', DATETIMES, parseDateTime)
      default:
        return extension('duration', DURATIONS, parseDuration)
    }
  }

  /** An expression that mostly has the kind asked for. */
  #expression(wanted: Kind, depth: number): string {
    const kind = this.#chance(WRONG_KIND) ? this.#pick(KINDS) : wanted
    if (depth <= 0 || this.#chance(0.1)) return this.#leaf(kind)
    const sub = (inner: Kind): string => this.#expression(inner, depth - 1)
    if (this.#chance(0.06)) return `(if ${sub('bool')} then ${sub(kind)} else ${sub(kind)})`
    if (this.#chance(0.04)) return `${sub('entity')}.getTag(${sub('string')})`
    switch (kind) {
      case 'bool':
        return this.#test(depth, sub)
      case 'long':
        return this.#pick([
          () => `(${sub('long')} ${this.#pick(['+', '-', '*'])} ${sub('long')})`,
          () => `(-${this.#leaf('long', true)})`,
          () => `${sub('duration')}.${this.#pick(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'])}()`,
          () => this.#member('long'),
        ])()
      case 'set':
        return this.#pick([() => this.#member('set'), () => this.#list(this.#pick(KINDS), depth), () => this.#leaf('set')])()
      case 'record':
        return `{${['a', '"x y"', 'n'].map((name) => `${name}: ${sub(name === 'n' ? 'long' : this.#pick(KINDS))}`).join(', ')}}`
      case 'datetime':
        return this.#pick([
          () => `${sub('datetime')}.offset(${sub('duration')})`,
          () => `${sub('datetime')}.toDate()`,
          () => this.#leaf('datetime'),
        ])()
      case 'duration':
        return this.#pick([
          () => `${sub('datetime')}.durationSince(${sub('datetime')})`,
          () => `${sub('datetime')}.toTime()`,
          () => this.#leaf('duration'),
        ])()
      default:
        return this.#leaf(kind)
    }
  }

  #test(depth: number, sub: (kind: Kind) => string): string {
    const same = this.#pick(KINDS)
    return this.#pick([
      () => `(${sub('bool')} && ${sub('bool')})`,
      () => `(${sub('bool')} || ${sub('bool')})`,
      () => `!(${sub('bool')})`,
      () => `(${sub(same)} ${this.#pick(['==', '!='])} ${sub(this.#chance(0.9) ? same : this.#pick(KINDS))})`,
      () => {
        const ordered = this.#pick(['long', 'long', 'datetime', 'duration'] as const)
        return `(${sub(ordered)} ${this.#pick(['<', '<=', '>', '>='])} ${sub(ordered)})`
      },
      () => `(${sub('entity')} in ${this.#chance(0.5) ? sub('entity') : this.#list('entity', depth)})`,
      () => `(${sub('entity')} is ${this.#pick(TYPES)}${this.#chance(0.4) ? ` in ${sub('entity')}` : ''})`,
      () => `${this.#list(same, depth)}.contains(${sub(same)})`,
      () => `${sub('set')}.contains(${sub(same)})`,
      () =>
        `${this.#chance(0.5) ? sub('set') : this.#list(same, depth)}.${this.#pick(['containsAll', 'containsAny'])}(${this.#chance(0.5) ? sub('set') : this.#list(same, depth)})`,
      () => `${sub('set')}.isEmpty()`,
      () => `(${sub('string')} like "${this.#pattern()}")`,
      () =>
        `(${this.#base()} has ${this.#pick(['a', 'n', 'b', '"__proto__"', 'constructor', 's', '"x y"', 'e', 'r', 'r.a', 'r.n', 'r.a.b', 'e.r.n', 'n.a', 'e.e.e'])})`,
      () => `${sub('entity')}.hasTag(${sub('string')})`,
      () => `${sub('ip')}.${this.#pick(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast'])}()`,
      () => `${sub('ip')}.isInRange(${sub('ip')})`,
      () => `${sub('decimal')}.${this.#pick(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual'])}(${sub('decimal')})`,
    ])()
  }

  #list(kind: Kind, depth: number): string {
    return `[${Array.from({ length: this.#below(4) }, () => this.#expression(kind, Math.min(1, depth - 1))).join(', ')}]`
  }

  #pattern(): string {
    return Array.from({ length: this.#below(5) }, () => this.#pick(['*', 'a', 'b', 'c', '\\*', 'ab', 'é', '::'])).join('')
  }

  #base(): string {
    return this.#pick(['principal', 'resource', 'context', 'context', 'principal.e', 'context.r', 'resource.r', 'context.e'])
  }

  #member(kind: Kind): string {
    const name = this.#chance(0.03) ? this.#pick(ALL_NAMES) : this.#pick(NAMES[kind])
    if (kind === 'long' && this.#chance(0.3)) return `${this.#pick(['context', 'principal', 'resource'])}.r.n`
    const base = this.#pick(['principal', 'resource', 'context', 'context', 'context', 'principal.e'])
    return /^[a-z]+$/.test(name) ? `${base}.${name}` : `${base}["${name}"]`
  }

  #leaf(kind: Kind, literal = false): string {
    if (!literal && this.#chance(0.6)) return this.#member(kind)
    switch (kind) {
      case 'bool':
        return this.#pick(['true', 'false'])
      case 'long':
        return this.#chance(0.8) ? String(Math.abs(this.#pick(LONGS))) : `(-${Math.abs(this.#pick(LONGS))})`
      case 'string':
        return quote(this.#pick(STRINGS))
      case 'entity':
        return this.#pick(['principal', 'resource', 'action', uidText(this.#uid()), uidText(this.#uid()), 'Action::"all"'])
      case 'set':
        return this.#pick([
          '[]',
          '[1, 2]',
          '["a", "b"]',
          '[1, "a", true]',
          '[[1], [1, 1], []]',
          '[{a: 1}, {a: 2}]',
          '[ip("1.2.3.4"), decimal("1.0")]',
        ])
      case 'record':
        return this.#pick(['{}', '{a: 1}', '{"__proto__": 1}', '{a: {b: 2}}', '{n: "a", a: [1]}', 'context'])
      case 'ip':
        return this.#construct('ip', IPS, BAD_IPS)
      case 'decimal':
        return this.#construct('decimal', DECIMALS, BAD_DECIMALS)
      case 'datetime':
        return this.#construct('datetime', DATETIMES, BAD_DATETIMES)
      default:
        return this.#construct('duration', DURATIONS, BAD_DURATIONS)
    }
  }

  #construct(name: string, good: readonly string[], bad: readonly string[]): string {
    if (this.#chance(0.04)) return `${name}(${this.#pick(['context.s', 'principal.s', '1', 'context.ip'])})`
    return `${name}(${quote(this.#pick(this.#chance(0.08) ? bad : good))})`
  }
}

function recordPair(members: readonly (readonly [string, Pair])[]): Pair {
  const json = {}
  // Defined, not assigned: one of the names is `__proto__`.
  for (const [name, { json: value }] of members)
    Object.defineProperty(json, name, { value, enumerable: true, configurable: true, writable: true })
  return { value: new RecordValue(new Map(members.map(([name, { value }]) => [name, value]))), json }
}

export function uidJson(uid: EntityValue): { readonly type: string; readonly id: string } {
  return { type: uid.type, id: uid.id }
}

function uidText(uid: EntityValue): string {
  return `${uid.type}::${quote(uid.id)}`
}

/** A Cedar string literal. */
export function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\0', '\\0')}"`
}

import type { Draws } from './oracle-draws.ts'
import {
  ALL_NAMES,
  BAD_DATETIMES,
  BAD_DECIMALS,
  BAD_DURATIONS,
  BAD_IPS,
  DATETIMES,
  DECIMALS,
  DURATIONS,
  IPS,
  type Kind,
  KINDS,
  LONGS,
  NAMES,
  STRINGS,
  TYPES,
  WRONG_KIND,
} from './oracle-vocabulary.ts'
import type { OracleValues } from './oracle-values.ts'
import type { EntityValue } from './values.ts'

/** Makes expressions of the Cedar language, as text. */
export class OracleExpressions {
  readonly #draws: Draws
  readonly #values: Pick<OracleValues, 'uid'>

  constructor(draws: Draws, values: Pick<OracleValues, 'uid'>) {
    this.#draws = draws
    this.#values = values
  }

  /** An expression that mostly has the kind asked for. */
  expression(wanted: Kind, depth: number): string {
    const kind = this.#draws.chance(WRONG_KIND) ? this.#draws.pick(KINDS) : wanted
    if (depth <= 0 || this.#draws.chance(0.1)) return this.#leaf(kind)
    const sub = (inner: Kind): string => this.expression(inner, depth - 1)
    if (this.#draws.chance(0.06)) return `(if ${sub('bool')} then ${sub(kind)} else ${sub(kind)})`
    if (this.#draws.chance(0.04)) return `${sub('entity')}.getTag(${sub('string')})`
    switch (kind) {
      case 'bool':
        return this.#test(depth, sub)
      case 'long':
        return this.#draws.pick([
          () => `(${sub('long')} ${this.#draws.pick(['+', '-', '*'])} ${sub('long')})`,
          () => `(-${this.#leaf('long', true)})`,
          () => `${sub('duration')}.${this.#draws.pick(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'])}()`,
          () => this.#member('long'),
        ])()
      case 'set':
        return this.#draws.pick([() => this.#member('set'), () => this.#list(this.#draws.pick(KINDS), depth), () => this.#leaf('set')])()
      case 'record':
        return `{${['a', '"x y"', 'n'].map((name) => `${name}: ${sub(name === 'n' ? 'long' : this.#draws.pick(KINDS))}`).join(', ')}}`
      case 'datetime':
        return this.#draws.pick([
          () => `${sub('datetime')}.offset(${sub('duration')})`,
          () => `${sub('datetime')}.toDate()`,
          () => this.#leaf('datetime'),
        ])()
      case 'duration':
        return this.#draws.pick([
          () => `${sub('datetime')}.durationSince(${sub('datetime')})`,
          () => `${sub('datetime')}.toTime()`,
          () => this.#leaf('duration'),
        ])()
      default:
        return this.#leaf(kind)
    }
  }

  #test(depth: number, sub: (kind: Kind) => string): string {
    const same = this.#draws.pick(KINDS)
    return this.#draws.pick([
      () => `(${sub('bool')} && ${sub('bool')})`,
      () => `(${sub('bool')} || ${sub('bool')})`,
      () => `!(${sub('bool')})`,
      () => `(${sub(same)} ${this.#draws.pick(['==', '!='])} ${sub(this.#draws.chance(0.9) ? same : this.#draws.pick(KINDS))})`,
      () => {
        const ordered = this.#draws.pick(['long', 'long', 'datetime', 'duration'] as const)
        return `(${sub(ordered)} ${this.#draws.pick(['<', '<=', '>', '>='])} ${sub(ordered)})`
      },
      () => `(${sub('entity')} in ${this.#draws.chance(0.5) ? sub('entity') : this.#list('entity', depth)})`,
      () => `(${sub('entity')} is ${this.#draws.pick(TYPES)}${this.#draws.chance(0.4) ? ` in ${sub('entity')}` : ''})`,
      () => `${this.#list(same, depth)}.contains(${sub(same)})`,
      () => `${sub('set')}.contains(${sub(same)})`,
      () =>
        `${this.#draws.chance(0.5) ? sub('set') : this.#list(same, depth)}.${this.#draws.pick(['containsAll', 'containsAny'])}(${this.#draws.chance(0.5) ? sub('set') : this.#list(same, depth)})`,
      () => `${sub('set')}.isEmpty()`,
      () => `(${sub('string')} like "${this.#pattern()}")`,
      () =>
        `(${this.#base()} has ${this.#draws.pick(['a', 'n', 'b', '"__proto__"', 'constructor', 's', '"x y"', 'e', 'r', 'r.a', 'r.n', 'r.a.b', 'e.r.n', 'n.a', 'e.e.e'])})`,
      () => `${sub('entity')}.hasTag(${sub('string')})`,
      () => `${sub('ip')}.${this.#draws.pick(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast'])}()`,
      () => `${sub('ip')}.isInRange(${sub('ip')})`,
      () =>
        `${sub('decimal')}.${this.#draws.pick(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual'])}(${sub('decimal')})`,
    ])()
  }

  #list(kind: Kind, depth: number): string {
    return `[${Array.from({ length: this.#draws.below(4) }, () => this.expression(kind, Math.min(1, depth - 1))).join(', ')}]`
  }

  #pattern(): string {
    return Array.from({ length: this.#draws.below(5) }, () => this.#draws.pick(['*', 'a', 'b', 'c', '\\*', 'ab', 'é', '::'])).join('')
  }

  #base(): string {
    return this.#draws.pick(['principal', 'resource', 'context', 'context', 'principal.e', 'context.r', 'resource.r', 'context.e'])
  }

  #member(kind: Kind): string {
    const name = this.#draws.chance(0.03) ? this.#draws.pick(ALL_NAMES) : this.#draws.pick(NAMES[kind])
    if (kind === 'long' && this.#draws.chance(0.3)) return `${this.#draws.pick(['context', 'principal', 'resource'])}.r.n`
    const base = this.#draws.pick(['principal', 'resource', 'context', 'context', 'context', 'principal.e'])
    return /^[a-z]+$/.test(name) ? `${base}.${name}` : `${base}["${name}"]`
  }

  #leaf(kind: Kind, literal = false): string {
    if (!literal && this.#draws.chance(0.6)) return this.#member(kind)
    switch (kind) {
      case 'bool':
        return this.#draws.pick(['true', 'false'])
      case 'long':
        return this.#draws.chance(0.8) ? String(Math.abs(this.#draws.pick(LONGS))) : `(-${Math.abs(this.#draws.pick(LONGS))})`
      case 'string':
        return quote(this.#draws.pick(STRINGS))
      case 'entity':
        return this.#draws.pick([
          'principal',
          'resource',
          'action',
          uidText(this.#values.uid()),
          uidText(this.#values.uid()),
          'Action::"all"',
        ])
      case 'set':
        return this.#draws.pick([
          '[]',
          '[1, 2]',
          '["a", "b"]',
          '[1, "a", true]',
          '[[1], [1, 1], []]',
          '[{a: 1}, {a: 2}]',
          '[ip("1.2.3.4"), decimal("1.0")]',
        ])
      case 'record':
        return this.#draws.pick(['{}', '{a: 1}', '{"__proto__": 1}', '{a: {b: 2}}', '{n: "a", a: [1]}', 'context'])
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
    if (this.#draws.chance(0.04)) return `${name}(${this.#draws.pick(['context.s', 'principal.s', '1', 'context.ip'])})`
    return `${name}(${quote(this.#draws.pick(this.#draws.chance(0.08) ? bad : good))})`
  }
}

export function uidText(uid: EntityValue): string {
  return `${uid.type}::${quote(uid.id)}`
}

/** A Cedar string literal. */
export function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\0', '\\0')}"`
}

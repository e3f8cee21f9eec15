import { parseDateTime, parseDuration } from './datetime.ts'
import { parseDecimal } from './decimal.ts'
import { parseIpAddress } from './ip-address.ts'
import type { Draws } from './oracle-draws.ts'
import {
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
  WRONG_KIND,
} from './oracle-vocabulary.ts'
import { EntityValue, RecordValue, SetValue, type Value } from './values.ts'

/** How often a member that a request may have is not there; tuned as `WRONG_KIND`. */
const ABSENT = 0.08

/** A value in the two forms that the engines take. */
export interface Pair {
  readonly value: Value
  readonly json: unknown
}

/** Makes values of entities and requests, a few of them of the wrong kind. */
export class OracleValues {
  readonly #draws: Draws

  constructor(draws: Draws) {
    this.#draws = draws
  }

  uid(): EntityValue {
    return new EntityValue(this.#draws.pick(TYPES), this.#draws.pick(IDS))
  }

  attributes(): Pair {
    const members: [string, Pair][] = []
    for (const kind of KINDS) {
      for (const name of NAMES[kind]) {
        if (!this.#draws.chance(ABSENT))
          members.push([name, this.#value(this.#draws.chance(WRONG_KIND) ? this.#draws.pick(KINDS) : kind, 2)])
      }
    }
    return recordPair(members)
  }

  tags(): Pair {
    return recordPair(STRINGS.filter(() => this.#draws.chance(0.15)).map((name) => [name, this.#value(this.#draws.pick(KINDS), 1)]))
  }

  #value(kind: Kind, depth: number): Pair {
    const extension = (fn: string, texts: readonly string[], parse: (text: string) => Value): Pair => {
      const text = this.#draws.pick(texts)
      return { value: parse(text), json: { __extn: { fn, arg: text } } }
    }
    switch (kind) {
      case 'bool': {
        const value = this.#draws.chance(0.5)
        return { value, json: value }
      }
      case 'long': {
        const value = this.#draws.pick(LONGS)
        return { value, json: value }
      }
      case 'string': {
        const value = this.#draws.pick(STRINGS)
        return { value, json: value }
      }
      case 'entity': {
        const uid = this.uid()
        return { value: uid, json: { __entity: uidJson(uid) } }
      }
      case 'set': {
        const element = this.#draws.pick(KINDS)
        const items = Array.from({ length: this.#draws.below(4) }, () => this.#value(depth > 0 ? element : 'long', depth - 1))
        return { value: new SetValue(items.map((item) => item.value)), json: items.map((item) => item.json) }
      }
      case 'record':
        return recordPair(
          ['a', 'b', 'n']
            .filter(() => this.#draws.chance(0.8))
            .map((name) => [name, this.#value(name === 'n' || depth <= 0 ? 'long' : this.#draws.pick(KINDS), depth - 1)]),
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

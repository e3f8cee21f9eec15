import type { Entity } from './evaluation.ts'
import { Draws } from './oracle-draws.ts'
import { OracleExpressions, uidText } from './oracle-expressions.ts'
import { OracleValues, type Pair, uidJson } from './oracle-values.ts'
import { ACTIONS, TYPES } from './oracle-vocabulary.ts'
import { EntityValue, RecordValue } from './values.ts'

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

/**
 * Makes policies and requests for the comparison with Cedar's own engine: mostly well-typed, so that policies decide something,
 * and in part ill-typed, absent, overflowing or malformed, so that the error paths are walked too. Used by tests alone.
 */
export class OracleGenerator {
  readonly #draws: Draws
  readonly #values: OracleValues
  readonly #expressions: OracleExpressions

  constructor(seed: number) {
    this.#draws = new Draws(seed)
    this.#values = new OracleValues(this.#draws)
    this.#expressions = new OracleExpressions(this.#draws, this.#values)
  }

  /** A handful of entities with attributes, tags and a hierarchy several levels deep, and the actions with their groups. */
  world(): World {
    const uids = new Map<string, EntityValue>()
    for (let i = 0; i < 5; i++) {
      const uid = this.#values.uid()
      uids.set(uid.key, uid)
    }
    // Parents come later in the list, so there is no cycle; some are not entities that anyone knows.
    const known = [...uids.values()]
    const list: { uid: EntityValue; parents: EntityValue[]; attributes: Pair; tags: Pair }[] = known.map((uid, index) => ({
      uid,
      parents: known
        .slice(index + 1)
        .filter(() => this.#draws.chance(0.2))
        .concat(this.#draws.chance(0.1) ? [new EntityValue('Role', 'nobody')] : []),
      attributes: this.#values.attributes(),
      tags: this.#values.tags(),
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
    const any = (): EntityValue => (this.#draws.chance(0.05) ? this.#values.uid() : this.#draws.pick(world.uids))
    const context = this.#values.attributes()
    return {
      principal: any(),
      action: new EntityValue('Action', this.#draws.pick(ACTIONS)),
      resource: any(),
      context: context.value as RecordValue,
      contextJson: context.json,
    }
  }

  policy(): string {
    const conditions = Array.from({ length: this.#draws.pick([0, 1, 1, 1, 1, 2]) }, () => {
      return `${this.#draws.pick(['when', 'when', 'unless'])} { ${this.#expressions.expression('bool', 1 + this.#draws.below(4))} }`
    })
    return `${this.#draws.pick(['permit', 'forbid'])}(${this.#scope('principal')}, ${this.#actionScope()}, ${this.#scope('resource')}) ${conditions.join(' ')};`
  }

  #scope(name: string): string {
    const type = this.#draws.pick(TYPES)
    const target = uidText(this.#values.uid())
    return this.#draws.pick([
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
    const one = (): string => `Action::"${this.#draws.pick(ACTIONS)}"`
    return this.#draws.pick(['action', 'action', `action == ${one()}`, `action in ${one()}`, `action in [${one()}, ${one()}]`])
  }
}

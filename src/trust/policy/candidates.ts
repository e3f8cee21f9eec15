import type { Entity } from './evaluation.ts'
import { testsOf } from './invariants/abstraction.ts'
import type { Kinds } from './invariants/simplify.ts'
import type { LoadedRule, PolicySet } from './policy-set.ts'
import { indexRules, type RuleIndex } from './rule-index.ts'

/** The policies that are asked of a request. */
export interface Candidates {
  readonly forbids: RuleIndex
  readonly permits: RuleIndex
  /** One of them reads the row of a data set. */
  readonly readsRows: boolean
}
export interface KnownEntity {
  readonly entity: Entity
  /** The policies whose scope holds this principal, by kind of request. The principal's facts do not change, so neither do they. */
  readonly candidates: Map<Kind, Candidates>
}
/** Action and types of a request, with all policies that can apply to such a request or fail on one. */
export interface Kind extends Candidates, Kinds {}

type ByResource = ReadonlyMap<string, Lazy<Kind>>

/** By action, type of the principal, type of the resource: a place for every kind of request that the schema has, and none for one that it has not. */
export function kindsOf(set: PolicySet): ReadonlyMap<string, ReadonlyMap<string, ByResource>> {
  return new Map(
    [...set.schema.actions].map(([action, { principals, resources }]) => [
      action,
      new Map(
        [...principals].map((principal) => [
          principal,
          new Map([...resources].map((resource) => [resource, new Lazy(() => kindOf({ action, principal, resource }, set))])),
        ]),
      ),
    ]),
  )
}

function kindOf(kinds: Kinds, { rules, schema }: PolicySet): Kind {
  // What is left out neither applies to nor fails on any request of the kind, so Cedar's answer is the same without it.
  return { ...kinds, ...split(rules.filter((rule) => testsOf(rule, kinds, schema) !== null)) }
}

/** Those of the kind whose scope holds this principal, kept with it. */
export function candidatesOf({ entity, candidates }: KnownEntity, kind: Kind): Candidates {
  const { type, key } = entity.uid
  const own = split([...kind.forbids.all, ...kind.permits.all].filter((rule) => rule.principal(type, key, entity)))
  candidates.set(kind, own)
  return own
}

function split(rules: readonly LoadedRule[]): Candidates {
  return {
    forbids: indexRules(rules.filter(({ effect }) => effect === 'forbid')),
    permits: indexRules(rules.filter(({ effect }) => effect === 'permit')),
    readsRows: rules.some(({ rowCondition }) => rowCondition !== null),
  }
}

/** Made when first asked for: a set of thousands of policies has hundreds of kinds of requests, few of which come. */
class Lazy<T> {
  readonly #make: () => T
  #made: T | null = null

  constructor(make: () => T) {
    this.#make = make
  }

  get(): T {
    return (this.#made ??= this.#make())
  }
}

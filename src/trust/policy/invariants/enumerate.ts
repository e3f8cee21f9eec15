import { type DecisionContext, type DecisionQuery, type EntityFacts, RedoubtError } from '#foundation/core'
import type { PolicySchema } from '../schema.ts'
import type { Abstraction, Cluster } from './abstraction.ts'
import { contextOf, entityOf, type Part } from './concrete.ts'
import type { Assignment } from './reads.ts'

/** @throws {RedoubtError} `ERR_POLICY_ENUMERATION` before anything is decided: a part of the requests would prove nothing. */
export function demandBound(abstractions: readonly Abstraction[], maxRequests: number): number {
  const total = abstractions.reduce((sum, { requests }) => sum + requests, 0)
  if (total <= maxRequests) return total
  const [worst] = [...abstractions].sort((left, right) => right.requests - left.requests)
  const factors = [...(worst?.clusters ?? [])]
    .sort((left, right) => right.representatives.length - left.representatives.length)
    .map(({ variables, representatives }) => `${representatives.length} of \`${variables.join('`, `')}\``)
  throw new RedoubtError(
    'ERR_POLICY_ENUMERATION',
    `${total} requests would have to be decided, the bound is ${maxRequests}; most by ${worst?.kinds.action ?? ''} of ${worst?.kinds.resource ?? ''}: ${factors.slice(0, 4).join(' × ')}`,
  )
}

/** Visits every combination of representatives, those with few roles first. @param take answers whether to go on. */
export function forEachRequest(
  abstraction: Abstraction,
  schema: PolicySchema,
  want: (truths: Uint8Array) => boolean,
  take: (query: DecisionQuery, truths: Uint8Array) => boolean,
): void {
  const { clusters, kinds } = abstraction
  const truths = new Uint8Array(abstraction.atoms.length)
  const digits = clusters.map(() => 0)
  clusters.forEach((cluster) => settle(cluster, 0, truths))
  const assignmentOf = (part: Part): Assignment =>
    new Map(
      clusters.flatMap((cluster, index) =>
        cluster.parts.has(part) ? [...(cluster.representatives[digits[index] ?? 0]?.assignment ?? [])] : [],
      ),
    )
  // The same object for the same facts, because the engine keeps what it found out about it.
  const principals = new Kept(clusters, 'principal', digits, (): EntityFacts =>
    entityOf('principal', kinds, assignmentOf('principal'), schema),
  )
  const resources = new Kept(clusters, 'resource', digits, (): EntityFacts => entityOf('resource', kinds, assignmentOf('resource'), schema))
  const contexts = new Kept(clusters, 'context', digits, (): DecisionContext => contextOf(assignmentOf('context')))
  for (;;) {
    if (want(truths)) {
      const query = {
        principal: principals.get(),
        action: kinds.action,
        resource: resources.get(),
        context: contexts.get(),
      } as DecisionQuery
      if (!take(query, truths)) return
    }
    let place = digits.length - 1
    for (; place >= 0; place--) {
      const cluster = clusters[place] as Cluster
      const next = (digits[place] ?? 0) + 1
      digits[place] = next < cluster.representatives.length ? next : 0
      settle(cluster, digits[place] ?? 0, truths)
      if (next < cluster.representatives.length) break
    }
    if (place < 0) return
  }
}

function settle(cluster: Cluster, digit: number, truths: Uint8Array): void {
  const own = cluster.representatives[digit]?.truths ?? []
  cluster.places.forEach((place, index) => (truths[place] = own[index] ?? 0))
}

/** Objects of one part of a request, by the digits of the clusters that touch it. */
class Kept<T> {
  readonly #digits: readonly number[]
  readonly #touching: readonly { readonly index: number; readonly weight: number }[]
  readonly #make: () => T
  readonly #known = new Map<number, T>()

  constructor(clusters: readonly Cluster[], part: Part, digits: readonly number[], make: () => T) {
    let weight = 1
    this.#touching = clusters.flatMap(({ parts, representatives }, index) => {
      if (!parts.has(part)) return []
      const entry = { index, weight }
      weight *= representatives.length
      return [entry]
    })
    this.#digits = digits
    this.#make = make
  }

  get(): T {
    let key = 0
    for (const { index, weight } of this.#touching) key += weight * (this.#digits[index] ?? 0)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const made = this.#make()
    this.#known.set(key, made)
    return made
  }
}

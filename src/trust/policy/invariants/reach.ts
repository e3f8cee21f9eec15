import { DEFAULT_MAX_REQUESTS } from '#foundation/core'
import type { PolicyEngine } from '../engine.ts'
import type { LoadedRule } from '../policy-set.ts'
import { type Abstraction, abstractionOf, allKinds, testsOf } from './abstraction.ts'
import { demandBound, forEachRequest } from './enumerate.ts'
import { overAtoms, YES } from './simplify.ts'

/** A policy that changes no decision. */
export interface Unreached {
  readonly rule: LoadedRule
  /** Forbids that apply whenever it does, or, where no single one does, that apply in turn; empty when it applies to no request. */
  readonly coveredBy: readonly string[]
}

interface OpenRule {
  readonly rule: LoadedRule
  readonly hits: (truths: Uint8Array) => boolean
}

/**
 * Permits that a forbid wins over in every request, and policies that apply to no request at all.
 * @throws {RedoubtError} `ERR_POLICY_ENUMERATION` when that cannot be decided for all requests.
 */
export function findUnreached(engine: PolicyEngine, options: { readonly maxRequests?: number } = {}): readonly Unreached[] {
  const { set } = engine
  const open = new Set(set.rules)
  const covers = new Map<string, Cover>()
  const groups = allKinds(set.schema).map((kinds) => abstractionOf(set, kinds, []))
  demandBound(groups, options.maxRequests ?? DEFAULT_MAX_REQUESTS)
  for (const group of groups) {
    let here = rulesOf(engine, group, open)
    if (here.length === 0) continue
    forEachRequest(
      group,
      set.schema,
      (truths) => here.some(({ hits }) => hits(truths)),
      (query, truths) => {
        const decision = engine.decideAlone(query)
        for (const { rule, hits } of here) {
          if (!hits(truths)) continue
          if (decision.policies.includes(rule.id)) open.delete(rule)
          else covers.set(rule.id, joined(covers.get(rule.id), decision.policies))
        }
        here = here.filter(({ rule }) => open.has(rule))
        return here.length > 0
      },
    )
  }
  return [...open].map((rule) => {
    const { always, sometimes } = covers.get(rule.id) ?? { always: [], sometimes: [] }
    return { rule, coveredBy: [...(always.length > 0 ? always : sometimes)].sort() }
  })
}

/** Forbids that applied with a permit: each time, or at least once. */
interface Cover {
  readonly always: readonly string[]
  readonly sometimes: readonly string[]
}

function joined(before: Cover | undefined, ids: readonly string[]): Cover {
  if (!before) return { always: ids, sometimes: ids }
  const always = before.always.filter((id) => ids.includes(id))
  return { always, sometimes: [...new Set([...before.sometimes, ...ids])] }
}

/** The rules not yet seen at work that may apply to the group, as functions of the truths of atoms. */
function rulesOf(engine: PolicyEngine, { kinds, place }: Abstraction, open: ReadonlySet<LoadedRule>): readonly OpenRule[] {
  return [...open].flatMap((rule) => {
    const tests = testsOf(rule, kinds, engine.set.schema)?.map((test) => overAtoms(test, place))
    return tests ? [{ rule, hits: (truths: Uint8Array) => tests.every((test) => test(truths) === YES) }] : []
  })
}

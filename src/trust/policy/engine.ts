import type { Action, Decider, Decision, DecisionQuery, EntityFacts } from '#foundation/core'
import { type Authorization, type Failed, satisfied } from './authorize.ts'
import type { Entity } from './evaluation.ts'
import { type Explanation, explain } from './explain.ts'
import { mergeObligations, NO_OBLIGATIONS } from './obligations.ts'
import type { PolicyFile } from './policy-file.ts'
import type { LoadedRule, PolicySet } from './policy-set.ts'
import { ContextConverter, convertEntity, PolicyRequest } from './request.ts'
import type { Shadow } from './shadow.ts'

export interface LoadedPolicy {
  readonly id: string
  readonly file: string
  readonly line: number
  readonly effect: 'permit' | 'forbid'
  readonly description: string | null
  readonly text: string
  readonly annotations: Readonly<Record<string, string | null>>
}

export interface PolicyEngine extends Decider {
  /** SHA-256, hex, over schema and policies; the same for any order of files. */
  readonly digest: string
  readonly policies: readonly LoadedPolicy[]
  /** What the engine decides by, for the tools of this room that look at policies rather than requests. */
  readonly set: PolicySet
  /** What Cedar's validator found odd but not wrong, with file and line. */
  readonly warnings: readonly string[]
  /** How often Cedar's own engine was asked, and differed. */
  readonly shadow: { readonly compared: number; readonly mismatches: number }
  /** Why the query is decided as it is; for a deny, the facts that would flip it. Never throws for a well-typed query. */
  why(query: DecisionQuery): Explanation
  /** Loads other files under the same options. This engine is not changed: the caller swaps. @throws as `loadPolicies`. */
  replace(files: readonly PolicyFile[]): Promise<PolicyEngine>
  /** Decides the query `times` times, so that the first real request meets compiled code. */
  warm(query: DecisionQuery, times: number): void
}

interface Candidates {
  readonly forbids: readonly LoadedRule[]
  readonly permits: readonly LoadedRule[]
}
interface KnownEntity {
  readonly entity: Entity
  /** The policies whose scope holds this principal, by action. The principal's facts do not change, so neither do they. */
  readonly candidates: Map<string, Candidates>
}

/** A query that fits the schema, ready for evaluation. */
export interface Prepared extends Candidates {
  readonly request: PolicyRequest
}

interface EngineParts {
  readonly set: PolicySet
  readonly shadow: Shadow | null
  readonly replace: (files: readonly PolicyFile[]) => Promise<PolicyEngine>
}

// Combinations of satisfied permits met so far; beyond them a decision is built anew.
const MAX_COMBINATIONS = 4096

export class Engine implements PolicyEngine {
  readonly digest: string
  readonly policies: readonly LoadedPolicy[]
  readonly warnings: readonly string[]
  readonly set: PolicySet
  readonly #parts: EngineParts
  readonly #byAction: ReadonlyMap<string, Candidates>
  readonly #facts = new WeakMap<EntityFacts, KnownEntity | null>()
  readonly #context = new ContextConverter()
  readonly #combinations = new Map<string, Decision>()
  readonly #unanswerable: Decision

  constructor(parts: EngineParts) {
    const { set } = parts
    this.set = set
    this.digest = set.digest
    this.warnings = set.warnings
    this.#parts = parts
    this.policies = set.rules.map(({ id, file, line, effect, text, annotations, json }) => ({
      id,
      file,
      line,
      effect,
      description: annotations.description,
      text,
      annotations: json.annotations ?? {},
    }))
    // For every action of the schema at load, never lazily from a request.
    this.#byAction = new Map(
      [...set.schema.actions].map(([id, { entity }]) => {
        const { type, key } = entity.uid
        const rules = set.rules.filter((rule) => rule.action(type, key, entity))
        return [
          id,
          { forbids: rules.filter((rule) => rule.effect === 'forbid'), permits: rules.filter((rule) => rule.effect === 'permit') },
        ]
      }),
    )
    this.#unanswerable = this.#deny([], [], 'ERR_POLICY_ERROR')
  }

  get shadow(): { readonly compared: number; readonly mismatches: number } {
    return { compared: this.#parts.shadow?.compared ?? 0, mismatches: this.#parts.shadow?.mismatches ?? 0 }
  }

  decide(query: DecisionQuery): Decision {
    try {
      const prepared = this.#prepare(query)
      return prepared === null ? this.#unanswerable : this.#decide(query, prepared)
    } catch {
      // INVARIANT: whatever goes wrong, the answer is no.
      return this.#unanswerable
    }
  }

  why(query: DecisionQuery): Explanation {
    const decision = this.decide(query)
    let prepared: Prepared | null = null
    try {
      prepared = this.#prepare(query)
    } catch {
      // Explained below as a query that does not fit the schema.
    }
    return explain({
      query,
      decision,
      prepared,
      schema: this.set.schema,
      rules: this.set.rules,
      permits: this.#byAction.get(query.action)?.permits ?? [],
    })
  }

  replace(files: readonly PolicyFile[]): Promise<PolicyEngine> {
    return this.#parts.replace(files)
  }

  warm(query: DecisionQuery, times: number): void {
    for (let i = 0; i < times; i++) this.decide(query)
  }

  /** @returns null when the query does not fit the schema: Cedar would skip what it cannot evaluate, a forbid too. */
  #prepare(query: DecisionQuery): Prepared | null {
    const { schema } = this.set
    const action = schema.actions.get(query.action)
    if (!action || !action.principals.has(query.principal.type) || !action.resources.has(query.resource.type)) return null
    const principal = this.#known(query.principal)
    const resource = this.#known(query.resource)
    const context = this.#context.convert(query.context)
    if (!principal || !resource || !context) return null
    const request = new PolicyRequest(principal.entity, action.entity, resource.entity, context, schema.actionEntities)
    const { forbids, permits } = principal.candidates.get(query.action) ?? this.#candidates(principal, query.action)
    return { request, forbids, permits }
  }

  #known(facts: EntityFacts): KnownEntity | null {
    const known = this.#facts.get(facts)
    if (known !== undefined) return known
    const entity = convertEntity(facts, this.set.schema)
    const converted = entity && { entity, candidates: new Map<string, Candidates>() }
    this.#facts.set(facts, converted)
    return converted
  }

  #candidates(principal: KnownEntity, action: Action): Candidates {
    const { uid } = principal.entity
    const applies = (rule: LoadedRule): boolean => rule.principal(uid.type, uid.key, principal.entity)
    const { forbids = [], permits = [] } = this.#byAction.get(action) ?? {}
    const candidates = { forbids: forbids.filter(applies), permits: permits.filter(applies) }
    principal.candidates.set(action, candidates)
    return candidates
  }

  #decide(query: DecisionQuery, { request, forbids, permits }: Prepared): Decision {
    const failed: Failed<LoadedRule>[] = []
    const forbidding = satisfied(forbids, request, failed)
    // Asked even after a forbid, so that the errors are the same as Cedar's.
    const permitting = satisfied(permits, request, failed)
    const reasons = forbidding.length > 0 ? forbidding : permitting
    const decision = failed.length > 0 ? this.#erred(reasons, failed) : this.#combined(reasons, forbidding.length > 0)
    const { shadow } = this.#parts
    if (shadow?.due()) {
      const ours: Authorization = {
        effect: forbidding.length === 0 && permitting.length > 0 ? 'allow' : 'deny',
        reasons: reasons.map((rule) => rule.id),
        errors: decision.errors,
      }
      if (!shadow.agrees(query, ours)) return this.#unanswerable
    }
    return decision
  }

  #erred(reasons: readonly LoadedRule[], failed: readonly Failed<LoadedRule>[]): Decision {
    return this.#deny(
      reasons.map((rule) => rule.id),
      failed.map(({ rule }) => rule.id).sort(),
      'ERR_POLICY_ERROR',
    )
  }

  /** A decision depends on nothing but the policies that determined it, so it is built once for each combination of them. */
  #combined(reasons: readonly LoadedRule[], forbidden: boolean): Decision {
    const key = reasons.length === 1 ? (reasons[0]?.id ?? '') : reasons.map((rule) => rule.id).join('\n')
    const known = this.#combinations.get(key)
    if (known) return known
    const ids = reasons.map((rule) => rule.id)
    let decision: Decision
    if (forbidden) {
      decision = this.#deny(
        ids,
        [],
        reasons.every((rule) => rule.annotations.refusal === 'purpose') ? 'ERR_POLICY_PURPOSE' : 'ERR_POLICY_DENIED',
      )
    } else if (reasons.length === 0) {
      decision = this.#deny([], [], 'ERR_POLICY_DENIED')
    } else {
      decision = Object.freeze({
        effect: 'allow',
        policies: Object.freeze(ids),
        errors: Object.freeze([]),
        code: null,
        obligations: mergeObligations(reasons.map((rule) => rule.annotations.obligations)),
        policySet: this.digest,
      })
    }
    if (this.#combinations.size >= MAX_COMBINATIONS) this.#combinations.clear()
    this.#combinations.set(key, decision)
    return decision
  }

  #deny(policies: readonly string[], errors: readonly string[], code: Decision['code']): Decision {
    return Object.freeze({
      effect: 'deny',
      policies: Object.freeze(policies),
      errors: Object.freeze(errors),
      code,
      obligations: NO_OBLIGATIONS,
      policySet: this.digest,
    })
  }
}

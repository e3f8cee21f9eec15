import type { Action, Decider, Decision, DecisionQuery, EntityFacts } from '#foundation/core'
import { type Authorization, type Failed, satisfied } from './authorize.ts'
import { type Candidates, candidatesOf, type Kind, kindsOf, type KnownEntity } from './candidates.ts'
import { contextReads } from './context-reads.ts'
import { Decisions, type OpenPolicies } from './decisions.ts'
import { type Explanation, explain, ofSource } from './explain.ts'
import { boundBySources, type Refusal } from './made-of.ts'
import type { PolicyFile } from './policy-file.ts'
import type { LoadedRule, PolicySet } from './policy-set.ts'
import { ContextConverter, convertEntity, PolicyRequest } from './request.ts'
import { type OpenPolicy, reduced } from './reduced-rules.ts'
import type { Shadow } from './shadow.ts'
import { masked, type Shown, shown, shownBy } from './shown-by.ts'

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
  /**
   * As `decide`, by the policies of the action alone, without those of an act that bind it: for proofs over all classes of requests, which the
   * action's own policies tell apart. It never refuses what `decide` allows.
   */
  decideAlone(query: DecisionQuery): Decision
  /** Why the query is decided as it is; for a deny, the facts that would flip it. Never throws for a well-typed query. */
  why(query: DecisionQuery): Explanation
  /** Loads other files under the same options. This engine is not changed: the caller swaps. @throws as `loadPolicies`. */
  replace(files: readonly PolicyFile[]): Promise<PolicyEngine>
  /** Decides the query `times` times, so that the first real request meets compiled code. */
  warm(query: DecisionQuery, times: number): void
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

/** No forbid of another act. */
const NOT_BOUND: readonly OpenPolicy[] = []

export class Engine implements PolicyEngine {
  readonly digest: string
  readonly policies: readonly LoadedPolicy[]
  readonly warnings: readonly string[]
  readonly set: PolicySet
  readonly #parts: EngineParts
  readonly #permits: ReadonlyMap<string, readonly LoadedRule[]>
  readonly #rules: ReadonlyMap<string, LoadedRule>
  readonly #kinds: ReturnType<typeof kindsOf>
  readonly #facts = new WeakMap<EntityFacts, KnownEntity | null>()
  readonly #context: ContextConverter
  readonly #decisions: Decisions

  constructor(parts: EngineParts) {
    const { set } = parts
    this.set = set
    this.digest = set.digest
    this.warnings = set.warnings
    this.#parts = parts
    this.#context = new ContextConverter(contextReads(set.rules))
    this.policies = set.rules.map(({ id, file, line, effect, text, annotations, json }) => ({
      id,
      file,
      line,
      effect,
      description: annotations.description,
      text,
      annotations: json.annotations ?? {},
    }))
    this.#rules = new Map(set.rules.map((rule) => [rule.id, rule]))
    this.#permits = new Map(
      [...set.schema.actions].map(([id, { entity }]) => [
        id,
        set.rules.filter((rule) => rule.effect === 'permit' && rule.action(entity.uid.type, entity.uid.key, entity)),
      ]),
    )
    this.#kinds = kindsOf(set)
    this.#decisions = new Decisions(set.digest)
  }

  get shadow(): { readonly compared: number; readonly mismatches: number } {
    return { compared: this.#parts.shadow?.compared ?? 0, mismatches: this.#parts.shadow?.mismatches ?? 0 }
  }

  decide(query: DecisionQuery): Decision {
    const decision = this.#answer(query, shownBy(query.action))
    if (query.resource.madeOf === undefined) return decision
    const bound = this.#ofSources(query, decision)
    if ('source' in bound) return bound.decision.effect === 'deny' ? bound.decision : this.#decisions.combined(query.action, [], false)
    return bound.obligations === decision.obligations ? decision : Object.freeze({ ...decision, ...bound })
  }

  #ofSources(query: DecisionQuery, decision: Decision): Refusal | Pick<Decision, 'obligations'> {
    const decide = (one: DecisionQuery): Decision => this.#answer(one, shownBy(one.action))
    return boundBySources({ query, decision, decide, rule: (id) => this.#rules.get(id) })
  }

  decideAlone(query: DecisionQuery): Decision {
    return this.#answer(query, undefined)
  }

  #answer(query: DecisionQuery, shows: Action | undefined): Decision {
    try {
      const prepared = this.#prepare(query)
      const seen = shows === undefined ? undefined : this.#prepare({ ...query, action: shows })
      return prepared === null || seen === null ? this.#decisions.unanswerable : this.#decide(query, prepared, seen && shown(seen))
    } catch {
      // INVARIANT: whatever goes wrong, the answer is no.
      return this.#decisions.unanswerable
    }
  }

  why(query: DecisionQuery): Explanation {
    const bound = this.#ofSources(query, this.#answer(query, shownBy(query.action)))
    return 'source' in bound
      ? ofSource(this.#why({ ...query, resource: bound.source }), query, bound)
      : this.#why(query, this.decide(query))
  }

  #why(query: DecisionQuery, decision = this.#answer(query, shownBy(query.action))): Explanation {
    let prepared: Prepared | null = null
    let seen: Prepared | null = null
    try {
      const shows = shownBy(query.action)
      prepared = this.#prepare(query)
      seen = shows === undefined ? null : this.#prepare({ ...query, action: shows })
    } catch {
      // Explained below as a query that does not fit the schema.
    }
    return explain({
      query,
      decision,
      prepared,
      seen,
      schema: this.set.schema,
      rules: this.set.rules,
      permits: this.#permits.get(query.action) ?? [],
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
    const kind = this.#kinds.get(query.action)?.get(query.principal.type)?.get(query.resource.type)?.get()
    if (!action || !kind) return null
    const principal = this.#known(query.principal)
    const resource = this.#known(query.resource)
    const context = this.#context.convert(query.context)
    if (!principal || !resource || !context) return null
    const request = new PolicyRequest(principal.entity, action.entity, resource.entity, context, schema.actionEntities)
    const { forbids, permits, readsRows } = principal.candidates.get(kind) ?? candidatesOf(principal, kind)
    return { request, forbids, permits, readsRows }
  }

  #known(facts: EntityFacts): KnownEntity | null {
    const known = this.#facts.get(facts)
    if (known !== undefined) return known
    const entity = convertEntity(facts, this.set.schema)
    const converted = entity && { entity, candidates: new Map<Kind, Candidates>() }
    this.#facts.set(facts, converted)
    return converted
  }

  #decide(query: DecisionQuery, prepared: Prepared, bound: Shown | undefined): Decision {
    // First as Cedar has it, so that its own engine can be asked too.
    const plain = this.#decideUnbound(query, prepared, NOT_BOUND)
    if (bound === undefined || plain.effect === 'deny') return plain
    if (bound.failed.length > 0) return this.#decisions.erred([], bound.failed)
    if (bound.forbidding.length > 0) return this.#decisions.combined(query.action, inOrder(bound.forbidding), true)
    const decision = bound.open.length > 0 ? this.#decideUnbound(query, prepared, bound.open) : plain
    const obligations = masked(decision.obligations, bound)
    return obligations === decision.obligations ? decision : Object.freeze({ ...decision, obligations })
  }

  /** @param also what is left of forbids of another act, for rows. */
  #decideUnbound(query: DecisionQuery, { request, forbids, permits, readsRows }: Prepared, also: readonly OpenPolicy[]): Decision {
    const failed: Failed<LoadedRule>[] = []
    const open: OpenPolicies | null = readsRows || also.length > 0 ? { forbids: [...also], permits: [] } : null
    const [against, inFavour] = [forbids.of(request), permits.of(request)]
    const forbidding = open ? reduced(against, request, failed, open.forbids) : satisfied(against, request, failed)
    // Asked even after a forbid, so that the errors are the same as Cedar's.
    const permitting = open ? reduced(inFavour, request, failed, open.permits) : satisfied(inFavour, request, failed)
    const reasons = inOrder(forbidding.length > 0 ? forbidding : permitting)
    if (open && failed.length === 0 && forbidding.length === 0 && open.forbids.length + open.permits.length > 0)
      return this.#decisions.forSomeRows(query.action, request, permitting, open)
    const decision =
      failed.length > 0 ? this.#decisions.erred(reasons, failed) : this.#decisions.combined(query.action, reasons, forbidding.length > 0)
    // Cedar's own engine is not told of rows, so it would call a policy that reads one not evaluable.
    if (open) return decision
    const { shadow } = this.#parts
    if (shadow?.due()) {
      const ours: Authorization = {
        effect: forbidding.length === 0 && permitting.length > 0 ? 'allow' : 'deny',
        reasons: reasons.map((rule) => rule.id),
        errors: decision.errors,
      }
      if (!shadow.agrees(query, ours)) return this.#decisions.unanswerable
    }
    return decision
  }
}

const inOrder = (rules: readonly LoadedRule[]): readonly LoadedRule[] =>
  rules.length < 2 ? rules : rules.toSorted((left, right) => (left.id < right.id ? -1 : 1))

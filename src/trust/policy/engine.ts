import type { Action, ColumnMask, Decider, Decision, DecisionQuery, EntityFacts, RowCondition } from '#foundation/core'
import { type Authorization, type Failed, satisfied } from './authorize.ts'
import { type Expression, operatorOf } from './compile-expression.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import type { Entity } from './evaluation.ts'
import { type Explanation, explain, ofSource } from './explain.ts'
import { testsOf } from './invariants/abstraction.ts'
import type { Kinds } from './invariants/simplify.ts'
import { boundBySources, type Refusal } from './made-of.ts'
import { mergeObligations, NO_OBLIGATIONS } from './obligations.ts'
import type { PolicyFile } from './policy-file.ts'
import type { LoadedRule, PolicySet } from './policy-set.ts'
import { CONTEXT_FIELDS, ContextConverter, convertEntity, PolicyRequest } from './request.ts'
import { type OpenPolicy, reduced } from './reduced-rules.ts'
import { rowConditionOf } from './row-condition.ts'
import { operandsOf } from './row-reads.ts'
import { indexRules, type RuleIndex } from './rule-index.ts'
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

interface Candidates {
  readonly forbids: RuleIndex
  readonly permits: RuleIndex
  /** One of them reads the row of a data set. */
  readonly readsRows: boolean
}
interface KnownEntity {
  readonly entity: Entity
  /** The policies whose scope holds this principal, by kind of request. The principal's facts do not change, so neither do they. */
  readonly candidates: Map<Kind, Candidates>
}
/** Action and types of a request, with all policies that can apply to such a request or fail on one. */
interface Kind extends Candidates, Kinds {}

/** A query that fits the schema, ready for evaluation. */
export interface Prepared extends Candidates {
  readonly request: PolicyRequest
}

interface EngineParts {
  readonly set: PolicySet
  readonly shadow: Shadow | null
  readonly replace: (files: readonly PolicyFile[]) => Promise<PolicyEngine>
}

/** Policies that apply to some rows of the data set asked for, with what is left of their conditions. */
interface Open {
  readonly forbids: OpenPolicy[]
  readonly permits: OpenPolicy[]
}

/** Whoever may see a data set masked only sees of a column what a policy says outright. */
const unsaidMask = (action: Action): ColumnMask => (action === 'viewMasked' ? 'redact' : 'keep')

/** No forbid of another act. */
const NOT_BOUND: readonly OpenPolicy[] = []

// Combinations of satisfied permits met so far; beyond them a decision is built anew.
const MAX_COMBINATIONS = 4096

export class Engine implements PolicyEngine {
  readonly digest: string
  readonly policies: readonly LoadedPolicy[]
  readonly warnings: readonly string[]
  readonly set: PolicySet
  readonly #parts: EngineParts
  readonly #permits: ReadonlyMap<string, readonly LoadedRule[]>
  readonly #rules: ReadonlyMap<string, LoadedRule>
  readonly #kinds: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, Lazy<Kind>>>>
  readonly #facts = new WeakMap<EntityFacts, KnownEntity | null>()
  readonly #context: ContextConverter
  readonly #combinations = new Map<string, Decision>()
  readonly #unanswerable: Decision

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
    // A place for every kind of request that the schema has, and none for one that it has not.
    this.#kinds = new Map(
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
    this.#unanswerable = this.#deny([], [], 'ERR_POLICY_ERROR')
  }

  get shadow(): { readonly compared: number; readonly mismatches: number } {
    return { compared: this.#parts.shadow?.compared ?? 0, mismatches: this.#parts.shadow?.mismatches ?? 0 }
  }

  decide(query: DecisionQuery): Decision {
    const decision = this.#answer(query, shownBy(query.action))
    if (query.resource.madeOf === undefined) return decision
    const bound = this.#ofSources(query, decision)
    if ('source' in bound) return bound.decision.effect === 'deny' ? bound.decision : this.#deny([], [], 'ERR_POLICY_DENIED')
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
      return prepared === null || seen === null ? this.#unanswerable : this.#decide(query, prepared, seen && shown(seen))
    } catch {
      // INVARIANT: whatever goes wrong, the answer is no.
      return this.#unanswerable
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
    if (bound.failed.length > 0) return this.#erred([], bound.failed)
    if (bound.forbidding.length > 0) return this.#combined(query.action, inOrder(bound.forbidding), true)
    const decision = bound.open.length > 0 ? this.#decideUnbound(query, prepared, bound.open) : plain
    const obligations = masked(decision.obligations, bound)
    return obligations === decision.obligations ? decision : Object.freeze({ ...decision, obligations })
  }

  /** @param also what is left of forbids of another act, for rows. */
  #decideUnbound(query: DecisionQuery, { request, forbids, permits, readsRows }: Prepared, also: readonly OpenPolicy[]): Decision {
    const failed: Failed<LoadedRule>[] = []
    const open: Open | null = readsRows || also.length > 0 ? { forbids: [...also], permits: [] } : null
    const [against, inFavour] = [forbids.of(request), permits.of(request)]
    const forbidding = open ? reduced(against, request, failed, open.forbids) : satisfied(against, request, failed)
    // Asked even after a forbid, so that the errors are the same as Cedar's.
    const permitting = open ? reduced(inFavour, request, failed, open.permits) : satisfied(inFavour, request, failed)
    const reasons = inOrder(forbidding.length > 0 ? forbidding : permitting)
    if (open && failed.length === 0 && forbidding.length === 0 && open.forbids.length + open.permits.length > 0)
      return this.#forSomeRows(query.action, request, permitting, open)
    const decision = failed.length > 0 ? this.#erred(reasons, failed) : this.#combined(query.action, reasons, forbidding.length > 0)
    // Cedar's own engine is not told of rows, so it would call a policy that reads one not evaluable.
    if (open) return decision
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

  /** An allow for the rows for which what is left of the policies says so; a deny where no row can be permitted. */
  #forSomeRows(action: Action, request: PolicyRequest, permitting: readonly LoadedRule[], open: Open): Decision {
    const permits = [...permitting, ...open.permits.map(({ rule }) => rule)]
    if (permits.length === 0) return this.#combined(action, [], false)
    let rows: RowCondition
    try {
      rows = rowConditionOf({ permitted: permitting.length > 0, forbids: sorted(open.forbids), permits: sorted(open.permits) }, request)
    } catch (thrown) {
      if (!(thrown instanceof EvaluationFailure)) throw thrown
      return this.#deny([], [...open.forbids, ...open.permits].map(({ id }) => id).sort(), 'ERR_POLICY_ERROR')
    }
    const ids = [...permits, ...open.forbids].map(({ id }) => id).sort()
    return Object.freeze({
      effect: 'allow',
      policies: Object.freeze(ids),
      errors: Object.freeze([]),
      code: null,
      // Of all permits that may apply to a row, so that no row is shown under fewer masks than its permits ask for.
      obligations: mergeObligations(
        permits.map((rule) => rule.annotations.obligations),
        unsaidMask(action),
      ),
      rows,
      policySet: this.digest,
    })
  }

  /** A decision depends on nothing but the policies that determined it, so it is built once for each combination of them. */
  #combined(action: Action, reasons: readonly LoadedRule[], forbidden: boolean): Decision {
    let key = reasons.length === 1 ? (reasons[0]?.id ?? '') : reasons.map((rule) => rule.id).join('\n')
    const unsaid = unsaidMask(action)
    if (unsaid !== 'keep') key = `${unsaid}\n${key}`
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
        obligations: mergeObligations(
          reasons.map((rule) => rule.annotations.obligations),
          unsaid,
        ),
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

/** Names of the context's fields that policies read; a superset does no harm. */
function contextReads(rules: readonly LoadedRule[]): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (expression: unknown): void => {
    const [name, operand] = operatorOf(expression)
    if (name === 'Var' && operand === 'context') for (const field of CONTEXT_FIELDS) found.add(field)
    const { left, attr } = (operand ?? {}) as { readonly left?: Expression; readonly attr?: string | readonly string[] }
    if ((name === '.' || name === 'has') && left?.['Var'] === 'context' && attr !== undefined)
      found.add(typeof attr === 'string' ? attr : (attr[0] ?? ''))
    else for (const [, part] of operandsOf(name, operand)) visit(part)
  }
  for (const { json } of rules) for (const { body } of json.conditions) visit(body)
  return found
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

function kindOf(kinds: Kinds, { rules, schema }: PolicySet): Kind {
  // What is left out neither applies to nor fails on any request of the kind, so Cedar's answer is the same without it.
  return { ...kinds, ...split(rules.filter((rule) => testsOf(rule, kinds, schema) !== null)) }
}

function candidatesOf({ entity, candidates }: KnownEntity, kind: Kind): Candidates {
  const { type, key } = entity.uid
  const own = split([...kind.forbids.all, ...kind.permits.all].filter((rule) => rule.principal(type, key, entity)))
  candidates.set(kind, own)
  return own
}

const sorted = (open: readonly OpenPolicy[]): readonly OpenPolicy[] => open.toSorted((left, right) => (left.id < right.id ? -1 : 1))
const inOrder = (rules: readonly LoadedRule[]): readonly LoadedRule[] =>
  rules.length < 2 ? rules : rules.toSorted((left, right) => (left.id < right.id ? -1 : 1))

function split(rules: readonly LoadedRule[]): Candidates {
  return {
    forbids: indexRules(rules.filter(({ effect }) => effect === 'forbid')),
    permits: indexRules(rules.filter(({ effect }) => effect === 'permit')),
    readsRows: rules.some(({ rowCondition }) => rowCondition !== null),
  }
}

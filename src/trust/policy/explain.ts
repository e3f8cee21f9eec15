import type { Decision, DecisionContext, DecisionQuery, EntityFacts } from '#foundation/core'
import { type Blame, blame } from './blame.ts'
import type { ScopeTest } from './compile-policy.ts'
import { EvaluationFailure } from './evaluation-failure.ts'
import type { Prepared } from './engine.ts'
import type { Refusal } from './made-of.ts'
import type { LoadedRule } from './policy-set.ts'
import { CONTEXT_FIELDS, convertEntity } from './request.ts'
import type { PolicySchema } from './schema.ts'

export interface ExplainedPolicy {
  readonly id: string
  readonly file: string
  readonly line: number
  readonly effect: 'permit' | 'forbid'
  readonly description: string | null
}

/** A fact that stands in the way of an allow. */
export interface ExplainedFact {
  /** The policy that reads it; null when it concerns the query as a whole. */
  readonly policy: string | null
  /** One sentence for people, e.g. ``context.purpose = "marketing"; policy `purpose-must-fit` wants one of "credit-scoring"``. */
  readonly text: string
}

export interface Explanation {
  readonly decision: Decision
  /** The policies that determined the effect, or could not be evaluated. */
  readonly policies: readonly ExplainedPolicy[]
  /** Empty on allow. */
  readonly facts: readonly ExplainedFact[]
}

interface Asked {
  readonly query: DecisionQuery
  readonly decision: Decision
  readonly prepared: Prepared | null
  /** The same with the act whose bounds bind this one; null for none. */
  readonly seen: Prepared | null
  readonly schema: PolicySchema
  readonly rules: readonly LoadedRule[]
  /** All permits of the action, whoever they are for. */
  readonly permits: readonly LoadedRule[]
}

// Enough to act on; a deny with a hundred near misses is not explained by listing them.
const MAX_FACTS = 12

export function explain(asked: Asked): Explanation {
  const { decision, rules } = asked
  const named = new Set([...decision.policies, ...decision.errors])
  const policies = rules
    .filter((rule) => named.has(rule.id))
    .map(({ id, file, line, effect, annotations }) => ({ id, file, line, effect, description: annotations.description }))
  return { decision, policies, facts: decision.effect === 'allow' ? [] : factsOf(asked).slice(0, MAX_FACTS) }
}

/** Why what was made of a source is refused, although what is said of it alone allows it. @param explained of the source. */
export function ofSource(explained: Explanation, { action, resource }: DecisionQuery, { source, decision, rows }: Refusal): Explanation {
  const why = rows
    ? 'is for some rows only, and what was made of it is not under the same condition'
    : decision.effect === 'deny'
      ? 'is refused'
      : 'is one of too many'
  const text = `the rows of \`${resource.id}\` came of \`${source.id}\`, of which \`${action}\` ${why}, and no permit names \`${resource.id}\``
  const denied: Decision = decision.effect === 'deny' ? decision : { ...decision, effect: 'deny', code: 'ERR_POLICY_DENIED', policies: [] }
  return { ...explained, decision: denied, facts: [{ policy: null, text }, ...explained.facts].slice(0, MAX_FACTS) }
}

function factsOf({ query, decision, prepared, seen, schema, permits }: Asked): readonly ExplainedFact[] {
  if (!prepared) {
    try {
      return misfits(query, schema).map((text) => ({ policy: null, text }))
    } catch {
      return [{ policy: null, text: 'the query is not well-formed' }]
    }
  }
  const { request } = prepared
  const { type, key } = request.resource
  const resource = request.find(key)
  const inScope = (test: ScopeTest): boolean => test(type, key, resource)
  const named = new Set([...decision.policies, ...decision.errors])
  const facts: ExplainedFact[] = []
  const factsIn = (asked: Prepared): void => {
    for (const rule of [...asked.forbids.all, ...asked.permits.all]) {
      if (!named.has(rule.id)) continue
      const reason = failureOf(rule, asked)
      if (reason !== null) facts.push({ policy: rule.id, text: `policy \`${rule.id}\` cannot be evaluated: ${reason}` })
      else if (rule.effect === 'forbid') facts.push(...forbidFacts(rule, asked))
    }
  }
  factsIn(prepared)
  // Where its own policies say nothing against it, the ones of the act by which its rows are seen do.
  if (seen && facts.length === 0) factsIn(seen)
  if (decision.effect === 'deny' && !prepared.permits.all.some((rule) => inScope(rule.resource) && failsNowhere(rule, prepared))) {
    facts.push(...missingPermit(query, prepared, permits, inScope))
  }
  if (facts.length === 0) facts.push({ policy: null, text: 'the engine and its shadow did not agree, so the request is refused' })
  return facts
}

function failureOf(rule: LoadedRule, { request }: Prepared): string | null {
  for (const { run } of rule.conditions) {
    try {
      run(request)
    } catch (thrown) {
      return thrown instanceof EvaluationFailure ? thrown.message : 'unexpected failure'
    }
  }
  return null
}

function failsNowhere(rule: LoadedRule, { request }: Prepared): boolean {
  try {
    return rule.conditions.every(({ kind, run }) => run(request) === (kind === 'when'))
  } catch {
    return false
  }
}

/** The tests of a policy that made it hit (for a forbid) or miss (for a permit). */
function blames(rule: LoadedRule, { request }: Prepared, hit: boolean): readonly Blame[] {
  return rule.conditions.flatMap(({ kind, body, run }) => {
    try {
      return (run(request) === (kind === 'when')) === hit ? blame(body, request) : []
    } catch {
      return hit ? [] : blame(body, request)
    }
  })
}

function forbidFacts(rule: LoadedRule, prepared: Prepared): readonly ExplainedFact[] {
  const found = blames(rule, prepared, true)
  if (found.length === 0) return [{ policy: rule.id, text: `policy \`${rule.id}\` forbids this whatever the facts` }]
  return found.map((one) => factOf(rule, one))
}

function factOf(rule: LoadedRule, { observed, wanted }: Blame): ExplainedFact {
  return { policy: rule.id, text: `${observed === '' ? '' : `${observed}; `}policy \`${rule.id}\` wants ${wanted}` }
}

/** Permits that only a changeable fact keeps from hitting; if there are none, that none is for this caller. */
function missingPermit(
  query: DecisionQuery,
  prepared: Prepared,
  permits: readonly LoadedRule[],
  inScope: (test: ScopeTest) => boolean,
): readonly ExplainedFact[] {
  const near = prepared.permits.all
    .filter((rule) => inScope(rule.resource))
    .map((rule) => ({ rule, found: blames(rule, prepared, false) }))
    .filter(({ found }) => found.some(({ changeable }) => changeable))
  if (near.length > 0) return near.flatMap(({ rule, found }) => found.map((one) => factOf(rule, one)))
  const roles = query.principal.parents.map((parent) => `\`${parent.id}\``).join(', ')
  const others = permits.filter((rule) => inScope(rule.resource)).map((rule) => `\`${rule.id}\``)
  const who = roles === '' ? `${query.principal.type} without a role` : `role ${roles}`
  const instead = others.length > 0 ? `; see ${others.slice(0, MAX_FACTS).join(', ')} for whom it is permitted` : ''
  return [{ policy: null, text: `no permit for ${who} on action \`${query.action}\` of a ${query.resource.type}${instead}` }]
}

/** How a query fails the schema, in words. */
function misfits(query: DecisionQuery, schema: PolicySchema): readonly string[] {
  const action = schema.actions.get(query.action)
  if (!action) return ['the action is not in the schema']
  const texts: string[] = []
  if (!action.principals.has(query.principal.type)) texts.push(`a \`${query.principal.type}\` is no principal of \`${query.action}\``)
  if (!action.resources.has(query.resource.type)) texts.push(`a \`${query.resource.type}\` is no resource of \`${query.action}\``)
  if (!fits(query.principal, schema)) texts.push(`the facts of the principal do not fit the schema${oddAttribute(query.principal, schema)}`)
  if (!fits(query.resource, schema)) texts.push(`the facts of the resource do not fit the schema${oddAttribute(query.resource, schema)}`)
  if (texts.length === 0) texts.push(`the context does not fit the schema${oddContext(query.context)}`)
  return texts
}

function fits(facts: EntityFacts, schema: PolicySchema): boolean {
  try {
    return convertEntity(facts, schema) !== null
  } catch {
    return false
  }
}

function oddAttribute(facts: EntityFacts, schema: PolicySchema): string {
  const attributes = schema.entityTypes.get(facts.type)?.attributes
  if (!attributes) return ': the type is unknown'
  const unknown = Object.keys(facts.attributes).find((name) => !attributes.has(name))
  if (unknown !== undefined) return `: \`${unknown}\` is not in it`
  const missing = [...attributes].find(([name, { required }]) => required && !Object.hasOwn(facts.attributes, name))
  return missing ? `: \`${missing[0]}\` is missing` : ''
}

function oddContext(context: DecisionContext): string {
  const missing = [...CONTEXT_FIELDS].find((name) => !Object.hasOwn(context, name))
  return missing === undefined ? '' : `: \`${missing}\` is missing`
}

import { type DecisionQuery, DEFAULT_MAX_REQUESTS } from '#foundation/core'
import type { Expression } from '../compile-expression.ts'
import { loadCedar } from '../cedar.ts'
import type { PolicyEngine } from '../engine.ts'
import type { PolicyFile } from '../policy-file.ts'
import type { LoadedRule, PolicySet } from '../policy-set.ts'
import { type Abstraction, abstractionOf, allKinds, holdsRole, isOfRow, testsOf } from './abstraction.ts'
import { demandBound, forEachRequest } from './enumerate.ts'
import { type Invariant, readInvariants } from './invariant-file.ts'
import { changeBetween } from './change.ts'
import { type Kinds, overAtoms, simplify, type Truth, YES } from './simplify.ts'

/** A request for which the statement does not hold, and what allowed or refused it. */
export interface Counterexample {
  readonly query: DecisionQuery
  readonly policies: readonly string[]
  /** Variables that the policies or the statement read; others do not matter. */
  readonly facts: Readonly<Record<string, unknown>>
}

export interface Proof {
  readonly id: string
  readonly statement: string
  readonly expect: 'never' | 'always'
  /** `vacuous`: no request is described, so the statement says nothing. */
  readonly verdict: 'holds' | 'fails' | 'vacuous'
  /** Classes of requests that the statement describes and that were decided. */
  readonly decided: number
  readonly counterexample: Counterexample | null
}

export interface ProofReport {
  readonly policySet: string
  readonly holds: boolean
  readonly proofs: readonly Proof[]
  /** Classes of requests enumerated; together they stand for all requests. */
  readonly requests: number
  readonly groups: number
}

/**
 * Decides, by the engine itself, one request of each class that the policies and the invariants can tell apart.
 * @throws {RedoubtError} `ERR_POLICY_INVALID` for a file, `ERR_POLICY_ENUMERATION` when it cannot be exhaustive.
 */
export async function proveInvariants(
  engine: PolicyEngine,
  files: readonly PolicyFile[],
  options: {
    readonly maxRequests?: number
    /** Policies for which all of these statements are known to hold: what the difference cannot have changed is not decided again. */
    readonly provenFor?: PolicySet | undefined
  } = {},
): Promise<ProofReport> {
  const { schema } = engine.set
  const change = options.provenFor === undefined ? null : changeBetween(options.provenFor, engine.set)
  const inherited = new Set<Invariant>()
  const invariants = readInvariants(await loadCedar(), schema, files)
  const groups = allKinds(schema).flatMap((kinds) => {
    const here = invariants.filter(
      (one) => one.actions.has(kinds.action) && one.principals.has(kinds.principal) && one.resources.has(kinds.resource),
    )
    const touched = change === null ? here : here.filter(({ expect }) => change(kinds)[expect])
    for (const one of here) if (!touched.includes(one)) inherited.add(one)
    return touched.length === 0 ? [] : [groupOf(engine, kinds, touched)]
  })
  const requests = demandBound(
    groups.map(({ abstraction }) => abstraction),
    options.maxRequests ?? DEFAULT_MAX_REQUESTS,
  )
  const decided = new Map<Invariant, number>()
  const found = new Map<Invariant, Counterexample>()
  for (const group of groups) proveGroup(engine, group, decided, found)
  const proofs = invariants.map((one): Proof => {
    const counterexample = found.get(one) ?? null
    const count = decided.get(one) ?? 0
    const { id, statement, expect } = one
    return {
      id,
      statement,
      expect,
      verdict: counterexample ? 'fails' : count === 0 && !inherited.has(one) ? 'vacuous' : 'holds',
      decided: count,
      counterexample,
    }
  })
  return { policySet: engine.digest, holds: proofs.every(({ verdict }) => verdict === 'holds'), proofs, requests, groups: groups.length }
}

interface Group {
  readonly abstraction: Abstraction
  readonly statements: readonly { readonly invariant: Invariant; readonly describes: (truths: Uint8Array) => Truth }[]
}

function groupOf(engine: PolicyEngine, kinds: Kinds, invariants: readonly Invariant[]): Group {
  const conditions = invariants.map((invariant) => simplify(invariant.condition, kinds, engine.set.schema))
  const roles = distinguishedRoles(invariants, rolesReadBy([...engine.set.rules.flatMap(testsHere), ...conditions]))
  const abstraction = abstractionOf(engine.set, kinds, [...conditions, ...roles.map(holdsRole)])
  const statements = invariants.map((invariant, index) => ({
    invariant,
    describes: overAtoms(conditions[index] as Expression, abstraction.place),
  }))
  return { abstraction, statements }

  function testsHere(rule: LoadedRule): readonly Expression[] {
    return testsOf(rule, kinds, engine.set.schema) ?? []
  }
}

/**
 * Roles that `onlyRoles` adds to those that policies and conditions read. Two that none of these reads are decided alike, so of those
 * that a statement names one stands for all; one that an earlier statement chose does for this one too.
 */
function distinguishedRoles(invariants: readonly Invariant[], read: ReadonlySet<string>): readonly string[] {
  const chosen = new Set<string>()
  for (const { onlyRoles } of invariants) {
    const unread = (onlyRoles ?? []).filter((role) => !read.has(role))
    const [first] = unread
    if (first !== undefined && !unread.some((role) => chosen.has(role))) chosen.add(first)
  }
  return [...chosen]
}

function rolesReadBy(value: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null) return found
  const { type, id } = value as { readonly type?: unknown; readonly id?: unknown }
  if (type === 'Role' && typeof id === 'string') found.add(id)
  for (const part of Object.values(value)) rolesReadBy(part, found)
  return found
}

function proveGroup(
  engine: PolicyEngine,
  { abstraction, statements }: Group,
  decided: Map<Invariant, number>,
  found: Map<Invariant, Counterexample>,
): void {
  let open = statements.filter(({ invariant }) => !found.has(invariant))
  const described: (typeof open)[number][] = []
  if (open.length === 0) return
  forEachRequest(
    abstraction,
    engine.set.schema,
    (truths) => {
      described.length = 0
      for (const statement of open) if (statement.describes(truths) === YES) described.push(statement)
      return described.length > 0
    },
    (query) => {
      let decision: ReturnType<PolicyEngine['decide']> | null = null
      for (const { invariant } of described) {
        if (!hasOnly(query, invariant.onlyRoles)) continue
        decision ??= engine.decideAlone(query)
        decided.set(invariant, (decided.get(invariant) ?? 0) + 1)
        if ((decision.effect === 'allow') === (invariant.expect === 'always')) continue
        found.set(invariant, { query, policies: [...decision.policies, ...decision.errors], facts: factsOf(query, abstraction) })
      }
      open = open.filter(({ invariant }) => !found.has(invariant))
      return open.length > 0
    },
  )
}

/**
 * Groups narrow nothing: an account that holds these roles and no other may be in any group, so what a policy gives to a group, or takes
 * from it, is given to such accounts, or taken from them, too.
 */
function hasOnly(query: DecisionQuery, roles: readonly string[] | null): boolean {
  if (roles === null) return true
  const held = query.principal.parents.filter(({ type }) => type === 'Role')
  return held.length > 0 && held.every(({ id }) => roles.includes(id))
}

function factsOf(query: DecisionQuery, { clusters }: Abstraction): Readonly<Record<string, unknown>> {
  const variables = clusters
    .flatMap(({ variables }) => variables)
    .filter((variable) => !variable.endsWith('#parents') && !isOfRow(variable))
  return Object.fromEntries(variables.toSorted().map((variable) => [variable.replace('#id', ''), valueIn(query, variable)]))
}

function valueIn(query: DecisionQuery, variable: string): unknown {
  const [part, name] = variable.split(/[.#]/) as [keyof DecisionQuery, string]
  if (part === 'context') return (query.context as unknown as Record<string, unknown>)[name]
  const entity = query[part] as DecisionQuery['principal']
  return variable.includes('#') ? `${entity.type}::"${entity.id}"` : (entity.attributes[name] ?? '(absent)')
}

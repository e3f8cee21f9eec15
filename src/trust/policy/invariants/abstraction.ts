import { RedoubtError } from '#foundation/core'
import { compileExpression, type Compiled, type Expression } from '../compile-expression.ts'
import { EvaluationFailure } from '../evaluation-failure.ts'
import type { LoadedRule, PolicySet } from '../policy-set.ts'
import type { PolicyRequest } from '../request.ts'
import { readsRow } from '../row-reads.ts'
import type { PolicySchema } from '../schema.ts'
import { type Part, partOf, RequestMaker } from './concrete.ts'
import { type Assignment, type Constants, type Reads, readsOf, valuesOf, type VariableValue } from './reads.ts'
import { atomKey, atomsOf, FAILS, isFalse, isTrue, type Kinds, NO, scopeExpression, simplify, type Truth, YES } from './simplify.ts'

/** Values of a few variables that stand for all values with the same outcomes of the atoms that read them. */
export interface Representative {
  readonly assignment: Assignment
  /** The outcomes, in the order of the cluster's atoms. */
  readonly truths: readonly Truth[]
}

/** Variables that share atoms, directly or by others. Variables of two clusters never meet in an atom. */
export interface Cluster {
  readonly variables: readonly string[]
  /** Places of its atoms in the truths of a request. */
  readonly places: readonly number[]
  readonly parts: ReadonlySet<Part>
  readonly representatives: readonly Representative[]
}

/** All requests of one action and two types, as one product of few representatives. */
export interface Abstraction {
  readonly kinds: Kinds
  readonly clusters: readonly Cluster[]
  readonly place: (atom: string) => number
  /** In the order of their places. */
  readonly atoms: readonly Expression[]
  /** Product of the numbers of representatives. */
  readonly requests: number
}

/** Values tried to find the representatives of one cluster. */
const MAX_CLUSTER_VALUES = 300_000

/** The test that a role is held; beside the policies' own tests it keeps apart accounts that these do not tell apart. */
export const holdsRole = (id: string): Expression => ({
  in: { left: { Var: 'principal' }, right: { Value: { __entity: { type: 'Role', id } } } },
})

/** Every combination of action and types that a request may have. */
export function allKinds(schema: PolicySchema): readonly Kinds[] {
  return [...schema.actions].flatMap(([action, { principals, resources }]) =>
    [...resources].flatMap((resource) => [...principals].map((principal) => ({ action, principal, resource }))),
  )
}

/** The tests of a policy in the order in which they are made, folded for the kinds; null when it cannot apply to them. */
export function testsOf(rule: LoadedRule, kinds: Kinds, schema: PolicySchema): readonly Expression[] | null {
  const { json } = rule
  const scopes = [
    scopeExpression('action', json.action),
    scopeExpression('principal', json.principal),
    scopeExpression('resource', json.resource),
  ]
  const conditions = json.conditions.map(({ kind, body }): Expression => (kind === 'when' ? body : { '!': { arg: body } }))
  const tests: Expression[] = []
  for (const [index, expression] of [...scopes, ...conditions].entries()) {
    const test = simplify(expression, kinds, schema)
    if (isTrue(test)) continue
    // Scopes cannot fail, so before a test that is always false they change nothing; a condition may fail, and a failure refuses.
    if (isFalse(test)) return tests.length === 0 || index <= scopes.length || tests.every(isScope) ? null : [...tests, test]
    tests.push(test)
  }
  return tests

  function isScope(test: Expression): boolean {
    return scopes.some((scope) => atomKey(simplify(scope, kinds, schema)) === atomKey(test))
  }
}

/**
 * @param extra expressions that are to be decided beside the policies, simplified for the kinds.
 * @param fixed the only values of some variables, where not all requests are asked for.
 * @throws {RedoubtError} `ERR_POLICY_ENUMERATION` naming the policy that is not covered.
 */
export function abstractionOf(
  set: PolicySet,
  kinds: Kinds,
  extra: readonly Expression[],
  fixed: ReadonlyMap<string, readonly VariableValue[]> = new Map(),
): Abstraction {
  const { schema, rules } = set
  const atoms = new Map<string, Expression>()
  const reads = new Map<string, Reads>()
  const gather = (expressions: readonly Expression[], where: string | null): void => {
    for (const expression of expressions) atomsOf(expression, atoms)
    for (const [key, atom] of atoms)
      if (!reads.has(key)) reads.set(key, readsRow(atom) ? readsOfRow(key) : named(where, () => readsOf(atom, kinds, schema)))
  }
  for (const rule of rules) gather(testsOf(rule, kinds, schema) ?? [], `policy \`${rule.id}\` (${rule.file}:${rule.line})`)
  gather(extra, null)
  const places = new Map([...atoms.keys()].map((key, index) => [key, index]))
  const groups = groupsOf(reads)
  const maker = new RequestMaker(kinds, schema)
  const clusters = groups.map((keys) => clusterOf(keys, { atoms, reads, places, kinds, schema, maker, fixed }))
  // Who asks stands first, so that a counterexample has as few roles as can be.
  const rank = ({ variables, parts }: Cluster): number => (variables.includes('principal#parents') ? 0 : parts.has('principal') ? 1 : 2)
  clusters.sort((left, right) => rank(left) - rank(right))
  return {
    kinds,
    clusters,
    place(atom) {
      const place = places.get(atom)
      if (place === undefined) throw new RedoubtError('ERR_INTERNAL', 'an atom was not gathered')
      return place
    },
    atoms: [...atoms.values()],
    requests: clusters.reduce((product, { representatives }) => product * representatives.length, 1),
  }
}

/** What a row holds is not part of a request: a test of it may come out either way, whatever else is the case. */
const ROW = 'row:'
export const isOfRow = (variable: string): boolean => variable.startsWith(ROW)

function readsOfRow(key: string): Reads {
  return { variables: new Set([`${ROW}${key}`]), strings: new Set(), entities: [], addresses: [], instants: [], numbers: [] }
}

function named<T>(where: string | null, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof RedoubtError) || where === null) throw cause
    throw new RedoubtError(cause.code, `${where}: ${cause.message}`, { cause })
  }
}

/** Atoms grouped so that two which read a common variable are together. */
function groupsOf(reads: ReadonlyMap<string, Reads>): readonly (readonly string[])[] {
  let groups: { readonly variables: ReadonlySet<string>; readonly keys: readonly string[] }[] = []
  for (const [key, { variables }] of reads) {
    const touching = groups.filter((group) => [...variables].some((variable) => group.variables.has(variable)))
    const merged = {
      variables: new Set([...variables, ...touching.flatMap((group) => [...group.variables])]),
      keys: [...touching.flatMap((group) => group.keys), key],
    }
    groups = [...groups.filter((group) => !touching.includes(group)), merged]
  }
  return groups.map(({ keys }) => keys)
}

interface ClusterParts {
  readonly atoms: ReadonlyMap<string, Expression>
  readonly reads: ReadonlyMap<string, Reads>
  readonly places: ReadonlyMap<string, number>
  readonly kinds: Kinds
  readonly schema: PolicySchema
  readonly maker: RequestMaker
  readonly fixed: ReadonlyMap<string, readonly VariableValue[]>
}

function clusterOf(keys: readonly string[], { atoms, reads, places, kinds, schema, maker, fixed }: ClusterParts): Cluster {
  const own = keys.map((key) => reads.get(key)).filter((one) => one !== undefined)
  const variables = [...new Set(own.flatMap((one) => [...one.variables]))].sort()
  if (variables.every(isOfRow)) {
    const either = ([NO, YES] as const).map((truth) => ({ assignment: new Map(), truths: [truth] }))
    return { variables, places: keys.map((key) => places.get(key) ?? -1), parts: new Set(), representatives: either }
  }
  const constants: Constants = {
    strings: new Set(own.flatMap((one) => [...one.strings])),
    entities: own.flatMap((one) => one.entities),
    addresses: own.flatMap((one) => one.addresses),
    instants: own.flatMap((one) => one.instants),
    numbers: own.flatMap((one) => one.numbers),
  }
  const values = variables.map((variable) => fixed.get(variable) ?? valuesOf(variable, variables, constants, kinds, schema))
  const tries = values.reduce((product, { length }) => product * length, 1)
  if (tries > MAX_CLUSTER_VALUES)
    throw new RedoubtError(
      'ERR_POLICY_ENUMERATION',
      `${variables.map((variable) => `\`${variable}\``).join(', ')} are compared with each other and have ${tries} combinations of values; ${MAX_CLUSTER_VALUES} are tried`,
    )
  const parts = new Set(variables.map(partOf))
  const runs = keys.map((key) => compileExpression(atoms.get(key) ?? { Value: false }))
  const found = new Map<string, Representative>()
  for (const assignment of product(variables, values)) {
    const request = maker.make(assignment, parts)
    const truths = runs.map((run) => truthOf(run, request))
    const vector = truths.join('')
    if (!found.has(vector)) found.set(vector, { assignment, truths })
  }
  return { variables, places: keys.map((key) => places.get(key) ?? -1), parts, representatives: [...found.values()] }
}

function* product(variables: readonly string[], values: readonly (readonly VariableValue[])[]): Generator<Assignment> {
  const digits = variables.map(() => 0)
  for (;;) {
    yield new Map(variables.map((variable, place) => [variable, values[place]?.[digits[place] ?? 0] ?? null]))
    let place = digits.length - 1
    while (place >= 0 && (digits[place] ?? 0) + 1 === values[place]?.length) digits[place--] = 0
    if (place < 0) return
    digits[place] = (digits[place] ?? 0) + 1
  }
}

function truthOf(run: Compiled, request: PolicyRequest): Truth {
  try {
    const value = run(request)
    return value === true ? YES : value === false ? NO : FAILS
  } catch (thrown) {
    if (thrown instanceof EvaluationFailure) return FAILS
    throw thrown
  }
}

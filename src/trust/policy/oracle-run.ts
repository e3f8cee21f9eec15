import { authorize } from './authorize.ts'
import type { Cedar } from './cedar.ts'
import { OPERATOR_NAMES } from './compile-expression.ts'
import { compilePolicy, type PolicyJson, type Rule } from './compile-policy.ts'
import { type GeneratedRequest, OracleGenerator, type World } from './oracle-generator.ts'
import { uidJson } from './oracle-values.ts'
import { type Trap, TRAPS, trapsIn } from './oracle-traps.ts'

export interface OracleReport {
  readonly pairs: number
  readonly allowed: number
  /** Pairs in which one policy at least could not be evaluated. */
  readonly erred: number
  /** How many pairs had the operator in their policy set. */
  readonly operators: ReadonlyMap<string, number>
  /** How many pairs had the construct in their policy set. */
  readonly traps: ReadonlyMap<Trap, number>
  readonly mismatches: readonly string[]
}

const POLICIES_PER_SET = 8
const REQUESTS_PER_SET = 50
// A handful shows what is wrong; a broken engine would give thousands.
const MAX_MISMATCHES = 10

/** Decides `pairs` generated (policy set, request) pairs by both engines and compares effect, reasons and erring policies. */
export function runOracle(cedar: Cedar, seed: number, pairs: number, requestsPerSet = REQUESTS_PER_SET): OracleReport {
  const generator = new OracleGenerator(seed)
  const operators = new Map(OPERATOR_NAMES.map((name) => [name, 0]))
  const traps = new Map(TRAPS.map((name) => [name, 0]))
  const mismatches: string[] = []
  let [done, allowed, erred] = [0, 0, 0]
  while (done < pairs && mismatches.length < MAX_MISMATCHES) {
    const texts = Array.from({ length: POLICIES_PER_SET }, () => generator.policy())
    const rules = texts.map((text, index) => compilePolicy(`p${index}`, parse(cedar, text)))
    const setId = `oracle-${seed}`
    const prepared = cedar.preparsePolicySet(setId, { staticPolicies: Object.fromEntries(texts.map((text, index) => [`p${index}`, text])) })
    if (prepared.type === 'failure') throw new Error(`the generator wrote a policy that Cedar does not parse: ${texts.join('\n')}`)
    const world = generator.world()
    const present = new Set<string>()
    for (const rule of rules) for (const { body } of rule.conditions) collectOperators(body, present)
    const trapped = new Set(rules.flatMap(({ json }) => [...trapsIn(json)]))
    for (let i = 0; i < requestsPerSet && done < pairs; i++, done++) {
      for (const name of present) operators.set(name, (operators.get(name) ?? 0) + 1)
      for (const name of trapped) traps.set(name, (traps.get(name) ?? 0) + 1)
      const request = generator.request(world)
      const ours = ask(rules, world, request)
      const theirs = askCedar(cedar, setId, world, request)
      if (ours.startsWith('allow')) allowed++
      if (!ours.endsWith('[]')) erred++
      if (ours !== theirs && mismatches.length < MAX_MISMATCHES) {
        mismatches.push(
          `ours ${ours}, Cedar's ${theirs}\n${texts.join('\n')}\n${JSON.stringify([uidJson(request.principal), request.action.id, uidJson(request.resource), request.contextJson])}\n${JSON.stringify(world.json)}`,
        )
      }
    }
  }
  return { pairs: done, allowed, erred, operators, traps, mismatches }
}

function parse(cedar: Cedar, text: string): PolicyJson {
  const answer = cedar.policyToJson(text)
  if (answer.type === 'failure')
    throw new Error(`the generator wrote a policy that Cedar does not parse: ${answer.errors[0]?.message ?? ''}: ${text}`)
  return answer.json as PolicyJson
}

function ask(rules: readonly Rule[], world: World, request: GeneratedRequest): string {
  const { principal, action, resource, context } = request
  const { effect, reasons, errors } = authorize(rules, {
    principal,
    action,
    resource,
    context,
    entities: { find: (key) => world.entities.get(key) },
  })
  return `${effect} ${JSON.stringify(reasons.toSorted())} ${JSON.stringify(errors.toSorted())}`
}

type Call = Parameters<Cedar['statefulIsAuthorized']>[0]

function askCedar(cedar: Cedar, preparsedPolicySetId: string, world: World, request: GeneratedRequest): string {
  const answer = cedar.statefulIsAuthorized({
    principal: uidJson(request.principal),
    action: uidJson(request.action),
    resource: uidJson(request.resource),
    context: request.contextJson as Call['context'],
    preparsedPolicySetId,
    entities: world.json as Call['entities'],
  })
  if (answer.type === 'failure') throw new Error(`Cedar gave no answer: ${answer.errors[0]?.message ?? ''}`)
  const { decision, diagnostics } = answer.response
  const errors = diagnostics.errors.map(({ policyId }) => policyId).sort()
  return `${decision} ${JSON.stringify(diagnostics.reason.toSorted())} ${JSON.stringify(errors)}`
}

function collectOperators(node: unknown, present: Set<string>): void {
  if (typeof node !== 'object' || node === null) return
  for (const [name, inner] of Object.entries(node)) {
    if (name === 'Record') for (const member of Object.values(inner as object)) collectOperators(member, present)
    else if (name !== 'Value' && name !== 'pattern') collectOperators(inner, present)
    if (!Array.isArray(node) && !OPERANDS.has(name)) present.add(name)
  }
}
const OPERANDS: ReadonlySet<string> = new Set(['left', 'right', 'arg', 'attr', 'pattern', 'entity_type', 'if', 'then', 'else'])

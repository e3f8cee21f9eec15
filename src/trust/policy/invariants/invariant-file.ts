import { z } from 'zod'
import { ACTIONS, ROLES } from '#foundation/core'
import type { Cedar } from '../cedar.ts'
import type { Expression } from '../compile-expression.ts'
import type { PolicyJson } from '../compile-policy.ts'
import type { PolicyFile } from '../policy-file.ts'
import { invalid, splitPolicies } from '../policy-text.ts'
import { readsRow } from '../row-reads.ts'
import type { PolicySchema } from '../schema.ts'
import { readYaml } from '../yaml-document.ts'

/** How the files of statements end; they lie beside the policies. */
export const INVARIANTS_SUFFIX = '.invariants.yaml'
const PRINCIPALS = ['User', 'ServiceAccount'] as const
const RESOURCES = ['Dataset', 'Model', 'Endpoint', 'Key', 'Log', 'System', 'Pipeline', 'Transform', 'Account'] as const
const MAX_INVARIANTS = 200

const invariant = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower case letters, digits and dashes'),
  statement: z.string().min(1).max(500),
  /** Whether what is described is allowed for nobody, or for everybody. */
  expect: z.enum(['never', 'always']).default('never'),
  actions: z
    .array(z.enum(ACTIONS))
    .min(1)
    .default([...ACTIONS]),
  principals: z
    .array(z.enum(PRINCIPALS))
    .min(1)
    .default([...PRINCIPALS]),
  resources: z
    .array(z.enum(RESOURCES))
    .min(1)
    .default([...RESOURCES]),
  /** Only accounts that hold at least one of these roles and no other, whatever groups they are in. */
  onlyRoles: z.array(z.enum(ROLES)).min(1).optional(),
  /** A Cedar expression. */
  when: z.string().min(1).max(4096).default('true'),
})
const invariantFile = z.strictObject({ invariants: z.array(invariant).min(1).max(MAX_INVARIANTS) })

/** A statement over all requests: what it describes is never, or always, allowed. */
export interface Invariant {
  readonly id: string
  readonly statement: string
  readonly expect: 'never' | 'always'
  readonly actions: ReadonlySet<string>
  readonly principals: ReadonlySet<string>
  readonly resources: ReadonlySet<string>
  readonly onlyRoles: readonly string[] | null
  readonly condition: Expression
  readonly file: string
  readonly line: number
}

/** @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line: not YAML, not of the schema, an id twice, or a condition that Cedar refuses. */
export function readInvariants(cedar: Cedar, schema: PolicySchema, files: readonly PolicyFile[]): readonly Invariant[] {
  const ids = new Set<string>()
  return files.flatMap((file) => readFile(cedar, schema, file, ids))
}

function readFile(cedar: Cedar, schema: PolicySchema, file: PolicyFile, ids: Set<string>): readonly Invariant[] {
  const { value, lineOf } = readYaml(file, invariantFile)
  return value.invariants.map((one, index) => {
    const line = lineOf(['invariants', index])
    if (ids.has(one.id)) throw invalid(file.name, line, `the id \`${one.id}\` is taken`)
    ids.add(one.id)
    const condition = conditionOf(cedar, schema, one, (reason) => invalid(file.name, lineOf(['invariants', index, 'when']), reason))
    return {
      id: one.id,
      statement: one.statement,
      expect: one.expect,
      actions: new Set(one.actions),
      principals: new Set(one.principals),
      resources: new Set(one.resources),
      onlyRoles: one.onlyRoles ?? null,
      condition,
      file: file.name,
      line,
    }
  })
}

/** The condition, checked as a policy of exactly these types would be: a misspelt attribute must not describe nothing. */
function conditionOf(cedar: Cedar, schema: PolicySchema, one: z.output<typeof invariant>, wrong: (reason: string) => Error): Expression {
  const types = (name: string, all: readonly string[]): string => all.map((type) => `${name} is ${type}`).join(' || ')
  const actions = one.actions.map((action) => `Action::"${action}"`).join(', ')
  const guard = `(${types('principal', one.principals)}) && (${types('resource', one.resources)})`
  const text = `permit (principal, action in [${actions}], resource) when { ${guard} && (\n${one.when}\n) };`
  const [policy, ...others] = splitPolicies('condition', text)
  if (!policy || others.length > 0) throw wrong('the condition is not one expression')
  const parsed = cedar.policyToJson(policy.text)
  if (parsed.type === 'failure') throw wrong(`the condition is not a Cedar expression: ${parsed.errors[0]?.message ?? ''}`)
  const json = parsed.json as PolicyJson
  const [condition] = json.conditions
  if (!condition || json.conditions.length !== 1) throw wrong('the condition is not one expression')
  if (readsRow(condition.body)) throw wrong('a statement is about requests, and a row is not known when one is decided')
  const answer = cedar.validate({
    schema: schema.text,
    policies: { staticPolicies: { invariant: policy.text } },
    validationSettings: { mode: 'strict' },
  })
  const [error] = answer.type === 'failure' ? answer.errors : answer.validationErrors.map(({ error }) => error)
  if (error) throw wrong(error.message)
  return condition.body
}

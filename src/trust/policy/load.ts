import { createHash } from 'node:crypto'
import { canonicalJson, RedoubtError } from '#foundation/core'
import { bundledSchema, defaultPolicyFiles } from './bundled.ts'
import { type Cedar, loadCedar } from './cedar.ts'
import { compilePolicy, type PolicyJson, type Rule } from './compile-policy.ts'
import { Engine, type PolicyEngine } from './engine.ts'
import { FILTER_ENTITIES, type PolicyAnnotations, readAnnotations } from './obligations.ts'
import type { PolicyFile } from './policy-file.ts'
import { invalid, lineAt, MAX_POLICIES, type PolicyText, splitPolicies } from './policy-text.ts'
import { type PolicySchema, readSchema } from './schema.ts'
import { type Mismatch, Shadow } from './shadow.ts'

export interface LoadOptions {
  /** Default: the bundled policies. They are not added to what is given here; see `withDefaultPolicies`. */
  readonly files?: readonly PolicyFile[]
  /** One decision in so many is compared with Cedar's own engine; 0 (default) compares none. */
  readonly shadowRate?: number
  /** Told of each decision on which the two engines differ. That decision is a deny. */
  readonly onMismatch?: (mismatch: Mismatch) => void
  /** Entities that filter annotations may name; default `FILTER_ENTITIES`. */
  readonly filterEntities?: readonly string[]
}

// Ids and messages are made from the name.
const FILE_NAME = /^[\w.-]{1,128}$/

/** A compiled policy with where it comes from. */
export interface LoadedRule extends Rule {
  readonly file: string
  readonly line: number
  readonly text: string
  readonly annotations: PolicyAnnotations
}

/**
 * Reads, validates (strictly, by Cedar's own validator) and compiles policies. Pure but for loading the validator: nothing is activated.
 * @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line, for the first policy that does not parse, validate or compile.
 */
export async function loadPolicies(options: LoadOptions = {}): Promise<PolicyEngine> {
  const { files = defaultPolicyFiles(), shadowRate = 0, onMismatch, filterEntities = FILTER_ENTITIES } = options
  const cedar = await loadCedar()
  const schema = readSchema(cedar, bundledSchema())
  for (const { name } of files)
    if (!FILE_NAME.test(name)) throw new RedoubtError('ERR_POLICY_INVALID', 'a policy file has a name that is not plain')
  const texts = files.flatMap((file) => splitPolicies(file.name, file.text))
  if (texts.length > MAX_POLICIES) throw new RedoubtError('ERR_POLICY_INVALID', `there are more than ${MAX_POLICIES} policies`)
  const rules = readRules(cedar, texts, filterEntities)
  const warnings = validate(cedar, schema, rules)
  const digest = createHash('sha256')
    .update(canonicalJson({ schema: schema.text, policies: rules.map(({ id, text }) => ({ id, text })) }))
    .digest('hex')
  const shadow = shadowRate > 0 ? new Shadow(cedar, schema, digest, rules, shadowRate, onMismatch ?? (() => undefined)) : null
  const replace = (next: readonly PolicyFile[]): Promise<PolicyEngine> => loadPolicies({ ...options, files: next })
  return new Engine({ schema, rules, digest, warnings, shadow, replace })
}

function readRules(cedar: Cedar, texts: readonly PolicyText[], filterEntities: readonly string[]): readonly LoadedRule[] {
  const rules = new Map<string, LoadedRule>()
  const counts = new Map<string, number>()
  for (const source of texts) {
    const { file, line, text } = source
    const nth = (counts.get(file) ?? 0) + 1
    counts.set(file, nth)
    const json = parse(cedar, source)
    try {
      const effect = json.effect === 'forbid' ? 'forbid' : 'permit'
      const annotations = readAnnotations(json.annotations ?? {}, effect, filterEntities)
      const id = annotations.id ?? `${file}#${nth}`
      const other = rules.get(id)
      if (other) throw new Error(`the id \`${id}\` is taken by ${other.file}:${other.line}`)
      rules.set(id, { ...compilePolicy(id, json), file, line, text, annotations })
    } catch (cause) {
      throw invalid(file, line, cause instanceof Error ? cause.message : 'the policy cannot be compiled', cause)
    }
  }
  return [...rules.values()].sort((left, right) => (left.id < right.id ? -1 : 1))
}

function parse(cedar: Cedar, source: PolicyText): PolicyJson {
  let answer: ReturnType<Cedar['policyToJson']>
  try {
    answer = cedar.policyToJson(source.text)
  } catch (cause) {
    throw invalid(source.file, source.line, 'the parser gave up on the policy', cause)
  }
  if (answer.type === 'success') return answer.json as PolicyJson
  const [error] = answer.errors
  const message = (error?.message ?? 'the policy does not parse').replace('failed to parse policy from string: ', '')
  throw invalid(source.file, lineIn(source, error?.sourceLocations?.[0]?.start), message)
}

/** Cedar counts bytes of UTF-8. */
function lineIn(source: PolicyText, byteOffset: number | undefined): number {
  if (byteOffset === undefined) return source.line
  const before = Buffer.from(source.text).subarray(0, byteOffset).toString()
  return source.line + lineAt(source.text, before.length) - 1
}

function validate(cedar: Cedar, schema: PolicySchema, rules: readonly LoadedRule[]): readonly string[] {
  let answer: ReturnType<Cedar['validate']>
  try {
    answer = cedar.validate({
      schema: schema.text,
      policies: { staticPolicies: Object.fromEntries(rules.map(({ id, text }) => [id, text])) },
      validationSettings: { mode: 'strict' },
    })
  } catch (cause) {
    throw new RedoubtError('ERR_POLICY_INVALID', 'the validator gave up on the policies', { cause })
  }
  if (answer.type === 'failure') throw new RedoubtError('ERR_POLICY_INVALID', answer.errors[0]?.message ?? 'the policies do not validate')
  const byId = new Map(rules.map((rule) => [rule.id, rule]))
  const [first] = answer.validationErrors
  if (first) {
    const rule = byId.get(first.policyId)
    const line = rule ? lineIn(rule, first.error.sourceLocations?.[0]?.start) : 0
    throw invalid(rule?.file ?? first.policyId, line, first.error.message)
  }
  return answer.validationWarnings.map(({ policyId, error }) => {
    const rule = byId.get(policyId)
    return `${rule?.file ?? policyId}:${rule ? lineIn(rule, error.sourceLocations?.[0]?.start) : 0}: ${error.message}`
  })
}

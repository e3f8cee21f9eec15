import { createHash } from 'node:crypto'
import { asRedoubtError, canonicalJson, RedoubtError } from '#foundation/core'
import { bundledSchema } from './bundled.ts'
import { type Cedar, loadCedar } from './cedar.ts'
import type { Expression } from './compile-expression.ts'
import { compilePolicy, type PolicyJson, type Rule } from './compile-policy.ts'
import { FILTER_VOCABULARY, type FilterVocabulary, type PolicyAnnotations, readAnnotations } from './obligations.ts'
import type { PolicyFile } from './policy-file.ts'
import { invalid, lineAt, MAX_POLICIES, type PolicyText, splitPolicies } from './policy-text.ts'
import { demandRowReads, MASK_ACTIONS, readsRow, ROW_ACTIONS } from './row-reads.ts'
import { type PolicySchema, readSchema } from './schema.ts'

// Ids and messages are made from the name.
const FILE_NAME = /^[\w.-]{1,128}$/

/** A compiled policy with where it comes from. */
export interface LoadedRule extends Rule {
  readonly file: string
  readonly line: number
  readonly text: string
  readonly annotations: PolicyAnnotations
  /** Its conditions as one expression when they read the row of a data set; else null. */
  readonly rowCondition: Expression | null
}

/** Policies that were read, validated and compiled together. */
export interface PolicySet {
  readonly schema: PolicySchema
  /** Sorted by id. */
  readonly rules: readonly LoadedRule[]
  /** SHA-256, hex, over schema and policies. */
  readonly digest: string
  /** What Cedar's validator found odd but not wrong, with file and line. */
  readonly warnings: readonly string[]
}

export interface ReadPolicies {
  readonly cedar: Cedar
  /** Null when there is any problem. */
  readonly set: PolicySet | null
  /** Each `ERR_POLICY_INVALID` with file and line as evidence. A later stage is not reached while an earlier one has problems. */
  readonly problems: readonly RedoubtError[]
}

/** Digests of sets that the validator had nothing to say about, and policies as it parsed them: both depend on the text alone. */
const soundSets = new Map<string, true>()
const parsed = new Map<string, PolicyJson>()
const SOUND = { errors: [], warnings: [] }
const MAX_REMEMBERED = 4096

function remember<T>(known: Map<string, T>, key: string, value: T): void {
  if (known.size >= MAX_REMEMBERED) known.clear()
  known.set(key, value)
}

// It does not change while the process runs, and takes a fifth of a load to read.
let bundled: PolicySchema | null = null

/** Reads, validates (strictly, by Cedar's own validator) and compiles policies, gathering what is wrong. Activates nothing. */
export async function readPolicySet(files: readonly PolicyFile[], vocabulary: FilterVocabulary = FILTER_VOCABULARY): Promise<ReadPolicies> {
  const cedar = await loadCedar()
  const schema = (bundled ??= readSchema(cedar, bundledSchema()))
  const problems: RedoubtError[] = []
  const attempt = <T>(work: () => T): T | null => {
    try {
      return work()
    } catch (thrown) {
      const error = asRedoubtError(thrown)
      if (error.code !== 'ERR_POLICY_INVALID') throw error
      problems.push(error)
      return null
    }
  }
  for (const { name } of files)
    if (!FILE_NAME.test(name)) problems.push(new RedoubtError('ERR_POLICY_INVALID', 'a policy file has a name that is not plain'))
  if (problems.length > 0) return { cedar, set: null, problems }
  const texts = files.flatMap((file) => attempt(() => splitPolicies(file.name, file.text)) ?? [])
  if (texts.length > MAX_POLICIES) problems.push(new RedoubtError('ERR_POLICY_INVALID', `there are more than ${MAX_POLICIES} policies`))
  if (problems.length > 0) return { cedar, set: null, problems }
  const rules = readRules(cedar, schema, texts, vocabulary, attempt)
  if (problems.length > 0) return { cedar, set: null, problems }
  const digest = createHash('sha256')
    .update(canonicalJson({ schema: schema.text, policies: rules.map(({ id, text }) => ({ id, text })) }))
    .digest('hex')
  const validation = soundSets.has(digest) ? SOUND : attempt(() => validate(cedar, schema, rules))
  problems.push(...(validation?.errors ?? []))
  if (!validation || problems.length > 0) return { cedar, set: null, problems }
  if (validation.warnings.length === 0) remember(soundSets, digest, true)
  return { cedar, set: { schema, rules, digest, warnings: validation.warnings }, problems }
}

function readRules(
  cedar: Cedar,
  schema: PolicySchema,
  texts: readonly PolicyText[],
  vocabulary: FilterVocabulary,
  attempt: (work: () => void) => unknown,
): readonly LoadedRule[] {
  const rules = new Map<string, LoadedRule>()
  const counts = new Map<string, number>()
  for (const source of texts) {
    const nth = (counts.get(source.file) ?? 0) + 1
    counts.set(source.file, nth)
    attempt(() => readRule({ cedar, schema, vocabulary }, source, nth, rules))
  }
  return [...rules.values()].sort((left, right) => (left.id < right.id ? -1 : 1))
}

export interface Reading {
  readonly cedar: Cedar
  readonly schema: PolicySchema
  readonly vocabulary: FilterVocabulary
}

/** Compiles one policy, unvalidated, into `rules`. @throws {RedoubtError} `ERR_POLICY_INVALID` with file and line. */
export function readRule({ cedar, schema, vocabulary }: Reading, source: PolicyText, nth: number, rules: Map<string, LoadedRule>): void {
  const { file, line, text } = source
  const json = parse(cedar, source)
  try {
    const effect = json.effect === 'forbid' ? 'forbid' : 'permit'
    const annotations = readAnnotations(json.annotations ?? {}, effect, vocabulary)
    const id = annotations.id ?? `${file}#${nth}`
    const other = rules.get(id)
    if (other) throw new Error(`the id \`${id}\` is taken by ${other.file}:${other.line}`)
    const rule = compilePolicy(id, json)
    const rowCondition = rowConditionIn(json)
    demandRowActions(rule, schema, { rows: rowCondition !== null, masks: annotations.obligations.columns !== undefined })
    rules.set(id, { ...rule, file, line, text, annotations, rowCondition })
  } catch (cause) {
    throw invalid(file, line, cause instanceof Error ? cause.message : 'the policy cannot be compiled', cause)
  }
}

function rowConditionIn(json: PolicyJson): Expression | null {
  const conditions = json.conditions.map(({ kind, body }): Expression => (kind === 'when' ? body : { '!': { arg: body } }))
  if (!conditions.some(readsRow)) return null
  conditions.forEach(demandRowReads)
  return conditions.reduce((left, right) => ({ '&&': { left, right } }))
}

/** A condition on rows, or a mask, on an act that nobody asks row by row would be obeyed by nobody. */
function demandRowActions(rule: Rule, { actions }: PolicySchema, asks: { readonly rows: boolean; readonly masks: boolean }): void {
  if (!asks.rows && !asks.masks) return
  const own = [...actions].flatMap(([id, { entity, resources }]) =>
    resources.has('Dataset') && rule.action(entity.uid.type, entity.uid.key, entity) ? [id] : [],
  )
  const refuse = (what: string, allowed: ReadonlySet<string>): void => {
    const odd = own.find((id) => !allowed.has(id))
    if (odd !== undefined || own.length === 0)
      throw new Error(
        `${what} only in a policy of ${[...allowed].join(', ')}${odd === undefined ? '' : `, not of ${odd}`}: name the actions`,
      )
  }
  if (asks.rows) refuse('the row of a data set is read', ROW_ACTIONS)
  if (asks.masks) refuse('columns are masked or hidden', MASK_ACTIONS)
}

function parse(cedar: Cedar, source: PolicyText): PolicyJson {
  const known = parsed.get(source.text)
  if (known) return known
  let answer: ReturnType<Cedar['policyToJson']>
  try {
    answer = cedar.policyToJson(source.text)
  } catch (cause) {
    throw invalid(source.file, source.line, 'the parser gave up on the policy', cause)
  }
  if (answer.type === 'success') {
    const json = answer.json as PolicyJson
    remember(parsed, source.text, json)
    return json
  }
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

function validate(
  cedar: Cedar,
  schema: PolicySchema,
  rules: readonly LoadedRule[],
): { readonly errors: readonly RedoubtError[]; readonly warnings: readonly string[] } {
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
  const errors = answer.validationErrors.map(({ policyId, error }) => {
    const rule = byId.get(policyId)
    return invalid(rule?.file ?? policyId, rule ? lineIn(rule, error.sourceLocations?.[0]?.start) : 0, error.message)
  })
  const warnings = answer.validationWarnings.map(({ policyId, error }) => {
    const rule = byId.get(policyId)
    return `${rule?.file ?? policyId}:${rule ? lineIn(rule, error.sourceLocations?.[0]?.start) : 0}: ${error.message}`
  })
  return { errors, warnings }
}

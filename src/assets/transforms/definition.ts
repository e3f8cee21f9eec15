import { z } from 'zod'
import { canonicalJson, LEGAL_BASES, RedoubtError, SENSITIVITIES } from '#foundation/core'
import { parseExpression } from './expression/parse.ts'
import { MAX_EXPRESSION_LENGTH } from './expression/syntax.ts'

const MAX_STEPS = 32
const MAX_COLUMNS = 512
const MAX_KEYS = 8
/** In all, joined ones included. */
export const MAX_SOURCES = 8
/** Of the canonical JSON of a definition. */
export const MAX_DEFINITION_BYTES = 256 * 1024
export const MAX_DEFINITION_DEPTH = 10

const dataset = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'a name of a data set: letters, digits, dot, underscore, dash, 63 at most')
const column = z.string().min(1).max(200)
const expression = z.string().min(1).max(MAX_EXPRESSION_LENGTH)
const entries = <V extends z.ZodType>(value: V, most: number) =>
  z.record(column, value).refine((all) => Object.keys(all).length >= 1 && Object.keys(all).length <= most, `1 to ${most} columns`)

const sourceSchema = z.strictObject({ dataset, version: z.int().min(1).optional() })
const source = z.union([dataset, sourceSchema])
const stepSchema = z.union([
  z.strictObject({ filter: expression }),
  /** New columns, each of those that were there before the step. */
  z.strictObject({ derive: entries(expression, MAX_COLUMNS) }),
  /** The columns that stay, in order; renamed where a new name is given. */
  z.strictObject({
    select: z
      .array(z.union([column, z.strictObject({ column, as: column })]))
      .min(1)
      .max(MAX_COLUMNS),
  }),
  z.strictObject({
    join: z.strictObject({
      with: source,
      /** Columns here, and the ones of the joined data set that they equal. */
      on: entries(column, MAX_KEYS),
      kind: z.enum(['inner', 'left']).default('inner'),
      take: z.array(z.union([column, z.strictObject({ column, as: column })])).max(MAX_COLUMNS),
    }),
  }),
])

/** What somebody writes who makes a transform. Unknown members are refused. */
export const transformSchema = z.strictObject({
  from: source,
  steps: z.array(stepSchema).min(1).max(MAX_STEPS),
  to: z.strictObject({
    dataset,
    /** At least the highest of the sources; that one unless given. */
    sensitivity: z.enum(SENSITIVITIES).optional(),
    /** Of those that all sources have; all of them unless given. */
    purposes: z.array(z.string().min(1).max(63)).min(1).max(32).optional(),
    legalBasis: z.enum(LEGAL_BASES).optional(),
    label: column.optional(),
  }),
})
export type TransformDefinition = z.output<typeof transformSchema>
export type TransformStep = TransformDefinition['steps'][number]
export type JoinStep = Extract<TransformStep, { join: object }>['join']

export interface SourceName {
  readonly dataset: string
  /** The latest when left out. */
  readonly version?: number | undefined
}

export const sourceName = (written: z.output<typeof source>): SourceName => (typeof written === 'string' ? { dataset: written } : written)

/** What a definition reads, `from` first, then the joined ones in order. */
export function sourcesOf({ from, steps }: Pick<TransformDefinition, 'from' | 'steps'>): readonly SourceName[] {
  return [sourceName(from), ...steps.flatMap((step) => ('join' in step ? [sourceName(step.join.with)] : []))]
}

/** What keeps it from being a definition at all, with the place; null for one whose members are all known and of their types. */
export function malformedTransform(definition: unknown): string | null {
  const parsed = transformSchema.safeParse(definition)
  return parsed.success ? null : faultOf(parsed.error)
}

/**
 * Checked as far as that goes without the columns of the sources.
 * @throws {RedoubtError} `ERR_TRANSFORM_DEFINITION` that names the place.
 */
export function checkedTransform(definition: unknown): TransformDefinition {
  const parsed = transformSchema.safeParse(definition)
  if (!parsed.success) throw new RedoubtError('ERR_TRANSFORM_DEFINITION', faultOf(parsed.error))
  const { data } = parsed
  if (canonicalJson(data).length > MAX_DEFINITION_BYTES)
    throw new RedoubtError('ERR_TRANSFORM_DEFINITION', `a transform has at most ${MAX_DEFINITION_BYTES} bytes`)
  const sources = sourcesOf(data)
  if (sources.length > MAX_SOURCES) throw new RedoubtError('ERR_TRANSFORM_DEFINITION', `a transform reads at most ${MAX_SOURCES} data sets`)
  if (sources.some(({ dataset: name }) => name === data.to.dataset))
    throw new RedoubtError('ERR_TRANSFORM_DEFINITION', 'to.dataset: a transform does not write into what it reads')
  data.steps.forEach((step, i) => {
    if ('filter' in step) at(`steps.${i}.filter`, () => parseExpression(step.filter))
    if ('derive' in step)
      for (const [name, text] of Object.entries(step.derive)) at(`steps.${i}.derive.${name}`, () => parseExpression(text))
  })
  return data
}

/** Does it, and names the place in what it refuses. */
export function at<T>(place: string, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    if (!(thrown instanceof RedoubtError) || (thrown.code !== 'ERR_TRANSFORM_DEFINITION' && thrown.code !== 'ERR_TRANSFORM_VALUE'))
      throw thrown
    throw new RedoubtError(thrown.code, `${place}: ${thrown.message}`)
  }
}

const placeOf = (path: readonly PropertyKey[]): string => (path.length === 0 ? 'the definition' : path.map(String).join('.'))

const faultOf = ({ issues: [issue] }: z.ZodError): string => `${placeOf(issue?.path ?? [])}: ${reasonOf(issue)}`

/** A step is one of several things: what is said is about the one that it is most like. */
function reasonOf(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code !== 'invalid_union') return issue?.message ?? 'not understood'
  const unknown = issue.errors.map((issues) =>
    issues.flatMap((one) => (one.code === 'unrecognized_keys' && one.path.length === 0 ? one.keys : [])),
  )
  const nowhere = unknown[0]?.find((key) => unknown.every((keys) => keys.includes(key)))
  if (nowhere !== undefined) return `\`${nowhere.slice(0, 40)}\` is not known here`
  const tried = issue.errors.map((issues) => issues[0]).filter((one) => one !== undefined)
  const closest =
    tried.find((one) => one.path.length > 0 && one.code !== 'invalid_type') ??
    tried.find((one) => one.code === 'unrecognized_keys') ??
    tried[0]
  return closest === undefined ? issue.message : `${closest.path.length > 0 ? `${placeOf(closest.path)}: ` : ''}${closest.message}`
}

import { z } from 'zod'
import { ALGORITHMS, type Algorithm, type Choices, choicesSchema, withChoices } from '#assets/training'
import { canonicalJson, type EntityUid, type JsonObject, parseStrictJsonText, RedoubtError } from '#foundation/core'
import { manifestDigest } from '#foundation/storage'

/** Names become path segments of the API and ids of policies. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/
/** Begins the names of the pipelines that come with Redoubt; no other pipeline bears it. */
export const RESERVED_NAME = 'redoubt'
const MAX_MANIFEST_LENGTH = 256 * 1024
const MAX_MANIFEST_DEPTH = 8
const MAX_LEFT_OUT = 256
const MAX_SEED = 2 ** 32 - 1

const objectName = z.string().regex(NAME, 'lower case letters, digits, dots, dashes and underscores, at most 63')
const fields = {
  /** Of which the latest version is learned from, as it is when the pipeline is run. */
  dataset: objectName,
  /** Under which what was learned is registered. */
  model: objectName,
  algorithm: z.enum(ALGORITHMS),
  parameters: choicesSchema,
  /** Columns that are no features, beside label and subject. */
  leaveOut: z.array(z.string().min(1).max(200)).max(MAX_LEFT_OUT),
  /** Unless a run names another. */
  seed: z.int().min(0).max(MAX_SEED),
}

/** What somebody writes who makes a pipeline. Unknown members are refused. */
export const definitionSchema = z.strictObject({
  ...fields,
  parameters: fields.parameters.prefault({}),
  leaveOut: fields.leaveOut.default([]),
  seed: fields.seed.default(1),
})
export type PipelineDefinition = z.output<typeof definitionSchema>

/** What is fixed for ever when a version is saved; `digest` commits to all of it. */
export interface PipelineVersion {
  readonly name: string
  readonly version: number
  /** SHA-256, hex, of the canonical JSON (RFC 8785) of all that is here but this and `builtIn`. */
  readonly digest: string
  readonly builtIn: boolean
  /** Null in a built-in pipeline: whoever runs it names both. */
  readonly dataset: string | null
  readonly model: string | null
  readonly algorithm: Algorithm
  readonly parameters: Choices
  /** Sorted. */
  readonly leaveOut: readonly string[]
  readonly seed: number
  readonly author: EntityUid
  /** Epoch milliseconds; 0 in a built-in pipeline. */
  readonly createdAt: number
}

const manifestSchema = z.strictObject({
  ...fields,
  name: objectName,
  version: z.int().positive(),
  author: z.strictObject({ type: z.string().min(1).max(64), id: z.string().min(1).max(256) }),
  createdAt: z.int(),
})

/** @throws {RedoubtError} `ERR_INPUT_INVALID` for a name that is no name, or Redoubt's own. */
export function demandName(name: string): void {
  if (!objectName.safeParse(name).success)
    throw new RedoubtError(
      'ERR_INPUT_INVALID',
      'a pipeline name has 1 to 63 of a-z, 0-9, dot, dash and underscore, and begins with a letter or digit',
    )
  if (name === RESERVED_NAME) throw new RedoubtError('ERR_INPUT_INVALID', `the name \`${RESERVED_NAME}\` is kept for built-in pipelines`)
}

/**
 * Checked, and in the one form that equal definitions have.
 * @throws {RedoubtError} `ERR_INPUT_INVALID` with the first reason.
 */
export function checkedDefinition(definition: PipelineDefinition): PipelineDefinition {
  const parsed = definitionSchema.safeParse(definition)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new RedoubtError('ERR_INPUT_INVALID', `\`${issue?.path.join('.') ?? ''}\`: ${issue?.message ?? 'invalid'}`)
  }
  const { parameters, leaveOut, ...rest } = parsed.data
  withChoices(rest.algorithm, parameters)
  const chosen = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined))
  return { ...rest, parameters: chosen, leaveOut: [...new Set(leaveOut)].sort() }
}

type Unsigned = Omit<PipelineVersion, 'digest' | 'builtIn'>

/** The text that the digest is of. */
export function writeManifest({
  name,
  version,
  dataset,
  model,
  algorithm,
  parameters,
  leaveOut,
  seed,
  author,
  createdAt,
}: Unsigned): string {
  const { type, id } = author
  return canonicalJson({ name, version, dataset, model, algorithm, parameters, leaveOut, seed, author: { type, id }, createdAt })
}

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` for a text that is not what the digest, or the row that it lies in, says. */
export function parseManifest(text: string, expected: Pick<PipelineVersion, 'name' | 'version' | 'digest'>): PipelineVersion {
  const found = readManifest(text)
  if (found === null || manifestDigest(text) !== expected.digest || found.name !== expected.name || found.version !== expected.version)
    throw new RedoubtError(
      'ERR_STORAGE_CORRUPT',
      `the stored version ${expected.version} of pipeline \`${expected.name}\` is not what was saved`,
    )
  return { ...found, digest: expected.digest, builtIn: false }
}

function readManifest(text: string): Unsigned | null {
  try {
    return manifestSchema.parse(parseStrictJsonText(text, { maxBytes: MAX_MANIFEST_LENGTH, maxDepth: MAX_MANIFEST_DEPTH }))
  } catch {
    return null
  }
}

/** For the log: what a version does, without the names of columns. */
export function recordOf({ version, digest, dataset, model, algorithm, parameters, leaveOut, seed }: PipelineVersion): JsonObject {
  return { version, digest, dataset, model, algorithm, parameters: { ...parameters } as JsonObject, leftOut: leaveOut.length, seed }
}

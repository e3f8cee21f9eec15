import { z } from 'zod'
import { canonicalJson, type EntityUid, type JsonObject, parseStrictJsonText, RedoubtError } from '#foundation/core'
import { manifestDigest } from '#foundation/storage'
import { MAX_DEFINITION_BYTES, MAX_DEFINITION_DEPTH, type TransformDefinition, transformSchema } from './definition.ts'

/** Names become path segments of the API and ids of policies. */
const transformName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/)
const MAX_MANIFEST_LENGTH = MAX_DEFINITION_BYTES + 4_096

/** What is fixed for ever when a version is saved; `digest` commits to all of it. */
export interface TransformVersion {
  readonly name: string
  readonly version: number
  /** SHA-256, hex, of the canonical JSON (RFC 8785) of all that is here but this. */
  readonly digest: string
  readonly definition: TransformDefinition
  readonly author: EntityUid
  /** Epoch milliseconds. */
  readonly createdAt: number
}

const manifestSchema = z.strictObject({
  name: transformName,
  version: z.int().positive(),
  definition: transformSchema,
  author: z.strictObject({ type: z.string().min(1).max(64), id: z.string().min(1).max(256) }),
  createdAt: z.int(),
})

/** @throws {RedoubtError} `ERR_INPUT_INVALID`. */
export function demandName(name: string): void {
  if (!transformName.safeParse(name).success)
    throw new RedoubtError(
      'ERR_INPUT_INVALID',
      'the name of a transform has 1 to 63 of a-z, 0-9, dot, dash and underscore, and begins with a letter or digit',
    )
}

/** The text that the digest is of. */
export function writeManifest({ name, version, definition, author, createdAt }: Omit<TransformVersion, 'digest'>): string {
  const plain = JSON.parse(JSON.stringify(definition)) as JsonObject
  return canonicalJson({ name, version, definition: plain, author: { type: author.type, id: author.id }, createdAt })
}

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` for a text that is not what the digest, or the row that it lies in, says. */
export function parseManifest(text: string, expected: Pick<TransformVersion, 'name' | 'version' | 'digest'>): TransformVersion {
  const found = readManifest(text)
  if (found === null || manifestDigest(text) !== expected.digest || found.name !== expected.name || found.version !== expected.version)
    throw new RedoubtError(
      'ERR_STORAGE_CORRUPT',
      `the stored version ${expected.version} of transform \`${expected.name}\` is not what was saved`,
    )
  return { ...found, digest: expected.digest }
}

function readManifest(text: string): Omit<TransformVersion, 'digest'> | null {
  try {
    return manifestSchema.parse(parseStrictJsonText(text, { maxBytes: MAX_MANIFEST_LENGTH, maxDepth: MAX_DEFINITION_DEPTH + 2 }))
  } catch {
    return null
  }
}

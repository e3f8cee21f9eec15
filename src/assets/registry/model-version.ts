import { createHash } from 'node:crypto'
import { z } from 'zod'
import {
  canonicalJson,
  type EntityUid,
  type JsonObject,
  parseStrictJsonText,
  RedoubtError,
  SENSITIVITIES,
  type Sensitivity,
} from '#foundation/core'
import { TENSOR_DATATYPES, type TensorSpec } from './onnx/element-types.ts'

/** Where a version comes from: the signed edges of the lineage graph. */
export interface Lineage {
  readonly dataset: {
    readonly name: string
    readonly version: number
    readonly digest: string
    /** Where policies kept rows back: digest of their condition, and how many rows were learned from. `of` all is in early versions alone. */
    readonly rows?: { readonly condition: string; readonly admitted: number; readonly of?: number }
  } | null
  /** Name of the training pipeline; `foreign` for a file made elsewhere. */
  readonly pipeline: string
  /** What exactly was run, and who wrote it; not in versions from before pipelines were kept. */
  readonly pipelineVersion?: {
    readonly version: number
    readonly digest: string
    readonly author: EntityUid
    /** Whoever wrote the versions before it; left out where nobody else did. */
    readonly earlierAuthors?: readonly EntityUid[]
  }
  /** SHA-256 of the code that made it, hex; empty for a foreign model whose code is not known. */
  readonly codeDigest: string
  readonly parameters: JsonObject
  readonly person: EntityUid
  /** Digest of the model file that this one derives from. */
  readonly parent: string | null
  readonly derivation?: string
  readonly metrics?: JsonObject
}

/** What is fixed for ever when a version is registered, and signed with it. */
export interface ModelManifest {
  readonly name: string
  readonly version: number
  /** SHA-256 of the file that is served, hex. */
  readonly digest: string
  readonly bytes: number
  readonly foreign: boolean
  readonly sensitivity: Sensitivity
  /** Purposes for which it may be invoked, sorted. */
  readonly purposes: readonly string[]
  readonly lineage: Lineage
  /** Epoch milliseconds. */
  readonly createdAt: number
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

/** A registered version with its present state. A change of state makes a new object. */
export interface ModelVersion extends ModelManifest {
  /** False once a verification of its signature failed. */
  readonly signed: boolean
  readonly quarantined: boolean
}

export interface Deployment {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly by: EntityUid
  /** Epoch milliseconds. */
  readonly deployedAt: number
  /** Whether it went on to this version, or back to it. */
  readonly kind: 'deploy' | 'rollback'
  /** Where the house ran; empty for deployments from before this was kept. */
  readonly environment: 'development' | 'production' | ''
  /** The version was quarantined since: this deployment is nothing to go back to. */
  readonly withdrawn: boolean
}

/** Names become path segments of the API and ids of policies. */
export const MODEL_NAME = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/
const MAX_MANIFEST_LENGTH = 4 * 1024 * 1024
const MAX_MANIFEST_DEPTH = 32
const MAX_PURPOSES = 64

const digest = z.string().regex(/^[0-9a-f]{64}$/)
const uid = z.object({ type: z.string().min(1).max(64), id: z.string().min(1).max(256) }).strict()
const json = z.record(z.string(), z.json())
export const lineageSchema = z
  .object({
    dataset: z
      .object({
        name: z.string().min(1).max(128),
        version: z.number().int().positive(),
        digest,
        rows: z
          .object({ condition: digest, admitted: z.number().int().positive(), of: z.number().int().positive().optional() })
          .strict()
          .optional(),
      })
      .strict()
      .nullable(),
    pipeline: z.string().min(1).max(256),
    pipelineVersion: z
      .object({ version: z.number().int().positive(), digest, author: uid, earlierAuthors: z.array(uid).optional() })
      .strict()
      .optional(),
    codeDigest: digest.or(z.literal('')),
    parameters: json,
    person: uid,
    parent: digest.nullable(),
    derivation: z.string().min(1).max(128).optional(),
    metrics: json.optional(),
  })
  .strict()
/** None: a model made elsewhere, of whose data nothing is known here, that any stated purpose may use. */
export const purposesSchema = z.array(z.string().min(1).max(128)).max(MAX_PURPOSES)
const tensorSpec = z
  .object({
    name: z.string().min(1).max(256),
    datatype: z.enum(TENSOR_DATATYPES),
    shape: z.array(z.number().int().min(-1)).max(8),
    nullable: z.boolean().optional(),
  })
  .strict()
const manifestSchema = z
  .object({
    name: z.string().regex(MODEL_NAME),
    version: z.number().int().positive(),
    digest,
    bytes: z.number().int().positive(),
    foreign: z.boolean(),
    sensitivity: z.enum(SENSITIVITIES),
    purposes: purposesSchema,
    lineage: lineageSchema,
    createdAt: z.number().int(),
    inputs: z.array(tensorSpec).min(1),
    outputs: z.array(tensorSpec).min(1),
  })
  .strict()

/**
 * The text that is signed beside the model file as `lineage.json`: not only the lineage but all that later decides about the
 * version, so that whoever edits the database cannot turn a restricted model into a public one unseen.
 */
export function writeManifest(manifest: ModelManifest): string {
  const text = canonicalJson(manifest)
  if (text.length > MAX_MANIFEST_LENGTH) throw new RedoubtError('ERR_INPUT_TOO_LARGE', 'the lineage is too large')
  return text
}

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` */
export function parseManifest(text: string): ModelManifest {
  try {
    return manifestSchema.parse(parseStrictJsonText(text, { maxBytes: MAX_MANIFEST_LENGTH, maxDepth: MAX_MANIFEST_DEPTH })) as ModelManifest
  } catch {
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the stored description of a model version is not well-formed')
  }
}

export function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex')
}

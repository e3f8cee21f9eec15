import { createHash } from 'node:crypto'
import { canonicalJson, type JsonObject, parseStrictJson, RedoubtError } from '#foundation/core'
import { z } from 'zod'
import type { DatasetVersion, RowGroup } from './dataset-version.ts'
import { GROUP_PART } from './object-paths.ts'

/** Statistics of one column. They are data: a minimum or a frequent value can name a person. Only ever sealed. */
const columnProfileSchema = z.strictObject({
  missing: z.int().min(0),
  minimum: z.number().nullable(),
  maximum: z.number().nullable(),
  mean: z.number().nullable(),
  /** Distinct texts; null when there were too many to count. */
  distinct: z.int().min(0).nullable(),
  /** The most frequent texts. */
  frequent: z.array(z.strictObject({ value: z.string(), rows: z.int() })),
})
export type ColumnProfile = z.infer<typeof columnProfileSchema>

const digestSchema = z.string().regex(/^[0-9a-f]{64}$/)

const sourceSchema = z.strictObject({ name: z.string(), version: z.int().min(1), digest: digestSchema })

/**
 * The sealed root of a data-set version: it commits to everything else by digest, and its own digest is the version's. The
 * salt keeps that public digest from confirming a guess about a small table.
 */
const manifestSchema = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  name: z.string(),
  version: z.int().min(1),
  salt: z.string(),
  rows: z.int().min(0),
  bytes: z.int().min(0),
  columns: z.array(z.strictObject({ name: z.string(), type: z.enum(['integer', 'real', 'text']), nullable: z.boolean() })),
  label: z.string().nullable(),
  subject: z.string().nullable(),
  sensitivity: z.string(),
  purposes: z.array(z.string()),
  legalBasis: z.string(),
  createdAt: z.int(),
  /** SHA-256 of the plaintext of each row group; `part` where it is not `group-` and its place. */
  groups: z.array(z.strictObject({ rows: z.int().min(1), digest: digestSchema, part: z.string().regex(GROUP_PART).optional() })),
  subjectIndex: digestSchema.nullable(),
  profile: z.array(columnProfileSchema),
  /** Of what it was made, where a transform made it. */
  derivedFrom: z
    .strictObject({
      transform: sourceSchema,
      sources: z.array(sourceSchema).min(1).max(64),
      codeDigest: digestSchema,
      person: z.strictObject({ type: z.string(), id: z.string() }),
    })
    .optional(),
  /** How often rows were erased since the import. */
  erasures: z.int().min(1).optional(),
})
export type Manifest = z.infer<typeof manifestSchema>

/** A manifest of the widest table: 4,096 columns with their frequent values, and many groups. */
const MAX_MANIFEST_BYTES = 64 * 2 ** 20

export function encodeManifest(manifest: Manifest): { readonly bytes: Uint8Array; readonly digest: string } {
  const bytes = Buffer.from(canonicalJson(manifest), 'utf8')
  return { bytes, digest: createHash('sha256').update(bytes).digest('hex') }
}

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` unless the bytes are the manifest of exactly this version. */
export function decodeManifest(bytes: Uint8Array, version: DatasetVersion): Manifest {
  if (createHash('sha256').update(bytes).digest('hex') !== version.digest)
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a manifest does not match the digest of its version')
  const parsed = manifestSchema.safeParse(parseStrictJson(bytes, { maxBytes: MAX_MANIFEST_BYTES, maxDepth: 8 }))
  if (!parsed.success) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a manifest does not fit its format')
  return parsed.data
}

export function versionOf(manifest: Manifest, digest: string): DatasetVersion {
  const { id, name, version, rows, bytes, columns, label, subject, purposes, createdAt } = manifest
  return {
    id,
    name,
    version,
    digest,
    rows,
    bytes,
    columns,
    label,
    subject,
    sensitivity: manifest.sensitivity as DatasetVersion['sensitivity'],
    purposes,
    legalBasis: manifest.legalBasis as DatasetVersion['legalBasis'],
    createdAt,
    groups: manifest.groups.length,
    erasures: manifest.erasures ?? 0,
  }
}

/** Facts about a version that the audit log may hold: counts, types and digests, no value. */
export function describeForAudit(version: DatasetVersion): JsonObject {
  const { name, digest, rows, bytes, groups, sensitivity, legalBasis } = version
  return {
    name,
    version: version.version,
    digest,
    rows,
    bytes,
    groups,
    columns: version.columns.length,
    sensitivity,
    legalBasis,
    purposes: [...version.purposes],
  }
}

const MAX_DISTINCT = 10_000
const MAX_FREQUENT = 20
const MAX_PROFILED_TEXT = 200

/** Adds up the profile of one column over its row groups. */
export class ColumnProfiler {
  #missing = 0
  #present = 0
  #minimum = Infinity
  #maximum = -Infinity
  #mean = 0
  #texts: Map<string, number> | null = new Map()

  add(column: RowGroup['columns'][number]): void {
    if (column.type === 'text') for (const value of column.values) this.#addText(value)
    else for (const value of column.values) this.#addNumber(value)
  }

  finish(): ColumnProfile {
    const numeric = this.#minimum <= this.#maximum
    const texts = this.#texts ? [...this.#texts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)) : []
    return {
      missing: this.#missing,
      minimum: numeric ? this.#minimum : null,
      maximum: numeric ? this.#maximum : null,
      mean: numeric && Number.isFinite(this.#mean) ? this.#mean : null,
      distinct: this.#texts ? this.#texts.size : null,
      frequent: texts.slice(0, MAX_FREQUENT).map(([value, rows]) => ({ value, rows })),
    }
  }

  #addNumber(value: number): void {
    if (Number.isNaN(value)) {
      this.#missing++
      return
    }
    this.#present++
    if (value < this.#minimum) this.#minimum = value
    if (value > this.#maximum) this.#maximum = value
    this.#mean += (value - this.#mean) / this.#present
  }

  #addText(value: string | null): void {
    if (value === null) this.#missing++
    else if (this.#texts) {
      const key = value.length > MAX_PROFILED_TEXT ? value.slice(0, MAX_PROFILED_TEXT).toWellFormed() : value
      this.#texts.set(key, (this.#texts.get(key) ?? 0) + 1)
      if (this.#texts.size > MAX_DISTINCT) this.#texts = null
    }
  }
}

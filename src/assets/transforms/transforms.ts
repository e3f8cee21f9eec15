import { type AuditSink, canonicalJson, type Clock, type EntityUid, type JsonObject, type RedoubtError } from '#foundation/core'
import { type Database, openNamedVersions, type VersionRow, VersionSaver } from '#foundation/storage'
import { checkedTransform, sourcesOf, type TransformDefinition } from './definition.ts'
import type { TransformRun } from './transform-runs.ts'
import { demandName, parseManifest, type TransformVersion, writeManifest } from './transform-version.ts'

/** Of one transform that a list shows. */
const MAX_SHOWN = 100

/** Types of events, with the action that each is the effect of. */
const ACTION_OF = {
  'transform.edit': 'editTransform',
  'transform.run': 'runTransform',
  'transform.end': 'runTransform',
  'transform.cancel': 'cancelTransform',
} as const

export interface By {
  readonly by: EntityUid
  readonly requestId?: string
}

export interface SaveTransform extends By {
  readonly name: string
  readonly definition: TransformDefinition
  /** Digest of the version that whoever allowed this looked at; null for a transform that is new. */
  readonly replaces: string | null
}

export interface TransformEnd {
  /** Null when no version was made. */
  readonly made: { readonly name: string; readonly version: number; readonly digest: string } | null
  /** The code of what ended it; null when it came to its end. */
  readonly code: RedoubtError['code'] | null
  readonly details: JsonObject
}

/** Transforms as resources: named, versioned, each version immutable and committed to by one digest. */
export interface Transforms {
  /**
   * Saves a new immutable version, on record before it counts.
   * @throws {RedoubtError} `ERR_INPUT_INVALID` for a malformed name, `ERR_TRANSFORM_DEFINITION`; `ERR_CONFLICT` when the latest version is
   *   another than `replaces`, or says the same, or there are too many; `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_…`.
   */
  save(ask: SaveTransform): Promise<TransformVersion>
  /** The latest version of each. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
  list(): readonly TransformVersion[]
  /** Read anew, and held to its digest. @param version the latest when left out. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
  get(name: string, version?: number): TransformVersion | null
  /** The newest hundred, newest first. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
  versions(name: string): readonly TransformVersion[]
  /** Puts on record that a run is to be cancelled, before it is. @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`. */
  recordCancel(run: Pick<TransformRun, 'id' | 'transform'>, by: By): Promise<void>
  /** Puts on record that a version is run, and what will have rows in clear, before a key is asked for. @returns what records its end. */
  recordRun(version: TransformVersion, details: JsonObject, by: By): Promise<(end: TransformEnd) => Promise<void>>
}

export function openTransforms(options: {
  readonly database: Pick<Database, 'raw'>
  readonly audit: AuditSink
  readonly clock: Clock
}): Transforms {
  const { audit, clock } = options
  const tables = openNamedVersions(options.database, 'assets/transforms', 'transform_versions')
  tables.dropPending()
  const stored = (row: VersionRow): TransformVersion => parseManifest(row.manifest, row)
  const saver = new VersionSaver(tables, 'transform', stored)
  const get = (name: string, version?: number): TransformVersion | null => {
    const row = tables.version(name, version)
    return row ? stored(row) : null
  }

  async function record(
    type: keyof typeof ACTION_OF,
    name: string,
    details: JsonObject,
    { by, requestId }: By,
    code: RedoubtError['code'] | null = null,
  ): Promise<void> {
    await audit.record({
      type,
      actor: { type: by.type, id: by.id },
      action: ACTION_OF[type],
      resource: { type: 'Transform', id: name },
      outcome: code === null ? 'success' : 'failed',
      ...(code === null ? {} : { code }),
      details,
      ...(requestId === undefined ? {} : { requestId }),
    })
  }

  return {
    async save(ask) {
      demandName(ask.name)
      const definition = checkedTransform(ask.definition)
      const { name, replaces, by } = ask
      return saver.save({
        name,
        replaces,
        says: (latest) => canonicalJson(latest.definition) === canonicalJson(definition),
        manifest: (version) => writeManifest({ name, version, definition, author: by, createdAt: clock.now() }),
        record: (version) => record('transform.edit', name, { ...recordOf(version), replaces }, ask),
      })
    },
    list: () => tables.latest().map(stored),
    get,
    versions: (name) => tables.versions(name, MAX_SHOWN).map(stored),
    recordCancel: ({ id, transform: { name, version, digest } }, by) => record('transform.cancel', name, { version, digest, run: id }, by),
    async recordRun(version, details, by) {
      const run: JsonObject = { version: version.version, digest: version.digest, ...details }
      await record('transform.run', version.name, run, by)
      return ({ made, code, details: ended }) => record('transform.end', version.name, { ...run, ...ended, made }, by, code)
    },
  }
}

/** For the log: what a version reads and writes, without columns, expressions, or the values that stand in them. */
function recordOf({ version, digest, definition }: TransformVersion): JsonObject {
  const sources = sourcesOf(definition).map(({ dataset, version: number = null }) => ({ dataset, version: number }))
  return { version, digest, sources, target: definition.to.dataset, steps: definition.steps.map((step) => Object.keys(step)[0]!) }
}

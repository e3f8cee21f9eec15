import { type AuditSink, canonicalJson, type Clock, type EntityUid, type JsonObject, type RedoubtError } from '#foundation/core'
import { type Database, MAX_VERSIONS, openNamedVersions, type VersionRow, VersionSaver } from '#foundation/storage'
import { BUILT_IN } from './built-in.ts'
import {
  checkedDefinition,
  demandName,
  parseManifest,
  type PipelineDefinition,
  type PipelineVersion,
  recordOf,
  writeManifest,
} from './pipeline-version.ts'

/** Of one pipeline that a list shows. */
const MAX_SHOWN = 100

export interface SaveAsk {
  readonly name: string
  readonly definition: PipelineDefinition
  /** Digest of the version that whoever allowed this looked at; null for a pipeline that is new. */
  readonly replaces: string | null
  readonly by: EntityUid
  readonly requestId?: string
}

/** A run, for the record. */
export interface RunFacts {
  readonly dataset: { readonly name: string; readonly version: number; readonly digest: string }
  readonly model: string
  readonly seed: number
}

export interface RunEnd {
  /** Null when nothing was registered. */
  readonly model: { readonly version: number; readonly digest: string } | null
  /** The code of what ended it; null when it came to its end. */
  readonly code: RedoubtError['code'] | null
}

interface By {
  readonly by: EntityUid
  readonly requestId?: string
}

export interface Pipelines {
  /**
   * Saves a new immutable version, on record before it counts.
   * @throws {RedoubtError} `ERR_INPUT_INVALID` for a built-in or malformed name, or a definition out of bounds; `ERR_CONFLICT` when the
   *   latest version is another than `replaces`, or the same definition, or there are too many; `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_…`.
   */
  save(ask: SaveAsk): Promise<PipelineVersion>
  /** The latest version of each, the built-in ones first. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
  list(): readonly PipelineVersion[]
  /**
   * Read anew, and held to its digest.
   * @param version the latest when left out. @returns null when there is none. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`.
   */
  get(name: string, version?: number): PipelineVersion | null
  /** The newest hundred, newest first; an older one by its number. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
  versions(name: string): readonly PipelineVersion[]
  /** Whoever wrote a version from the first to this one, each once, in order: what a version says is the work of all of them. @throws {RedoubtError} `ERR_STORAGE_CORRUPT`. */
  authors(name: string, upTo: number): readonly EntityUid[]
  /** Puts on record that a version is run, before a row is read. @returns what puts on record how it ended. */
  recordRun(version: PipelineVersion, run: RunFacts, by: By): Promise<(end: RunEnd) => Promise<void>>
}

/** Training pipelines as resources: named, versioned, each version immutable and committed to by one digest. */
export function openPipelines(options: {
  readonly database: Pick<Database, 'raw'>
  readonly audit: AuditSink
  readonly clock: Clock
}): Pipelines {
  const { audit, clock } = options
  const tables = openNamedVersions(options.database, 'assets/pipelines', 'pipeline_versions')
  tables.dropPending()
  const stored = (row: VersionRow): PipelineVersion => parseManifest(row.manifest, row)
  const saver = new VersionSaver(tables, 'pipeline', stored)

  function get(name: string, version?: number): PipelineVersion | null {
    const own = BUILT_IN.find((pipeline) => pipeline.name === name)
    if (own) return version === undefined || version === own.version ? own : null
    const row = tables.version(name, version)
    return row ? stored(row) : null
  }

  async function record(
    type: string,
    action: 'editPipeline' | 'runPipeline',
    name: string,
    details: JsonObject,
    { by, requestId }: By,
    code: RedoubtError['code'] | null = null,
  ): Promise<void> {
    await audit.record({
      type,
      actor: { type: by.type, id: by.id },
      action,
      resource: { type: 'Pipeline', id: name },
      outcome: code === null ? 'success' : 'failed',
      ...(code === null ? {} : { code }),
      details,
      ...(requestId === undefined ? {} : { requestId }),
    })
  }

  return {
    async save(ask) {
      demandName(ask.name)
      const definition = checkedDefinition(ask.definition)
      const { name, replaces, by } = ask
      return saver.save({
        name,
        replaces,
        says: (latest) => sameDefinition(latest, definition),
        manifest: (version) => writeManifest({ ...definition, name, version, author: by, createdAt: clock.now() }),
        record: (version) => record('pipeline.edit', 'editPipeline', name, { ...recordOf(version), replaces }, ask),
      })
    },
    list: () => [...BUILT_IN, ...tables.latest().map(stored)],
    get,
    versions: (name) => {
      const own = get(name)
      return own?.builtIn ? [own] : tables.versions(name, MAX_SHOWN).map(stored)
    },
    authors: (name, upTo) => {
      const seen = new Map<string, EntityUid>()
      for (const row of tables.versions(name, MAX_VERSIONS).toReversed()) {
        const { version, author } = stored(row)
        if (version <= upTo) seen.set(`${author.type}\n${author.id}`, author)
      }
      return [...seen.values()]
    },
    async recordRun(version, { dataset, model, seed }, by) {
      const { name, version: number, digest, author } = version
      const run: JsonObject = { version: number, digest, author: { type: author.type, id: author.id }, dataset, model, seed }
      await record('pipeline.run', 'runPipeline', name, run, by)
      return ({ model: made, code }) =>
        record('pipeline.end', 'runPipeline', name, { version: number, digest, model, registered: made }, by, code)
    },
  }
}

function sameDefinition(version: PipelineVersion, definition: PipelineDefinition): boolean {
  const text = ({ dataset, model, algorithm, parameters, leaveOut, seed }: PipelineVersion | PipelineDefinition): string =>
    canonicalJson([dataset, model, algorithm, parameters, leaveOut, seed])
  return text(version) === text(definition)
}

import { type AuditSink, canonicalJson, type Clock, type EntityUid, type JsonObject, RedoubtError } from '#foundation/core'
import { type Database, openNamedVersions, type VersionRow } from '#foundation/storage'
import { BUILT_IN } from './built-in.ts'
import {
  checkedDefinition,
  demandName,
  digestOf,
  parseManifest,
  type PipelineDefinition,
  type PipelineVersion,
  recordOf,
  writeManifest,
} from './pipeline-version.ts'

const MAX_PIPELINES = 1_000
const MAX_VERSIONS = 1_000
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
  let queue: Promise<unknown> = Promise.resolve()
  const stored = (row: VersionRow): PipelineVersion => parseManifest(row.manifest, row)

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

  async function saveNow(ask: SaveAsk, definition: PipelineDefinition): Promise<PipelineVersion> {
    const { name, replaces, by } = ask
    const latest = get(name)
    if ((latest?.digest ?? null) !== replaces)
      throw new RedoubtError('ERR_CONFLICT', `the pipeline \`${name}\` was changed by somebody else meanwhile; look at it and try again`)
    if (latest !== null && sameDefinition(latest, definition))
      throw new RedoubtError('ERR_CONFLICT', `version ${latest.version} of pipeline \`${name}\` says the same already`)
    const count = tables.count()
    if (latest === null && count.names >= MAX_PIPELINES)
      throw new RedoubtError('ERR_CONFLICT', `there are ${MAX_PIPELINES} pipelines already`)
    if (count.of(name) >= MAX_VERSIONS)
      throw new RedoubtError('ERR_CONFLICT', `the pipeline \`${name}\` has ${MAX_VERSIONS} versions; save it under another name`)
    const { type, id } = by
    const unsigned = { ...definition, name, version: (latest?.version ?? 0) + 1, author: { type, id }, createdAt: clock.now() }
    const manifest = writeManifest(unsigned)
    const row: VersionRow = { name, version: unsigned.version, digest: digestOf(manifest), manifest }
    // What could not be read again is not kept.
    const version = stored(row)
    try {
      tables.insert(row)
      await record('pipeline.edit', 'editPipeline', name, { ...recordOf(version), replaces }, ask)
      tables.confirm(name, version.version)
    } catch (cause) {
      tables.withdraw(name, version.version)
      throw cause
    }
    return version
  }

  return {
    async save(ask) {
      demandName(ask.name)
      const definition = checkedDefinition(ask.definition)
      const saved = queue.then(() => saveNow(ask, definition))
      queue = saved.catch(() => undefined)
      return await saved
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

import { createHash } from 'node:crypto'
import {
  type AuditSink,
  type Clock,
  type EntityFacts,
  type JsonObject,
  RedoubtError,
  SENSITIVITIES,
  type SubjectSealer,
} from '#foundation/core'
import { openObject, removeUnfinished } from '#foundation/crypto'
import type { Database, DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import { type Catalogue, openCatalogue } from './catalogue.ts'
import type { DatasetVersion, RowGroup } from './dataset-version.ts'
import { importDataset, removeObjects } from './import-dataset.ts'
import { type ColumnProfile, decodeManifest, describeForAudit, type Manifest } from './manifest.ts'
import { FOLDER, groupPath, idsWithObjects, indexPath, manifestPath, resourceOf } from './object-paths.ts'
import type { ImportOptions } from './options.ts'
import { decodeRowGroup } from './row-group-codec.ts'
import { findRows } from './subject-index.ts'

export interface DatasetsOptions {
  readonly database: Pick<Database<unknown>, 'raw'>
  readonly objects: DurableFolder
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
}

/** Data sets at rest: encrypted, typed, versioned, every use recorded. Who may is decided by the caller. */
export interface Datasets {
  /**
   * Resolves when the version is durable; a failed or aborted import leaves nothing behind. A name that exists gets its next version.
   * @throws {RedoubtError} `ERR_DATA_RAGGED`, `ERR_DATA_MISTYPED`, `ERR_DATA_MALFORMED`, `ERR_DATA_COLUMN`, each with line or column
   *   as evidence; `ERR_INPUT_INVALID`, `ERR_INPUT_TOO_LARGE`; what storage, keys and audit throw; the signal's reason.
   */
  import(source: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<DatasetVersion>
  /** All versions, by name and number. */
  list(): readonly DatasetVersion[]
  /** @param version the latest when left out. */
  get(name: string, version?: number): DatasetVersion | null
  /** The same object while unchanged. @throws {RedoubtError} `ERR_DATA_UNKNOWN`. */
  facts(version: DatasetVersion): EntityFacts
  /**
   * All rows in order of the file. One `data.read` event is durable before the first group; each group is verified against the
   * manifest, and the manifest against the version's digest.
   * @throws {RedoubtError} `ERR_DATA_UNKNOWN`, `ERR_STORAGE_CORRUPT`, `ERR_CRYPTO_AUTHENTICATION`.
   */
  read(version: DatasetVersion, use: KeyUse): AsyncGenerator<RowGroup>
  /** Statistics of each column, in order; recorded as `data.profile`. */
  profile(version: DatasetVersion, use: KeyUse): Promise<readonly ColumnProfile[]>
  /** Positions, from 0, of the rows about one person; recorded as `data.lookup` under the pseudonym. */
  rowsOf(version: DatasetVersion, subject: string, use: KeyUse): Promise<readonly number[]>
  /** Removes all versions of a name; recorded as `data.remove`. @returns how many. */
  remove(name: string, use: KeyUse): Promise<number>
}

/** Removes what a crash left of imports that never finished. */
export function openDatasets(options: DatasetsOptions): Datasets {
  const { objects, audit } = options
  const catalogue = openCatalogue(options.database)
  objects.makeFolder(FOLDER)
  objects.syncFolder('')
  removeLeftovers(objects, catalogue)
  const facts = new Map<string, EntityFacts>()
  let last: Promise<unknown> = Promise.resolve()
  const serialise = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work)
    last = next.catch(() => undefined)
    return next
  }
  const reader = (version: DatasetVersion, use: KeyUse): VersionReader => new VersionReader(options, requireKnown(catalogue, version), use)

  return {
    import: (source, ask) => importDataset({ ...options, catalogue, serialise }, source, ask),
    list: () => catalogue.list(),
    get: (name, version) => catalogue.get(name, version),
    facts(version) {
      let known = facts.get(version.id)
      if (!known) facts.set(version.id, (known = factsOf(requireKnown(catalogue, version))))
      return known
    },
    async *read(version, use) {
      const opened = reader(version, use)
      await opened.record('data.read')
      yield* opened.groups()
    },
    async profile(version, use) {
      const opened = reader(version, use)
      await opened.record('data.profile')
      return (await opened.manifest()).profile
    },
    async rowsOf(version, subject, use) {
      const opened = reader(version, use)
      const pseudonym = options.sealer.pseudonym(subject)
      await opened.record('data.lookup', { pseudonym })
      return opened.rowsOf(pseudonym)
    },
    async remove(name, use) {
      const versions = catalogue.list().filter((version) => version.name === name)
      if (versions.length === 0) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${name}\``)
      await audit.record(event('data.remove', use, { versions: versions.map((version) => version.version) }))
      const removed = catalogue.removeAll(name)
      for (const { id } of removed) {
        removeObjects(objects, id)
        facts.delete(id)
      }
      return removed.length
    },
  }
}

function factsOf(version: DatasetVersion): EntityFacts {
  return {
    type: 'Dataset',
    id: version.name,
    attributes: { sensitivity: SENSITIVITIES.indexOf(version.sensitivity), purposes: version.purposes, legalBases: [version.legalBasis] },
    parents: [],
  }
}

function requireKnown(catalogue: Catalogue, version: DatasetVersion): DatasetVersion {
  // What the caller holds may be old or made up; what counts is the catalogue.
  const known = catalogue.byId(version.id)
  if (!known) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${version.name}\` version ${version.version}`)
  return known
}

function removeLeftovers(objects: DurableFolder, catalogue: Catalogue): void {
  removeUnfinished(objects, FOLDER)
  const known = catalogue.ids()
  for (const id of idsWithObjects(objects)) if (!known.has(id)) removeObjects(objects, id)
}

function event(type: string, use: KeyUse, details: JsonObject): Parameters<AuditSink['record']>[0] {
  return {
    type,
    actor: use.principal,
    action: type.slice(type.indexOf('.') + 1),
    resource: use.resource,
    outcome: 'success',
    purpose: use.purpose,
    details,
    ...(use.requestId === undefined ? {} : { requestId: use.requestId }),
  }
}

/** Reads one version for one use. */
class VersionReader {
  readonly #ports: DatasetsOptions
  readonly #version: DatasetVersion
  readonly #use: KeyUse

  constructor(ports: DatasetsOptions, version: DatasetVersion, use: KeyUse) {
    this.#ports = ports
    this.#version = version
    this.#use = use
  }

  async record(type: string, details: JsonObject = {}): Promise<void> {
    await this.#ports.audit.record(event(type, this.#use, { ...describeForAudit(this.#version), ...details }))
  }

  async manifest(): Promise<Manifest> {
    return decodeManifest(await this.#open(manifestPath(this.#version.id), 'manifest'), this.#version)
  }

  async *groups(): AsyncGenerator<RowGroup> {
    const manifest = await this.manifest()
    for (const [number, { rows, digest }] of manifest.groups.entries()) {
      const bytes = await this.#open(groupPath(this.#version.id, number), `group-${number}`)
      requireDigest(bytes, digest)
      yield decodeRowGroup(bytes, rows, manifest.columns)
    }
  }

  async rowsOf(pseudonym: string): Promise<readonly number[]> {
    const { subjectIndex } = await this.manifest()
    if (subjectIndex === null) throw new RedoubtError('ERR_DATA_COLUMN', 'the data set was imported without a subject column')
    const bytes = await this.#open(indexPath(this.#version.id), 'subjects')
    requireDigest(bytes, subjectIndex)
    return findRows(bytes, pseudonym)
  }

  async #open(path: string, part: string): Promise<Uint8Array> {
    const { objects, keys } = this.#ports
    const object = await openObject(objects, path, (wrapped) => keys.unwrap(wrapped, this.#use), {
      resource: resourceOf(this.#version.id, part),
    })
    return object.readAll()
  }
}

function requireDigest(bytes: Uint8Array, digest: string): void {
  if (createHash('sha256').update(bytes).digest('hex') !== digest)
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a stored object does not match the manifest of its data set')
}

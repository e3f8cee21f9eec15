import {
  type AuditSink,
  type Clock,
  type ColumnScanner,
  type DataScan,
  type EntityFacts,
  RedoubtError,
  SENSITIVITIES,
  type SubjectSealer,
} from '#foundation/core'
import { removeUnfinished } from '#foundation/crypto'
import type { Database, DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import { type Catalogue, openCatalogue } from './catalogue.ts'
import type { DatasetVersion, ImportedVersion, RowGroup } from './dataset-version.ts'
import { importDataset, removeObjects } from './import-dataset.ts'
import type { ColumnProfile } from './manifest.ts'
import { FOLDER, idsWithObjects } from './object-paths.ts'
import type { ImportOptions } from './options.ts'
import type { RowAccess } from './row-access.ts'
import { type FirstRows, firstRows, type FirstRowsAsk, readRows, type RowReading } from './row-reading.ts'
import { dataEvent, VersionReader } from './version-reader.ts'
import { type WriteOptions, writeVersion } from './write-version.ts'

export interface DatasetsOptions {
  readonly database: Pick<Database<unknown>, 'raw'>
  readonly objects: DurableFolder
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  /** Looks at what the columns of an import hold; without one nothing looks. */
  readonly scanner?: ColumnScanner
  /** Where the house runs; policies know it as parent of each data set. */
  readonly environment: 'development' | 'production'
}

export type FirstAsk = Omit<FirstRowsAsk, 'pseudonym'>

/** Data sets at rest: encrypted, typed, versioned, every use recorded. Who may is decided by the caller. */
export interface Datasets {
  /**
   * Resolves when the version is durable; a failed or aborted import leaves nothing behind. A name that exists gets its next version.
   * @throws {RedoubtError} `ERR_DATA_RAGGED`, `ERR_DATA_MISTYPED`, `ERR_DATA_MALFORMED`, `ERR_DATA_COLUMN`, each with line or column
   *   as evidence; `ERR_DATA_SENSITIVITY` where `strict` is asked and more is found than was said; `ERR_INPUT_INVALID`, `ERR_INPUT_TOO_LARGE`; what storage, keys and audit throw; the signal's reason.
   */
  import(source: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImportedVersion>
  /**
   * Makes the next version of a name of rows whose types are known; as `import` otherwise.
   * @throws {RedoubtError} as `writeVersion`.
   */
  write(source: AsyncIterable<RowGroup>, options: WriteOptions): Promise<ImportedVersion>
  /** All versions, by name and number. */
  list(): readonly DatasetVersion[]
  /** @param version the latest when left out. */
  get(name: string, version?: number): DatasetVersion | null
  /** What was found in its columns when it was imported; null where nothing looked. What of it may be told is decided by the caller. */
  scan(version: DatasetVersion): DataScan | null
  /** The same object while unchanged. @throws {RedoubtError} `ERR_DATA_UNKNOWN`. */
  facts(version: DatasetVersion): EntityFacts
  /**
   * The rows that the access admits, in order of the file, masked as it says. One `data.read` event with both is durable before the
   * first group; each group is verified against the manifest, and the manifest against the version's digest.
   * @throws {RedoubtError} at once `ERR_DATA_UNKNOWN`, `ERR_DATA_COLUMN` (a policy speaks of a column that is not there); while
   *   reading `ERR_STORAGE_CORRUPT`, `ERR_CRYPTO_AUTHENTICATION`.
   */
  read(version: DatasetVersion, use: KeyUse, access: RowAccess): RowReading
  /**
   * The first rows that the access admits, masked as it says: at most `limit` and 1,000 of them, 100,000 cells, 8 Mi characters. A
   * `data.rows` event that names, by pseudonym, whom they are about is durable before this resolves (HIPAA 45 CFR 164.312(b)).
   * @throws {RedoubtError} as `read`; the signal's reason, and then no row was recorded as shown.
   */
  first(version: DatasetVersion, use: KeyUse, access: RowAccess, ask: FirstAsk): Promise<FirstRows>
  /** Records that an export is complete, before its last byte. */
  exported(
    version: DatasetVersion,
    use: KeyUse,
    facts: { readonly digest: string; readonly rows: number; readonly bytes: number; readonly failed: number },
  ): Promise<void>
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
    write: (source, ask) => writeVersion({ ...options, catalogue, serialise }, source, ask),
    list: () => catalogue.list(),
    get: (name, version) => catalogue.get(name, version),
    scan: (version) => catalogue.scanOf(version.id),
    facts(version) {
      let known = facts.get(version.id)
      if (!known) facts.set(version.id, (known = factsOf(requireKnown(catalogue, version), options.environment)))
      return known
    },
    read: (version, use, access) => readRows(reader(version, use), access),
    first: (version, use, access, ask) =>
      firstRows(reader(version, use), access, { ...ask, pseudonym: (subject) => options.sealer.pseudonym(subject) }),
    exported: (version, use, facts) => reader(version, use).record('data.export', facts),
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
      await audit.record(dataEvent('data.remove', use, { versions: versions.map((version) => version.version) }))
      const removed = catalogue.removeAll(name)
      for (const { id } of removed) {
        removeObjects(objects, id)
        facts.delete(id)
      }
      return removed.length
    },
  }
}

function factsOf(version: DatasetVersion, environment: string): EntityFacts {
  return {
    type: 'Dataset',
    id: version.name,
    attributes: { sensitivity: SENSITIVITIES.indexOf(version.sensitivity), purposes: version.purposes, legalBases: [version.legalBasis] },
    parents: [
      { type: 'DatasetVersion', id: `${version.name}/${version.version}` },
      { type: 'Environment', id: environment },
    ],
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

import {
  asRedoubtError,
  type AuditSink,
  type Clock,
  type ColumnScanner,
  type DataScan,
  type EntityFacts,
  type LegalHolds,
  RedoubtError,
  type SubjectSealer,
} from '#foundation/core'
import { removeUnfinished } from '#foundation/crypto'
import type { Database, DurableFolder } from '#foundation/storage'
import type { KeyUse, SealedObjects } from '#trust/keys'
import { type Catalogue, type ErasedSince, type ErasedVersion, openCatalogue } from './catalogue.ts'
import { DatasetFacts } from './dataset-facts.ts'
import type { DatasetVersion, DerivedFrom, ImportedVersion, RowGroup } from './dataset-version.ts'
import { type EraseAsk, eraseFromVersion, openUnlessDestroyed, removeErased } from './erase-subject.ts'
import { importDataset, removeObjects } from './import-dataset.ts'
import type { ColumnProfile } from './manifest.ts'
import { FOLDER, idsWithObjects, ownerOf, pathsAfter, pathsOf, sealedObjectsIn } from './object-paths.ts'
import type { ImportOptions } from './options.ts'
import { demandUnreadable, moveUnderOwner } from './move-under-owner.ts'
import { type DatasetKeys, renewKeys } from './renew-keys.ts'
import type { RowAccess } from './row-access.ts'
import { type FirstRows, firstRows, type FirstRowsAsk, readRows, type RowReading } from './row-reading.ts'
import { findRows } from './subject-index.ts'
import { dataEvent, VersionReader } from './version-reader.ts'
import type { SealedVersion, SealJob } from './seal-version.ts'
import { type CommitOptions, commitVersion, type WriteOptions, writeVersion } from './write-version.ts'

export interface DatasetsOptions {
  readonly database: Pick<Database, 'raw'>
  readonly objects: DurableFolder
  readonly keys: DatasetKeys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  /** What may not be erased now. */
  readonly holds: LegalHolds
  /** Looks at what the columns of an import hold; without one nothing looks. */
  readonly scanner?: ColumnScanner
  /** Where the house runs; policies know it as parent of each data set. */
  readonly environment: 'development' | 'production'
}

/** What there was of a shredded data set. */
export interface Shredded {
  readonly versions: number
  readonly objects: number
  /** Versions of its key-encryption key that were destroyed, `ID/VERSION`. */
  readonly keys: readonly string[]
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
  /**
   * As `write`, of rows that this thread does not have: `seal` has them sealed elsewhere, by `sealVersion`.
   * @throws {RedoubtError} as `commitVersion`.
   */
  commit(seal: (job: SealJob) => Promise<SealedVersion>, options: CommitOptions): Promise<ImportedVersion>
  /** The version as it is now; null when it is gone. */
  current(version: Pick<DatasetVersion, 'id'>): DatasetVersion | null
  /** Of what a transform made it; null where none did. */
  derivedFrom(version: DatasetVersion): DerivedFrom | null
  /** Names of the data sets that rows of it came of, through all that was made in between; of one version, which may be gone, or of all there are. */
  madeOf(name: string, version?: number): readonly string[]
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
  /** Names of the data sets that hold rows about a person, by pseudonym; each look is recorded as `data.lookup`. */
  withRowsOf(pseudonym: string, use: KeyUse): Promise<readonly string[]>
  /**
   * Removes all versions of a name; recorded as `data.remove`. @returns how many.
   * @throws {RedoubtError} `ERR_LEGAL_HOLD` for the data set, for one that its rows came of, or for a person of whom it holds rows.
   */
  remove(name: string, use: KeyUse): Promise<number>
  /** @throws {RedoubtError} `ERR_LEGAL_HOLD`, as `remove`. */
  demandNotHeld(name: string, use: KeyUse): Promise<void>
  /**
   * Takes a person's rows out of every version of a data set; each is recorded as `data.erase` before it takes effect, and for every
   * reader at once. Idempotent: what a crash or a failure interrupted is finished by the next call.
   * @returns all that this erasure took, in this call and before.
   * @throws {RedoubtError} `ERR_LEGAL_HOLD`; what storage, keys and audit throw.
   */
  eraseSubject(name: string, ask: EraseAsk, use: KeyUse): Promise<readonly ErasedVersion[]>
  /**
   * Destroys what all versions of a data set are sealed under and removes them; recorded as `data.shred`. The name is never given again. Idempotent.
   * @throws {RedoubtError} as `remove`.
   */
  shred(name: string, erasure: string, use: KeyUse): Promise<Shredded>
  /** Whether rows that were in a version when it had a digest are gone; null when all are there. For what was learned from it. */
  erasedSince(name: string, version: number, digest: string): ErasedSince | null
  /** All that lies sealed here, of imports that run too, for whoever moves keys. */
  readonly sealedObjects: SealedObjects
}

/** Removes what a crash left of imports that never finished. */
export function openDatasets(options: DatasetsOptions): Datasets {
  const { objects, audit } = options
  const catalogue = openCatalogue(options.database)
  objects.makeFolder(FOLDER)
  objects.syncFolder('')
  removeLeftovers(objects, catalogue)
  const { holds } = options
  const facts = new DatasetFacts(catalogue, options.environment)
  let last: Promise<unknown> = Promise.resolve()
  const serialise = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work)
    last = next.catch(() => undefined)
    return next
  }
  const versionsOf = (name: string): DatasetVersion[] => catalogue.list().filter((version) => version.name === name)
  const removable = async (name: string, use: KeyUse): Promise<DatasetVersion[]> => {
    const versions = versionsOf(name)
    holds.demandNone({ dataset: name, madeOf: catalogue.ancestry.ofName(name) })
    const held = holds.heldSubjects()
    if (held.length > 0)
      for (const version of versions)
        for (const pseudonym of await subjectsAmong(reader(version, use), held)) holds.demandNone({ pseudonym })
    return versions
  }
  const forget = (removed: readonly DatasetVersion[]): void => {
    for (const { id, name } of removed) {
      removeObjects(objects, id)
      facts.forget(name)
    }
  }
  const reader = (version: DatasetVersion, use: KeyUse): VersionReader => new VersionReader(options, requireKnown(catalogue, version), use)

  return {
    import: (source, ask) => importDataset({ ...options, catalogue, serialise }, source, ask),
    write: (source, ask) => writeVersion({ ...options, catalogue, serialise }, source, ask),
    commit: (seal, ask) => commitVersion({ ...options, catalogue, serialise }, seal, ask),
    current: ({ id }) => catalogue.byId(id),
    derivedFrom: ({ id }) => catalogue.derivedFrom(id),
    madeOf: (name, version) => (version === undefined ? catalogue.ancestry.ofName(name) : catalogue.ancestry.ofVersion({ name, version })),
    list: () => catalogue.list(),
    get: (name, version) => catalogue.get(name, version),
    scan: (version) => catalogue.scanOf(version.id),
    facts: (version) => facts.of(requireKnown(catalogue, version)),
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
    async withRowsOf(pseudonym, use) {
      const names = new Set<string>()
      for (const version of catalogue.list()) {
        if (version.subject === null || names.has(version.name)) continue
        const opened = reader(version, { ...use, resource: { type: 'Dataset', id: version.name } })
        await opened.record('data.lookup', { pseudonym })
        if ((await subjectsAmong(opened, [pseudonym])).length > 0) names.add(version.name)
      }
      return [...names]
    },
    async demandNotHeld(name, use) {
      await removable(name, use)
    },
    async remove(name, use) {
      const versions = await removable(name, use)
      if (versions.length === 0) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${name}\``)
      const event = dataEvent('data.remove', use, { versions: versions.map((version) => version.version) })
      await audit.record(event)
      try {
        // One that was set meanwhile counts.
        await removable(name, use)
      } catch (thrown) {
        await audit.record({ ...event, outcome: 'failed', code: asRedoubtError(thrown).code }).catch(() => undefined)
        throw thrown
      }
      const removed = catalogue.removeAll(name)
      forget(removed)
      return removed.length
    },
    eraseSubject: (name, ask, use) =>
      serialise(async () => {
        const ports = { ...options, catalogue }
        for (const version of versionsOf(name)) await eraseFromVersion(ports, version, ask, use)
        removeErased(ports)
        const erased = catalogue.erasedBy(ask.erasure, name)
        // What is gone here lies in backups.
        if (erased.length > 0) await renewKeys(options, name, versionsOf(name), use)
        return erased
      }),
    shred: (name, erasure, use) =>
      serialise(async () => {
        const versions = await removable(name, use)
        const count = versions.reduce((sum, { id }) => sum + pathsOf(objects, id).length, 0)
        // What lies under the class of the tenant would outlive the chain that ends here.
        await moveUnderOwner(options, name, versions, use)
        await audit.record(dataEvent('data.shred', use, { erasure, versions: versions.map(({ version }) => version), objects: count }))
        const living = options.keys.list().filter((key) => key.owner === name && key.keyClass === 'dataset' && key.state !== 'destroyed')
        await options.keys.destroyOwner(ownerOf(name), use)
        demandUnreadable(options, versions)
        forget(catalogue.shred(name, options.clock.now()))
        return { versions: versions.length, objects: count, keys: living.map(({ keyId, version }) => `${keyId}/${version}`) }
      }),
    erasedSince: (name, version, digest) => catalogue.erasedSince(name, version, digest),
    sealedObjects: {
      name: 'objects of data sets',
      keyClass: 'dataset',
      list: () => sealedObjectsIn(objects, new Map(catalogue.list().map(({ id, name }) => [id, name]))),
    },
  }
}

/** Those of some people of whom a version holds rows. */
async function subjectsAmong(reader: VersionReader, pseudonyms: readonly string[]): Promise<readonly string[]> {
  const opened = await openUnlessDestroyed(reader)
  return opened === null ? [] : pseudonyms.filter((pseudonym) => findRows(opened.index, pseudonym).length > 0)
}

function requireKnown(catalogue: Catalogue, version: DatasetVersion): DatasetVersion {
  // What the caller holds may be old or made up; what counts is the catalogue.
  const known = catalogue.byId(version.id)
  if (!known) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${version.name}\` version ${version.version}`)
  return known
}

function removeLeftovers(objects: DurableFolder, catalogue: Catalogue): void {
  removeUnfinished(objects, FOLDER)
  removeErased({ objects, catalogue })
  for (const version of catalogue.list()) for (const path of pathsAfter(objects, version)) objects.remove(path)
  const known = catalogue.ids()
  for (const id of idsWithObjects(objects)) if (!known.has(id)) removeObjects(objects, id)
}

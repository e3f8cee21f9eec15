import { asRedoubtError, type DataScan, type EntityUid, type JsonObject, newId } from '#foundation/core'
import type { KeyUse } from '#trust/keys'
import type { VersionName } from './ancestry.ts'
import type { ImportedVersion, RowGroup } from './dataset-version.ts'
import { type ImportPorts, removeObjects } from './import-dataset.ts'
import { describeForAudit } from './manifest.ts'
import { checkHeader, checkOptions } from './options.ts'
import { demandLivingKeys } from './renew-keys.ts'
import { scanForAudit } from './scan-facts.ts'
import { type SealedVersion, type SealJob, sealVersion, type VersionFacts, type VersionPlace } from './seal-version.ts'

/** A version that somebody seals, and what is to be true with it. */
export interface CommitOptions extends VersionFacts {
  readonly by: EntityUid
  readonly requestId?: string | undefined
  /** Type of the event that is durable before the version exists. */
  readonly event: string
  /** What else is in it: no values. Asked when all rows are sealed. */
  readonly details: () => JsonObject
  /** The version that it goes on from, whose rows are in it. */
  readonly after?: VersionName | undefined
  /** What is known to be in its columns; in place of what was found while it was sealed. */
  readonly scan?: DataScan | null | undefined
  /** Asked before the version is recorded, in the turn in which nothing is erased; what it throws makes the version not exist. */
  readonly still?: (() => void) | undefined
  /** Done in the transaction that makes the version exist; what it throws makes it not exist. */
  readonly commit?: ((version: ImportedVersion) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** A version made of rows whose types are known: of what was collected, or of another version. */
export interface WriteOptions extends CommitOptions {
  /** Size of what the rows came from. Asked when all rows are read. */
  readonly bytes: () => number
  /** Called after each group with the rows written so far. */
  readonly progress?: ((rows: number) => void) | undefined
}

/** As `commitVersion`, of rows that this thread has. @throws {RedoubtError} as `sealVersion`, too. */
export function writeVersion(ports: ImportPorts, source: AsyncIterable<RowGroup>, options: WriteOptions): Promise<ImportedVersion> {
  return commitVersion(ports, (job) => sealVersion(ports, source, job, options, options), options)
}

/**
 * Makes the next version of a name of what `seal` seals, wherever it does. The version exists when its transaction is committed, which is last;
 * until then, and after any failure, nothing refers to its objects and they are removed.
 * @param seal asks for its place once it has sealed all rows. What it throws is thrown.
 * @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_DATA_COLUMN`, `ERR_DATA_SHREDDED`; what `seal`, storage, keys, audit, `still` and
 *   `commit` throw; the signal's reason.
 */
export async function commitVersion(
  ports: ImportPorts,
  seal: (job: SealJob) => Promise<SealedVersion>,
  options: CommitOptions,
): Promise<ImportedVersion> {
  const id = newId('ds')
  const { requestId } = options
  const resource = { type: 'Dataset', id: options.name }
  const asked = requestId === undefined ? {} : { requestId }
  const event = { type: options.event, actor: options.by, action: options.event.slice(options.event.indexOf('.') + 1), resource, ...asked }
  const use: KeyUse = { principal: options.by, purpose: event.action, resource, ...asked }
  try {
    demandOptions(options)
    ports.catalogue.demandNotShredded(options.name)
    const sealed = Promise.withResolvers<SealedVersion>()
    let committed: Promise<ImportedVersion> | null = null
    const place = (): Promise<VersionPlace> =>
      new Promise((resolve, reject) => {
        committed ??= ports.serialise(async () => {
          ports.catalogue.demandNotShredded(options.name)
          resolve({ version: ports.catalogue.nextVersion(options.name), createdAt: ports.clock.now() })
          return commitSealed(ports, await sealed.promise, event, options)
        })
        committed.catch(reject)
      })
    seal({ id, use, place }).then(sealed.resolve, sealed.reject)
    await sealed.promise
    return await committed!
  } catch (thrown) {
    removeUnlessCommitted(ports, id)
    const { code } = asRedoubtError(thrown)
    // The first error is the one to tell, even when the log is what failed.
    await ports.audit.record({ ...event, outcome: 'failed', code }).catch(() => undefined)
    throw thrown
  }
}

async function commitSealed(
  ports: ImportPorts,
  sealed: SealedVersion,
  event: Pick<Parameters<ImportPorts['audit']['record']>[0], 'type' | 'actor' | 'action' | 'resource' | 'requestId'>,
  options: CommitOptions,
): Promise<ImportedVersion> {
  const scan = options.scan === undefined ? sealed.scan : options.scan
  const version: ImportedVersion = { ...sealed.version, ...(scan ? { scan } : {}) }
  options.signal?.throwIfAborted()
  demandLivingKeys(ports, version.id)
  options.still?.()
  // Recorded before it exists: a version that the log does not know must not be found.
  await ports.audit.record({
    ...event,
    outcome: 'success',
    purpose: options.purposes.join(' '),
    legalBasis: options.legalBasis,
    details: {
      ...describeForAudit(version),
      ...options.details(),
      ...(scan ? { scan: scanForAudit(scan, options.sensitivity) } : {}),
    },
  })
  const { derivedFrom, after } = options
  ports.catalogue.add(sealed.version, scan, { derivedFrom, after, also: () => options.commit?.(version) })
  return version
}

function demandOptions({ columns, label, subject, ...options }: CommitOptions): void {
  const named = { ...(label === undefined ? {} : { label }), ...(subject === undefined ? {} : { subject }) }
  checkOptions({ name: options.name, sensitivity: options.sensitivity, purposes: options.purposes, legalBasis: options.legalBasis, by: options.by, ...named }) // prettier-ignore
  checkHeader(columns.map(({ name }) => name), named) // prettier-ignore
}

/** A commit that was reported lost may have happened: then the version stands. Who cannot tell leaves it to the next start. */
function removeUnlessCommitted({ objects, catalogue }: ImportPorts, id: string): void {
  try {
    if (catalogue.byId(id) !== null) return
  } catch {
    return
  }
  removeObjects(objects, id)
}

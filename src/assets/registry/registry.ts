import type { KeyObject } from 'node:crypto'
import {
  asRedoubtError,
  type AuditSink,
  type Clock,
  type EntityFacts,
  type EntityUid,
  type LegalHolds,
  RedoubtError,
} from '#foundation/core'
import type { Database, DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse, SealedObjects } from '#trust/keys'
import { KnownVersions } from './known-versions.ts'
import { openModelFiles } from './model-files.ts'
import { type Deployment, type Lineage, type ModelVersion, parseManifest } from './model-version.ts'
import { type OpenOptions, openVerified } from './open-verified.ts'
import { type Parts, record, storedRow } from './parts.ts'
import { type ActOptions, type DeployOptions, latestDeployments, putIntoService, rollbackAsk } from './put-into-service.ts'
import { checkAsk, type RegisterAsk, registerModel } from './register-model.ts'
import { rollbackRefusal, rollbackTarget } from './rollback.ts'
import { openTables } from './tables.ts'
import type { VerifiedModel } from './verified-model.ts'

export interface Registry {
  /**
   * Checks, seals, signs and records a new immutable version.
   * @throws {RedoubtError} `ERR_MODEL_FORMAT` with the reason, `ERR_INPUT_INVALID`, `ERR_INPUT_TOO_LARGE`, `ERR_CONFLICT` when the
   *   latest version of the name is the same file.
   */
  register(ask: RegisterAsk): Promise<ModelVersion>
  /** All versions, by name and version. */
  list(): readonly ModelVersion[]
  /** @returns the named version, or the latest one; null when there is none. */
  get(name: string, version?: number): ModelVersion | null
  lineage(name: string, version?: number): Lineage | null
  /**
   * Decrypts a version and verifies its signature over the very bytes returned, and over its lineage and all other facts.
   * @throws {RedoubtError} `ERR_MODEL_UNKNOWN`, `ERR_MODEL_QUARANTINED`, `ERR_MODEL_SIGNATURE` with the failing step, recorded.
   */
  openVerified(version: Pick<ModelVersion, 'name' | 'version'>, use: KeyUse, options?: OpenOptions): Promise<VerifiedModel>
  /**
   * Verifies a version and makes it the one that is served under its name, durably.
   * @param version null for the latest.
   * @throws {RedoubtError} as `openVerified`, also for what became of the version while it was staged.
   */
  deploy(name: string, version: number | null, by: EntityUid, options?: DeployOptions): Promise<Deployment>
  /**
   * As `deploy`, back to a version that was in service here before.
   * @throws {RedoubtError} as `deploy`, and what `rollbackRefusal` says as of the moment of the act.
   */
  rollback(name: string, version: number, by: EntityUid, options?: DeployOptions): Promise<Deployment>
  /** Why the version cannot be gone back to as of now; null when it can. */
  rollbackRefusal(name: string, version: number): RedoubtError | null
  /** The version that a rollback goes to where none is named: what served before and is older; null when there is none. */
  rollbackTarget(name: string): ModelVersion | null
  /** @returns the version that was deployed last, quarantined or not; null when none was. */
  deployed(name: string): ModelVersion | null
  /** The present deployment of each name. */
  deployments(): readonly Deployment[]
  /** Every deployment ever made, oldest first. */
  deploymentHistory(name: string): readonly Deployment[]
  /** What policies may know of the version as it is now; the same object while nothing changes. */
  facts(version: Pick<ModelVersion, 'name' | 'version'>): EntityFacts
  /** Takes effect at once and before it is recorded: a record that cannot be written must not keep a bad model in service. */
  quarantine(name: string, version: number, by: EntityUid, reason: string, options?: ActOptions): Promise<ModelVersion>
  /** Ends a quarantine; recorded before it takes effect. */
  release(name: string, version: number, by: EntityUid, reason: string, options?: ActOptions): Promise<ModelVersion>
  /**
   * Removes all versions of a name with their files and deployments; recorded before anything goes. The record keeps the digests.
   * @returns how many. @throws {RedoubtError} `ERR_MODEL_UNKNOWN`; `ERR_LEGAL_HOLD` for a data set that one of them learned from, or that its rows came of.
   */
  remove(name: string, by: EntityUid, options?: ActOptions): Promise<number>
  /** @returns the OpenSSF Model Signing bundle (JSON) over `model.onnx` and `lineage.json`. */
  signature(name: string, version: number): Promise<string>
  /** @returns the signed `lineage.json`. */
  manifest(name: string, version: number): string
  /** All that lies sealed here, for whoever moves keys. */
  readonly sealedObjects: SealedObjects
  /** Tells of each version that is registered, quarantined, released or found tampered with. @returns the way to stop. */
  onChange(listener: (version: ModelVersion) => void): () => void
}

export function openRegistry(options: {
  readonly database: Pick<Database, 'raw'>
  readonly objects: DurableFolder
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  /** Where the house runs; policies know it as parent of each model. */
  readonly environment: 'development' | 'production'
  /** Public keys that signed models before the present one. */
  readonly signedBefore?: readonly KeyObject[]
  /** What may not be destroyed now. */
  readonly holds: Pick<LegalHolds, 'demandNone'>
  /** Names of the data sets that rows of a version came of. */
  readonly madeOf: (dataset: string, version: number) => readonly string[]
}): Registry {
  const tables = openTables(options.database)
  const files = openModelFiles(options.objects, options.keys)
  const versions = new KnownVersions(options.environment)
  const parts: Parts = { ...options, tables, files, versions }
  let queue: Promise<unknown> = Promise.resolve()

  for (const path of tables.dropPending()) files.remove(path)
  for (const row of tables.versions())
    versions.keep({ ...parseManifest(row.manifest), signed: row.bundle !== '', quarantined: row.quarantined === 1 })

  /** Registrations and deployments one after another: version numbers have no gaps and the last deployment is the last recorded. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(work)
    queue = result.catch(() => undefined)
    return result
  }

  function demandNotHeld(removed: readonly ModelVersion[]): void {
    for (const { dataset } of removed.map(({ lineage }) => lineage))
      if (dataset) options.holds.demandNone({ madeOf: [dataset.name, ...options.madeOf(dataset.name, dataset.version)] })
  }

  return {
    async register(ask) {
      checkAsk(ask)
      // A copy: the caller's buffer could change between the check and the signature.
      const file = new Uint8Array(ask.file)
      return await inTurn(() => registerModel(parts, ask, file))
    },
    list: () => versions.list(),
    get: (name, version) => versions.get(name, version),
    lineage: (name, version) => versions.get(name, version)?.lineage ?? null,
    openVerified: (version, use, openOptions) => openVerified(parts, version, use, openOptions),
    deploy: (name, wanted, by, deployOptions = {}) =>
      inTurn(() => putIntoService(parts, 'deploy', versions.require(name, wanted ?? undefined), by, deployOptions)),
    rollback: (name, wanted, by, deployOptions = {}) =>
      inTurn(async () => {
        const refusal = rollbackRefusal(rollbackAsk(parts, name), wanted)
        if (refusal) throw refusal
        return putIntoService(parts, 'rollback', versions.require(name, wanted), by, deployOptions)
      }),
    rollbackRefusal: (name, version) => rollbackRefusal(rollbackAsk(parts, name), version),
    rollbackTarget: (name) => rollbackTarget(rollbackAsk(parts, name)),
    deployed(name) {
      const deployment = latestDeployments(parts).get(name)
      return deployment ? versions.get(name, deployment.version) : null
    },
    deployments: () => [...latestDeployments(parts).values()],
    deploymentHistory: (name) => tables.deployments().filter((deployment) => deployment.name === name),
    facts: (version) => versions.facts(version.name, version.version),
    async quarantine(name, version, by, reason, actOptions = {}) {
      // First what serves: neither a full disk nor a broken log keeps a bad model in service.
      const changed = versions.change({ ...versions.require(name, version), quarantined: true })
      const stored = attempted(() => tables.setQuarantined(name, version, true))
      await record(parts, 'model.quarantine', 'quarantine', by, name, { version, reason: reasonText(reason) }, actOptions.requestId)
      if (stored !== null) throw stored
      return changed
    },
    remove: (name, by, actOptions = {}) =>
      inTurn(async () => {
        const removed = versions.listOf(name)
        if (removed.length === 0) throw new RedoubtError('ERR_MODEL_UNKNOWN')
        demandNotHeld(removed)
        const digests = removed.map(({ version, digest }) => ({ version, digest }))
        const onRecord = (failed?: RedoubtError['code']): Promise<void> =>
          record(parts, 'model.remove', 'erase', by, name, { versions: digests }, actOptions.requestId, failed)
        await onRecord()
        try {
          // One that was set meanwhile counts.
          demandNotHeld(removed)
        } catch (thrown) {
          await onRecord(asRedoubtError(thrown).code).catch(() => undefined)
          throw thrown
        }
        const paths = removed.flatMap(({ version }) => {
          const row = tables.version(name, version)
          return row ? [row.object_path, ...(row.source_path === null ? [] : [row.source_path])] : []
        })
        tables.removeName(name)
        versions.forget(name)
        for (const path of paths) files.remove(path)
        return removed.length
      }),
    async release(name, version, by, reason, actOptions = {}) {
      versions.require(name, version)
      await record(parts, 'model.release', 'release', by, name, { version, reason: reasonText(reason) }, actOptions.requestId)
      tables.setQuarantined(name, version, false)
      return versions.change({ ...versions.require(name, version), quarantined: false })
    },
    signature: async (name, version) => storedRow(parts, name, version).bundle,
    manifest: (name, version) => storedRow(parts, name, version).manifest,
    sealedObjects: {
      name: 'objects of models',
      keyClass: 'model',
      list() {
        const names = new Map<string, string>()
        for (const { name, object_path, source_path } of tables.versions())
          for (const path of [object_path, source_path]) if (path !== null) names.set(path, name)
        return files.list().map((path) => ({ path, owner: names.get(path) ?? null }))
      },
    },
    onChange: (listener) => versions.onChange(listener),
  }
}

const MAX_REASON_LENGTH = 500

function reasonText(reason: string): string {
  return reason.slice(0, MAX_REASON_LENGTH).toWellFormed()
}

/** @returns what it threw, or null. */
function attempted(call: () => void): RedoubtError | null {
  try {
    call()
    return null
  } catch (thrown) {
    return asRedoubtError(thrown, 'ERR_STORAGE_IO')
  }
}

import {
  asRedoubtError,
  type AuditSink,
  type Clock,
  type EntityFacts,
  type EntityUid,
  type JsonObject,
  newId,
  RedoubtError,
  SENSITIVITIES,
  type Sensitivity,
} from '#foundation/core'
import type { Database, DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import { factsOf, keyUse, modelUid, registration, uidOf } from './model-facts.ts'
import { openModelFiles } from './model-files.ts'
import {
  type Deployment,
  type Lineage,
  lineageSchema,
  MODEL_NAME,
  type ModelManifest,
  type ModelVersion,
  parseManifest,
  purposesSchema,
  sha256,
  writeManifest,
} from './model-version.ts'
import { signModel } from './oms/sign-model.ts'
import { verifyModel } from './oms/verify-model.ts'
import { admitOnnx } from './onnx/admit-onnx.ts'
import { rollbackRefusal, rollbackTarget } from './rollback.ts'
import { openTables, type VersionRow } from './tables.ts'
import { refuseQuarantined, refuseUnfit, signatureError } from './unfit.ts'
import { VerifiedModel } from './verified-model.ts'

/** Names under which the two signed files of a version are exported, so that any Open Model Signing tool can verify them. */
const MODEL_FILE = 'model.onnx'
const MANIFEST_FILE = 'lineage.json'

export interface RegisterAsk {
  readonly name: string
  readonly file: Uint8Array
  /** Made elsewhere: it will run in a process without keys. */
  readonly foreign: boolean
  readonly sensitivity: Sensitivity
  readonly purposes: readonly string[]
  readonly lineage: Lineage
  readonly by: EntityUid
  readonly requestId?: string
}

export interface ActOptions {
  readonly requestId?: string
}

export interface DeployOptions extends ActOptions {
  /**
   * Called with the verified bytes before the deployment counts; when it throws nothing is deployed. What it gives is committed when the
   * deployment is recorded and the version still fit to serve, else discarded.
   */
  readonly stage?: (model: VerifiedModel) => Promise<StagedModel>
}

/** A model that is ready to serve and does not serve yet. One of the two is called, once. */
export interface StagedModel {
  commit(): void
  discard(): void
}

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
   * @returns how many. @throws {RedoubtError} `ERR_MODEL_UNKNOWN`.
   */
  remove(name: string, by: EntityUid, options?: ActOptions): Promise<number>
  /** @returns the OpenSSF Model Signing bundle (JSON) over `model.onnx` and `lineage.json`. */
  signature(name: string, version: number): Promise<string>
  /** @returns the signed `lineage.json`. */
  manifest(name: string, version: number): string
  /** Tells of each version that is registered, quarantined, released or found tampered with. @returns the way to stop. */
  onChange(listener: (version: ModelVersion) => void): () => void
}

export interface OpenOptions {
  /** To explain what it decided before, never to serve: what is opened so says of itself that it is quarantined, and no server takes it. */
  readonly evenQuarantined?: boolean
}

interface Entry {
  readonly version: ModelVersion
  readonly facts: EntityFacts
}

export function openRegistry(options: {
  readonly database: Pick<Database<unknown>, 'raw'>
  readonly objects: DurableFolder
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  /** Where the house runs; policies know it as parent of each model. */
  readonly environment: 'development' | 'production'
}): Registry {
  const { keys, audit, clock } = options
  const tables = openTables(options.database)
  const files = openModelFiles(options.objects, keys)
  for (const path of tables.dropPending()) files.remove(path)
  const entries = new Map<string, Map<number, Entry>>()
  const listeners = new Set<(version: ModelVersion) => void>()
  let queue: Promise<unknown> = Promise.resolve()

  for (const row of tables.versions())
    keep({ ...parseManifest(row.manifest), signed: row.bundle !== '', quarantined: row.quarantined === 1 })

  function keep(version: ModelVersion): ModelVersion {
    const versions = entries.get(version.name) ?? new Map<number, Entry>()
    entries.set(version.name, versions)
    versions.set(version.version, { version, facts: factsOf(version, options.environment) })
    return version
  }

  function change(version: ModelVersion): ModelVersion {
    keep(version)
    for (const listener of listeners) listener(version)
    return version
  }

  function entry(name: string, version?: number): Entry | null {
    const versions = entries.get(name)
    if (!versions) return null
    return versions.get(version ?? Math.max(...versions.keys())) ?? null
  }

  function known(name: string, version?: number): Entry {
    const found = entry(name, version)
    if (!found) throw new RedoubtError('ERR_MODEL_UNKNOWN')
    return found
  }

  function knownRow(name: string, version: number): VersionRow {
    const row = tables.version(name, version)
    if (!row) throw new RedoubtError('ERR_MODEL_UNKNOWN')
    return row
  }

  /** Registrations and deployments one after another: version numbers have no gaps and the last deployment is the last recorded. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(work)
    queue = result.catch(() => undefined)
    return result
  }

  async function record(type: string, action: string, by: EntityUid, name: string, details: JsonObject, requestId?: string): Promise<void> {
    await audit.record({
      type,
      actor: uidOf(by),
      action,
      resource: modelUid(name),
      outcome: 'success',
      details,
      ...(requestId === undefined ? {} : { requestId }),
    })
  }

  async function registerNow(ask: RegisterAsk, file: Uint8Array): Promise<ModelVersion> {
    const admitted = admitOnnx(file, ask.foreign)
    const digest = sha256(admitted.file)
    const latest = entry(ask.name)
    if (latest?.version.digest === digest) throw new RedoubtError('ERR_CONFLICT', 'the latest version of this model is the same file')
    const use = keyUse(ask.by, 'model-registration', ask.name, ask.requestId)
    const version = tables.nextVersion(ask.name)
    const manifest: ModelManifest = {
      name: ask.name,
      version,
      digest,
      bytes: admitted.file.byteLength,
      foreign: ask.foreign,
      sensitivity: ask.sensitivity,
      purposes: [...new Set(ask.purposes)].sort(),
      lineage: admitted.derivation === null ? ask.lineage : derivedLineage(ask.lineage, sha256(file), admitted.derivation),
      createdAt: clock.now(),
      inputs: admitted.inputs,
      outputs: admitted.outputs,
    }
    const text = writeManifest(manifest)
    const stored: string[] = []
    try {
      stored.push(await files.store(admitted.file, digest, use))
      if (admitted.derivation !== null) stored.push(await files.store(file, sha256(file), use))
      const signer = await keys.signer('model-signing', use)
      const bundle = await signModel({ name: ask.name, resources: resourcesOf(digest, text), signer })
      tables.insertVersion({
        name: ask.name,
        version,
        digest,
        manifest: text,
        bundle,
        object_path: stored[0] ?? '',
        source_path: stored[1] ?? null,
      })
      await record('model.register', 'register', ask.by, ask.name, registration(manifest), ask.requestId)
      tables.confirmVersion(ask.name, version)
    } catch (cause) {
      tables.removeVersion(ask.name, version)
      for (const path of stored) files.remove(path)
      throw cause
    }
    return change({ ...parseManifest(text), signed: true, quarantined: false })
  }

  async function openVerified(
    wanted: Pick<ModelVersion, 'name' | 'version'>,
    use: KeyUse,
    { evenQuarantined = false }: OpenOptions = {},
  ): Promise<VerifiedModel> {
    const { version } = known(wanted.name, wanted.version)
    if (!evenQuarantined) refuseQuarantined(version)
    try {
      // From the database anew: what is verified is what is stored now, not what was stored when the server started.
      const row = knownRow(version.name, version.version)
      const bytes = await files.load(row.object_path, row.digest, use)
      const { publicKey } = await keys.signer('model-signing', use)
      const verdict = verifyModel(row.bundle, { method: 'key', publicKey }, resourcesOf(sha256(bytes), row.manifest))
      if (!verdict.verified) throw signatureError(verdict.step, verdict.reason)
      const manifest = parseManifest(row.manifest)
      // A row under another name or number would let an old version pass for a new one.
      if (
        verdict.statement.name !== row.name ||
        manifest.name !== row.name ||
        manifest.version !== row.version ||
        manifest.digest !== row.digest
      )
        throw signatureError('lineage', 'the signed description belongs to another version')
      // It may have been quarantined while its file was read.
      const { quarantined } = known(version.name, version.version).version
      if (!evenQuarantined) refuseQuarantined({ quarantined })
      return new VerifiedModel(current({ ...manifest, signed: true, quarantined }), bytes)
    } catch (cause) {
      if (cause instanceof RedoubtError && cause.code === 'ERR_MODEL_SIGNATURE') await distrust(version, cause, use)
      throw cause
    }
  }

  /** @returns the object that is already known when nothing changed, so that facts stay the same object. */
  function current(version: ModelVersion): ModelVersion {
    const known = entry(version.name, version.version)?.version
    return known && known.signed && writeManifest(known) === writeManifest(version) ? known : keep(version)
  }

  async function distrust(version: ModelVersion, error: RedoubtError, use: KeyUse): Promise<void> {
    change({ ...known(version.name, version.version).version, signed: false })
    await audit.record({
      type: 'model.refusal',
      actor: uidOf(use.principal),
      action: 'verify',
      resource: modelUid(version.name),
      outcome: 'refused',
      code: error.code,
      purpose: use.purpose,
      details: { version: version.version, digest: version.digest, step: error.evidence['step'] ?? null },
      ...(use.requestId === undefined ? {} : { requestId: use.requestId }),
    })
  }

  async function recordDeployment(
    kind: Deployment['kind'],
    version: ModelVersion,
    by: EntityUid,
    requestId: string | undefined,
  ): Promise<Deployment> {
    const { name, digest } = version
    const deployment: Deployment = {
      id: newId('dep'),
      name,
      version: version.version,
      digest,
      by: uidOf(by),
      deployedAt: clock.now(),
      kind,
      environment: options.environment,
      withdrawn: false,
    }
    const from = latestDeployments().get(name)?.version
    const details = { version: version.version, digest, deployment: deployment.id, ...(from === undefined ? {} : { from }) }
    tables.insertDeployment(deployment)
    try {
      await record(`model.${kind}`, kind, by, name, details, requestId)
      tables.confirmDeployment(deployment.id)
    } catch (cause) {
      tables.removeDeployment(deployment.id)
      throw cause
    }
    return deployment
  }

  function latestDeployments(): ReadonlyMap<string, Deployment> {
    return new Map(tables.deployments().map((deployment) => [deployment.name, deployment]))
  }

  const rollbackAsk = (name: string) => ({
    history: tables.deployments().filter((deployment) => deployment.name === name),
    version: (number: number): ModelVersion | null => entry(name, number)?.version ?? null,
    environment: options.environment,
  })

  /** Verifies, prepares, records and puts into service; to be called in turn. */
  async function putIntoService(
    kind: Deployment['kind'],
    version: ModelVersion,
    by: EntityUid,
    { requestId, stage }: DeployOptions,
  ): Promise<Deployment> {
    const { name } = version
    const refuseNow = (): void => {
      const refusal = kind === 'rollback' ? rollbackRefusal(rollbackAsk(name), version.version) : null
      if (refusal) throw refusal
      refuseUnfit(known(name, version.version).version)
    }
    const model = await openVerified(version, keyUse(by, 'model-deployment', name, requestId))
    const staged = await stage?.(model)
    try {
      // Starting a process takes its time; whoever quarantines meanwhile must not be overtaken.
      refuseNow()
      const deployment = await recordDeployment(kind, version, by, requestId)
      refuseUnfit(known(name, version.version).version)
      staged?.commit()
      return deployment
    } catch (cause) {
      staged?.discard()
      throw cause
    }
  }

  return {
    async register(ask) {
      checkAsk(ask)
      // A copy: the caller's buffer could change between the check and the signature.
      const file = new Uint8Array(ask.file)
      return await inTurn(() => registerNow(ask, file))
    },
    list: () => [...entries.values()].flatMap((versions) => [...versions.values()].map(({ version }) => version)),
    get: (name, version) => entry(name, version)?.version ?? null,
    lineage: (name, version) => entry(name, version)?.version.lineage ?? null,
    openVerified,
    deploy: (name, wanted, by, deployOptions = {}) =>
      inTurn(() => putIntoService('deploy', known(name, wanted ?? undefined).version, by, deployOptions)),
    rollback: (name, wanted, by, deployOptions = {}) =>
      inTurn(async () => {
        const refusal = rollbackRefusal(rollbackAsk(name), wanted)
        if (refusal) throw refusal
        return putIntoService('rollback', known(name, wanted).version, by, deployOptions)
      }),
    rollbackRefusal: (name, version) => rollbackRefusal(rollbackAsk(name), version),
    rollbackTarget: (name) => rollbackTarget(rollbackAsk(name)),
    deployed(name) {
      const deployment = latestDeployments().get(name)
      return deployment ? (entry(name, deployment.version)?.version ?? null) : null
    },
    deployments: () => [...latestDeployments().values()],
    deploymentHistory: (name) => tables.deployments().filter((deployment) => deployment.name === name),
    facts: (version) => known(version.name, version.version).facts,
    async quarantine(name, version, by, reason, actOptions = {}) {
      // First what serves: neither a full disk nor a broken log keeps a bad model in service.
      const changed = change({ ...known(name, version).version, quarantined: true })
      const stored = attempted(() => tables.setQuarantined(name, version, true))
      await record('model.quarantine', 'quarantine', by, name, { version, reason: reasonText(reason) }, actOptions.requestId)
      if (stored !== null) throw stored
      return changed
    },
    remove: (name, by, actOptions = {}) =>
      inTurn(async () => {
        const versions = [...(entries.get(name)?.values() ?? [])].map((known) => known.version)
        if (versions.length === 0) throw new RedoubtError('ERR_MODEL_UNKNOWN')
        const digests = versions.map(({ version, digest }) => ({ version, digest }))
        await record('model.remove', 'erase', by, name, { versions: digests }, actOptions.requestId)
        const paths = versions.flatMap(({ version }) => {
          const row = tables.version(name, version)
          return row ? [row.object_path, ...(row.source_path === null ? [] : [row.source_path])] : []
        })
        tables.removeName(name)
        entries.delete(name)
        for (const path of paths) files.remove(path)
        return versions.length
      }),
    async release(name, version, by, reason, actOptions = {}) {
      known(name, version)
      await record('model.release', 'release', by, name, { version, reason: reasonText(reason) }, actOptions.requestId)
      tables.setQuarantined(name, version, false)
      return change({ ...known(name, version).version, quarantined: false })
    },
    signature: async (name, version) => knownRow(name, version).bundle,
    manifest: (name, version) => knownRow(name, version).manifest,
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

const MAX_REASON_LENGTH = 500

function reasonText(reason: string): string {
  return reason.slice(0, MAX_REASON_LENGTH).toWellFormed()
}

function checkAsk(ask: RegisterAsk): void {
  if (!MODEL_NAME.test(ask.name))
    throw new RedoubtError(
      'ERR_INPUT_INVALID',
      'a model name has 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins and ends with a letter or digit',
    )
  if (!SENSITIVITIES.includes(ask.sensitivity)) throw new RedoubtError('ERR_INPUT_INVALID', 'the sensitivity is not known')
  if (!purposesSchema.safeParse(ask.purposes).success) throw new RedoubtError('ERR_INPUT_INVALID', 'a model has at most 64 purposes')
  if (!ask.foreign && ask.purposes.length === 0)
    throw new RedoubtError('ERR_INPUT_INVALID', 'a model that was trained here serves the purposes of its data')
  if (!lineageSchema.safeParse(ask.lineage).success) throw new RedoubtError('ERR_INPUT_INVALID', 'the lineage does not fit its schema')
  if (!ask.foreign && ask.lineage.codeDigest === '')
    throw new RedoubtError('ERR_INPUT_INVALID', 'a model that was trained here names the code that made it')
}

/** A derivation puts the original between the file that is served and what the original itself derives from. */
function derivedLineage(lineage: Lineage, original: string, derivation: string): Lineage {
  const parameters = lineage.parent === null ? lineage.parameters : { ...lineage.parameters, parentOfOriginal: lineage.parent }
  return { ...lineage, parameters, parent: original, derivation }
}

function resourcesOf(digest: string, manifest: string): readonly { readonly name: string; readonly digest: string }[] {
  return [
    { name: MODEL_FILE, digest },
    { name: MANIFEST_FILE, digest: sha256(manifest) },
  ]
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

import { createHash } from 'node:crypto'
import { asRedoubtError, type AuditSink, type JsonObject, RedoubtError } from '#foundation/core'
import { openObject } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import type { DatasetVersion, RowGroup } from './dataset-version.ts'
import { decodeManifest, describeForAudit, type Manifest } from './manifest.ts'
import { groupPart, indexPart, manifestPart, partPath, resourceOf } from './object-paths.ts'
import { decodeRowGroup } from './row-group-codec.ts'
import { findRows } from './subject-index.ts'

interface VersionPorts {
  readonly objects: DurableFolder
  readonly keys: Pick<Keys, 'unwrap'>
  readonly audit: AuditSink
}

/** An event of this room, with what a use says of itself. */
export function dataEvent(type: string, use: KeyUse, details: JsonObject): Parameters<AuditSink['record']>[0] {
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

/** Reads one version for one use. What is read throws `ERR_DATA_CHANGED` once rows were erased from the version, or all of it was removed. */
export class VersionReader {
  readonly version: DatasetVersion
  readonly #ports: VersionPorts
  readonly #use: KeyUse

  constructor(ports: VersionPorts, version: DatasetVersion, use: KeyUse) {
    this.#ports = ports
    this.version = version
    this.#use = use
  }

  async record(type: string, details: JsonObject = {}): Promise<void> {
    await this.#ports.audit.record(dataEvent(type, this.#use, { ...describeForAudit(this.version), ...details }))
  }

  async manifest(): Promise<Manifest> {
    return decodeManifest(await this.#open(manifestPart(this.version.erasures)), this.version)
  }

  async *groups(): AsyncGenerator<RowGroup> {
    const manifest = await this.manifest()
    if (manifest.groups.reduce((sum, { rows }) => sum + rows, 0) !== this.version.rows)
      throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a manifest has another number of rows than it states')
    for (const [number, { rows, digest, part = groupPart(number) }] of manifest.groups.entries()) {
      const bytes = await this.#open(part)
      requireDigest(bytes, digest)
      yield decodeRowGroup(bytes, rows, manifest.columns)
    }
  }

  async rowsOf(pseudonym: string): Promise<readonly number[]> {
    const index = await this.subjectIndex(await this.manifest())
    if (index === null) throw new RedoubtError('ERR_DATA_COLUMN', 'the data set was imported without a subject column')
    return findRows(index, pseudonym)
  }

  /** Null for a version that was imported without a subject column. */
  async subjectIndex({ subjectIndex }: Manifest): Promise<Uint8Array | null> {
    if (subjectIndex === null) return null
    const bytes = await this.#open(indexPart(this.version.erasures))
    requireDigest(bytes, subjectIndex)
    return bytes
  }

  async #open(part: string): Promise<Uint8Array> {
    const { objects, keys } = this.#ports
    const { id } = this.version
    try {
      const object = await openObject(objects, partPath(id, part), (wrapped) => keys.unwrap(wrapped, this.#use), {
        resource: resourceOf(id, part),
      })
      return await object.readAll()
    } catch (thrown) {
      const { code } = asRedoubtError(thrown)
      // An erasure takes the manifest with the groups that it wrote anew: whoever reads at that moment may ask again. A group that is
      // missing beside its manifest was lost.
      if (code === 'ERR_NOT_FOUND' && !objects.exists(partPath(id, manifestPart(this.version.erasures))))
        throw new RedoubtError('ERR_DATA_CHANGED', `\`${this.version.name}\` was changed or removed while it was read`)
      throw thrown
    }
  }
}

function requireDigest(bytes: Uint8Array, digest: string): void {
  if (createHash('sha256').update(bytes).digest('hex') !== digest)
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a stored object does not match the manifest of its data set')
}

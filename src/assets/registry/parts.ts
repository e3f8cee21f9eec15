import type { KeyObject } from 'node:crypto'
import { type AuditSink, type Clock, type EntityUid, type JsonObject, RedoubtError } from '#foundation/core'
import type { Keys } from '#trust/keys'
import type { KnownVersions } from './known-versions.ts'
import { modelUid, uidOf } from './model-facts.ts'
import type { ModelFiles } from './model-files.ts'
import { type Deployment, sha256 } from './model-version.ts'
import type { Tables, VersionRow } from './tables.ts'

/** Names under which the two signed files of a version are exported, so that any Open Model Signing tool can verify them. */
const MODEL_FILE = 'model.onnx'
const MANIFEST_FILE = 'lineage.json'

/** What the acts of the registry work with. */
export interface Parts {
  readonly tables: Tables
  readonly files: ModelFiles
  readonly versions: KnownVersions
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly environment: Deployment['environment']
  /** Public keys that signed models before the present one. */
  readonly signedBefore?: readonly KeyObject[]
}

export async function record(
  { audit }: Pick<Parts, 'audit'>,
  type: string,
  action: string,
  by: EntityUid,
  name: string,
  details: JsonObject,
  requestId?: string,
  failed?: RedoubtError['code'],
): Promise<void> {
  await audit.record({
    type,
    actor: uidOf(by),
    action,
    resource: modelUid(name),
    ...(failed === undefined ? { outcome: 'success' } : { outcome: 'failed', code: failed }),
    details,
    ...(requestId === undefined ? {} : { requestId }),
  })
}

/** As stored now. @throws {RedoubtError} `ERR_MODEL_UNKNOWN`. */
export function storedRow({ tables }: Pick<Parts, 'tables'>, name: string, version: number): VersionRow {
  const row = tables.version(name, version)
  if (!row) throw new RedoubtError('ERR_MODEL_UNKNOWN')
  return row
}

/** What the signature of a version is over. */
export function resourcesOf(digest: string, manifest: string): readonly { readonly name: string; readonly digest: string }[] {
  return [
    { name: MODEL_FILE, digest },
    { name: MANIFEST_FILE, digest: sha256(manifest) },
  ]
}

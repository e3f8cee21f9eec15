import type { AuditSink } from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import type { DatasetVersion } from './dataset-version.ts'
import type { RowAccess } from './row-access.ts'
import { readRows, type RowReading } from './row-reading.ts'
import { VersionReader } from './version-reader.ts'

/**
 * As `Datasets.read`, for a thread that has neither catalogue nor keyring: keys and the log it has by messages, and the version as whoever
 * gave it the work knows it. A version that was changed since does not open.
 * @throws {RedoubtError} as `Datasets.read`.
 */
export function readElsewhere(
  ports: { readonly objects: DurableFolder; readonly keys: Pick<Keys, 'unwrap'>; readonly audit: AuditSink },
  version: DatasetVersion,
  use: KeyUse,
  access: RowAccess,
): RowReading {
  return readRows(new VersionReader(ports, version, use), access)
}

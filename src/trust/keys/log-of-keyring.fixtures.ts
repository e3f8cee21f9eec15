import type { Clock } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { type AuditLog, openAuditLog } from '#trust/audit'
import type { Keyring } from './keys.ts'

/** A real log in memory, sealed and signed by a keyring, that publishes nothing by itself. */
export function logOf({ checkpointSigner, sealer, searchKey }: Keyring, clock: Clock): Promise<AuditLog> {
  return openAuditLog({
    folder: new MemoryFolder(),
    signer: checkpointSigner,
    sealer,
    searchKey,
    indexPath: ':memory:',
    origin: 'redoubt.test/log',
    clock,
    instance: 'test',
    checkpointIntervalMs: 3_600_000,
    segmentBytes: 65_536,
  })
}

import { type AuditSink, type Clock } from '#foundation/core'
import { type Database, migrate } from '#foundation/storage'
import { roomKey, Statements } from '#governance/approvals'
import type { Keys } from '#trust/keys'
import { type Erasures, type ErasuresOptions, openErasures } from './erasures.ts'
import { type Holds, openHolds } from './holds.ts'
import { MIGRATIONS } from './tables.ts'

export interface ErasureRoomOptions {
  /** A database of the room's own, with the key store. */
  readonly database: Pick<Database, 'raw'>
  readonly keys: Pick<Keys, 'generateDataKey' | 'unwrap' | 'destroySubject' | 'signer'>
  readonly audit: AuditSink
  readonly clock: Clock
}

export interface ErasureRoom {
  readonly holds: Holds
  /** Once there are data, which ask the holds. @param data what is erased. @param known the database beside the data. */
  erasures(parts: Pick<ErasuresOptions, 'data' | 'sealer'> & { readonly known: Pick<Database, 'raw'> }): Erasures
}

export async function openErasureRoom({ database, keys, audit, clock }: ErasureRoomOptions): Promise<ErasureRoom> {
  migrate(database, 'governance/erasure', MIGRATIONS)
  const statements = new Statements(database)
  const holds = openHolds({ statements, audit, clock, key: await roomKey(keys, statements, 'erasure') })
  return {
    holds,
    erasures: ({ data, sealer, known }) => openErasures({ statements, database: known, holds, keys, sealer, data, audit, clock }),
  }
}

/** Collections over real files, keys and log, as a server has them. */
import { join } from 'node:path'
import { systemClock } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { type Datasets, openDatasets } from '#assets/datasets'
import { openAuditLog } from '#trust/audit'
import { openKeyring } from '#trust/keys'
import { openCollections } from './collections.ts'
import type { Collections } from './contract.ts'

export interface Rooms {
  readonly datasets: Datasets
  readonly collections: Collections
  close(): Promise<void>
}

export async function openRooms(root: string): Promise<Rooms> {
  const at = (name: string): string => join(root, name)
  const keysDatabase = openDatabase<unknown>(at('keys.db'))
  const database = openDatabase<unknown>(at('redoubt.db'))
  const kdf = { memoryKiB: 19_456, passes: 2, parallelism: 1 }
  const passphrase = Buffer.from('a passphrase of the test')
  const keyring = await openKeyring({ folder: nodeFolder(at('keys')), database: keysDatabase, passphrase, clock: systemClock, kdf })
  const audit = await openAuditLog({
    folder: nodeFolder(at('log')),
    signer: keyring.checkpointSigner,
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: at('audit-index.db'),
    origin: 'collections.test/log',
    clock: systemClock,
    instance: 'test',
  })
  const keys = keyring.keys(audit)
  const common = { database, objects: nodeFolder(at('objects')), keys, audit, clock: systemClock, environment: 'production' } as const
  const holds = { demandNone: () => undefined, heldSubjects: () => [] }
  const datasets = openDatasets({ ...common, sealer: keyring.sealer, holds })
  const collections = openCollections({ ...common, datasets, holds, digestKey: new Uint8Array(32).fill(3), codeDigest: async () => 'c0de' })
  return {
    datasets,
    collections,
    async close() {
      await collections.end()
      await keys.close()
      await audit.close()
      keyring.close()
      await Promise.all([database.close(), keysDatabase.close()])
    },
  }
}

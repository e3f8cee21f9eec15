/** Transforms over real files, keys and log, as a server has them. */
import { join } from 'node:path'
import { newId, systemClock } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { type Datasets, EVERY_ROW_WHOLE, openDatasets } from '#assets/datasets'
import { openAuditLog } from '#trust/audit'
import { openKeyring } from '#trust/keys'
import { checkedTransform } from './definition.ts'
import { runTransform } from './run-transform.ts'
import { ADA, factsOf } from './transforms.fixtures.ts'
import { openTransforms } from './transforms.ts'

export const OBJECTS = 'objects'
export const DEFINITION = checkedTransform({
  from: 'visits',
  steps: [{ filter: 'age >= 20' }, { derive: { half: 'age / 2' } }],
  to: { dataset: 'made' },
})

export interface Rooms {
  readonly datasets: Datasets
  /** Reads `visits`, makes the next version of `made`. */
  run(signal?: AbortSignal): Promise<{ readonly version: number; readonly digest: string; readonly rows: number }>
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
    origin: 'transforms.test/log',
    clock: systemClock,
    instance: 'test',
  })
  const keys = keyring.keys(audit)
  const holds = { demandNone: () => undefined, heldSubjects: () => [] }
  const objects = nodeFolder(at(OBJECTS))
  const datasets = openDatasets({ database, objects, keys, audit, clock: systemClock, sealer: keyring.sealer, holds, environment: 'production' }) // prettier-ignore
  const transforms = openTransforms({ database, audit, clock: systemClock })
  const ports = { datasets, transforms, keys, audit, pseudonymKey: keyring.pseudonymKey, objectsPath: at(OBJECTS) }
  return {
    datasets,
    async run(signal) {
      const transform = transforms.get('made') ?? (await transforms.save({ name: 'made', definition: DEFINITION, replaces: null, by: ADA }))
      const version = datasets.get('visits')!
      const access = { ...EVERY_ROW_WHOLE, action: 'transform' }
      const use = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: 'visits' } }
      const source = { version, facts: factsOf(datasets, version), access, use }
      return runTransform(ports, { transform, run: newId('run'), sources: [source], by: ADA, ...(signal ? { signal } : {}) })
    },
    async close() {
      await keys.close()
      await audit.close()
      keyring.close()
      await Promise.all([database.close(), keysDatabase.close()])
    },
  }
}

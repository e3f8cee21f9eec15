import { join } from 'node:path'
import { systemClock } from '#foundation/core'
import { type DurableFolder, nodeFolder, openDatabase } from '#foundation/storage'
import { ADULT, MemoryAudit, PASSPHRASE, QUICK_KDF } from '../keys.fixtures.ts'
import type { AuditedKeys } from '../keys.ts'
import { openKeyring } from '../open-keyring.ts'
import type { KeyRotation } from './key-rotation.ts'

interface HouseOnDisk {
  readonly keys: AuditedKeys
  readonly rotation: KeyRotation
  readonly objects: DurableFolder
  close(): Promise<void>
}

/** A house with objects of one owner on the file system, which more than one process opens in turn. */
export async function openHouseOnDisk(root: string, { objectsPerSecond }: { readonly objectsPerSecond: number }): Promise<HouseOnDisk> {
  const database = openDatabase(join(root, 'keys.db'))
  const folder = nodeFolder(join(root, 'keys'))
  const objects = nodeFolder(join(root, 'objects'))
  const keyring = await openKeyring({ folder, database, clock: systemClock, passphrase: PASSPHRASE, kdf: QUICK_KDF })
  const audit = new MemoryAudit()
  const list = () => objects.list('').flatMap((path) => (path.endsWith('.rdbt') ? [{ path, owner: ADULT.name }] : []))
  const rotation = keyring.rotation({
    audit,
    alerts: { raise: () => undefined },
    folder: objects,
    objects: [{ name: 'objects', keyClass: ADULT.keyClass, list }],
    wrapped: [],
    config: { graceDays: 30, objectsPerSecond },
  })
  return {
    keys: keyring.keys(audit),
    rotation,
    objects,
    async close() {
      await rotation.close()
      keyring.close()
      await database.close()
    },
  }
}

import type { AuditSink } from '#foundation/core'
import { type DataKey, sealObject } from '#foundation/crypto'
import type { MemoryFolder } from '#foundation/storage'
import { MemoryAudit, USE } from '../keys.fixtures.ts'
import type { Keyring } from '../keys.ts'
import type { KeyRotation } from '../rotation/key-rotation.ts'

/** Seals so many objects under the class of the house. @returns their keys. */
export async function sealObjects(keyring: Keyring, objects: MemoryFolder, count: number): Promise<DataKey[]> {
  const made: DataKey[] = []
  for (let i = 0; i < count; i++) {
    const key = await keyring.keys(new MemoryAudit()).generateDataKey('configuration', `object/${i}`, USE)
    await sealObject(objects, `${i}.rdbt`, key, Buffer.from(`content ${i}`))
    made.push(key)
  }
  return made
}

/** The rotation that moves them, as fast as it can. */
export function rotationOf(keyring: Keyring, objects: MemoryFolder, audit: AuditSink): KeyRotation {
  return keyring.rotation({
    audit,
    alerts: { raise: () => undefined },
    folder: objects,
    objects: [
      {
        name: 'objects of the house',
        keyClass: 'configuration',
        list: () => objects.list('').flatMap((path) => (path.endsWith('.rdbt') ? [{ path, owner: null }] : [])),
      },
    ],
    wrapped: [],
    config: { graceDays: 30, objectsPerSecond: 100_000 },
    sleep: async () => undefined,
  })
}

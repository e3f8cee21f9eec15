import { RedoubtError } from '#foundation/core'
import { readObjectHeader, rewrapObject, type WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { AuditedKeys, Keys, KeyUse } from '#trust/keys'
import type { DatasetVersion } from './dataset-version.ts'
import { ownerOf, pathsOf } from './object-paths.ts'

export type DatasetKeys = Keys & Pick<AuditedKeys, 'rewrap' | 'destroyRetired'>

/** An object has two header slots, written in turn. */
const SLOTS = 2

/**
 * Makes what is no longer there unreadable in copies, too: the data set gets a new key-encryption key, the data keys of all objects that
 * it still has are wrapped under it, in both header slots, and its older versions are destroyed. No body is rewritten. A copy of an
 * object from before, even of one that is still there, opens with no key store from after. Idempotent: a failed call is repeated.
 * @throws {RedoubtError} what storage, keys and audit throw; nothing was destroyed then.
 */
export async function renewKeys(
  { objects, keys }: { readonly objects: DurableFolder; readonly keys: DatasetKeys },
  name: string,
  versions: readonly DatasetVersion[],
  use: KeyUse,
): Promise<void> {
  const owner = ownerOf(name)
  await keys.rotate(owner, use)
  const rewrapped = (wrapped: readonly WrappedKey[]): Promise<WrappedKey[] | null> =>
    Promise.all(wrapped.map((key) => keys.rewrap(key, use, owner))).catch((error: unknown) => {
      // What was restored from before an earlier renewal cannot be read, and stays so.
      if (error instanceof RedoubtError && error.code === 'ERR_KEYS_DESTROYED') return null
      throw error
    })
  for (const { id } of versions)
    for (const path of pathsOf(objects, id)) {
      const renewed = await rewrapped(readObjectHeader(objects, path).keys)
      if (renewed === null) continue
      for (let slot = 0; slot < SLOTS; slot++) rewrapObject(objects, path, (header) => ({ ...header, keys: renewed }))
    }
  await keys.destroyRetired(owner, use)
}

/**
 * An import takes its time: keys that were renewed meanwhile are destroyed, and what it sealed before cannot be read.
 * @throws {RedoubtError} `ERR_KEYS_DESTROYED`.
 */
export function demandLivingKeys({ objects, keys }: { readonly objects: DurableFolder; readonly keys: Keys }, id: string): void {
  const destroyed = new Set(keys.list().flatMap(({ keyId, version, state }) => (state === 'destroyed' ? [`${keyId}/${version}`] : [])))
  for (const path of pathsOf(objects, id))
    if (readObjectHeader(objects, path).keys.every(({ keyId, version }) => destroyed.has(`${keyId}/${version}`)))
      throw new RedoubtError('ERR_KEYS_DESTROYED', 'the keys of the data set were renewed during the import; import the file again')
}

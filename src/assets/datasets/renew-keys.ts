import { RedoubtError } from '#foundation/core'
import { type ObjectHeader, readHeaderSlots, readObjectHeader, rewrapBothSlots, type WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { AuditedKeys, KeyOwner, Keys, KeyUse } from '#trust/keys'
import type { DatasetVersion } from './dataset-version.ts'
import { ownerOf, pathsOf } from './object-paths.ts'

export type DatasetKeys = Keys & Pick<AuditedKeys, 'rewrap' | 'destroyRetired'>

/** Whoever moves keys by itself may come in between; more often than this is a fault. */
const MAX_ROUNDS = 8

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
  const { keyId, version } = await keys.rotate(owner, use)
  const isFresh = (key: WrappedKey): boolean => key.keyId === keyId && key.version === version
  // What was restored from before an earlier renewal cannot be read, and stays so.
  const lost = new Set<string>()
  const stale = (): string[] =>
    versions
      .flatMap(({ id }) => pathsOf(objects, id))
      .filter((path) => {
        if (lost.has(path)) return false
        const { headers, torn } = readHeaderSlots(objects, path)
        return torn || headers.some((header) => !header.keys.every(isFresh))
      })
  const destroyed = async (): Promise<boolean> => {
    try {
      // Looked at once more when it cannot come too late: an object that is sealed anew takes its name while the end is being recorded.
      await keys.destroyRetired(owner, use, () => stale().length === 0)
      return true
    } catch (error) {
      if (error instanceof RedoubtError && error.code === 'ERR_CONFLICT') return false
      throw error
    }
  }
  for (let round = 1; ; round++) {
    const paths = stale()
    if (paths.length === 0 && (await destroyed())) return
    if (round > MAX_ROUNDS) throw new RedoubtError('ERR_CONFLICT', 'the keys of the data set are being moved over and over')
    for (const path of paths) if (!(await moveObject({ objects, keys }, path, owner, isFresh, use))) lost.add(path)
  }
}

/** @returns false when it opens with no key that there is. */
export async function moveObject(
  { objects, keys }: { readonly objects: DurableFolder; readonly keys: DatasetKeys },
  path: string,
  owner: KeyOwner,
  isFresh: (key: WrappedKey) => boolean,
  use: KeyUse,
): Promise<boolean> {
  const moved = new Map<string, WrappedKey>()
  try {
    for (const key of readObjectHeader(objects, path).keys) if (!isFresh(key)) moved.set(key.wrapped, await keys.rewrap(key, use, owner))
  } catch (error) {
    if (error instanceof RedoubtError && error.code === 'ERR_KEYS_DESTROYED') return false
    throw error
  }
  // One that was sealed anew meanwhile has other keys, and is looked at in the next round.
  const change = (header: ObjectHeader): ObjectHeader => ({ ...header, keys: header.keys.map((key) => moved.get(key.wrapped) ?? key) })
  const [failure] = await rewrapBothSlots(objects, [{ path, change }])
  if (failure) throw failure
  return true
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

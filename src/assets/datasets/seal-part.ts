import { type SealedObject, sealObject } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { Keys, KeyUse } from '#trust/keys'
import type { DatasetVersion } from './dataset-version.ts'
import { ownerOf, partPath, resourceOf } from './object-paths.ts'

/** Seals one part of a version under a data key of its own; durable when it resolves. */
export async function sealPart(
  { objects, keys }: { readonly objects: DurableFolder; readonly keys: Pick<Keys, 'generateDataKey'> },
  { id, name }: Pick<DatasetVersion, 'id' | 'name'>,
  part: string,
  use: KeyUse,
  bytes: readonly Uint8Array[],
): Promise<SealedObject> {
  const key = await keys.generateDataKey(ownerOf(name), resourceOf(id, part), use)
  return sealObject(objects, partPath(id, part), key, bytes)
}

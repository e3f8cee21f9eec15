import { asRedoubtError, RedoubtError } from '#foundation/core'
import { readHeaderSlots, type WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { KeyUse } from '#trust/keys'
import type { DatasetVersion } from './dataset-version.ts'
import { ownerOf, pathsOf } from './object-paths.ts'
import { type DatasetKeys, moveObject } from './renew-keys.ts'

/** Whoever moves keys by itself may come in between; more often than this is a fault. */
const MAX_ROUNDS = 8

interface Ports {
  readonly objects: DurableFolder
  readonly keys: DatasetKeys
}
const idOf = ({ keyId, version }: Pick<WrappedKey, 'keyId' | 'version'>): string => `${keyId}/${version}`

/**
 * Brings what still lies under the class of the tenant, from before data sets had chains, under the chain of its data set, so that it ends
 * with that. The version of the class that wrapped it is rotated out first: copies from before open until that version is destroyed.
 * @throws {RedoubtError} what storage, keys and audit throw; what was moved by then stays moved, and a failed call is repeated.
 */
export async function moveUnderOwner(ports: Ports, name: string, versions: readonly DatasetVersion[], use: KeyUse): Promise<void> {
  const { objects, keys } = ports
  const classKeys = () =>
    keys.list().filter(({ keyClass, owner, state }) => keyClass === 'dataset' && owner === undefined && state !== 'destroyed')
  // Unreadable already: wrapped under a version that was destroyed.
  const lost = new Set<string>()
  for (let round = 1; ; round++) {
    const ofClass = new Set(classKeys().map(({ keyId }) => keyId))
    const isOfClass = ({ keyId }: WrappedKey): boolean => ofClass.has(keyId)
    const found = naming(objects, versions, isOfClass).filter(({ path }) => !lost.has(path))
    if (found.length === 0) return
    if (round > MAX_ROUNDS) throw new RedoubtError('ERR_CONFLICT', 'the keys of the data set are being moved over and over')
    const primary = classKeys().find(({ state }) => state === 'primary')
    if (primary && found.some(({ keys: named }) => named.some((key) => idOf(key) === idOf(primary)))) await keys.rotate('dataset', use)
    for (const { path } of found) if (!(await moveObject(ports, path, ownerOf(name), (key) => !isOfClass(key), use))) lost.add(path)
  }
}

/** After the end of its chain: nothing of a data set may open any more. @throws {RedoubtError} `ERR_CONFLICT` when something does; call again. */
export function demandUnreadable({ objects, keys }: Ports, versions: readonly DatasetVersion[]): void {
  const living = new Set(keys.list().flatMap((key) => (key.state === 'destroyed' ? [] : [idOf(key)])))
  if (naming(objects, versions, (key) => living.has(idOf(key))).length > 0)
    throw new RedoubtError('ERR_CONFLICT', 'an object of the data set is wrapped under a key that lives still')
}

/** Objects of which a header, in either slot, names such a key. A header that is whole in neither slot opens with no key. */
function naming(objects: DurableFolder, versions: readonly DatasetVersion[], names: (key: WrappedKey) => boolean) {
  return versions
    .flatMap(({ id }) => pathsOf(objects, id))
    .flatMap((path): readonly { readonly path: string; readonly keys: readonly WrappedKey[] }[] => {
      const keys = slotKeys(objects, path).filter(names)
      return keys.length === 0 ? [] : [{ path, keys }]
    })
}

function slotKeys(objects: DurableFolder, path: string): readonly WrappedKey[] {
  try {
    return readHeaderSlots(objects, path).headers.flatMap(({ keys }) => keys)
  } catch (thrown) {
    const { code } = asRedoubtError(thrown)
    if (code !== 'ERR_CRYPTO_FORMAT' && code !== 'ERR_NOT_FOUND') throw thrown
    return []
  }
}

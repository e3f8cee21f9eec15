import type { WrappedKey } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { KeyReference } from '../key-provider.ts'
import { findObjectReferences } from './object-mover.ts'
import type { SealedObjects, WrappedKeys } from './wrapped-places.ts'

export interface ReferenceSearch {
  readonly folder: DurableFolder
  readonly objects: readonly SealedObjects[]
  readonly wrapped: readonly WrappedKeys[]
  readonly pinned: Iterable<WrappedKey>
  /** Called between pages and objects: says whether to go on. */
  readonly pause: (done: number) => Promise<boolean>
}

/** How often each place names each version, by `keyId/version`. */
export class References {
  readonly #counts = new Map<string, Map<string, number>>()

  add(what: string, { keyId, version }: KeyReference): void {
    const id = `${keyId}/${version}`
    const places = this.#counts.get(id) ?? new Map<string, number>()
    this.#counts.set(id, places)
    places.set(what, (places.get(what) ?? 0) + 1)
  }

  names({ keyId, version }: KeyReference): boolean {
    return this.#counts.has(`${keyId}/${version}`)
  }

  /** What names one of some versions, and how often. */
  of(versions: (key: KeyReference) => boolean): readonly { readonly what: string; readonly keys: number }[] {
    const found = new Map<string, number>()
    for (const [id, places] of this.#counts) {
      const [keyId = '', version] = id.split('/')
      if (!versions({ keyId, version: Number(version) })) continue
      for (const [what, keys] of places) found.set(what, (found.get(what) ?? 0) + keys)
    }
    return [...found].map(([what, keys]) => ({ what, keys })).toSorted((a, b) => (a.what < b.what ? -1 : 1))
  }
}

/** Looks at every row and every header once more. @returns null when that could not be done to the end. */
export async function findReferences({ folder, objects, wrapped, pinned, pause }: ReferenceSearch): Promise<References | null> {
  const found = new References()
  for (const key of pinned) found.add('rows that are in no version yet', key)
  for (const place of wrapped)
    for (const page of place.pages()) {
      for (const key of page) found.add(place.name, key.wrapped)
      if (!(await pause(0))) return null
    }
  const looking = { folder, progress: { seen: 0, moved: 0, resealed: 0, failed: 0 }, pause }
  for (const place of objects) if (!(await findObjectReferences(place, looking, (key) => found.add(place.name, key)))) return null
  return found
}

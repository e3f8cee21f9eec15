import type { DurableFolder } from '#foundation/storage'
import type { KeyOwner } from '#trust/keys'

/** Where the objects of one version lie. Flat, so that all of a version are found by the prefix of its id. */
export const FOLDER = 'datasets'

export const partPath = (id: string, part: string): string => `${FOLDER}/${id}-${part}.rdbt`
export const spoolPath = (id: string): string => `${FOLDER}/${id}-spool.rdbt`

/**
 * Parts of a version. Each erasure of rows writes what it changes under names of its own, so that until its commit all that it
 * replaces is there, and after it all that replaced it.
 * @param erasures how many erasures the part has seen; 0 as imported.
 */
export const groupPart = (group: number, erasures = 0): string => `group-${group}${suffix(erasures)}`
export const manifestPart = (erasures: number): string => `manifest${suffix(erasures)}`
export const indexPart = (erasures: number): string => `subjects${suffix(erasures)}`
export const GROUP_PART = /^group-[0-9]{1,10}(?:\.[0-9]{1,10})?$/

function suffix(erasures: number): string {
  return erasures === 0 ? '' : `.${erasures}`
}

/** What the key of an object is bound to; an object moved to another place does not open. */
export const resourceOf = (id: string, part: string): string => `dataset/${id}/${part}`

/** All versions of a data set share the key-encryption keys of its name. */
export const ownerOf = (name: string): KeyOwner => ({ keyClass: 'dataset', name })

const ENDING = '.rdbt'
/** `ds_` and 22 characters; whatever else lies here is not ours to touch. */
const OBJECT = /^(ds_[A-Za-z0-9_-]{22})-/

export function pathsOf(objects: DurableFolder, id: string): string[] {
  return objects
    .list(FOLDER)
    .filter((name) => name.startsWith(`${id}-`))
    .map((name) => `${FOLDER}/${name}`)
}

/** Objects of erasures later than a version knows of: such an erasure was never committed. */
export function pathsAfter(objects: DurableFolder, { id, erasures }: { readonly id: string; readonly erasures: number }): string[] {
  return pathsOf(objects, id).filter((path) => Number(/\.([0-9]+)\.rdbt$/.exec(path)?.[1] ?? 0) > erasures)
}

/** Ids of which objects exist. */
export function idsWithObjects(objects: DurableFolder): ReadonlySet<string> {
  return new Set(objects.list(FOLDER).flatMap((name) => OBJECT.exec(name)?.[1] ?? []))
}

/** Every whole object, with the name of its data set where the catalogue has it. */
export function sealedObjectsIn(objects: DurableFolder, names: ReadonlyMap<string, string>): { path: string; owner: string | null }[] {
  return objects.list(FOLDER).flatMap((file) => {
    const id = file.endsWith(ENDING) ? OBJECT.exec(file)?.[1] : undefined
    return id === undefined ? [] : [{ path: `${FOLDER}/${file}`, owner: names.get(id) ?? null }]
  })
}

import type { DurableFolder } from '#foundation/storage'
import type { KeyOwner } from '#trust/keys'

/** Where the objects of one version lie. Flat, so that all of a version are found by the prefix of its id. */
export const FOLDER = 'datasets'

export const groupPath = (id: string, group: number): string => `${FOLDER}/${id}-group-${group}.rdbt`
export const manifestPath = (id: string): string => `${FOLDER}/${id}-manifest.rdbt`
export const indexPath = (id: string): string => `${FOLDER}/${id}-subjects.rdbt`
export const spoolPath = (id: string): string => `${FOLDER}/${id}-spool.rdbt`

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

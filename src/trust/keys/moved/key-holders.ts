import { RedoubtError } from '#foundation/core'
import { type DurableFolder, subfolder } from '#foundation/storage'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import { KEYRING_PATH } from '../sealed-file/sealed-file-provider.ts'
import { placeOf, readPlaces } from './provider-places.ts'

/** Kinds of providers. */
export interface KeyHolders {
  readonly current: string
  /** Keys move away from it, or did, and its versions are not all destroyed yet; null where there is none. */
  readonly former: string | null
}

/**
 * Who holds the keys whose records lie in a keyring's folder; nothing is opened.
 * @returns null where no keys were made yet.
 * @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT`, also when the records of one that is needed are gone.
 */
export function keyHolders(folder: DurableFolder): KeyHolders | null {
  const places = readPlaces(folder)
  if (places === null) return null
  const { current, former } = places
  for (const kind of [current, ...(former === null || former.proved ? [] : [former.kind])])
    if (!subfolder(folder, placeOf(places, kind)).exists(kind === 'sealed-file' ? KEYRING_PATH : KEY_RECORDS_PATH))
      throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the records of \`${kind}\`, which holds keys, are gone`)
  return { current, former: former?.kind ?? null }
}

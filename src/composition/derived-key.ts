import { hkdfSync } from 'node:crypto'

/** Keys of digests come from the search key, so that a digest means the same after a restart. */
export function derivedKey(searchKey: Parameters<typeof hkdfSync>[1], use: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', searchKey, new Uint8Array(), use, 32))
}

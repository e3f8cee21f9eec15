/** Collections over real files, keys and log, as a server has them. */
import type { Datasets } from '#assets/datasets'
import { openSealedRooms } from '../../../test/fixtures/sealed-rooms.ts'
import { openCollections } from './collections.ts'
import type { Collections } from './contract.ts'

export interface Rooms {
  readonly datasets: Datasets
  readonly collections: Collections
  close(): Promise<void>
}

export async function openRooms(root: string): Promise<Rooms> {
  const rooms = await openSealedRooms(root)
  const collections = openCollections({ ...rooms, digestKey: new Uint8Array(32).fill(3), codeDigest: async () => 'c0de' })
  return {
    datasets: rooms.datasets,
    collections,
    async close() {
      await collections.end()
      await rooms.close()
    },
  }
}

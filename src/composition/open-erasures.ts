import type { Collections } from '#assets/collections'
import type { Datasets } from '#assets/datasets'
import type { SubjectSealer } from '#foundation/core'
import { type Database, openDatabase } from '#foundation/storage'
import type { ConfidentialStore } from '#gateway/filters'
import { wrappedRoomKey } from '#governance/approvals'
import { type ErasableData, type ErasureRoomOptions, type Erasures, type Holds, openErasureRoom } from '#governance/erasure'
import { type ControlPlane, protectRows } from '#interfaces/api'
import type { WrappedKeys } from '#trust/keys'
import type { Closers } from './closers.ts'

interface Erased {
  readonly datasets: Datasets
  readonly collections: Pick<Collections, 'cutAll' | 'remove'>
  readonly confidential: ConfidentialStore
  readonly sealer: SubjectSealer
  readonly database: Pick<Database, 'raw'>
}

export interface Erasing {
  readonly holds: Holds
  /** Its key, for whoever moves keys. */
  readonly wrapped: WrappedKeys
  /** Once there are data: finishes what was interrupted, and applies what restored data do not know of. */
  open(erased: Erased): Promise<Pick<ControlPlane, 'holds' | 'erasures' | 'pseudonym'>>
}

/**
 * Legal holds, and what ends people's data. Its database lies with the key store: data that are restored from an older backup do not
 * bring back what was erased since.
 */
export async function openErasing(path: string, closers: Closers, options: Omit<ErasureRoomOptions, 'database'>): Promise<Erasing> {
  const database = openDatabase(path)
  closers.push(() => database.close())
  const room = await openErasureRoom({ ...options, database })
  const { holds } = room
  return {
    holds,
    wrapped: wrappedRoomKey(database, 'erasures and legal holds'),
    async open(erased) {
      const erasures: Erasures = room.erasures({ data: erasable(erased, holds), sealer: erased.sealer, known: erased.database })
      await erasures.resume()
      return { holds, erasures, pseudonym: (subject) => erased.sealer.pseudonym(subject) }
    },
  }
}

/** Ties erasures to data sets, and to what is looked for in texts because it stands in one. */
function erasable({ datasets, collections, confidential }: Erased, holds: Pick<Holds, 'heldSubjects'>): ErasableData {
  return {
    names: () => [...new Set(datasets.list().map(({ name }) => name))],
    madeOf: (name) => datasets.madeOf(name),
    async withRowsOf(pseudonym, use) {
      // Rows that are in no version yet would be missed.
      await collections.cutAll({ by: use.principal, requestId: use.requestId })
      return datasets.withRowsOf(pseudonym, use)
    },
    async eraseSubject(name, ask, use) {
      await collections.cutAll({ by: use.principal, requestId: use.requestId }, name)
      return datasets.eraseSubject(name, ask, use)
    },
    async demandNotHeld(name, use) {
      // Whom rows in no version are about is known once they are one.
      if (holds.heldSubjects().length > 0) await collections.cutAll({ by: use.principal, requestId: use.requestId }, name)
      await datasets.demandNotHeld(name, use)
    },
    async shred(name, erasure, use) {
      // First, so that what is collected makes no version of what is gone.
      await collections.remove(name, use)
      return datasets.shred(name, erasure, use)
    },
    async relearn(name, use) {
      if (!confidential.list().some(({ kind, label }) => kind === 'data' && label === name)) return
      if ((datasets.get(name)?.rows ?? 0) === 0) await confidential.remove('data', name, use)
      else await protectRows({ datasets, confidential }, name, use)
    },
  }
}

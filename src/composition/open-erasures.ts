import type { Collections } from '#assets/collections'
import type { Datasets } from '#assets/datasets'
import type { SubjectSealer } from '#foundation/core'
import type { Database } from '#foundation/storage'
import type { ConfidentialStore } from '#gateway/filters'
import type { ErasableData, ErasureRoom, Erasures } from '#governance/erasure'
import { protectRows } from '#interfaces/api'

/** Ties erasures to data sets, and to what is looked for in texts because it stands in one. */
export function openErasuresOf(
  room: ErasureRoom,
  parts: {
    readonly datasets: Datasets
    readonly collections: Pick<Collections, 'cutAll' | 'remove'>
    readonly confidential: ConfidentialStore
    readonly sealer: SubjectSealer
    readonly database: Pick<Database<unknown>, 'raw'>
  },
): Erasures {
  const { datasets, collections, confidential, sealer, database } = parts
  const data: ErasableData = {
    names: () => [...new Set(datasets.list().map(({ name }) => name))],
    async withRowsOf(pseudonym, use) {
      // Rows that are in no version yet would be missed.
      await collections.cutAll({ by: use.principal, requestId: use.requestId })
      return datasets.withRowsOf(pseudonym, use)
    },
    async eraseSubject(name, ask, use) {
      await collections.cutAll({ by: use.principal, requestId: use.requestId }, name)
      return datasets.eraseSubject(name, ask, use)
    },
    demandNotHeld: (name, use) => datasets.demandNotHeld(name, use),
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
  return room.erasures({ data, sealer, known: database })
}

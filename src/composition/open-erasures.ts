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
    readonly confidential: ConfidentialStore
    readonly sealer: SubjectSealer
    readonly database: Pick<Database<unknown>, 'raw'>
  },
): Erasures {
  const { datasets, confidential, sealer, database } = parts
  const data: ErasableData = {
    names: () => [...new Set(datasets.list().map(({ name }) => name))],
    withRowsOf: (pseudonym, use) => datasets.withRowsOf(pseudonym, use),
    eraseSubject: (name, ask, use) => datasets.eraseSubject(name, ask, use),
    demandNotHeld: (name, use) => datasets.demandNotHeld(name, use),
    shred: (name, erasure, use) => datasets.shred(name, erasure, use),
    async relearn(name, use) {
      if (!confidential.list().some(({ kind, label }) => kind === 'data' && label === name)) return
      if ((datasets.get(name)?.rows ?? 0) === 0) await confidential.remove('data', name, use)
      else await protectRows({ datasets, confidential }, name, use)
    },
  }
  return room.erasures({ data, sealer, known: database })
}

import { processFacts } from '#foundation/core'
import type { Datasets, DatasetVersion, ImportedVersion, RowGroup } from '#assets/datasets'
import type { KeyUse } from '#trust/keys'
import type { Collection } from './collection.ts'
import type { CollectionLog, SealedPart } from './collection-log.ts'
import type { CutAsk } from './contract.ts'

interface Collected {
  readonly log: CollectionLog
  readonly sealed: SealedPart
}

/**
 * The next version of the data set: the rows of its latest one, and what was collected since.
 * @param commit done in the transaction that makes the version exist.
 * @throws {RedoubtError} as `Datasets.write`; `ERR_STORAGE_CORRUPT` unless the rows are those that were acknowledged.
 */
export function makeVersion(
  datasets: Pick<Datasets, 'get' | 'read' | 'write'>,
  { name, columns, label, subject, sensitivity, purposes, legalBasis }: Collection,
  { log, sealed, code }: Collected & { readonly code: string },
  { use, ...ask }: CutAsk & { readonly use: KeyUse },
  commit: (version: number) => void,
): Promise<ImportedVersion> {
  const base = datasets.get(name)
  return datasets.write(rowsOf(base, { log, sealed }, use, datasets), {
    ...ask,
    name,
    columns,
    label,
    subject,
    sensitivity,
    purposes,
    legalBasis,
    after: base ?? undefined,
    event: 'data.cut',
    bytes: () => (base?.bytes ?? 0) + sealed.bytes,
    details: () => ({
      collected: { rows: sealed.rows, batches: sealed.batches, frame: sealed.place.lastFrame },
      after: base ? { version: base.version, digest: base.digest } : null,
      process: processFacts('server', code),
    }),
    commit: ({ version }) => commit(version),
  })
}

async function* rowsOf(
  base: DatasetVersion | null,
  { log, sealed }: Collected,
  use: KeyUse,
  datasets: Pick<Datasets, 'read'>,
): AsyncGenerator<RowGroup> {
  // Every row, whole: the next version is of the same people, purposes and sensitivity.
  if (base) yield* datasets.read(base, use, { action: 'cut', rows: null, masks: {} })
  yield* log.groups(sealed, use)
}

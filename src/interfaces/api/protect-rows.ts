import { RedoubtError } from '#foundation/core'
import { type Cell, type ConfidentialStore, RowsReader } from '#gateway/filters'
import type { Datasets } from '#assets/datasets'
import type { KeyUse } from '#trust/keys'

const PURPOSE = 'confidential-data'
const RESOURCE = { type: 'System', id: 'confidential' } as const
const ROWS_A_TURN = 2_000

export interface ProtectAsk {
  readonly progress?: (rows: number) => void
  readonly signal?: AbortSignal
}

/**
 * Has the rows of the latest version of a data set looked for in answers; the house reads them, and tells nobody of them.
 * @throws {RedoubtError} `ERR_DATA_UNKNOWN`, and what reading and registering throw.
 */
export async function protectRows(
  {
    datasets,
    confidential,
  }: { readonly datasets: Pick<Datasets, 'get' | 'read'>; readonly confidential: Pick<ConfidentialStore, 'key' | 'add'> },
  label: string,
  by: Pick<KeyUse, 'principal' | 'requestId'>,
  { progress, signal }: ProtectAsk = {},
): ReturnType<ConfidentialStore['add']> {
  const version = datasets.get(label)
  if (version === null) throw new RedoubtError('ERR_DATA_UNKNOWN', `there is no data set \`${label}\``)
  const use = { ...by, purpose: PURPOSE, resource: { type: 'Dataset', id: label } }
  const reading = datasets.read(version, use, { action: 'protect', rows: null, masks: {} })
  const reader = new RowsReader(
    confidential.key,
    reading.columns.map(({ name }) => name),
  )
  for await (const { columns, rows } of reading) {
    signal?.throwIfAborted()
    for (let row = 0; row < rows; row++) {
      // So that others have their turn: a group has as many rows as fit in memory.
      if (row % ROWS_A_TURN === ROWS_A_TURN - 1) await new Promise((resolve) => void setImmediate(resolve))
      reader.add(columns.map(({ values }): Cell => values[row] ?? null))
    }
    progress?.(reader.rows)
  }
  return confidential.add(label, reader.rows, reader.finish(), { ...use, resource: RESOURCE })
}

import { RedoubtError } from '#foundation/core'
import type { DatasetVersion, RowGroup } from '#assets/datasets'

/** A column of numbers as the model will see it: integers exact, reals rounded to FP32 as the served tensor is. NaN is missing. */
export interface NumericColumn {
  readonly name: string
  readonly type: 'integer' | 'real'
  readonly values: Float64Array
}

/** A column of text as codes into a dictionary; −1 is missing. */
export interface TextColumn {
  readonly name: string
  readonly type: 'text'
  readonly codes: Int32Array
  readonly dictionary: readonly string[]
}

export type FeatureColumn = NumericColumn | TextColumn

/** The rows of one data set that may be learned from, in memory, ready to be moved to the trainer's thread. */
export interface TrainingTable {
  readonly rows: number
  readonly columns: readonly FeatureColumn[]
  /** 0 or 1 per row. */
  readonly labels: Uint8Array
}

/** Most cells held in memory: 8 bytes each, so 2 GiB. */
export const MAX_CELLS = 2 ** 28
/** Names that the served model gives to its outputs; a tensor name may occur once. */
export const OUTPUT_NAMES: readonly string[] = ['label', 'probability']

const MAX_FLOAT32 = 3.4028234663852886e38

/** Rounds to FP32 as the client's tensor does, but keeps what overflows finite, so that statistics stay finite. */
function asFloat32(value: number): number {
  return Number.isNaN(value) ? value : Math.fround(Math.min(MAX_FLOAT32, Math.max(-MAX_FLOAT32, value)))
}

/**
 * Reads row groups into one table, of at most as many rows as the version has: a policy may keep some of them back. The label and the subject column are no features: who a person is must not be learned.
 * @throws {RedoubtError} `ERR_TRAINING_LABEL` when the label is not binary 0/1 with both values present,
 *   `ERR_DATA_COLUMN` when a feature bears the name of an output or what is to be left out is no column, `ERR_INPUT_TOO_LARGE` over `MAX_CELLS`.
 */
export async function collectTable(
  dataset: DatasetVersion,
  groups: AsyncIterable<RowGroup>,
  signal?: AbortSignal,
  leaveOut: readonly string[] = [],
): Promise<TrainingTable> {
  const { label, subject, rows } = dataset
  if (label === null) throw new RedoubtError('ERR_TRAINING_LABEL', 'the data set names no label column')
  demandColumns(dataset, label, leaveOut)
  const features = dataset.columns.filter(({ name }) => name !== label && name !== subject && !leaveOut.includes(name))
  if (features.length === 0) throw new RedoubtError('ERR_DATA_COLUMN', 'the data set has no column to learn from')
  for (const { name } of features)
    if (OUTPUT_NAMES.includes(name))
      throw new RedoubtError('ERR_DATA_COLUMN', `the column \`${name}\` bears the name of an output of the model`, {
        evidence: { column: name },
      })
  if (rows * features.length > MAX_CELLS) throw new RedoubtError('ERR_INPUT_TOO_LARGE', `the data set has more than ${MAX_CELLS} cells`)

  const labels = new Uint8Array(rows)
  const builders = features.map((column) =>
    column.type === 'text' ? textBuilder(column.name, rows) : numericBuilder(column.name, column.type, rows),
  )
  let at = 0
  for await (const group of groups) {
    signal?.throwIfAborted()
    if (at + group.rows > rows) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the data set has more rows than it states')
    const byName = new Map(group.columns.map((column) => [column.name, column]))
    for (const builder of builders) builder.add(byName.get(builder.name), at)
    readLabels(byName.get(label), labels, at, group.rows)
    at += group.rows
  }
  if (at === 0) throw new RedoubtError('ERR_TRAINING_LABEL', 'the policies let no row of the data set be learned from')
  const learned = at === rows ? labels : labels.slice(0, at)
  const ones = learned.reduce((sum, value) => sum + value, 0)
  if (ones === 0 || ones === at)
    throw new RedoubtError('ERR_TRAINING_LABEL', `the label \`${label}\` has one value only`, { evidence: { column: label } })
  return { rows: at, labels: learned, columns: builders.map((builder) => builder.done(at)) }
}

/** A column that was given another name must not be learned from because nobody told who left it out. */
function demandColumns({ columns }: DatasetVersion, label: string, leaveOut: readonly string[]): void {
  for (const name of leaveOut) {
    const reason = name === label ? 'is the label' : columns.some((column) => column.name === name) ? null : 'is not in the data set'
    if (reason !== null)
      throw new RedoubtError('ERR_DATA_COLUMN', `the column \`${name}\` that is to be left out ${reason}`, { evidence: { column: name } })
  }
}

type GroupColumn = RowGroup['columns'][number]

function readLabels(column: GroupColumn | undefined, labels: Uint8Array, at: number, rows: number): void {
  if (!column) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a row group lacks a column')
  if (column.type === 'text')
    throw new RedoubtError('ERR_TRAINING_LABEL', `the label \`${column.name}\` is text, not 0 and 1`, { evidence: { column: column.name } })
  for (let i = 0; i < rows; i++) {
    const value = column.values[i]
    if (value !== 0 && value !== 1)
      throw new RedoubtError('ERR_TRAINING_LABEL', `the label \`${column.name}\` has values other than 0 and 1`, {
        evidence: { column: column.name, row: at + i + 1 },
      })
    labels[at + i] = value
  }
}

interface Builder {
  readonly name: string
  add(column: GroupColumn | undefined, at: number): void
  /** @param rows how many were added. */
  done(rows: number): FeatureColumn
}

function numericBuilder(name: string, type: 'integer' | 'real', rows: number): Builder {
  const values = new Float64Array(rows)
  return {
    name,
    add(column, at) {
      if (column?.type !== type) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a row group does not fit its data set')
      if (type === 'integer') values.set(column.values, at)
      else for (let i = 0; i < column.values.length; i++) values[at + i] = asFloat32(column.values[i]!)
    },
    done: (used) => ({ name, type, values: used === rows ? values : values.slice(0, used) }),
  }
}

function textBuilder(name: string, rows: number): Builder {
  const codes = new Int32Array(rows)
  const dictionary = new Map<string, number>()
  return {
    name,
    add(column, at) {
      if (column?.type !== 'text') throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a row group does not fit its data set')
      for (let i = 0; i < column.values.length; i++) {
        const value = column.values[i]
        if (value === null || value === undefined || value === '') {
          codes[at + i] = -1
          continue
        }
        let code = dictionary.get(value)
        if (code === undefined) dictionary.set(value, (code = dictionary.size))
        codes[at + i] = code
      }
    },
    done: (used) => ({ name, type: 'text', codes: used === rows ? codes : codes.slice(0, used), dictionary: [...dictionary.keys()] }),
  }
}

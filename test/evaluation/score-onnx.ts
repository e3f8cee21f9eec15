import { InferenceSession, Tensor } from 'onnxruntime-node'
import type { RowGroup } from '#assets/datasets'
import { NULL_ENCODING } from '#assets/training'

type Columns = RowGroup['columns']

/** Opens a model trained here as the serving room does: one thread, no graph surprises. */
export function openOnnx(file: Uint8Array): Promise<InferenceSession> {
  return InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 })
}

/** Raw columns as the tensors of rows `from` to `to − 1`, missing values encoded as the model's metadata says. */
export function toTensors(columns: Columns, names: readonly string[], from: number, to: number): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {}
  for (const column of columns) {
    if (!names.includes(column.name)) continue
    const shape = [to - from, 1]
    if (column.type === 'text')
      tensors[column.name] = new Tensor(
        'string',
        column.values.slice(from, to).map((text) => text ?? NULL_ENCODING.BYTES),
        shape,
      )
    else if (column.type === 'real')
      tensors[column.name] = new Tensor('float32', Float32Array.from(column.values.subarray(from, to)), shape)
    else {
      const values = Array.from(column.values.subarray(from, to), (value) => BigInt(Number.isNaN(value) ? NULL_ENCODING.INT64 : value))
      tensors[column.name] = new Tensor('int64', BigInt64Array.from(values), shape)
    }
  }
  return tensors
}

/** Scores rows through the runtime. */
export async function scoreOnnx(
  file: Uint8Array,
  columns: Columns,
  rows: number,
  batch = 1000,
): Promise<{ probability: Float32Array; label: Uint8Array }> {
  const session = await openOnnx(file)
  const probability = new Float32Array(rows)
  const label = new Uint8Array(rows)
  for (let from = 0; from < rows; from += batch) {
    const to = Math.min(rows, from + batch)
    const answer = await session.run(toTensors(columns, session.inputNames, from, to))
    if (answer['probability']?.dims.join() !== `${to - from},1` || answer['label']?.dims.join() !== `${to - from},1`)
      throw new Error(`the model answers in another shape: ${answer['probability']?.dims.join()}`)
    probability.set(answer['probability'].data as Float32Array, from)
    label.set(Uint8Array.from(answer['label'].data as BigInt64Array, Number), from)
  }
  await session.release()
  return { probability, label }
}

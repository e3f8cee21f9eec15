import { NULL_INTEGER, type ExplainedValue, type InferTensor, type TensorSpec } from '#gateway/serving'
import type { JsonValue } from '#foundation/core'

/** Values and characters of a call that are kept: enough for a hundred rows of twenty columns. A larger call keeps its digest alone. */
const MAX_VALUES = 2_000
const MAX_CHARACTERS = 32_768

/** An input as the record keeps it; numbers as text, so that long integers keep their digits. Null is missing. */
export interface RecordedInput {
  readonly [member: string]: JsonValue
  readonly name: string
  readonly data: readonly (string | null)[]
}

/** @returns null when there is more than is kept. */
export function recordedRows(inputs: readonly InferTensor[]): readonly RecordedInput[] | null {
  let values = 0
  let characters = 0
  const recorded: RecordedInput[] = []
  for (const { name, data } of inputs) {
    values += data.length
    if (values > MAX_VALUES) return null
    const texts = Array.from(data as ArrayLike<unknown>, textOf)
    for (const text of texts) characters += text?.length ?? 0
    if (characters > MAX_CHARACTERS) return null
    recorded.push({ name, data: texts })
  }
  return recorded
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined || value === NULL_INTEGER || Number.isNaN(value)) return null
  return typeof value === 'string' ? value : `${value as number | bigint}`
}

/**
 * One row of what `recordedRows` kept, in the order of the model's inputs.
 * @param row from 0. @returns null when it is not of that form, or of another model.
 */
export function readRecordedRow(kept: unknown, specs: readonly TensorSpec[], row: number): readonly ExplainedValue[] | null {
  if (!Array.isArray(kept) || kept.length !== specs.length) return null
  const values: ExplainedValue[] = []
  for (const [i, spec] of specs.entries()) {
    const { name, data } = (kept[i] ?? {}) as { readonly name?: unknown; readonly data?: unknown }
    const text: unknown = Array.isArray(data) ? data[row] : undefined
    if (name !== spec.name || (text !== null && typeof text !== 'string')) return null
    const value = text === null || spec.datatype === 'BYTES' ? text : Number(text)
    if (typeof value === 'number' && !Number.isFinite(value)) return null
    // The empty text is how a missing one travels.
    values.push(value === '' ? null : value)
  }
  return values
}

import type { Encoding } from './encoding.ts'
import type { FeatureSpec } from './onnx-model.ts'

/**
 * The row that explanations compare with, in the order of the features: the median of each number and the most frequent text, over the
 * rows that were fitted. Null (missing) where the model ignores the column or the value cannot be told.
 */
export function baselineOf(features: readonly FeatureSpec[], encoding: Encoding): readonly (string | number | null)[] {
  return features.map(({ type }, position) => {
    const column = encoding.columns.find((each) => each.column === position)
    if (column === undefined) return null
    if (column.kind === 'text') return column.categories[0] ?? null
    const median = type === 'integer' ? Math.round(column.fill) : Math.fround(column.fill)
    return Number.isFinite(median) && (type === 'real' || Number.isSafeInteger(median)) ? median : null
  })
}

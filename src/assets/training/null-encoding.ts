/**
 * How a missing value travels in each tensor type, because a tensor has no null. Written into each model's metadata, so
 * that whoever serves it can map null without knowing how it was trained. INT64 as decimal text: it exceeds a JSON number.
 */
export const NULL_ENCODING = { BYTES: '', INT64: '-9223372036854775808', FP32: 'NaN' } as const

/** Key of the JSON document in the `metadata_props` of a model trained here. */
export const METADATA_KEY = 'redoubt'

/** The document under `METADATA_KEY`. */
export interface ModelMetadata {
  readonly format: 1
  readonly algorithm: string
  /** Raw feature columns, in the order of the graph's inputs. */
  readonly features: readonly string[]
  /** The value of the label that each class stands for; `probability` is that of the last. */
  readonly classes: readonly [0, 1]
  readonly nullEncoding: typeof NULL_ENCODING
  readonly dataset: { readonly name: string; readonly version: number; readonly digest: string }
  readonly seed: number
  /** What explanations compare a row with, in the order of the features (`baselineOf`); models from before it was kept have none. */
  readonly baseline?: readonly (string | number | null)[]
}

/** One named tensor of the served model; −1 is the batch. Same shape as the serving room's type. */
export interface TensorSpec {
  readonly name: string
  readonly datatype: 'BYTES' | 'INT64' | 'FP32'
  readonly shape: readonly number[]
  readonly nullable?: boolean
}

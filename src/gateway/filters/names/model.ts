import { readFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'
import { packWeights, unpackWeights, type WeightsHead } from '../text/weights-file.ts'
import { type Chain, factorsOf } from './chain.ts'
import { BUCKETS, FEATURES_VERSION } from './features.ts'
import { NAME_ENTITIES, STRIDE, TAGS } from './tags.ts'

const KIND = 'names'

/** Where a model's weights come from. */
export interface NamesProvenance {
  readonly seed: number
  readonly epochs: number
  readonly corpora: readonly { readonly name: string; readonly sha256: string; readonly tokens: number }[]
}

export interface NamesModel {
  /** [BUCKETS × STRIDE], in units of `scale`. */
  readonly weights: Int8Array
  readonly scale: number
  readonly chain: Chain
  readonly factors: Chain
  /** For each of `NAME_ENTITIES`, the posterior probability from which a token counts: its score there is 0.5. */
  readonly cuts: readonly number[]
  readonly provenance: NamesProvenance
}

interface NamesHead extends WeightsHead {
  readonly scale: number
  readonly starts: readonly number[]
  readonly steps: readonly number[]
  readonly cuts: readonly number[]
  readonly provenance: NamesProvenance
}

export function createNamesModel(parts: Omit<NamesModel, 'factors'>): NamesModel {
  return { ...parts, factors: factorsOf(parts.chain) }
}

export function packNamesModel({ weights, scale, chain, cuts, provenance }: NamesModel): Buffer {
  const head = { kind: KIND, features: FEATURES_VERSION, scale, starts: [...chain.starts], steps: [...chain.steps], cuts, provenance }
  return packWeights(head, new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength))
}

const isRow = (row: unknown, size: number): row is readonly number[] =>
  Array.isArray(row) && row.length === size && row.every((value) => Number.isFinite(value))

/** @throws {RedoubtError} `ERR_USAGE` if the file is no model of names of this version, or was altered. */
export function unpackNamesModel(file: Uint8Array): NamesModel {
  const { head, weights: bytes } = unpackWeights(file, KIND, FEATURES_VERSION, BUCKETS * STRIDE)
  const { scale, starts, steps, cuts, provenance } = head as unknown as NamesHead
  const whole =
    bytes.byteLength === BUCKETS * STRIDE &&
    Number.isFinite(scale) &&
    isRow(starts, TAGS) &&
    isRow(steps, TAGS * TAGS) &&
    isRow(cuts, NAME_ENTITIES.length) &&
    cuts.every((cut) => cut > 0 && cut < 1)
  if (!whole)
    throw new RedoubtError(
      'ERR_USAGE',
      'the model of `names` cannot be read: parts of it are missing; train it again with `redoubt filter train`',
    )
  const weights = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return createNamesModel({
    weights,
    scale,
    chain: { starts: Float64Array.from(starts), steps: Float64Array.from(steps) },
    cuts,
    provenance,
  })
}

let shipped: NamesModel | null = null

/** The model that comes with this version, read once. */
export function shippedNamesModel(): NamesModel {
  shipped ??= unpackNamesModel(readFileSync(new URL('names.weights', import.meta.url)))
  return shipped
}

import { readFileSync } from 'node:fs'
import { RedoubtError } from '#foundation/core'
import { packWeights, unpackWeights, type WeightsHead } from '../text/weights-file.ts'
import { BUCKETS, FEATURES_VERSION } from './features.ts'
import { SCALES } from './windows.ts'

const KIND = 'injection'

/** Where a model's weights come from. */
export interface InjectionProvenance {
  readonly seed: number
  readonly epochs: number
  readonly files: readonly { readonly name: string; readonly sha256: string; readonly rows: number; readonly attacks: number }[]
}

export interface InjectionModel {
  /** [BUCKETS], in units of `scale`. */
  readonly weights: Int8Array
  readonly scale: number
  /** One for each of `SCALES`. */
  readonly biases: readonly number[]
  /** The log odds of a text at which one harmless text of a hundred raises an alarm: its score is 0.5. */
  readonly cut: number
  readonly provenance: InjectionProvenance
}

export function packInjectionModel({ weights, scale, biases, cut, provenance }: InjectionModel): Buffer {
  const head = { kind: KIND, features: FEATURES_VERSION, scale, biases, cut, provenance }
  return packWeights(head, new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength))
}

/** @throws {RedoubtError} `ERR_USAGE` if the file is no model of injections of this version, or was altered. */
export function unpackInjectionModel(file: Uint8Array): InjectionModel {
  const { head, weights } = unpackWeights(file, KIND, FEATURES_VERSION, BUCKETS)
  const { scale, biases, cut, provenance } = head as unknown as WeightsHead & Omit<InjectionModel, 'weights'>
  const whole =
    weights.byteLength === BUCKETS &&
    Number.isFinite(scale) &&
    Number.isFinite(cut) &&
    Array.isArray(biases) &&
    biases.length === SCALES.length &&
    biases.every((bias) => Number.isFinite(bias))
  if (!whole)
    throw new RedoubtError(
      'ERR_USAGE',
      'the model of `injection` cannot be read: parts of it are missing; train it again with `redoubt filter train`',
    )
  return { weights: new Int8Array(weights.buffer, weights.byteOffset, weights.byteLength), scale, biases, cut, provenance }
}

let shipped: InjectionModel | null = null

/** The model that comes with this version, read once. */
export function shippedInjectionModel(): InjectionModel {
  shipped ??= unpackInjectionModel(readFileSync(new URL('injection.weights', import.meta.url)))
  return shipped
}

import { RedoubtError, type RegisteredKind } from '#foundation/core'
import { decodeSource, encodeSource, type FingerprintSource } from './fingerprint-source.ts'
import { packTextModel, type TextModel, unpackTextModel } from './text-model.ts'

/** What is kept of one registered thing: fingerprints, or the weights of a classifier. */
export type RegisteredSource = FingerprintSource | { readonly kind: 'classifier'; readonly model: TextModel }

export const encodeRegistered = (source: RegisteredSource): Uint8Array =>
  source.kind === 'classifier' ? packTextModel(source.model) : encodeSource(source)

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` if it is not what `encodeRegistered` wrote of that kind. */
export function decodeRegistered(bytes: Uint8Array, kind: RegisteredKind): RegisteredSource {
  if (kind !== 'classifier') return decodeSource(bytes)
  try {
    return { kind, model: unpackTextModel(bytes) }
  } catch (cause) {
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the classifier of confidential text is not what was written', { cause })
  }
}

/** Fingerprints, or weights that count. */
export function sizeOf(source: RegisteredSource): number {
  if (source.kind === 'classifier') return source.model.weights.reduce((count, weight) => (weight === 0 ? count : count + 1), 0)
  const { passages, terms, rows, canaries } = source
  return passages.high.length + terms.high.length + rows.high.length + canaries.high.length
}

import { RedoubtError, type RegisteredKind } from '#foundation/core'
import { decodeSource, encodeSource, type FingerprintSource } from './fingerprint-source.ts'
import { packTextModel, type TextModel, unpackTextModel } from './text-model.ts'

/** What is kept of one registered thing: fingerprints, or the weights of a classifier. */
export type RegisteredSource = FingerprintSource | { readonly kind: 'classifier'; readonly model: TextModel }

export const encodeRegistered = (source: RegisteredSource): Uint8Array =>
  source.kind === 'classifier' ? packTextModel(source.model) : encodeSource(source)

/** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` if it is not what `encodeRegistered` wrote of that kind, or a classifier of another version. */
export function decodeRegistered(bytes: Uint8Array, kind: RegisteredKind): RegisteredSource {
  if (kind !== 'classifier') return decodeSource(bytes)
  try {
    return { kind, model: unpackTextModel(bytes) }
  } catch (cause) {
    // The bytes are those that were written, or they would have been refused before: this is no damage, and a backup does not help.
    if (cause instanceof RedoubtError && 'features' in cause.evidence)
      throw new RedoubtError(
        'ERR_STORAGE_CORRUPT',
        'the classifier of confidential text was trained by another version of Redoubt, which counts other features: start that version, ' +
          'remove it with `redoubt confidential remove classifier`, and train it again with this one (`redoubt confidential train`)',
        { cause },
      )
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the classifier of confidential text is not what was written', { cause })
  }
}

/** Fingerprints, or weights that count. */
export function sizeOf(source: RegisteredSource): number {
  if (source.kind === 'classifier') return source.model.weights.reduce((count, weight) => (weight === 0 ? count : count + 1), 0)
  const { passages, terms, rows, canaries } = source
  return passages.high.length + terms.high.length + rows.high.length + canaries.high.length
}

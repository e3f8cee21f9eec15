import type { ModelVersion } from './model-version.ts'

/**
 * A model whose signature was verified over the very bytes that it holds. Only the registry makes one: the private member
 * makes the type nominal, and `isVerifiedModel` tells at run time.
 */
export class VerifiedModel {
  readonly #verified = true
  readonly version: ModelVersion
  readonly bytes: Uint8Array

  constructor(version: ModelVersion, bytes: Uint8Array) {
    this.version = version
    this.bytes = bytes
  }

  static isVerified(value: object): value is VerifiedModel {
    return #verified in value && value.#verified
  }
}

export function isVerifiedModel(value: object): value is VerifiedModel {
  return VerifiedModel.isVerified(value)
}

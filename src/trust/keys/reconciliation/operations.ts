import type { ErrorCode } from '#foundation/core'
import type { SigningKeyName } from '../key-provider.ts'
import type { KeyClass } from '../keys.ts'

/**
 * What a provider does with a key. `wrap` is a use of a key-encryption key, also where the material was just made; `make` is a version
 * that is made by a rotation.
 */
export const OPERATIONS = ['wrap', 'unwrap', 'sign', 'release', 'make', 'destroy'] as const
export type Operation = (typeof OPERATIONS)[number]

/** Of a key-encryption key its class, of a signing key its name; `unknown` where whoever did it cannot say for which of ours. */
export type OperationKey = KeyClass | SigningKeyName | 'unknown'

export interface OperationCount {
  readonly operation: Operation
  readonly key: OperationKey
  readonly count: number
}

/** What a provider did since it was opened. */
export interface OperationsDone {
  readonly counts: readonly OperationCount[]
  /**
   * Processes nearest to the keys that ended before they told their last counts; what they answered is counted from this side in their
   * place. None where the provider counts in this process.
   */
  readonly inferred: number
  /** Providers that could not be asked what they did, so that `counts` is without it; absent where all could. */
  readonly uncounted?: readonly UncountedProvider[]
}

export interface UncountedProvider {
  /** Kind of provider. */
  readonly provider: string
  /** Why it could not be asked. */
  readonly code: ErrorCode
}

/** Counts of operations that succeeded; whoever does them counts them. */
export class OperationCounter {
  readonly #counts = new Map<string, { readonly operation: Operation; readonly key: OperationKey; count: number }>()

  add(operation: Operation, key: OperationKey, count = 1): void {
    const id = `${operation} ${key}`
    const known = this.#counts.get(id)
    if (known === undefined) this.#counts.set(id, { operation, key, count })
    else known.count += count
  }

  addAll(counts: readonly OperationCount[]): void {
    for (const { operation, key, count } of counts) this.add(operation, key, count)
  }

  of(operation: Operation, key: OperationKey): number {
    return this.#counts.get(`${operation} ${key}`)?.count ?? 0
  }

  /** In the order in which they were first seen; those that are back at nothing are left out. */
  counts(): readonly OperationCount[] {
    return [...this.#counts.values()].filter(({ count }) => count !== 0).map((one) => ({ ...one }))
  }
}

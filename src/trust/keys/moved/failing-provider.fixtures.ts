import { type ErrorCode, RedoubtError } from '#foundation/core'
import type { KeyProvider } from '../key-provider.ts'

/** A provider that can be taken away: at once, or after so many calls. */
export interface FailingProvider {
  readonly provider: KeyProvider
  /** How every call to it fails; null lets it answer. */
  fails: ErrorCode | null
  /** Calls that it answers before it fails. */
  answers: number
}

/** What a caller of the provider sees while the HSM or the service behind it is gone, refuses or does not answer in time. @param kind what it is called. */
export function failingProvider(provider: KeyProvider, kind: string): FailingProvider {
  const failing: FailingProvider = { provider, fails: null, answers: 0 }
  const through = <T>(call: () => Promise<T>): Promise<T> =>
    failing.fails !== null && failing.answers-- <= 0 ? Promise.reject(new RedoubtError(failing.fails)) : call()
  const { release } = provider
  const over: KeyProvider = {
    wrap: (...of) => through(() => provider.wrap(...of)),
    unwrap: (...of) => through(() => provider.unwrap(...of)),
    generateDataKey: (...of) => through(() => provider.generateDataKey(...of)),
    sign: (...of) => through(() => provider.sign(...of)),
    rotate: (...of) => through(() => provider.rotate(...of)),
    destroyVersion: (...of) => through(() => provider.destroyVersion(...of)),
    operations: () => through(() => provider.operations()),
    letOut: (...of) => through(() => provider.letOut(...of)),
    ...(release === undefined ? {} : { release: (...of) => through(() => release(...of)) }),
    // Known here, from its records.
    publicKey: (name) => provider.publicKey(name),
    mayEnd: (...of) => provider.mayEnd(...of),
    get wrappedHere() {
      return provider.wrappedHere
    },
    describe: () => provider.describe(),
    rotationDue: () => provider.rotationDue(),
    async health() {
      const health = { ...(await provider.health()), provider: kind }
      return failing.fails === null ? health : { ...health, ok: false, detail: failing.fails }
    },
    close: () => provider.close(),
  }
  return Object.assign(failing, { provider: over })
}

import { asRedoubtError } from '#foundation/core'
import type { KeyProvider, KeyReference } from '../key-provider.ts'
import type { KeyDescription } from '../keys.ts'
import type { OperationsDone } from '../reconciliation/operations.ts'

export const referenceId = ({ keyId, version }: KeyReference): string => `${keyId}/${version}`

/** The versions that are at the former provider and nowhere else. */
export function versionsLeft(provider: KeyProvider, former: KeyProvider): readonly KeyDescription[] {
  const here = new Set(provider.describe().map(referenceId))
  return former.describe().filter((key) => key.keyClass !== 'signing' && !here.has(referenceId(key)))
}

/**
 * The provider that holds the keys now, beside the one that they move away from: that one unwraps what it wrapped, and nothing else. Where one
 * of the two is out of reach, what the other holds is served on; what was done at the former one is uncounted then, and that is said.
 * @param formerKind the kind of the former one.
 */
export function withFormer(provider: KeyProvider, former: KeyProvider, formerKind: string): KeyProvider {
  // It makes no versions any more, so that what it has is what it will have.
  const left = versionsLeft(provider, former)
  const ids = new Set(left.map(referenceId))
  const hasVersion = (keyClass: string, version: number): boolean =>
    left.some((key) => key.keyClass === keyClass && key.version === version)
  const { release, reseal } = provider
  return {
    wrap: (keyClass, material, binding) => provider.wrap(keyClass, material, binding),
    unwrap: (wrapped) => (ids.has(referenceId(wrapped)) ? former.unwrap(wrapped) : provider.unwrap(wrapped)),
    generateDataKey: (keyClass, binding) => provider.generateDataKey(keyClass, binding),
    sign: (name, message) => provider.sign(name, message),
    publicKey: (name) => provider.publicKey(name),
    rotate: (keyClass) => provider.rotate(keyClass),
    destroyVersion: (keyClass, version) => (hasVersion(keyClass, version) ? former : provider).destroyVersion(keyClass, version),
    mayEnd: (keyClass, version) => (hasVersion(keyClass, version) ? former : provider).mayEnd(keyClass, version),
    get wrappedHere() {
      return provider.wrappedHere
    },
    describe: () => [...former.describe().filter((key) => ids.has(referenceId(key))), ...provider.describe()],
    rotationDue: () => provider.rotationDue(),
    health: () => provider.health(),
    async operations() {
      const now = await provider.operations()
      let old: OperationsDone
      try {
        old = await former.operations()
      } catch (thrown) {
        return { ...now, uncounted: [{ provider: formerKind, code: asRedoubtError(thrown).code }] }
      }
      return { counts: [...old.counts, ...now.counts], inferred: old.inferred + now.inferred }
    },
    letOut: (name) => provider.letOut(name),
    ...(release === undefined ? {} : { release }),
    ...(reseal === undefined ? {} : { reseal }),
    close() {
      former.close()
      provider.close()
    },
  }
}

import type { KeyProvider } from '../key-provider.ts'
import type { ImportedKeys } from './imported-keys.ts'

/** The provider that holds the root now, with the versions that came from the one before. */
export function withImportedKeys(provider: KeyProvider, imported: ImportedKeys): KeyProvider {
  const { release } = provider
  return {
    wrap: (keyClass, material, binding) => provider.wrap(keyClass, material, binding),
    unwrap: async (wrapped) => (imported.has(wrapped) ? imported.unwrap(wrapped) : provider.unwrap(wrapped)),
    generateDataKey: (keyClass, binding) => provider.generateDataKey(keyClass, binding),
    sign: (name, message) => provider.sign(name, message),
    publicKey: (name) => provider.publicKey(name),
    rotate: (keyClass) => provider.rotate(keyClass),
    async destroyVersion(keyClass, version) {
      if (imported.hasVersion(keyClass, version)) imported.destroy(keyClass, version)
      else await provider.destroyVersion(keyClass, version)
    },
    mayEnd: (keyClass, version) => imported.hasVersion(keyClass, version) || provider.mayEnd(keyClass, version),
    get wrappedHere() {
      return provider.wrappedHere
    },
    describe: () => [...imported.describe(), ...provider.describe()],
    rotationDue: () => provider.rotationDue(),
    letOut: (name) => provider.letOut(name),
    health: () => provider.health(),
    async operations() {
      const { counts, inferred } = await provider.operations()
      return { counts: [...counts, ...imported.operations()], inferred }
    },
    ...(release === undefined ? {} : { release }),
    close() {
      imported.close()
      provider.close()
    },
  }
}

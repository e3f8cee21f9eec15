import type { HeldSigningKey, KeyService, ServiceOperations } from './outside-provider.ts'

/**
 * Counts what a service over the network did: the requests that it answered well, where they are sent. An answer that was lost on its
 * way is not counted and gave nobody anything; the service's own trail has it.
 */
export function countedService(service: Omit<KeyService, 'operations'>): KeyService {
  const counts = new Map<string, ServiceOperations['counts'][number]>()
  const counted = (operation: 'wrap' | 'unwrap' | 'sign' | 'make' | 'destroy', reference: string): void => {
    const id = `${operation} ${reference}`
    counts.set(id, { operation, reference, count: (counts.get(id)?.count ?? 0) + 1 })
  }
  const held = service.held?.map((key): HeldSigningKey => ({
    ...key,
    async sign(message) {
      const signature = await key.sign(message)
      counted('sign', key.reference)
      return signature
    },
  }))
  return {
    ...service,
    ...(held === undefined ? {} : { held }),
    async make(key) {
      const reference = await service.make(key)
      counted('make', reference)
      return reference
    },
    async wrap(version, material, binding) {
      const wrapped = await service.wrap(version, material, binding)
      counted('wrap', version.reference)
      return wrapped
    },
    async unwrap(version, wrapped, binding) {
      const material = await service.unwrap(version, wrapped, binding)
      counted('unwrap', version.reference)
      return material
    },
    async destroy(version) {
      const endsAt = await service.destroy(version)
      counted('destroy', version.reference)
      return endsAt
    },
    operations: async () => ({ counts: [...counts.values()], inferred: 0 }),
  }
}

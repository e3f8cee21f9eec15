import { type Collections, type CollectionsOptions, openCollections } from '#assets/collections'
import type { Logger } from '#foundation/telemetry'
import type { Closers } from './closers.ts'

/** Between two looks for collections of which a version is due. */
const DUE_INTERVAL_MS = 10_000
const SELF = { type: 'System', id: 'redoubt' } as const

/** Collections, and versions made of them when they are due. */
export function startCollections(options: CollectionsOptions & { readonly logger: Logger }, closers: Closers): Collections {
  const { logger } = options
  const collections = openCollections(options)
  closers.push(() => collections.end())
  let looking = false
  const timer = setInterval(() => {
    if (looking) return
    looking = true
    void collections
      .cutDue(SELF, (dataset, err) => logger.error({ err, dataset }, 'no version could be made of what was collected'))
      .catch((err: unknown) => logger.error({ err }, 'collections could not be looked through'))
      .finally(() => (looking = false))
  }, DUE_INTERVAL_MS)
  timer.unref()
  closers.push(() => clearInterval(timer))
  return collections
}

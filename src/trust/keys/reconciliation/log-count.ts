import { type JsonObject, RedoubtError } from '#foundation/core'
import type { AuditLog } from '#trust/audit'
import { type OperationCount, OperationCounter, OPERATIONS, type OperationKey } from './operations.ts'

/** Types of events that tell of the provider. */
const TYPES = ['key.generate', 'key.unwrap', 'key.rewrap', 'key.sign', 'key.release', 'key.rotate', 'key.destroy'] as const
const PAGE = 1_000
/** Each look brings the search index forward by tens of thousands of entries. */
const MAX_LOOKS = 10_000

/**
 * Counts what entries of the log say that the provider was asked: from the first index on, up to the second without it. In pages, so that
 * requests go on beside it.
 * @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE` when the search index does not get there.
 */
export async function countEntries(
  log: Pick<AuditLog, 'search'>,
  { from, to }: { readonly from: number; readonly to: number },
  sleep: (ms: number) => Promise<void>,
): Promise<readonly OperationCount[]> {
  const counter = new OperationCounter()
  if (from >= to) return []
  for (let looked = 0; log.search({ type: TYPES[0], first: from, before: to, limit: 1 }).upTo < to; looked++) {
    if (looked === MAX_LOOKS) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'the search index is behind the log')
    await sleep(0)
  }
  for (const type of TYPES) {
    for (let before: number | null = to; before !== null;) {
      const page = log.search({ type, first: from, before, limit: PAGE })
      for (const { event } of page.entries) counter.addAll(providerCounts(event))
      before = page.next
      await sleep(0)
    }
  }
  return counter.counts()
}

function providerCounts(event: JsonObject): readonly OperationCount[] {
  const details = event['details']
  if (typeof details !== 'object' || details === null || Array.isArray(details)) return []
  const counts = (details as JsonObject)['provider']
  if (!Array.isArray(counts)) return []
  return counts.flatMap((one) => {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return []
    const { operation, key, count } = one as JsonObject
    const known = OPERATIONS.find((name) => name === operation)
    return known === undefined || typeof key !== 'string' || typeof count !== 'number'
      ? []
      : [{ operation: known, key: key as OperationKey, count }]
  })
}

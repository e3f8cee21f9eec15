import { RedoubtError } from '#foundation/core'
import type { Pending } from './collection-log.ts'

/** What waits for a version is bounded: at this a version is due, at twice this no more is taken. */
const DUE: Pending = { rows: 8 * 2 ** 20, bytes: 2 ** 30, batches: 2 ** 16 }
const RETRY_WHEN_FULL_MS = 10_000

/** Whether so much waits that a version is due. */
export function isDue({ rows, bytes, batches }: Pending): boolean {
  return rows >= DUE.rows || bytes >= DUE.bytes || batches >= DUE.batches
}

/** @throws {RedoubtError} `ERR_BUSY` with `retryAfterMs` when so much waits that no more is taken. */
export function demandRoom({ rows, bytes, batches }: Pending): void {
  if (rows < 2 * DUE.rows && bytes < 2 * DUE.bytes && batches < 2 * DUE.batches) return
  const words = 'too many rows wait to become a version; one is being made, or run `redoubt data cut`'
  throw new RedoubtError('ERR_BUSY', words, { evidence: { retryAfterMs: RETRY_WHEN_FULL_MS } })
}

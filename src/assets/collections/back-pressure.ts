import { RedoubtError } from '#foundation/core'

/** Of all batches that are received, checked or waiting to be durable. */
export const MAX_UNDER_WAY_BYTES = 64 * 2 ** 20
/** What is full for a moment is asked again after one. */
const RETRY_AFTER_MS = 1_000

/** Bounds the memory that batches take: whoever sends faster than the disk writes is told to wait. */
export class BackPressure {
  #taken = 0

  /**
   * @returns gives the room back; to be called once.
   * @throws {RedoubtError} `ERR_BUSY` with `retryAfterMs` as evidence.
   */
  take(bytes: number): () => void {
    if (this.#taken + bytes > MAX_UNDER_WAY_BYTES)
      throw new RedoubtError('ERR_BUSY', 'more rows are coming in than can be made durable', { evidence: { retryAfterMs: RETRY_AFTER_MS } })
    this.#taken += bytes
    return () => void (this.#taken -= bytes)
  }
}

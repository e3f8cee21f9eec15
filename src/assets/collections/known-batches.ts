import { createHash } from 'node:crypto'
import { type EntityUid, RedoubtError } from '#foundation/core'

/** What is known of a batch that was taken. */
export interface BatchReceipt {
  /** SHA-256, hex, of who sent it and under which key; null when it came without one. */
  readonly key: string | null
  readonly batch: string
  /** HMAC-SHA-256 of its rows, hex. */
  readonly digest: string
  readonly rows: number
  /** Epoch milliseconds. */
  readonly receivedAt: number
}

/** A key is of who sends: two programs may count their batches alike. */
export function keyOf(by: EntityUid, key: string): string {
  return createHash('sha256').update(`${by.type}\0${by.id}\0${key}`).digest('hex')
}

/** Batches by key: what is taken already, and what is on its way. */
export class KnownBatches {
  readonly #taken = new Map<string, BatchReceipt>()
  readonly #coming = new Map<string, { readonly digest: string; readonly answer: Promise<BatchReceipt> }>()

  add(receipt: BatchReceipt): void {
    if (receipt.key !== null) this.#taken.set(receipt.key, receipt)
  }

  /**
   * The receipt of the batch that was sent under this key before, or is on its way; of one that is new, what `work` gives.
   * @throws {RedoubtError} `ERR_CONFLICT` when other rows were sent under the key; what `work` throws.
   */
  async once(
    key: string,
    digest: string,
    work: () => Promise<BatchReceipt>,
  ): Promise<{ readonly receipt: BatchReceipt; readonly isNew: boolean }> {
    const known = this.#taken.get(key) ?? this.#coming.get(key)
    if (known) {
      if (known.digest !== digest)
        throw new RedoubtError('ERR_CONFLICT', 'other rows were sent under this idempotency key; send these under one of their own')
      return { receipt: 'answer' in known ? await known.answer : known, isNew: false }
    }
    // INVARIANT: nothing is awaited between the look and this, so that of two that come together one waits for the other.
    const answer = work()
    this.#coming.set(key, { digest, answer })
    try {
      const receipt = await answer
      this.add(receipt)
      return { receipt, isNew: true }
    } finally {
      this.#coming.delete(key)
    }
  }

  /** Forgets those that were received before, unless they are kept. */
  forget(before: number, keep: ReadonlySet<string>): void {
    for (const [key, { receivedAt }] of this.#taken) if (receivedAt < before && !keep.has(key)) this.#taken.delete(key)
  }
}

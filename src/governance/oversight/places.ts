import { type EntityUid, RedoubtError } from '#foundation/core'
import type { OversightConfig } from './config.ts'
import { sameEntity } from './review.ts'
import type { ReviewStore } from './review-store.ts'

const MEGABYTE = 1024 * 1024

/** Room for what waits: bounded in number and bytes, for all together and for one asker. */
export class Places {
  readonly #store: Pick<ReviewStore, 'load' | 'loadOf'>
  readonly #bounds: Pick<OversightConfig, 'maxItems' | 'maxMegabytes'>
  /** Places and bytes of what is being recorded and is not in the store yet. */
  #coming: { readonly asker: EntityUid; readonly bytes: number }[] = []

  constructor(store: Pick<ReviewStore, 'load' | 'loadOf'>, bounds: Pick<OversightConfig, 'maxItems' | 'maxMegabytes'>) {
    this.#store = store
    this.#bounds = bounds
  }

  /** Takes a place for what is on its way into the store. @returns the way to give it back. @throws {RedoubtError} `ERR_REVIEW_FULL`. */
  take(asker: EntityUid, bytes: number): () => void {
    this.#demandRoom(asker, bytes)
    const coming = { asker, bytes }
    this.#coming = [...this.#coming, coming]
    return () => void (this.#coming = this.#coming.filter((one) => one !== coming))
  }

  #demandRoom(asker: EntityUid, bytes: number): void {
    const { maxItems, maxMegabytes } = this.#bounds
    const load = this.#store.load()
    const waiting = load.waiting + this.#coming.length
    const held = this.#coming.reduce((sum, one) => sum + one.bytes, load.bytes + bytes)
    const own = this.#store.loadOf(asker)
    const coming = this.#coming.filter((one) => sameEntity(one.asker, asker))
    const ownBytes = coming.reduce((sum, one) => sum + one.bytes, own.bytes)
    // INVARIANT: nothing waits unseen beyond the bounds; what finds no place does not go on.
    if (waiting >= maxItems || held > maxMegabytes * MEGABYTE) throw new RedoubtError('ERR_REVIEW_FULL')
    if (own.waiting + coming.length >= Math.ceil(maxItems / 2))
      throw new RedoubtError('ERR_REVIEW_FULL', 'too many reviews of this account wait')
    // Half of the bytes too, or one review: a few large ones must not take the place of all others.
    if (ownBytes > 0 && ownBytes + bytes > (maxMegabytes * MEGABYTE) / 2)
      throw new RedoubtError('ERR_REVIEW_FULL', 'too much is held of this account: fetch what was released, or have what waits decided')
  }
}

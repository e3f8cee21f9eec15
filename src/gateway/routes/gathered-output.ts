import type { StreamOut } from '#gateway/pipeline'

/** One TLS record's worth: more than this does not wait for the end of the turn. */
export const MOST_GATHERED = 16_384

/**
 * What leaves on a stream within one turn of the event loop, in one write: an upstream that is faster than this server sends several
 * events at a time, and a write costs as much as all that is done with an event. Nothing waits longer than for what else the turn has
 * received already; what is written is the same.
 */
export class GatheredOutput {
  readonly #out: Pick<StreamOut, 'write'>
  readonly #written: (text: string, taken: boolean) => void
  readonly #failed: (thrown: unknown) => void
  #text = ''
  #due = false

  /**
   * @param written told of each write, and whether the client takes more.
   * @param failed told what a write at the end of a turn threw, where nobody else would catch it.
   */
  constructor(out: Pick<StreamOut, 'write'>, written: (text: string, taken: boolean) => void, failed: (thrown: unknown) => void) {
    this.#out = out
    this.#written = written
    this.#failed = failed
  }

  /** @throws what a write throws, when there is enough for one. */
  add(text: string): void {
    this.#text += text
    if (this.#text.length >= MOST_GATHERED) this.flush()
    else if (this.#text !== '' && !this.#due) {
      this.#due = true
      setImmediate(this.#endOfTurn)
    }
  }

  /** Writes what there is. @throws what the write throws. */
  flush(): void {
    const text = this.#text
    if (text === '') return
    this.#text = ''
    this.#written(text, this.#out.write(text))
  }

  readonly #endOfTurn = (): void => {
    this.#due = false
    try {
      this.flush()
    } catch (thrown) {
      this.#failed(thrown)
    }
  }
}

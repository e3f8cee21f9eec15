import { BLOCK_BYTES, giveBack, takeBlock } from './page-memory.ts'

/** Where blocks come from. */
export interface BlockSource {
  /** Read beside the caller, who leaves `into` alone until it resolves. @returns how many; fewer than asked only at the end of the file. */
  readBeside(into: Uint8Array, position: number): Promise<number>
}

/** Two are the consumer's, so that a chunk stays as it is until two segments more were given away; into the third the next is read meanwhile. */
const RING = 3

/**
 * Reads a file front to back in large blocks, once, one ahead of the consumer. The memory of a block is used again when two more were asked for; what
 * was given last stays as it is until `close`, which MUST be called when the consumer is done with it, and before the file is closed.
 */
export class BlockReader implements AsyncIterable<Uint8Array> {
  readonly #source: BlockSource
  readonly #position: number
  readonly #used = Array.from({ length: RING }, () => 0)
  #ring: readonly Uint8Array[] = []
  #underWay: Promise<number> | null = null

  /** @param position where it begins; a multiple of 4096, or all goes through the page cache. */
  constructor(source: BlockSource, position: number) {
    this.#source = source
    this.#position = position
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.#ring = Array.from({ length: RING }, takeBlock)
    this.#ask(0)
    for (let turn = 0; this.#underWay !== null; turn++) {
      const count = await this.#underWay
      if (count === BLOCK_BYTES) this.#ask(turn + 1)
      else this.#underWay = null
      if (count > 0) yield this.#ring[turn % RING]!.subarray(0, count)
    }
  }

  /** Gives the memory back when nothing is read into it any more. */
  async close(): Promise<void> {
    await this.#underWay?.catch(() => undefined)
    this.#underWay = null
    this.#ring.forEach((block, i) => giveBack(block, this.#used[i]!))
    this.#ring = []
  }

  #ask(turn: number): void {
    const place = turn % RING
    this.#underWay = this.#source.readBeside(this.#ring[place]!, this.#position + turn * BLOCK_BYTES).then(
      (count) => {
        this.#used[place] = Math.max(this.#used[place]!, count)
        return count
      },
      (error: unknown) => {
        this.#used[place] = BLOCK_BYTES
        throw error
      },
    )
    // Told to whoever waits for it; when nobody does any more, it is of no interest.
    this.#underWay.catch(() => undefined)
  }
}

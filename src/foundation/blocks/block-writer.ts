import { BLOCK_BYTES, giveBack, PAGE_BYTES, takeBlock } from './page-memory.ts'

/** Where blocks go. */
export interface BlockTarget {
  writeAt(bytes: Uint8Array, position: number): void
  /** Written beside the caller, who leaves `bytes` alone until it resolves. */
  writeBeside(bytes: Uint8Array, position: number): Promise<void>
}

/** Less than this at the end of a file goes through the page cache. */
const LEAST_DIRECT_BYTES = 524_288

/**
 * Writes a file front to back in large blocks: one is filled while the one before is on its way to the disk. `end` writes the rest; durable is
 * what was written after a sync of the file alone. After an error only `close` is of use, and it MUST be called in any case.
 */
export class BlockWriter {
  readonly #target: BlockTarget
  readonly #used = [0, 0]
  #blocks: readonly [Uint8Array, Uint8Array] | null = null
  #filling: 0 | 1 = 0
  #filled = 0
  #position: number
  #underWay: Promise<void> | null = null

  /** @param position where in the file the first byte goes; a multiple of 4096, or nothing goes around the page cache. */
  constructor(target: BlockTarget, position: number) {
    this.#target = target
    this.#position = position
  }

  /**
   * Takes a copy of `bytes`. @returns a promise when the caller has to wait for the disk before the next bytes, and before it uses `bytes` again.
   * @throws what the target throws; it may be about bytes from before.
   */
  append(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#filled + bytes.byteLength < BLOCK_BYTES) {
      this.#put(bytes)
      return undefined
    }
    return this.#appendAcross(bytes)
  }

  /** Writes what is left. No bytes may follow. */
  async end(): Promise<void> {
    await this.#arrived()
    if (this.#blocks === null) return
    const rest = this.#blocks[this.#filling].subarray(0, this.#filled)
    const pages = rest.byteLength - (rest.byteLength % PAGE_BYTES)
    const direct = pages < LEAST_DIRECT_BYTES ? 0 : pages
    if (direct > 0) await this.#target.writeBeside(rest.subarray(0, direct), this.#position)
    if (direct < rest.byteLength) this.#target.writeAt(rest.subarray(direct), this.#position + direct)
    this.#position += rest.byteLength
    this.#filled = 0
  }

  /** Gives the memory back when nothing is under way in it any more. The file may be closed after it, and not before. */
  async close(): Promise<void> {
    await this.#underWay?.catch(() => undefined)
    this.#underWay = null
    this.#blocks?.forEach((block, i) => giveBack(block, this.#used[i]!))
    this.#blocks = null
  }

  async #appendAcross(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled)
      this.#put(part)
      at += part.byteLength
      if (this.#filled === BLOCK_BYTES) await this.#turn()
    }
  }

  async #turn(): Promise<void> {
    await this.#arrived()
    this.#underWay = this.#target.writeBeside(this.#blocks![this.#filling], this.#position)
    // Told to whoever waits for it next.
    this.#underWay.catch(() => undefined)
    this.#position += BLOCK_BYTES
    this.#filling = this.#filling === 0 ? 1 : 0
    this.#filled = 0
  }

  async #arrived(): Promise<void> {
    await this.#underWay
    this.#underWay = null
  }

  #put(bytes: Uint8Array): void {
    this.#blocks ??= [takeBlock(), takeBlock()]
    this.#blocks[this.#filling].set(bytes, this.#filled)
    this.#filled += bytes.byteLength
    this.#used[this.#filling] = Math.max(this.#used[this.#filling]!, this.#filled)
  }
}

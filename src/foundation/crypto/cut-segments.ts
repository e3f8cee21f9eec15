import { RedoubtError } from '#foundation/core'

/** Chunks below this are gathered, so that a source of lines does not cost a cipher call per line. */
const GATHER_BELOW = 16_384

export interface Cut {
  readonly index: number
  readonly last: boolean
  readonly parts: readonly Uint8Array[]
}

export type ByteSource = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Cuts a source into segments of `capacity(index)` bytes. A full segment is held back until it is known whether it is the
 * last one, for that is part of its nonce; so one segment is in memory at a time. Chunks are kept by reference:
 * a source MUST NOT write to a chunk before it has given away two segments more.
 */
export async function* cutSegments(source: ByteSource, capacity: (index: number) => number): AsyncGenerator<Cut> {
  let index = 0
  let room = capacity(0)
  let parts = new Parts()
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    for (let at = 0; at < chunk.byteLength;) {
      if (room === 0) {
        yield { index, last: false, parts: parts.take() }
        parts = new Parts()
        index++
        room = capacity(index)
      }
      const size = Math.min(chunk.byteLength - at, room)
      parts.add(at === 0 && size === chunk.byteLength ? chunk : chunk.subarray(at, at + size))
      room -= size
      at += size
    }
  }
  yield { index, last: true, parts: parts.take() }
}

class Parts {
  readonly #parts: Uint8Array[] = []
  #small: Uint8Array[] = []
  #smallBytes = 0
  #bytes = 0

  add(part: Uint8Array): void {
    this.#bytes += part.byteLength
    if (part.byteLength >= GATHER_BELOW) {
      this.#gather()
      this.#parts.push(part)
      return
    }
    this.#small.push(part)
    this.#smallBytes += part.byteLength
    if (this.#smallBytes >= GATHER_BELOW) this.#gather()
  }

  take(): readonly Uint8Array[] {
    this.#gather()
    requireBytes(this.#parts, this.#bytes)
    return this.#parts
  }

  #gather(): void {
    const [only] = this.#small
    if (only === undefined) return
    requireBytes(this.#small, this.#smallBytes)
    this.#parts.push(this.#small.length === 1 ? only : Buffer.concat(this.#small))
    this.#small = []
    this.#smallBytes = 0
  }
}

/** A transient piece of another stream is empty by now: that must not become a shorter plaintext. */
function requireBytes(parts: readonly Uint8Array[], bytes: number): void {
  if (parts.reduce((sum, part) => sum + part.byteLength, 0) !== bytes)
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the source took a chunk back before it was used')
}

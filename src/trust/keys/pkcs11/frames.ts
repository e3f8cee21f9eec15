/**
 * The wire between the server and the process that talks to the HSM: `size u32be | id u32be | kind u8 | parts u8 | (length u32be | bytes)*`.
 * No objects, so that nothing is deserialised and keys never become strings, which cannot be erased.
 */
export interface Frame {
  /** Of the question; the answer repeats it. */
  readonly id: number
  readonly kind: number
  readonly parts: readonly Buffer[]
}

/** The longest question is a wrapped key of 540 bytes with a binding, the longest answer a key: far below. */
export const MAX_FRAME_BYTES = 65_536
export const MAX_PARTS = 8
const SIZE_BYTES = 4
const HEAD_BYTES = 6

/** @throws {RangeError} when the parts are too many or too long. */
export function encodeFrame({
  id,
  kind,
  parts,
}: {
  readonly id: number
  readonly kind: number
  readonly parts: readonly Uint8Array[]
}): Buffer {
  const size = parts.reduce((sum, part) => sum + SIZE_BYTES + part.byteLength, HEAD_BYTES)
  if (size > MAX_FRAME_BYTES || parts.length > MAX_PARTS) throw new RangeError('a message to or from the HSM is too large')
  const frame = Buffer.allocUnsafeSlow(SIZE_BYTES + size)
  frame.writeUInt32BE(size, 0)
  frame.writeUInt32BE(id, 4)
  frame.writeUInt8(kind, 8)
  frame.writeUInt8(parts.length, 9)
  let at = SIZE_BYTES + HEAD_BYTES
  for (const part of parts) {
    frame.writeUInt32BE(part.byteLength, at)
    frame.set(part, at + SIZE_BYTES)
    at += SIZE_BYTES + part.byteLength
  }
  return frame
}

/** Collects chunks into frames. `push` throws a RangeError when a frame is out of bounds or not well-formed; the reader is then dead. */
export class FrameReader {
  #held = Buffer.alloc(0)

  push(chunk: Uint8Array): readonly Frame[] {
    this.#held = this.#held.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk])
    const frames: Frame[] = []
    let at = 0
    while (this.#held.byteLength - at >= SIZE_BYTES) {
      const size = this.#held.readUInt32BE(at)
      if (size < HEAD_BYTES || size > MAX_FRAME_BYTES) throw new RangeError('a frame is out of bounds')
      if (this.#held.byteLength - at < SIZE_BYTES + size) break
      frames.push(decode(this.#held.subarray(at + SIZE_BYTES, at + SIZE_BYTES + size)))
      at += SIZE_BYTES + size
    }
    const rest = Buffer.from(this.#held.subarray(at))
    this.#held.fill(0)
    this.#held = rest
    return frames
  }
}

/** Each part is a copy of its own, which whoever takes it may erase. */
function decode(body: Buffer): Frame {
  const count = body.readUInt8(5)
  if (count > MAX_PARTS) throw new RangeError('a frame has too many parts')
  const parts: Buffer[] = []
  let at = HEAD_BYTES
  for (let i = 0; i < count; i++) {
    if (body.byteLength - at < SIZE_BYTES) throw new RangeError('a frame is cut off')
    const length = body.readUInt32BE(at)
    at += SIZE_BYTES
    if (length > body.byteLength - at) throw new RangeError('a frame is cut off')
    const part = Buffer.allocUnsafeSlow(length)
    part.set(body.subarray(at, at + length))
    parts.push(part)
    at += length
  }
  if (at !== body.byteLength) throw new RangeError('a frame has bytes that belong to no part')
  return { id: body.readUInt32BE(0), kind: body.readUInt8(4), parts }
}

import { RedoubtError } from '#foundation/core'

/** Frames of the temporary object: u32 length, then the rows as JSON. Written, sealed and read back within one import. */
const LENGTH_BYTES = 4

export function* writeFrame(rows: readonly (readonly string[])[]): Generator<Uint8Array> {
  const body = Buffer.from(JSON.stringify(rows), 'utf8')
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(body.byteLength)
  yield length
  yield body
}

export async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly (readonly string[])[]> {
  let held: Uint8Array[] = []
  let size = 0
  let needed = LENGTH_BYTES
  let inBody = false
  for await (const chunk of source) {
    held.push(chunk)
    size += chunk.byteLength
    if (size < needed) continue
    let bytes = Buffer.concat(held)
    while (bytes.byteLength >= needed) {
      const part = bytes.subarray(0, needed)
      bytes = bytes.subarray(needed)
      if (inBody) yield JSON.parse(part.toString('utf8')) as string[][]
      needed = inBody ? LENGTH_BYTES : part.readUInt32LE()
      inBody = !inBody
    }
    held = [bytes]
    size = bytes.byteLength
  }
  if (size > 0 || inBody) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the temporary object is cut off')
}

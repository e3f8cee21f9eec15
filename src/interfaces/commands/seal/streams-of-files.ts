import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { RedoubtError } from '#foundation/core'
import type { Output } from '../output.ts'

/** Standard input or output in place of a file. */
export const PIPE = '-'
const CHUNK_BYTES = 262_144
/** Memory of a chunk is used again after two segments of 1 MiB and what is gathered. */
const RING = 16

type Seen = (bytes: number, total: number | null) => void

/** The bytes of a file or of standard input, once. */
export interface Input {
  /** In memory that is used again when two segments more were asked for. @param seen is told how many, and of how many where that is known. */
  read(seen: Seen): AsyncGenerator<Uint8Array>
  /** When no byte is looked at any more. */
  close(): Promise<void>
}

/** @throws {RedoubtError} `ERR_USAGE` for a folder. */
export async function openInput(path: string): Promise<Input> {
  if (path === PIPE) return { read: (seen) => counted(process.stdin as AsyncIterable<Buffer>, seen, null), close: async () => undefined }
  const file = await open(path, 'r')
  try {
    const status = await file.stat()
    if (status.isDirectory()) throw new RedoubtError('ERR_USAGE', `\`${path}\` is a folder; make an archive of it first`)
    return status.isFile() ? await openBlocks(file, status.size) : openChunks(file)
  } catch (error) {
    await file.close()
    throw error
  }
}

async function openBlocks(file: FileHandle, size: number): Promise<Input> {
  const { BlockReader, Descriptor } = await import('#foundation/blocks')
  const descriptor = new Descriptor(file.fd, constants.O_RDONLY)
  const blocks = new BlockReader(descriptor, 0)
  return {
    read: (seen) => counted(blocks, seen, size),
    async close() {
      await blocks.close()
      descriptor.close()
      await file.close()
    },
  }
}

/** What has no positions: a named pipe, a device. */
function openChunks(file: FileHandle): Input {
  const ring = Array.from({ length: RING }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES))
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let turn = 0; ; turn++) {
      const { bytesRead, buffer } = await file.read(ring[turn % RING]!, 0, CHUNK_BYTES, null)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  }
  return { read: (seen) => counted(chunks(), seen, null), close: () => file.close() }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, seen: Seen, total: number | null): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    yield chunk
    seen((bytes += chunk.byteLength), total)
  }
}

/** Bytes to standard output, at the reader's pace. */
export async function writeOutput(bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())))
}

/** Whether both the bytes and the words of a command would go to standard output. */
export function requireOwnOutput(out: string, output: Output): void {
  if (out !== PIPE) return
  if (output.json) throw new RedoubtError('ERR_USAGE', '`--json` and the file cannot both go to standard output')
  if (process.stdout.isTTY) throw new RedoubtError('ERR_USAGE', 'the file is not written to a terminal; name a file with `--out`')
}

/** Tells a person how far it is, ten times a second at most. */
export function progressOf(output: Output, label: string, now: () => number): (bytes: number, total: number | null) => void {
  let next = 0
  return (bytes, total) => {
    if (now() < next) return
    next = now() + 100
    output.progress(label, Math.round(bytes / 1_048_576), total === null ? null : Math.round(total / 1_048_576), 'MiB')
  }
}

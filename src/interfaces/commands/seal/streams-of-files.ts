import { type FileHandle, open } from 'node:fs/promises'
import { RedoubtError } from '#foundation/core'
import type { Output } from '../output.ts'

/** Standard input or output in place of a file. */
export const PIPE = '-'
const CHUNK_BYTES = 262_144
/** Memory of a chunk is used again after two segments of 1 MiB and what is gathered. */
const RING = 16

/** The bytes of a file or of standard input, in memory that is used again. @param seen is told how many, and of how many where that is known. */
export async function* readInput(path: string, seen: (bytes: number, total: number | null) => void): AsyncGenerator<Uint8Array> {
  if (path === PIPE) {
    let bytes = 0
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      yield chunk
      seen((bytes += chunk.byteLength), null)
    }
    return
  }
  const file = await open(path, 'r')
  try {
    yield* chunksOf(file, path, seen)
  } finally {
    await file.close()
  }
}

async function* chunksOf(file: FileHandle, path: string, seen: (bytes: number, total: number | null) => void): AsyncGenerator<Uint8Array> {
  const status = await file.stat()
  if (status.isDirectory()) throw new RedoubtError('ERR_USAGE', `\`${path}\` is a folder; make an archive of it first`)
  const total = status.isFile() ? status.size : null
  const ring = Array.from({ length: RING }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES))
  for (let turn = 0, bytes = 0; ; turn++) {
    const { bytesRead, buffer } = await file.read(ring[turn % RING]!, 0, CHUNK_BYTES, null)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    seen((bytes += bytesRead), total)
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

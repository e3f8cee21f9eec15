import { RedoubtError } from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { parseBodyBundle } from './entry-bundle.ts'
import { HASH_BYTES } from './merkle-hash.ts'
import { LogFolder } from './log-folder.ts'
import { CHECKPOINT_PATH, isSucceededPath, rowsAt, TILE_WIDTH, tilePath, type TileKind } from './tile-paths.ts'

/** Files of a log that is written to move under the copy: the checkpoint then is asked anew. */
const MAX_ATTEMPTS = 20

/**
 * Copies what the present checkpoint covers, and nothing beyond it: a log that opens, while its own goes on. Full tiles never change, so a
 * second attempt goes through the end alone. What a partial file was at that size is cut from what it has grown to.
 * @returns the checkpoint. @throws {RedoubtError} `ERR_AUDIT_CORRUPT` when there is no whole log.
 */
export function copySealedLog(from: DurableFolder, write: (path: string, bytes: Uint8Array) => void): Checkpoint {
  const files = new LogFolder(from)
  const copied = new Set<string>()
  for (let attempt = 1; ; attempt++) {
    // Before the checkpoint, which is never behind those that came before it.
    const succeeded = from.list('').filter(isSucceededPath)
    const note = from.read(CHECKPOINT_PATH)
    const checkpoint = note === null ? null : parseCheckpoint(Buffer.from(note).toString('utf8'))
    if (note === null || checkpoint === null) throw new RedoubtError('ERR_AUDIT_CORRUPT', 'the log has no checkpoint')
    const missing = copyUpTo(files, checkpoint.size, copied, write)
    if (missing === null) {
      for (const path of succeeded) write(path, from.read(path)!)
      write(CHECKPOINT_PATH, note)
      return checkpoint
    }
    if (attempt === MAX_ATTEMPTS) throw new RedoubtError('ERR_AUDIT_CORRUPT', `\`${missing}\` of the log is missing`)
  }
}

/** @returns the path that was not there, or null. */
function copyUpTo(files: LogFolder, size: number, copied: Set<string>, write: (path: string, bytes: Uint8Array) => void): string | null {
  const kinds: TileKind[] = ['entries', 'bodies']
  for (let level = 0; rowsAt(level, size) > 0; level++) kinds.push(level)
  for (const kind of kinds) {
    const rows = rowsAt(kind, size)
    for (let index = 0; index * TILE_WIDTH < rows; index++) {
      const width = Math.min(TILE_WIDTH, rows - index * TILE_WIDTH)
      const path = tilePath({ kind, index, width })
      if (copied.has(path)) continue
      const bytes = kind === 'bodies' ? bodiesOf(files, index, width) : files.read(path)
      // Where no entry has personal fields there are no bodies.
      if (bytes === null && kind === 'bodies') continue
      if (bytes === null || (typeof kind === 'number' && bytes.byteLength !== width * HASH_BYTES)) return path
      write(path, bytes)
      if (width === TILE_WIDTH) copied.add(path)
    }
  }
  return null
}

/** Of as many entries as asked, cut from the bodies of more where these are what is left; null where none has any. */
function bodiesOf({ folder }: LogFolder, index: number, width: number): Uint8Array | null {
  const full = tilePath({ kind: 'bodies', index, width: TILE_WIDTH })
  const widths = folder
    .list(`${full}.p`)
    .map(Number)
    .filter((one) => Number.isInteger(one) && one >= width)
  for (const wide of [...widths.toSorted((a, b) => a - b), TILE_WIDTH]) {
    const bytes = folder.read(tilePath({ kind: 'bodies', index, width: wide }))
    const bodies = bytes === null ? null : parseBodyBundle(bytes, wide)
    if (bytes === null || bodies === null) continue
    const part = bytes.subarray(
      0,
      bodies.slice(0, width).reduce((sum, body) => sum + 4 + body.byteLength, 0),
    )
    return bodies.slice(0, width).some((body) => body.byteLength > 0) ? part : null
  }
  return null
}

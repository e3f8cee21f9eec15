import type { KeyObject } from 'node:crypto'
import { RedoubtError, type Signer } from '#foundation/core'
import { type DurableFolder, replaceFile } from '#foundation/storage'
import { type Checkpoint, isSignedBy, logVerifierKey, parseCheckpoint, signCheckpoint } from './checkpoint.ts'
import { parseBodyBundle, parseEntryBundle } from './entry-bundle.ts'
import { Frontier, type FrontierSource } from './frontier.ts'
import { LogFolder } from './log-folder.ts'
import { type VerifierKey, verifierKeyOf } from './signed-note.ts'
import { emptyRoot, HASH_BYTES, leafHash, prefixedLeafHash, sameHash } from './merkle-hash.ts'
import type { ParallelWriter } from './parallel-writer.ts'
import { CHECKPOINT_PATH, partialPaths, succeededPath, partialTiles, rowsAt, TILE_WIDTH, tilePath, type TileName } from './tile-paths.ts'
import { tileNodes } from './tile-reader.ts'
import { listSegments, readSegment, segmentPath, WalWriter } from './write-ahead-log.ts'

export interface RecoveryOptions {
  readonly folder: DurableFolder
  readonly origin: string
  readonly signer: Signer
  /** Ed25519 keys that signed checkpoints here before the present one. */
  readonly signedBefore?: readonly KeyObject[]
  readonly segmentBytes: number
  readonly spareSegments: number
  readonly parallelWriter?: ParallelWriter
  /** What this process has acknowledged already, when it recovers from a failed write: the disk must hold at least that. */
  readonly acknowledged?: { readonly size: number; readonly root: Uint8Array }
}

export interface Recovered {
  readonly files: LogFolder
  readonly frontier: Frontier
  readonly wal: WalWriter
  /** The published checkpoint, which covers the whole frontier. */
  readonly note: string
  /** How many entries were taken from the write-ahead log. */
  readonly replayed: number
}

const corrupt = (message: string): RedoubtError => new RedoubtError('ERR_AUDIT_CORRUPT', message)

/**
 * Brings the log back from whatever a crash, or a failed write, left behind: the state of the last signed checkpoint from the
 * tiles, and on it every whole batch of the write-ahead log. What was taken is made durable anew (after a failed fdatasync
 * the page cache may show what the disk does not hold) and covered by a checkpoint before the old segments go.
 * @throws {RedoubtError} `ERR_AUDIT_CORRUPT` when the folder contradicts the last signed checkpoint,
 *   `ERR_AUDIT_UNAVAILABLE` when acknowledged entries are out of reach at the moment, `ERR_STORAGE_…` when writing fails.
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { folder, origin, signer } = options
  const files = new LogFolder(folder, options.parallelWriter)
  const checkpoint = await lastCheckpoint(options)
  const frontier = restoreFrontier(files, checkpoint)
  const replayed = replay(folder, frontier, options.acknowledged)
  let note = checkpoint.text + noteSignatures(folder)
  if (replayed > 0) {
    const pending = frontier.pending(Infinity)
    await files.writeDurably([...pending.files, ...frontier.partials(checkpoint.size)])
    frontier.written(pending)
    note = await signCheckpoint(origin, frontier.size, frontier.root(), signer)
  }
  // Also when nothing was replayed: the file in sight may be a rename that a power cut would still undo.
  replaceFile(folder, CHECKPOINT_PATH, Buffer.from(note))
  removeStalePartials(files, checkpoint.size, frontier.size)
  const number = (listSegments(folder).at(-1) ?? 0) + 1
  const wal = new WalWriter(folder, { segmentBytes: options.segmentBytes, spareSegments: options.spareSegments, number })
  return { files, frontier, wal, note, replayed }
}

/** The signature part of the stored note. */
function noteSignatures(folder: DurableFolder): string {
  const stored = Buffer.from(folder.read(CHECKPOINT_PATH) ?? new Uint8Array()).toString()
  return stored.slice(stored.lastIndexOf('\n\n') + 1)
}

async function lastCheckpoint({ folder, origin, signer, signedBefore = [], acknowledged }: RecoveryOptions): Promise<Checkpoint> {
  let bytes = folder.read(CHECKPOINT_PATH)
  if (bytes === null) {
    if (acknowledged !== undefined) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'the folder of the audit log is gone')
    // The checkpoint of the empty tree is the first file of a log, so entries without any checkpoint mean it was taken away.
    if (listSegments(folder).length > 0 || folder.list('tile').length > 0) throw corrupt('the log has entries but no checkpoint')
    bytes = Buffer.from(await signCheckpoint(origin, 0, emptyRoot(), signer))
    replaceFile(folder, CHECKPOINT_PATH, bytes)
  }
  const checkpoint = parseCheckpoint(Buffer.from(bytes).toString())
  if (checkpoint === null) throw corrupt('the stored checkpoint is not well-formed')
  if (checkpoint.origin !== origin) throw corrupt(`the stored checkpoint is of the log \`${checkpoint.origin}\``)
  const key = logVerifierKey(origin, signer)
  if (isSignedBy(checkpoint, key)) return checkpoint
  const before = signedBefore
    .map((publicKey) => verifierKeyOf('Ed25519', origin, publicKey))
    .find((former) => isSignedBy(checkpoint, former))
  if (before === undefined) throw corrupt('the stored checkpoint is not signed by the key of this log')
  return countersigned(folder, checkpoint, before, signer)
}

/**
 * The first checkpoint of a new key is the last one of the key before, signed by both, so that whoever trusts the one can see the other
 * take over. A copy of it stays for them.
 */
async function countersigned(folder: DurableFolder, checkpoint: Checkpoint, before: VerifierKey, signer: Signer): Promise<Checkpoint> {
  const { origin, size, root } = checkpoint
  const signed = await signCheckpoint(origin, size, root, signer)
  const note = checkpoint.text + noteSignatures(folder) + signed.slice(signed.lastIndexOf('\n\n') + 2)
  const both = parseCheckpoint(note)
  if (both === null || !isSignedBy(both, before) || !isSignedBy(both, logVerifierKey(origin, signer)))
    throw corrupt('the stored checkpoint cannot be signed by another key')
  replaceFile(folder, succeededPath(before.keyId), Buffer.from(note))
  replaceFile(folder, CHECKPOINT_PATH, Buffer.from(note))
  return both
}

/** Restores the right edge of the tree and proves it against the signed root. Whole-log verification is `verifyLog`. */
function restoreFrontier(files: LogFolder, { size, root }: Checkpoint): Frontier {
  const nodes = tileNodes(size, (path) => files.folder.read(path))
  const edge: TileName = { kind: 'entries', index: Math.floor(size / TILE_WIDTH), width: size % TILE_WIDTH }
  const source: FrontierSource = {
    peak: (height) => nodes(height, Math.floor(size / 2 ** height) - 1),
    partial(level) {
      const rows = rowsAt(level, size)
      return readExact(files, { kind: level, index: Math.floor(rows / TILE_WIDTH), width: rows % TILE_WIDTH })
    },
    last() {
      const entries = parseEntryBundle(readExact(files, edge), edge.width)
      if (entries === null) throw corrupt(`the entry bundle \`${tilePath(edge)}\` is not well-formed`)
      const rows = readExact(files, { ...edge, kind: 0 })
      entries.forEach((entry, row) => {
        if (!sameHash(leafHash(entry), rows.subarray(row * HASH_BYTES, (row + 1) * HASH_BYTES)))
          throw corrupt(`an entry of \`${tilePath(edge)}\` does not match its tile`)
      })
      const stored = files.folder.read(tilePath({ ...edge, kind: 'bodies' }))
      const bodies = stored === null ? [] : parseBodyBundle(stored, edge.width)
      if (bodies === null) throw corrupt(`the bodies beside \`${tilePath(edge)}\` are not well-formed`)
      return entries.map((entry, row) => {
        const body = bodies[row]
        return { entry, body: body === undefined || body.byteLength === 0 ? null : body }
      })
    },
  }
  const frontier = Frontier.restore(size, source)
  if (!sameHash(frontier.root(), root)) throw corrupt('the stored tiles do not give the root of the last signed checkpoint')
  return frontier
}

function readExact(files: LogFolder, name: TileName): Uint8Array {
  const bytes = files.folder.read(tilePath(name))
  const wrong = typeof name.kind === 'number' && bytes?.byteLength !== name.width * HASH_BYTES
  if (bytes === null || wrong) throw corrupt(`\`${tilePath(name)}\` is missing or has the wrong size`)
  return bytes
}

/** Adds every whole batch beyond the checkpoint. A torn tail ends a segment; a gap in the indices is a loss. */
function replay(folder: DurableFolder, frontier: Frontier, acknowledged: RecoveryOptions['acknowledged']): number {
  const from = frontier.size
  const checkPrefix = (): void => {
    if (acknowledged?.size === frontier.size && !sameHash(frontier.root(), acknowledged.root))
      throw corrupt('the folder holds other entries than were acknowledged')
  }
  checkPrefix()
  for (const number of listSegments(folder)) {
    const bytes = folder.read(segmentPath(number))
    if (bytes === null) continue
    for (const batch of readSegment(bytes, number)) {
      for (const { index, prefixedEntry, body } of batch) {
        if (index < from) continue
        if (index !== frontier.size) throw corrupt(`the write-ahead log continues at ${index}, expected ${frontier.size}`)
        frontier.add(prefixedEntry.subarray(1), body, prefixedLeafHash(prefixedEntry))
        if (acknowledged?.size === frontier.size) checkPrefix()
      }
    }
  }
  if (acknowledged !== undefined && frontier.size < acknowledged.size)
    throw new RedoubtError('ERR_AUDIT_UNAVAILABLE', 'acknowledged entries are not in the folder of the audit log')
  return frontier.size - from
}

function removeStalePartials(files: LogFolder, before: number, now: number): void {
  const keep = new Set(partialPaths(now))
  const window = Math.floor(before / TILE_WIDTH)
  const edges: TileName[] = [...partialTiles(before), ...partialTiles(now)]
  for (const kind of ['entries', 'bodies'] as const)
    edges.push({ kind, index: window, width: 1 }, { kind, index: Math.floor(now / TILE_WIDTH), width: 1 })
  files.removeAll(new Set(edges.flatMap((edge) => files.partialsBeside(edge)).filter((path) => !keep.has(path))))
}

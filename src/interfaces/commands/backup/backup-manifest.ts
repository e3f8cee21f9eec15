import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, readSync, renameSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, RedoubtError } from '#foundation/core'

/** Written last: a folder without it is no backup. */
export const MANIFEST = 'backup.json'
const FORMAT = 'redoubt-backup@v1'
const MAX_BYTES = 256 * 2 ** 20
const MAX_FILES = 1_000_000
const CHUNK_BYTES = 2 ** 20
/** Relative, without `.` and `..`, in the characters that the server's own files have. */
const PATH = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._-]{1,200}(?:\/[A-Za-z0-9._-]{1,200}){0,12}$/

const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  kind: z.enum(['data', 'keys']),
  /** Of the data and the keys that were taken together. */
  backup: z.string().min(1).max(64),
  createdAt: z.int().min(0),
  version: z.string().max(64),
  files: z
    .array(z.strictObject({ path: z.string().regex(PATH), bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }))
    .max(MAX_FILES),
  /** Entries that the log has, and the root over them, base64; of data alone. */
  log: z.strictObject({ size: z.int().min(0), root: z.string().max(64) }).optional(),
})
export type BackupManifest = z.infer<typeof manifestSchema>
export type BackedUpFile = BackupManifest['files'][number]

/** @returns the youngest backup of that kind in a folder that may hold several; undefined where there is none. */
function youngestIn(folder: string, kind: BackupManifest['kind']): string | undefined {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith(`${kind}-`))
      .sort()
      .at(-1)
  } catch {
    return undefined
  }
}

/** @throws {RedoubtError} `ERR_BACKUP_INVALID`. */
export function readManifest(folder: string, kind: BackupManifest['kind']): BackupManifest {
  let manifest: BackupManifest
  try {
    manifest = manifestSchema.parse(parseStrictJson(readFileSync(join(folder, MANIFEST)), { maxBytes: MAX_BYTES, maxDepth: 4 }))
  } catch (cause) {
    const inside = youngestIn(folder, kind)
    const hint = inside === undefined ? '' : `; name one of those in it, such as \`${join(folder, inside)}\``
    throw new RedoubtError('ERR_BACKUP_INVALID', `\`${folder}\` is no whole backup${hint}`, { cause })
  }
  if (manifest.kind !== kind) throw new RedoubtError('ERR_BACKUP_INVALID', `\`${folder}\` is a backup of ${manifest.kind}, not of ${kind}`)
  if (new Set(manifest.files.map(({ path }) => path)).size !== manifest.files.length)
    throw new RedoubtError('ERR_BACKUP_INVALID', `\`${folder}\` names a file twice`)
  return manifest
}

export function writeManifest(folder: string, manifest: Omit<BackupManifest, 'format'>): void {
  const unfinished = join(folder, `${MANIFEST}.new`)
  writeDurably(unfinished, Buffer.from(`${canonicalJson({ format: FORMAT, ...manifest })}\n`))
  renameSync(unfinished, join(folder, MANIFEST))
  syncFolder(folder)
}

/** Length and digest of a file as it is, in bounded memory. */
export function digestOf(path: string): Omit<BackedUpFile, 'path'> {
  const file = openSync(path, 'r')
  try {
    const hash = createHash('sha256')
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    let bytes = 0
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      hash.update(chunk.subarray(0, read))
      bytes += read
    }
    return { bytes, sha256: hash.digest('hex') }
  } finally {
    closeSync(file)
  }
}

/** @throws {RedoubtError} `ERR_BACKUP_INVALID` when the file is missing or another than was backed up. */
export function demandSame(folder: string, { path, bytes, sha256 }: BackedUpFile): void {
  const full = join(folder, path)
  const there = statSync(full, { throwIfNoEntry: false })
  const found = there?.isFile() === true && there.size === bytes ? digestOf(full) : null
  if (found?.sha256 !== sha256) throw new RedoubtError('ERR_BACKUP_INVALID', `\`${path}\` is missing or was changed`)
}

export function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { newId, RedoubtError } from '#foundation/core'
import { nodeFolder } from '#foundation/storage'
import { verifyLog } from '#trust/audit'
import { type KeyHolders, keyHolders } from '#trust/keys'
import { LOG_KEY_FILE } from '../place.ts'
import { type BackupManifest, demandSame, readManifest, syncFolder } from './backup-manifest.ts'

export interface RestoreAsk {
  readonly from: string
  readonly keysFrom: string
  /** A younger key backup: what was erased up to then is erased again, and the keys stay those of `keysFrom`. */
  readonly erasuresFrom?: string
  /** Made; one that is there must be empty. */
  readonly dataDir: string
  readonly progress: (files: number, total: number) => void
}

export interface Restored {
  readonly dataDir: string
  readonly dataOf: number
  readonly keysOf: number
  readonly logSize: number
  /** Erasures that the data do not know of: they are applied at the first start, before anything is served. */
  readonly erasuresToApply: number
  /** Without them, and the configuration that names them, nothing here opens. */
  readonly heldBy: KeyHolders
}

/**
 * Puts a backup of data and one of keys together into a new data directory. Every file is compared with its manifest, and the log is
 * verified, before the directory is there under its name. Keys that are younger than the data open nothing of data sets from which
 * someone was erased in between; keys of the same time open all of it, and `erasuresFrom` has what was erased since erased again.
 * @throws {RedoubtError} `ERR_CONFLICT` for a directory that is not empty, `ERR_BACKUP_INVALID`, `ERR_AUDIT_CORRUPT`; then nothing is there.
 */
export async function restoreBackup({ from, keysFrom, erasuresFrom, dataDir, progress }: RestoreAsk): Promise<Restored> {
  const target = resolve(dataDir)
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new RedoubtError('ERR_CONFLICT', `\`${target}\` is not empty; restore into a new data directory`)
  const data = readManifest(from, 'data')
  const keys = readManifest(keysFrom, 'keys')
  if (keys.createdAt < data.createdAt && keys.backup !== data.backup)
    throw new RedoubtError('ERR_BACKUP_INVALID', 'the keys are older than the data: take the newest key backup that there is')
  const younger = erasuresFrom === undefined ? null : readManifest(erasuresFrom, 'keys')
  if (younger !== null && younger.createdAt < keys.createdAt)
    throw new RedoubtError('ERR_BACKUP_INVALID', 'the backup that erasures are taken from is older than the keys: take the newest')
  const staged = `${target}.${newId('restoring')}`
  const total = data.files.length + keys.files.length
  let done = 0
  const bring = (source: string, manifest: BackupManifest, below: string): void => {
    for (const file of manifest.files) {
      const to = join(staged, below, file.path)
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
      copyFileSync(join(source, file.path), to)
      // What was copied, not what may have been exchanged since it was looked at.
      demandSame(join(staged, below), file)
      progress(++done, total)
    }
  }
  try {
    mkdirSync(staged, { recursive: true, mode: 0o700 })
    bring(from, data, '')
    bring(keysFrom, keys, 'keys')
    const heldBy = keyHolders(nodeFolder(join(staged, 'keys')))
    if (heldBy === null) throw new RedoubtError('ERR_BACKUP_INVALID', 'the backup of keys has no records of keys')
    if (erasuresFrom !== undefined && younger !== null) takeErasures(join(staged, 'keys'), erasuresFrom, younger)
    const folder = nodeFolder(join(staged, 'log'))
    const verifierKey = readFileSync(join(staged, LOG_KEY_FILE), 'utf8').trim()
    const verdict = await verifyLog({ read: (path) => folder.read(path), verifierKey, bodies: 'required' })
    if (!verdict.ok || verdict.size !== data.log?.size || verdict.root !== data.log.root)
      throw new RedoubtError(
        'ERR_AUDIT_CORRUPT',
        `the log of the backup does not verify: ${verdict.findings[0]?.message ?? 'it is another one'}`,
      )
    const erasuresToApply = toApply(staged)
    for (const entry of readdirSync(staged, { recursive: true, withFileTypes: true }))
      if (entry.isDirectory()) syncFolder(join(entry.parentPath, entry.name))
    if (existsSync(target)) rmdirSync(target)
    renameSync(staged, target)
    syncFolder(dirname(target))
    return { dataDir: target, dataOf: data.createdAt, keysOf: keys.createdAt, logSize: verdict.size, erasuresToApply, heldBy }
  } catch (error) {
    rmSync(staged, { recursive: true, force: true })
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new RedoubtError('ERR_BACKUP_INVALID', 'a file of the backup is missing', { cause: error })
    throw error
  }
}

/**
 * Puts the journal of a younger key store in the place of the staged one, and its tombstones of people over their keys. The key that the
 * journal's sealed columns lie under is the same, but may be wrapped under a version that the older keyring does not have.
 */
function takeErasures(keys: string, from: string, younger: BackupManifest): void {
  const aside = join(keys, 'younger')
  mkdirSync(aside, { mode: 0o700 })
  for (const name of ['erasures.db', 'keys.db']) {
    const file = younger.files.find(({ path }) => path === name)
    if (file === undefined) throw new RedoubtError('ERR_BACKUP_INVALID', `the backup has no \`${name}\``)
    copyFileSync(join(from, name), join(aside, name))
    demandSame(aside, file)
  }
  const own = new DatabaseSync(join(keys, 'keys.db'))
  try {
    own.prepare('ATTACH ? AS younger').run(join(aside, 'keys.db'))
    const databaseId = (schema: string): unknown =>
      own.prepare(`SELECT value FROM ${schema}.key_secrets WHERE name = 'id'`).get()?.['value']
    if (databaseId('main') !== databaseId('younger')) throw new RedoubtError('ERR_BACKUP_INVALID', 'the erasures are of another server')
    own.exec(`PRAGMA secure_delete=ON;
      UPDATE subject_keys AS mine SET wrapped = NULL, destroyed_at = yours.destroyed_at FROM younger.subject_keys AS yours
      WHERE yours.pseudonym = mine.pseudonym AND yours.generation = mine.generation AND yours.wrapped IS NULL AND mine.wrapped IS NOT NULL`)
  } finally {
    own.close()
  }
  const journal = new DatabaseSync(join(aside, 'erasures.db'))
  try {
    journal.prepare('ATTACH ? AS older').run(join(keys, 'erasures.db'))
    journal.exec('UPDATE room_key SET wrapped = (SELECT wrapped FROM older.room_key) WHERE EXISTS (SELECT 1 FROM older.room_key)')
  } finally {
    journal.close()
  }
  renameSync(join(aside, 'erasures.db'), join(keys, 'erasures.db'))
  rmSync(aside, { recursive: true })
}

function toApply(dataDir: string): number {
  const ids = (path: string, sql: string): string[] => {
    const database = new DatabaseSync(join(dataDir, path), { readOnly: true })
    try {
      return (database.prepare(sql).all() as { id: string }[]).map(({ id }) => id)
    } finally {
      database.close()
    }
  }
  const known = new Set(ids('redoubt.db', 'SELECT id FROM applied_erasures'))
  return ids('keys/erasures.db', 'SELECT id FROM erasures').filter((id) => !known.has(id)).length
}

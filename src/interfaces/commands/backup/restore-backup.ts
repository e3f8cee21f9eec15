import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { newId, RedoubtError } from '#foundation/core'
import { nodeFolder } from '#foundation/storage'
import { verifyLog } from '#trust/audit'
import { LOG_KEY_FILE } from '../place.ts'
import { type BackupManifest, demandSame, readManifest, syncFolder } from './backup-manifest.ts'

export interface RestoreAsk {
  readonly from: string
  readonly keysFrom: string
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
}

/**
 * Puts a backup of data and one of keys together into a new data directory. Every file is compared with its manifest, and the log is
 * verified, before the directory is there under its name. The keys may be younger than the data, and should be.
 * @throws {RedoubtError} `ERR_CONFLICT` for a directory that is not empty, `ERR_BACKUP_INVALID`, `ERR_AUDIT_CORRUPT`; then nothing is there.
 */
export async function restoreBackup({ from, keysFrom, dataDir, progress }: RestoreAsk): Promise<Restored> {
  const target = resolve(dataDir)
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new RedoubtError('ERR_CONFLICT', `\`${target}\` is not empty; restore into a new data directory`)
  const data = readManifest(from, 'data')
  const keys = readManifest(keysFrom, 'keys')
  if (keys.createdAt < data.createdAt && keys.backup !== data.backup)
    throw new RedoubtError('ERR_BACKUP_INVALID', 'the keys are older than the data: take the newest key backup that there is')
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
    return { dataDir: target, dataOf: data.createdAt, keysOf: keys.createdAt, logSize: verdict.size, erasuresToApply }
  } catch (error) {
    rmSync(staged, { recursive: true, force: true })
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new RedoubtError('ERR_BACKUP_INVALID', 'a file of the backup is missing', { cause: error })
    throw error
  }
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

import {
  copyFileSync,
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { newId, RedoubtError } from '#foundation/core'
import { nodeFolder } from '#foundation/storage'
import { copySealedLog, verifyLog } from '#trust/audit'
import { type KeyHolders, keyHolders } from '#trust/keys'
import { LOG_KEY_FILE, SERVER_FILE } from '../place.ts'
import { type BackedUpFile, digestOf, readManifest, syncFolder, writeDurably, writeManifest } from './backup-manifest.ts'
import { type KeyRetention, keyRetention } from './key-retention.ts'

export interface BackupAsk {
  readonly dataDir: string
  /** Folders for backups: each gets one folder a backup. */
  readonly to: string
  readonly keysTo: string
  /** Older key backups in `keysTo` are removed; null for as long as is usual, see `keyRetention`. */
  readonly keepKeysDays: number | null
  readonly version: string
  readonly now: number
  /** Waits until what is on record is in the checkpoint. */
  readonly settle: () => Promise<void>
  readonly progress: (files: number) => void
}

export interface Backup {
  readonly data: string
  readonly keys: string
  readonly files: number
  readonly bytes: number
  readonly logSize: number
  /** Key backups that were removed. */
  readonly pruned: readonly string[]
  /** When this key backup is to be gone, epoch milliseconds. */
  readonly keysUntil: number
  readonly retention: KeyRetention
  /** Of the keys that open what is in it: in the backup itself for a sealed file, and nowhere in it for the others. */
  readonly heldBy: KeyHolders
}

const KEYS = 'keys'
const LOG = 'log'
/** Rebuilt, or made by each start. */
const LEFT_OUT: ReadonlySet<string> = new Set(['lock', SERVER_FILE, 'audit-index.db'])
/** Data that change all the time under the copy. */
const MAX_ATTEMPTS = 20
const DAY_MS = 86_400_000
const PREFIX = { data: 'data-', keys: 'keys-' } as const

/**
 * Takes a copy of what a server keeps, also while it serves: databases as of one moment each, the objects that they name, and the log
 * up to a checkpoint after them. Keys go to a folder of their own, which is not to lie with the data: what was erased stays readable for
 * whoever has both from before. A backup is whole once its manifest is there.
 * @throws {RedoubtError} `ERR_USAGE` for places that are none and for key backups that would outlive the grace of key versions, `ERR_BUSY` when objects change faster than they are copied.
 */
export async function takeBackup(ask: BackupAsk): Promise<Backup> {
  const { dataDir, now } = ask
  if (!existsSync(join(dataDir, KEYS)) || keyHolders(nodeFolder(join(dataDir, KEYS))) === null)
    throw new RedoubtError('ERR_USAGE', `\`${dataDir}\` is no data directory of a server: name one with \`--data-dir\``)
  demandApart(ask)
  const retention = keyRetention(dataDir, ask.keepKeysDays)
  const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const id = newId('bak')
  const data = join(resolve(ask.to), `${PREFIX.data}${stamp}-${id.slice(4, 10).replaceAll(/[^A-Za-z0-9]/g, 'x')}`)
  const keys = join(resolve(ask.keysTo), `${PREFIX.keys}${stamp}-${id.slice(4, 10).replaceAll(/[^A-Za-z0-9]/g, 'x')}`)
  for (const folder of [data, keys]) {
    mkdirSync(dirname(folder), { recursive: true, mode: 0o700 })
    mkdirSync(folder, { mode: 0o700 })
  }
  try {
    await copyStable(ask, data, keys)
    await ask.settle()
    const log = await copyLog(dataDir, data)
    const heldBy = heldByOf(keys)
    const common = { backup: id, createdAt: now, version: ask.version }
    const files = listed(data)
    // The keys first: data without their keys are nothing, keys without data are what they were.
    writeManifest(keys, { ...common, kind: 'keys', files: listed(keys) })
    writeManifest(data, { ...common, kind: 'data', files, log })
    const pruned = prune(ask, retention.keepKeysDays, keys)
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const keysUntil = now + retention.keepKeysDays * DAY_MS
    return { data, keys, files: files.length, bytes, logSize: log.size, pruned, keysUntil, retention, heldBy }
  } catch (error) {
    for (const folder of [data, keys]) rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** Of what was copied, which may have gone on since. @throws {RedoubtError} `ERR_KEYS_KEYRING_CORRUPT` unless the records of whoever holds keys are there. */
function heldByOf(keys: string): KeyHolders {
  const held = keyHolders(nodeFolder(keys))
  if (held === null) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the records of keys are gone')
  return held
}

/** Data and keys in one place would be one backup, which undoes every erasure. */
function demandApart({ to, keysTo, dataDir }: Pick<BackupAsk, 'to' | 'keysTo' | 'dataDir'>): void {
  const inside = (folder: string, other: string): boolean => !relative(resolve(other), resolve(folder)).startsWith('..')
  if (inside(to, keysTo) || inside(keysTo, to))
    throw new RedoubtError(
      'ERR_USAGE',
      'keys are backed up apart from data: give `--keys-to` a place that does not lie in `--to`, nor the other way',
    )
  if (inside(to, dataDir) || inside(keysTo, dataDir))
    throw new RedoubtError('ERR_USAGE', 'a backup does not lie in the data directory: name another folder with `--to` or `--keys-to`')
}

/** Copies databases and files until nothing changed among the files while the databases were read. */
async function copyStable({ dataDir, progress }: BackupAsk, data: string, keys: string): Promise<void> {
  const copied = new Map<string, string>()
  for (let attempt = 1; ; attempt++) {
    const before = statesOf(dataDir)
    let count = 0
    for (const [path, state] of before) {
      if (copied.get(path) === state) continue
      if (copyIfThere(join(dataDir, path), targetOf(path, data, keys))) copied.set(path, state)
      progress(++count)
    }
    for (const path of databasesOf(dataDir)) snapshot(join(dataDir, path), targetOf(path, data, keys))
    const after = statesOf(dataDir)
    for (const path of copied.keys())
      if (!after.has(path)) {
        rmSync(targetOf(path, data, keys), { force: true })
        copied.delete(path)
      }
    if (after.size === copied.size && [...after].every(([path, state]) => copied.get(path) === state)) return
    if (attempt === MAX_ATTEMPTS)
      throw new RedoubtError('ERR_BUSY', 'the data change faster than they are copied; try when less is written')
  }
}

const targetOf = (path: string, data: string, keys: string): string =>
  path.startsWith(`${KEYS}/`) ? join(keys, path.slice(KEYS.length + 1)) : join(data, path)

/** Files to copy as they are, with what tells that they changed. What is being written is not one yet. */
function statesOf(dataDir: string): Map<string, string> {
  const states = new Map<string, string>()
  for (const entry of readdirSync(dataDir, { recursive: true, withFileTypes: true })) {
    const path = relative(dataDir, join(entry.parentPath, entry.name))
    if (
      !entry.isFile() ||
      path.startsWith(`${LOG}/`) ||
      LEFT_OUT.has(path) ||
      /\.(?:db|db-wal|db-shm|sealing|new)$|-spool\.rdbt$/.test(path)
    )
      continue
    const found = statSync(join(dataDir, path), { throwIfNoEntry: false, bigint: true })
    if (found) states.set(path, `${found.ino}/${found.size}/${found.mtimeNs}`)
  }
  return states
}

const databasesOf = (dataDir: string): string[] =>
  [...readdirSync(dataDir), ...readdirSync(join(dataDir, KEYS)).map((name) => `${KEYS}/${name}`)].filter(
    (path) => path.endsWith('.db') && !LEFT_OUT.has(path),
  )

/** @returns false for a file that was removed meanwhile. */
function copyIfThere(from: string, to: string): boolean {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
  try {
    copyFileSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
  finishFile(to)
  return true
}

/** A database as of one moment, without what was deleted from it. */
function snapshot(from: string, to: string): void {
  rmSync(to, { force: true })
  const database = new DatabaseSync(from, { readOnly: true })
  try {
    database.exec('PRAGMA busy_timeout=5000')
    database.prepare('VACUUM INTO ?').run(to)
  } catch (cause) {
    throw new RedoubtError('ERR_STORAGE_IO', `the database \`${from}\` cannot be copied`, { cause })
  } finally {
    database.close()
  }
  finishFile(to)
}

function finishFile(path: string): void {
  chmodSync(path, 0o600)
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** @throws {RedoubtError} `ERR_AUDIT_CORRUPT` unless what was copied verifies. */
async function copyLog(dataDir: string, data: string): Promise<{ size: number; root: string }> {
  const target = join(data, LOG)
  const checkpoint = copySealedLog(nodeFolder(join(dataDir, LOG)), (path, bytes) => {
    const full = join(target, path)
    mkdirSync(dirname(full), { recursive: true, mode: 0o700 })
    rmSync(full, { force: true })
    writeDurably(full, bytes)
  })
  const folder = nodeFolder(target)
  const verifierKey = readFileSync(join(dataDir, LOG_KEY_FILE), 'utf8').trim()
  const verdict = await verifyLog({ read: (path) => folder.read(path), verifierKey, bodies: 'required' })
  if (!verdict.ok) throw new RedoubtError('ERR_AUDIT_CORRUPT', `the log does not verify: ${verdict.findings[0]?.message ?? ''}`)
  return { size: checkpoint.size, root: verdict.root }
}

function listed(folder: string): BackedUpFile[] {
  const files: BackedUpFile[] = []
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const full = join(entry.parentPath, entry.name)
    if (entry.isFile()) files.push({ path: relative(folder, full), ...digestOf(full) })
    else syncFolder(full)
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
}

/** Key backups whose time is over: what was erased stays readable with them. */
function prune({ keysTo, now }: BackupAsk, keepKeysDays: number, present: string): string[] {
  const pruned: string[] = []
  for (const name of readdirSync(keysTo)) {
    const folder = join(resolve(keysTo), name)
    if (!name.startsWith(PREFIX.keys) || folder === present || !existsSync(join(folder, 'backup.json'))) continue
    if (now - readManifest(folder, 'keys').createdAt < keepKeysDays * DAY_MS) continue
    rmSync(folder, { recursive: true })
    pruned.push(folder)
  }
  return pruned
}

import { createHash, randomBytes } from 'node:crypto'
import { type AuditSink, type Clock, type LegalHolds, RedoubtError } from '#foundation/core'
import type { DurableFolder } from '#foundation/storage'
import type { KeyUse } from '#trust/keys'
import type { Catalogue } from './catalogue.ts'
import type { DatasetVersion, RowGroup } from './dataset-version.ts'
import { ColumnProfiler, encodeManifest, type Manifest, versionOf } from './manifest.ts'
import { FOLDER, groupPart, indexPart, manifestPart, partPath } from './object-paths.ts'
import type { DatasetKeys } from './renew-keys.ts'
import { encodeRowGroup } from './row-group-codec.ts'
import { sealPart } from './seal-part.ts'
import { findRows, withoutSubject } from './subject-index.ts'
import { VersionReader } from './version-reader.ts'

export interface ErasePorts {
  readonly objects: DurableFolder
  readonly keys: DatasetKeys
  readonly audit: AuditSink
  readonly clock: Clock
  readonly catalogue: Catalogue
  readonly holds: LegalHolds
}

export interface EraseAsk {
  /** Whose rows go. */
  readonly pseudonym: string
  /** Names this erasure in the log. */
  readonly erasure: string
  /** Rows looked at so far, of one version. */
  readonly progress?: (rows: number) => void
  readonly signal?: AbortSignal
}

/**
 * Takes a person's rows out of one version. What it changes is written beside what is there: groups with such rows, the subject
 * index, and the manifest with statistics of what is left, each under a new data key. Then one transaction makes the version refer
 * to the new and remembers what is to be removed. Before it nothing has happened, after it the rows are gone for every reader.
 * Does nothing to a version that holds no row of the person.
 * @throws {RedoubtError} `ERR_LEGAL_HOLD`; `ERR_DATA_UNKNOWN` when the version was removed meanwhile; what storage, keys and audit throw; the signal's reason.
 */
export async function eraseFromVersion(ports: ErasePorts, version: DatasetVersion, ask: EraseAsk, use: KeyUse): Promise<void> {
  const reader = new VersionReader(ports, version, use)
  const opened = await openUnlessDestroyed(reader)
  if (opened === null) return
  const { manifest, index } = opened
  const rows = findRows(index, ask.pseudonym)
  if (rows.length === 0) return
  const kept = { pseudonym: ask.pseudonym, dataset: version.name, madeOf: ports.catalogue.ancestry.ofName(version.name) }
  ports.holds.demandNone(kept)
  const erasures = version.erasures + 1
  const { groups, profile, replaced } = await rewriteGroups(ports, reader, manifest, rowFlags(version.rows, rows), ask, use)
  const left = withoutSubject(index, rows)
  await sealPart(ports, version, indexPart(erasures), use, [left])
  const renewed: Manifest = {
    ...manifest,
    salt: randomBytes(16).toString('base64url'),
    rows: version.rows - rows.length,
    groups,
    subjectIndex: createHash('sha256').update(left).digest('hex'),
    profile,
    erasures,
  }
  const { bytes, digest } = encodeManifest(renewed)
  await sealPart(ports, version, manifestPart(erasures), use, [bytes])
  ask.signal?.throwIfAborted()
  // One that was set meanwhile counts.
  ports.holds.demandNone(kept)
  // In the log before it is done: an erasure that the log does not know must not be found.
  await reader.record('data.erase', { erasure: ask.erasure, pseudonym: ask.pseudonym, erasedRows: rows.length, newDigest: digest })
  const gone = [...replaced, indexPart(version.erasures), manifestPart(version.erasures)]
  const mark = { erasure: ask.erasure, before: version.digest, rows: rows.length, groups: replaced.length, at: ports.clock.now() }
  ports.catalogue.erase(
    versionOf(renewed, digest),
    mark,
    gone.map((part) => partPath(version.id, part)),
  )
}

/**
 * Null for a version without subjects, and for one whose keys are destroyed, as one that was restored from before an erasure: nobody
 * reads rows of it any more.
 */
export async function openUnlessDestroyed(
  reader: VersionReader,
): Promise<{ readonly manifest: Manifest; readonly index: Uint8Array } | null> {
  try {
    const manifest = await reader.manifest()
    const index = await reader.subjectIndex(manifest)
    return index === null ? null : { manifest, index }
  } catch (error) {
    if (error instanceof RedoubtError && error.code === 'ERR_KEYS_DESTROYED') return null
    throw error
  }
}

function rowFlags(count: number, rows: readonly number[]): Uint8Array {
  const flags = new Uint8Array(count)
  for (const row of rows) {
    if (row >= count) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'the subject index names a row that is not there')
    flags[row] = 1
  }
  return flags
}

interface Rewritten extends Pick<Manifest, 'groups' | 'profile'> {
  /** Parts that the new manifest does not name. */
  readonly replaced: readonly string[]
}

/** Reads every group, since the statistics may tell of who goes, and writes those anew that lose rows. */
async function rewriteGroups(
  ports: ErasePorts,
  reader: VersionReader,
  manifest: Manifest,
  erased: Uint8Array,
  ask: EraseAsk,
  use: KeyUse,
): Promise<Rewritten> {
  const { erasures } = reader.version
  const profilers = manifest.columns.map(() => new ColumnProfiler())
  const groups: Manifest['groups'] = []
  const replaced: string[] = []
  let [place, first] = [0, 0]
  for await (const group of reader.groups()) {
    ask.signal?.throwIfAborted()
    const { digest, part = groupPart(place) } = manifest.groups[place]!
    const flags = erased.subarray(first, first + group.rows)
    const kept = flags.includes(1) ? withoutRows(group, flags) : group
    kept.columns.forEach((column, i) => profilers[i]!.add(column))
    if (kept !== group) replaced.push(part)
    if (kept === group) groups.push({ rows: group.rows, digest, part })
    else if (kept.rows > 0) {
      const renewed = groupPart(place, erasures + 1)
      const { plaintextDigest } = await sealPart(ports, reader.version, renewed, use, encodeRowGroup(kept))
      groups.push({ rows: kept.rows, digest: plaintextDigest, part: renewed })
    }
    place++
    first += group.rows
    ask.progress?.(first)
  }
  return { groups, profile: profilers.map((profiler) => profiler.finish()), replaced }
}

function withoutRows(group: RowGroup, erased: Uint8Array): RowGroup {
  const stays = (_value: unknown, row: number): boolean => erased[row] === 0
  const columns = group.columns.map((column) =>
    column.type === 'text' ? { ...column, values: column.values.filter(stays) } : { ...column, values: column.values.filter(stays) },
  )
  return { rows: erased.reduce((count, flag) => count + 1 - flag, 0), columns }
}

/**
 * Removes the objects that no version refers to any more since rows were erased from it, also those that an earlier call could not.
 * @throws {RedoubtError} what storage throws; the rest is removed at the next call.
 */
export function removeErased({ objects, catalogue }: Pick<ErasePorts, 'objects' | 'catalogue'>): void {
  const paths = catalogue.removals()
  if (paths.length === 0) return
  for (const path of paths) if (objects.exists(path)) objects.remove(path)
  objects.syncFolder(FOLDER)
  catalogue.removed(paths)
}

import { type DurableFolder, type Fault, MemoryFolder } from '#foundation/storage'
import { AppendLog } from './append-log.ts'
import { seededRandom, TEST_ORIGIN, testSigner } from './audit-testing.ts'
import { logVerifierKey, parseCheckpoint } from './checkpoint.ts'
import { formatVerifierKey } from './signed-note.ts'
import { verifyLog } from './verify-log.ts'

export interface DrillOptions {
  readonly cuts: number
  readonly seed: number
  /** Chance that a mutating call fails: half of the failures had no effect, half had it but said otherwise. */
  readonly faultRate?: number
  /** Stands between log and folder; a drill of the drill leaves a sync out here. */
  readonly wrap?: (folder: DurableFolder) => DurableFolder
}

export interface DrillReport {
  readonly cuts: number
  readonly acknowledged: number
  readonly checkpoints: number
  readonly refused: number
  /** What was lost, doubled or forked; empty when the log kept its promise. */
  readonly broken: readonly string[]
}

const LIVES_PER_LOG = 10
const SEGMENT_BYTES = 2_048
const MAX_CALLS = 160

interface History {
  readonly acknowledged: Map<number, { readonly leaf: string; readonly body: string | null }>
  readonly notes: string[]
}

/**
 * Lives of a log, each ended by a power cut at a random call to the disk, that keeps an arbitrary part of what was not synced.
 * After each, every acknowledged record must be there and every checkpoint ever published must be a prefix.
 */
export async function drillPowerCuts(options: DrillOptions): Promise<DrillReport> {
  const random = seededRandom(options.seed)
  const broken: string[] = []
  let cuts = 0
  let acknowledged = 0
  let checkpoints = 0
  let refused = 0
  while (cuts < options.cuts) {
    const history: History = { acknowledged: new Map(), notes: [] }
    let disk = new MemoryFolder()
    for (let life = 0; life < LIVES_PER_LOG && cuts < options.cuts; life++) {
      const lived = await live(disk, history, random, options)
      refused += lived.refused
      cuts++
      disk = lived.survivor
      const problem = await inspect(disk, history)
      if (problem !== null) {
        broken.push(`cut ${cuts}: ${problem}`)
        break
      }
    }
    acknowledged += history.acknowledged.size
    checkpoints += history.notes.length
  }
  return { cuts, acknowledged, checkpoints, refused, broken }
}

async function live(
  found: MemoryFolder,
  history: History,
  random: () => number,
  { faultRate = 0, wrap = (folder) => folder }: DrillOptions,
): Promise<{ readonly survivor: MemoryFolder; readonly refused: number }> {
  const power: { survivor: MemoryFolder | null } = { survivor: null }
  let calls = 0
  let refused = 0
  const last = 1 + Math.floor(random() * MAX_CALLS)
  const fault = (): Fault => {
    if (power.survivor !== null) return 'lost'
    if (++calls >= last) {
      power.survivor = disk.powerCut(random)
      return 'lost'
    }
    return random() >= faultRate ? 'none' : random() < 0.5 ? 'lost' : 'done-but-reported-lost'
  }
  // A cut that keeps nothing unsynced from a disk on which everything is synced gives the same disk, now with faults.
  const disk: MemoryFolder = found.powerCut(() => 0, { fault })
  while (power.survivor === null) {
    try {
      const log = await AppendLog.open({
        folder: wrap(disk),
        origin: TEST_ORIGIN,
        signer: testSigner(),
        segmentBytes: SEGMENT_BYTES,
        spareSegments: 1,
      })
      history.notes.push(log.note)
      log.onPublished = (note) => void history.notes.push(note)
      while (power.survivor === null) refused += await work(log, history, random)
    } catch {
      // Opening failed, by a fault or by the cut; with power left a server tries again.
    }
  }
  return { survivor: power.survivor, refused }
}

/** One turn of a server: a few concurrent appends, sometimes a checkpoint. @returns how many were refused. */
async function work(log: AppendLog, history: History, random: () => number): Promise<number> {
  const records = Array.from({ length: 1 + Math.floor(random() * 5) }, () => ({
    leaf: Buffer.from(`${random()}`.repeat(1 + Math.floor(random() * 12))),
    body: random() < 0.3 ? Buffer.from(`${random()}`) : null,
  }))
  const outcomes = await Promise.allSettled(records.map(({ leaf, body }) => log.append(leaf, body)))
  let refused = 0
  outcomes.forEach((outcome, i) => {
    const { leaf, body } = records[i]!
    if (outcome.status === 'rejected') refused++
    else if (history.acknowledged.has(outcome.value)) throw new Error(`the index ${outcome.value} was given twice`)
    else history.acknowledged.set(outcome.value, { leaf: leaf.toString(), body: body?.toString() ?? null })
  })
  if (random() < 0.3) await log.publish().catch(() => undefined)
  return refused
}

/** @returns what is wrong with the log that the cut left, or null. */
async function inspect(disk: MemoryFolder, { acknowledged, notes }: History): Promise<string | null> {
  const signer = testSigner()
  let log: AppendLog
  try {
    log = await AppendLog.open({ folder: disk, origin: TEST_ORIGIN, signer, segmentBytes: SEGMENT_BYTES, spareSegments: 1 })
  } catch (cause) {
    return `the log does not open: ${(cause as Error).message}`
  }
  for (const [index, { leaf, body }] of acknowledged) {
    const bytes = log.entry(index)
    if (bytes === null || Buffer.from(bytes).toString() !== leaf) return `the acknowledged record ${index} is lost`
    const stored = log.body(index)
    if ((stored === null ? null : Buffer.from(stored).toString()) !== body) return `the body of record ${index} is lost`
  }
  await log.publish()
  notes.push(log.note)
  log.close()
  const bySize = new Map<number, Uint8Array>()
  for (const note of notes) {
    const checkpoint = parseCheckpoint(note)!
    const known = bySize.get(checkpoint.size)
    if (known !== undefined && Buffer.compare(known, checkpoint.root) !== 0) return `two roots were signed for size ${checkpoint.size}`
    bySize.set(checkpoint.size, checkpoint.root)
  }
  const verifierKey = formatVerifierKey(logVerifierKey(TEST_ORIGIN, signer))
  for (const olderCheckpoint of notes.slice(-4)) {
    const { findings } = await verifyLog({ read: (path) => disk.read(path), verifierKey, olderCheckpoint })
    if (findings.length > 0) return `the log forked: ${findings[0]!.message}`
  }
  return null
}

/** A folder whose named sync does nothing: what a log would be that forgot it. */
export function withoutSync(folder: DurableFolder, left: 'datasync' | 'syncFolder'): DurableFolder {
  if (left === 'syncFolder') return { ...bound(folder), syncFolder: () => undefined }
  return {
    ...bound(folder),
    open: (path, options) => {
      const file = folder.open(path, options)
      return file && { ...file, datasync: () => undefined }
    },
  }
}

function bound(folder: DurableFolder): DurableFolder {
  return {
    open: (path, options) => folder.open(path, options),
    read: (path) => folder.read(path),
    list: (path) => folder.list(path),
    exists: (path) => folder.exists(path),
    makeFolder: (path) => folder.makeFolder(path),
    rename: (from, to) => folder.rename(from, to),
    remove: (path) => folder.remove(path),
    syncFolder: (path) => folder.syncFolder(path),
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nodeFolder } from '#foundation/storage'
import { AppendLog } from './append-log.ts'
import { TEST_ORIGIN, testSigner } from './audit-testing.ts'
import { parallelWriter } from './parallel-writer.ts'
import { prefixedLeafHash } from './merkle-hash.ts'
import { BATCH_HEADER_BYTES, RECORD_OVERHEAD_BYTES, WalWriter } from './write-ahead-log.ts'

const ENTRIES = 1_000_000
const ENTRY_BYTES = 256
const SECONDS_PER_MILLION = 2
/** Two million hashes on the machine that the target was set on, when it does nothing else. */
const QUIET_HASHING_MS = 1_650

const root = mkdtempSync(join(tmpdir(), 'redoubt-recovery-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** What this machine needs at the moment to hash a million leaves and nodes: recovery cannot be quicker. */
function hashingMs(): number {
  const leaf = Buffer.alloc(1 + ENTRY_BYTES)
  const node = Buffer.alloc(65)
  const began = performance.now()
  for (let i = 0; i < ENTRIES; i++) {
    prefixedLeafHash(leaf)
    prefixedLeafHash(node)
  }
  return performance.now() - began
}

describe('recovery', () => {
  it(`takes at most ${SECONDS_PER_MILLION} s for a log of ${ENTRIES} entries, with its tail in the write-ahead log (E3)`, async () => {
    const options = (name: string): Parameters<typeof AppendLog.open>[0] => ({
      folder: nodeFolder(join(root, name)),
      parallelWriter: parallelWriter(join(root, name)),
      origin: TEST_ORIGIN,
      signer: testSigner(),
      segmentBytes: 4_194_304,
      spareSegments: 6,
    })
    const log = await AppendLog.open(options('log'))
    const leaf = Buffer.alloc(ENTRY_BYTES)
    for (let i = 0; i < ENTRIES; i += 2_000) {
      await Promise.all(Array.from({ length: 2_000 }, (_, j) => (leaf.writeUInt32LE(i + j), log.append(leaf, null))))
    }
    // No last checkpoint: what the background writer had not published yet is only in the write-ahead log.
    log.close()
    const began = performance.now()
    const again = await AppendLog.open(options('log'))
    const ms = performance.now() - began
    // On a machine that is busy with other work everything takes longer; what hashing takes says by how much.
    const slowdown = Math.max(1, hashingMs() / QUIET_HASHING_MS)
    const counts = { entries: again.size, recoveryMs: Math.round(ms), replayed: again.replayed, slowdown: slowdown.toFixed(2) }
    console.log(JSON.stringify(counts))
    expect(again.size).toBe(ENTRIES)
    again.close()
    expect(ms).toBeLessThan(SECONDS_PER_MILLION * 1_000 * slowdown)
  })

  it('replays a write-ahead log at a rate that is reported beside the hashing it must do', async () => {
    const options = {
      folder: nodeFolder(join(root, 'wal-only')),
      parallelWriter: parallelWriter(join(root, 'wal-only')),
      origin: TEST_ORIGIN,
      signer: testSigner(),
      segmentBytes: 4_194_304,
      spareSegments: 6,
    }
    ;(await AppendLog.open(options)).close()
    const wal = new WalWriter(options.folder, { ...options, number: 10 })
    const perBatch = 2_000
    const entries = 200_000
    const batch = Buffer.alloc(BATCH_HEADER_BYTES + perBatch * (RECORD_OVERHEAD_BYTES + ENTRY_BYTES))
    for (let at = BATCH_HEADER_BYTES; at < batch.byteLength; at += RECORD_OVERHEAD_BYTES + ENTRY_BYTES) batch.writeUInt32LE(ENTRY_BYTES, at)
    for (let first = 0; first < entries; first += perBatch) wal.write(batch, first, perBatch)
    wal.close()
    const began = performance.now()
    const log = await AppendLog.open(options)
    const ms = performance.now() - began
    console.log(JSON.stringify({ replayed: log.replayed, ms: Math.round(ms), hashingMsPerMillion: Math.round(hashingMs()) }))
    expect(log.replayed).toBe(entries)
    log.close()
  })
})

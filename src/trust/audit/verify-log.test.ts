import { describe, expect, it } from 'vitest'
import { MemoryFolder } from '#foundation/storage'
import { openTestLog, readerOf } from './audit-testing.ts'
import { folderSink } from './checkpoint-sinks.ts'
import { verifyLog } from './verify-log.ts'

/** A log of `size` leaves, signed by the one test key: what whoever holds that key can write. */
async function logOf(
  size: number,
  leaf = (i: number): string => `leaf ${i}`,
): Promise<{ folder: MemoryFolder; key: string; note: string }> {
  const folder = new MemoryFolder()
  const log = await openTestLog({ folder })
  await Promise.all(Array.from({ length: size }, (_, i) => log.append(Buffer.from(leaf(i)))))
  const note = await log.publish()
  await log.close()
  return { folder, key: log.verifierKey(), note }
}

describe('verifyLog', () => {
  it('accepts a log, and the same log grown since an older checkpoint', async () => {
    const older = await logOf(100)
    const { folder, key } = await logOf(600)
    const verdict = await verifyLog({ read: readerOf(folder), verifierKey: key, olderCheckpoint: older.note })
    expect(verdict).toMatchObject({ ok: true, findings: [], size: 600, checked: { entries: 600, tiles: 4 } })
  })

  it.each([
    ['an edited entry', 'rewritten', (i: number) => (i === 40 ? 'edited' : `leaf ${i}`), 600],
    ['a dropped entry', 'rewritten', (i: number) => `leaf ${i < 40 ? i : i + 1}`, 599],
    ['two entries in another order', 'rewritten', (i: number) => `leaf ${i === 40 ? 41 : i === 41 ? 40 : i}`, 600],
    ['a truncated log', 'rollback', (i: number) => `leaf ${i}`, 60],
  ] as const)('finds %s that the holder of disk and log key signed anew, by one older checkpoint (E5)', async (_, kind, leaf, size) => {
    const older = await logOf(100)
    const { folder, key } = await logOf(size, leaf)
    const verdict = await verifyLog({ read: readerOf(folder), verifierKey: key, olderCheckpoint: older.note })
    expect(verdict.findings).toMatchObject([{ kind }])
  })

  it.each(['tile/0/000', 'tile/0/002.p/88', 'tile/1/000.p/2', 'tile/entries/001', 'tile/entries/002.p/88', 'checkpoint'])(
    'finds one changed byte, a cut and the loss of `%s`',
    async (path) => {
      const { folder, key } = await logOf(600)
      const bytes = folder.read(path)!
      const verify = async (changed: Uint8Array | null): Promise<boolean> =>
        (await verifyLog({ read: (each) => (each === path ? changed : folder.read(each)), verifierKey: key })).ok
      expect(await verify(bytes)).toBe(true)
      const flipped = bytes.slice()
      flipped[Math.floor(bytes.byteLength / 2)]! ^= 1
      expect(await verify(flipped)).toBe(false)
      expect(await verify(bytes.subarray(0, -1))).toBe(false)
      expect(await verify(null)).toBe(false)
    },
  )

  it('takes a full tile for a partial one that was superseded while it read', async () => {
    const { folder: young, key, note } = await logOf(200)
    const { folder: grown } = await logOf(300)
    const read = (path: string): Uint8Array | null => (path === 'checkpoint' ? young.read(path) : grown.read(path))
    expect((await verifyLog({ read, verifierKey: key, olderCheckpoint: note })).findings).toEqual([])
  })

  it('refuses the log of another key', async () => {
    const { folder, key } = await logOf(3)
    const other = await openTestLog({ origin: 'other.test/log' })
    expect((await verifyLog({ read: readerOf(folder), verifierKey: other.verifierKey() })).findings).toMatchObject([{ kind: 'checkpoint' }])
    expect((await verifyLog({ read: () => null, verifierKey: key })).findings).toMatchObject([{ kind: 'missing' }])
    await other.close()
  })
})

describe('folder sink', () => {
  it('keeps the latest checkpoint and never lets a smaller one replace it (E5)', async () => {
    const outside = new MemoryFolder()
    const sink = folderSink(outside)
    const small = await logOf(2)
    const large = await logOf(5)
    const log = { consistency: () => [] }
    await sink.push(small.note, log)
    await sink.push(large.note, log)
    await expect(sink.push(small.note, log)).rejects.toMatchObject({ code: 'ERR_AUDIT_CHECKPOINT_INVALID' })
    expect(await sink.latest?.()).toBe(large.note)
  })
})

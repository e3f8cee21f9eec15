import { createSecretKey } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { MemorySealer, openTestLog, TEST_ORIGIN, TEST_TIME, testEvent } from './audit-testing.ts'
import { SearchIndex } from './search-index.ts'

const root = mkdtempSync(join(tmpdir(), 'redoubt-search-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('search', () => {
  it('finds events by each of its criteria, newest first, page by page', async () => {
    const clock = new ManualClock(TEST_TIME)
    const log = await openTestLog({ clock })
    for (let i = 0; i < 30; i++) {
      clock.advance(1_000)
      await log.record(
        testEvent({
          type: i % 2 === 0 ? 'inference.admission' : 'inference.completion',
          actor: { type: 'ServiceAccount', id: `account-${i % 3}` },
          resource: { type: 'Model', id: `model-${i % 5}` },
          requestId: `req_${i}`,
          outcome: i === 7 ? 'refused' : 'success',
          ...(i === 7 ? { code: 'ERR_POLICY_DENIED' as const } : {}),
          ...(i % 10 === 0 ? { personal: [{ subject: 'patient-1', fields: { i } }] } : {}),
        }),
      )
      await log.append(Buffer.from('not an event'))
    }
    const found = (query: Parameters<typeof log.search>[0]): number[] => log.search(query).entries.map(({ index }) => index / 2)
    expect(found({ actor: { type: 'ServiceAccount', id: 'account-1' }, limit: 3 })).toEqual([28, 25, 22])
    expect(found({ actor: { type: 'User', id: 'account-1' } })).toEqual([])
    expect(found({ resource: { type: 'Model', id: 'model-4' } })).toEqual([29, 24, 19, 14, 9, 4])
    expect(found({ type: 'inference.completion', actor: { type: 'ServiceAccount', id: 'account-0' } })).toEqual([27, 21, 15, 9, 3])
    expect(found({ requestId: 'req_12' })).toEqual([12])
    expect(found({ code: 'ERR_POLICY_DENIED' })).toEqual([7])
    expect(found({ outcome: 'refused' })).toEqual([7])
    expect(found({ subject: 'patient-1' })).toEqual([20, 10, 0])
    expect(found({ subject: 'patient-2' })).toEqual([])
    expect(found({ from: TEST_TIME + 28_000, to: TEST_TIME + 29_000 })).toEqual([28, 27])
    const first = log.search({ limit: 20 })
    expect(first.next).toBe(20)
    const second = log.search({ limit: 20, before: first.next! })
    expect(second.entries).toHaveLength(10)
    expect(second.next).toBeNull()
    expect(second.upTo).toBe(60)
    expect(() => log.search({ limit: 0 })).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }) as Error)
    await log.close()
  })

  it('holds no name of actor, resource, request or person in clear (E3)', async () => {
    const indexPath = join(root, 'canary.db')
    const log = await openTestLog({ indexPath })
    await log.record(
      testEvent({
        actor: { type: 'User', id: 'canary-actor' },
        resource: { type: 'Dataset', id: 'canary-resource' },
        requestId: 'canary-request',
        personal: [{ subject: 'canary-person', fields: { canary: true } }],
      }),
    )
    expect(log.search({ subject: 'canary-person' }).entries).toHaveLength(1)
    const pseudonym = new MemorySealer().pseudonym('canary-person')
    await log.close()
    for (const name of readdirSync(root).filter((each) => each.startsWith('canary.db'))) {
      const bytes = readFileSync(join(root, name))
      for (const planted of ['canary-', pseudonym]) expect(bytes.includes(planted)).toBe(false)
      // The positive control: what may stand there in clear is found.
      if (name === 'canary.db') expect(bytes.includes('inference.admission')).toBe(true)
    }
  })

  it('is rebuilt from the log when it is missing, and caught up when it is behind', async () => {
    const folder = new MemoryFolder()
    const indexPath = join(root, 'behind.db')
    for (let round = 1; round <= 3; round++) {
      if (round === 3) for (const name of readdirSync(root).filter((each) => each.startsWith('behind.db'))) rmSync(join(root, name))
      const log = await openTestLog({ folder, indexPath })
      for (let i = 0; i < 10; i++) await log.record(testEvent())
      if (round !== 2) expect(log.search({ limit: 1000 }).entries).toHaveLength(round * 10)
      await log.close()
    }
  })

  it('is rebuilt when its file is damaged', async () => {
    const indexPath = join(root, 'damaged.db')
    writeFileSync(indexPath, 'this is no database'.repeat(500))
    const log = await openTestLog({ indexPath })
    await log.record(testEvent())
    expect(log.search({}).entries).toHaveLength(1)
    await log.close()
  })

  it('tells of storage that fails while it is caught up, and goes on where it was afterwards', async () => {
    const indexPath = join(root, 'failing.db')
    const log = await openTestLog({ indexPath })
    await log.record(testEvent())
    expect(log.search({}).entries).toHaveLength(1)
    const other = new DatabaseSync(indexPath)
    other.exec(`CREATE TRIGGER broken BEFORE INSERT ON audit_entries BEGIN SELECT RAISE(ABORT, 'broken'); END`)
    await log.record(testEvent())
    expect(() => log.search({})).toThrow(expect.objectContaining({ code: 'ERR_STORAGE_IO' }))
    other.exec('DROP TRIGGER broken')
    other.close()
    expect(log.search({}).entries).toHaveLength(2)
    await log.close()
  })

  it('does not take the index of another log, or of a longer one, for its own', async () => {
    const key = createSecretKey(Buffer.alloc(32, 7))
    const path = join(root, 'other.db')
    const entries = ['one', 'two', 'three'].map((id) =>
      Buffer.from(
        JSON.stringify({ schema: 1, type: id, time: 1, outcome: 'success', actor: { type: 'a', id }, resource: { type: 'r', id } }),
      ),
    )
    const logOf = (list: readonly Uint8Array[]): { size: number; entry: (index: number) => Uint8Array | null } => ({
      size: list.length,
      entry: (index) => list[index] ?? null,
    })
    const open = async (origin: string, list: readonly Uint8Array[]): Promise<number[]> => {
      const index = new SearchIndex(path, key, origin, logOf(list))
      const kept = index.indexed
      const { entries: found } = index.search({}, (subject) => subject)
      await index.close()
      return [kept, found.length]
    }
    expect(await open(TEST_ORIGIN, entries)).toEqual([0, 3])
    expect(await open(TEST_ORIGIN, entries)).toEqual([3, 3])
    expect(await open(TEST_ORIGIN, entries.slice(0, 2))).toEqual([0, 2])
    expect(await open(TEST_ORIGIN, [...entries.slice(1), ...entries.slice(0, 1)])).toEqual([0, 3])
    expect(await open('another.test/log', entries)).toEqual([0, 3])
  })
})

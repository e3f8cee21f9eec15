import { beforeEach, describe, expect, it } from 'vitest'
import { type DurableFolder, MemoryFolder } from '#foundation/storage'
import type { AuditLog } from './contract.ts'
import { MemorySealer, openTestLog, readerOf, testEvent } from './audit-testing.ts'
import { copySealedLog } from './copy-log.ts'
import { verifyLog } from './verify-log.ts'

let folder: MemoryFolder
let log: AuditLog
let sealer: MemorySealer
beforeEach(async () => {
  folder = new MemoryFolder()
  sealer = new MemorySealer()
  log = await openTestLog({ folder, sealer })
})

async function record(count: number): Promise<Uint8Array> {
  for (let i = 0; i < count; i++)
    await log.record(testEvent(i % 3 === 0 ? { personal: [{ subject: `s${i % 5}`, fields: { age: i } }] } : {}))
  await log.publish()
  return folder.read('checkpoint')!
}

function copy(from: DurableFolder): { readonly to: MemoryFolder; readonly size: number } {
  const to = new MemoryFolder()
  const { size } = copySealedLog(from, (path, bytes) => {
    if (to.exists(path)) to.remove(path)
    const file = to.open(path, { create: true })!
    file.writeAt(bytes, 0)
    file.datasync()
    file.close()
  })
  return { to, size }
}

const verdictOf = (to: MemoryFolder) => verifyLog({ read: readerOf(to), verifierKey: log.verifierKey(), bodies: 'required' })

/** The same folder, but for what a test changes. */
const like = (from: DurableFolder, read: (path: string) => Uint8Array | null): DurableFolder =>
  new Proxy(from, {
    get: (target, name) => {
      if (name === 'read') return read
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })

describe('a copy of the log (E3, E5)', () => {
  it.each([1, 255, 256, 300, 600])('of %i entries verifies with its bodies, and a log goes on from it', async (count) => {
    await record(count)
    const { to, size } = copy(folder)
    expect([size, await verdictOf(to)]).toMatchObject([count, { ok: true, size: count, findings: [] }])
    const again = await openTestLog({ folder: to, sealer })
    expect((await again.record(testEvent())).index).toBe(count)
    expect(await again.openPersonal(0)).toEqual(await log.openPersonal(0))
    await again.close()
  })

  it.each([
    [5, 20],
    [250, 40],
    [300, 700],
  ])('that was begun at %i entries is whole at that size although %i more came', async (first, more) => {
    const checkpoint = await record(first)
    await record(more)
    const { to, size } = copy(like(folder, (path) => (path === 'checkpoint' ? checkpoint : folder.read(path))))
    expect([size, await verdictOf(to)]).toMatchObject([first, { ok: true, size: first }])
    // Nothing beyond the checkpoint, and no write-ahead log.
    expect([to.exists('tile/entries/003'), to.list('wal')]).toEqual([false, []])
  })

  it('has the last checkpoints of keys that were replaced, and no other file beside them', async () => {
    await record(3)
    for (const name of ['checkpoint-0a1b2c3d', 'checkpoint-0a1b2c3d.new', 'checkpoint-of-mine'])
      folder.open(name, { create: true })!.writeAt(Buffer.from(name), 0)
    const { to } = copy(folder)
    expect(to.list('').filter((name) => name.startsWith('checkpoint'))).toEqual(['checkpoint', 'checkpoint-0a1b2c3d'])
    expect(Buffer.from(to.read('checkpoint-0a1b2c3d')!).toString()).toBe('checkpoint-0a1b2c3d')
  })

  it('asks for the checkpoint anew when a file went under it, and refuses a log that has holes', async () => {
    await record(5)
    let reads = 0
    const { to, size } = copy(like(folder, (path) => (path.startsWith('tile/0/') && reads++ === 0 ? null : folder.read(path))))
    expect([size, (await verdictOf(to)).ok]).toEqual([5, true])
    expect(() => copy(like(folder, (path) => (path.startsWith('tile/0/') ? null : folder.read(path))))).toThrow(
      expect.objectContaining({ code: 'ERR_AUDIT_CORRUPT' }),
    )
    expect(() => copy(new MemoryFolder())).toThrow(expect.objectContaining({ code: 'ERR_AUDIT_CORRUPT' }))
  })
})

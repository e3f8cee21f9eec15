import { type Database, openDatabase } from '#foundation/storage'
import { RedoubtError } from '#foundation/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WriteQueue } from './write-queue.ts'

let database: Database
let queue: WriteQueue
beforeEach(() => {
  database = openDatabase(':memory:')
  database.raw.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)')
  queue = new WriteQueue(database.raw)
})
afterEach(() => database.close())

const insert =
  (id: number, parent: number | null = null) =>
  (): number => {
    database.raw.prepare('INSERT INTO t (id, parent) VALUES (?, ?)').run(id, parent)
    return id
  }
const ids = (): unknown[] => (database.raw.prepare('SELECT id FROM t ORDER BY id').all() as { id: number }[]).map(({ id }) => id)

describe('group commit', () => {
  it('commits what was queued in one turn as one transaction, and answers each write with its own result', async () => {
    let begun = 0
    const exec = database.raw.exec.bind(database.raw)
    database.raw.exec = (sql) => {
      if (sql.startsWith('BEGIN')) begun++
      exec(sql)
    }
    expect(await Promise.all([1, 2, 3].map((id) => queue.write(insert(id))))).toEqual([1, 2, 3])
    expect(begun).toBe(1)
  })

  it('lets a write that fails fail alone', async () => {
    const answers = await Promise.allSettled([queue.write(insert(1)), queue.write(insert(1)), queue.write(insert(2))])
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(answers[1]).toMatchObject({ reason: { code: 'ERR_STORAGE_IO' } })
    expect(ids()).toEqual([1, 2])
  })

  it('keeps the error that a write throws itself', async () => {
    const refused = queue.write(() => {
      throw new RedoubtError('ERR_CONFLICT')
    })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
  })

  it('fails every write of a transaction that does not commit, and works again afterwards', async () => {
    // The foreign key is checked at commit.
    const answers = await Promise.allSettled([queue.write(insert(1)), queue.write(insert(2, 99))])
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(ids()).toEqual([])
    await queue.write(insert(3))
    expect(ids()).toEqual([3])
  })

  it('waits for the end of a transaction of another room instead of sharing its fate', async () => {
    database.raw.exec('BEGIN')
    const write = queue.write(insert(1))
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    database.raw.exec('ROLLBACK')
    await write
    expect(ids()).toEqual([1])
  })

  it('gives up when that transaction never ends', async () => {
    database.raw.exec('BEGIN')
    await expect(queue.write(insert(1))).rejects.toMatchObject({ code: 'ERR_STORAGE_IO' })
    database.raw.exec('ROLLBACK')
    await queue.write(insert(2))
    expect(ids()).toEqual([2])
  })

  it('fails, and does not hang, on a closed database', async () => {
    const write = queue.write(insert(1))
    database.raw.close()
    await expect(write).rejects.toMatchObject({ code: 'ERR_STORAGE_IO' })
  })
})

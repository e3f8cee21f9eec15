/** What strangers can make the guard keep, and what it never lets go of. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { type Database, migrate, openDatabase } from '#foundation/storage'
import { MIGRATIONS } from '../tables.ts'
import { WriteQueue } from '../write-queue.ts'
import { type Attempt, AttemptGuard, type Target } from './attempt-guard.ts'
import { PEOPLE_MIGRATIONS } from './tables.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const MAX_STRANGE = 20_000
const ADA: Target = { key: 'ada', userId: 'user_ada' }

let database: Database
let queue: WriteQueue
let clock: ManualClock
const guardNow = (): AttemptGuard => new AttemptGuard(database.raw, queue, clock, (text) => text)
beforeEach(() => {
  database = openDatabase(':memory:')
  migrate(database, 'trust/identity', MIGRATIONS)
  migrate(database, 'trust/identity/people', PEOPLE_MIGRATIONS)
  database.raw.exec("INSERT INTO identity_users (id, roles, created_at) VALUES ('user_ada', '[]', 0)")
  queue = new WriteQueue(database.raw)
  clock = new ManualClock(1_800_000_000_000)
})
afterEach(() => database.close())

const rows = (table = 'identity_attempts'): number => (database.raw.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n
const fail = async (guard: AttemptGuard, target: Target | null, source: string): Promise<boolean> => {
  const attempt = guard.admit(target, source)
  if ('retryAfterSeconds' in attempt) return false
  await attempt.failed()
  return true
}
const address = (i: number): string => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`
/** Guesses from so many sources at so many names that nobody has. */
async function flood(guard: AttemptGuard, from: number, count: number): Promise<void> {
  const attempts: Attempt[] = []
  for (let i = from; i < from + count; i++) attempts.push(guard.admit({ key: `nobody-${i}`, userId: null }, address(i)) as Attempt)
  await Promise.all(attempts.map((attempt) => attempt.failed()))
}

describe('the guard against guessing (B3)', () => {
  it('keeps no more of what strangers make than it bounds, in storage as in memory', async () => {
    const guard = guardNow()
    for (let wave = 0; wave < 3; wave++) await flood(guard, wave * 8_000, 8_000)
    expect(guard.size).toBe(MAX_STRANGE)
    expect(rows()).toBeLessThanOrEqual(MAX_STRANGE)
  })

  it('deletes what is over, also rows that it never had in memory, in batches that hold nobody up', async () => {
    const insert = database.raw.prepare('INSERT INTO identity_attempts (bucket, failures, last_at, blocked_until) VALUES (?, 1, ?, 0)')
    database.raw.exec('BEGIN')
    for (let i = 0; i < 25_000; i++) insert.run(`source old-${i}`, clock.now() - 2 * DAY)
    database.raw.exec(`INSERT INTO identity_known_sources VALUES ('user_ada', 'old', ${clock.now() - 91 * DAY})`)
    database.raw.exec('COMMIT')
    const guard = guardNow()
    expect(guard.size).toBe(0)
    await fail(guard, ADA, '192.0.2.1')
    await guard.purge()
    expect(rows()).toBe(5_000 + 2)
    await guard.purge()
    expect(rows()).toBe(2)
    expect(rows('identity_known_sources')).toBe(0)
  })

  it('loads no more than it keeps at a start, and of that the latest', async () => {
    const insert = database.raw.prepare('INSERT INTO identity_attempts (bucket, failures, last_at, blocked_until) VALUES (?, 40, ?, ?)')
    database.raw.exec('BEGIN')
    for (let i = 0; i < MAX_STRANGE + 500; i++) insert.run(`source ${i}`, clock.now() - i, clock.now() + 5 * MINUTE)
    database.raw.exec('COMMIT')
    const guard = guardNow()
    expect(guard.size).toBe(MAX_STRANGE)
    expect(guard.admit(null, '192.0.2.1')).not.toHaveProperty('retryAfterSeconds')
  })

  it('loses no throttle that is live over a restart, however many strangers come and whatever is purged', async () => {
    const guard = guardNow()
    for (let i = 0; i < 5; i++) {
      expect(await fail(guard, ADA, '192.0.2.1')).toBe(true)
      clock.advance(3_000)
    }
    expect(await fail(guard, ADA, '192.0.2.2')).toBe(false)
    await flood(guard, 0, MAX_STRANGE)
    await guard.purge()
    const again = guardNow()
    await again.purge()
    expect(await fail(again, ADA, '192.0.2.2')).toBe(false)
    // A lock that is longer than a day is remembered is live all the same.
    database.raw.exec(
      `UPDATE identity_attempts SET last_at = ${clock.now() - 2 * DAY}, blocked_until = ${clock.now() + DAY} WHERE bucket = 'person ada'`,
    )
    const third = guardNow()
    await third.purge()
    expect(await fail(third, ADA, '192.0.2.2')).toBe(false)
    expect(await fail(guardNow(), ADA, '192.0.2.2')).toBe(false)
  })

  it('does not let strangers lock a person out of where they sign in, over a flood, a purge and a restart', async () => {
    const guard = guardNow()
    await (guard.admit(ADA, '198.51.100.1') as Attempt).succeeded('user_ada')
    for (let i = 0; i < 8; i++) {
      await fail(guard, ADA, `192.0.2.${i}`)
      clock.advance(3_000)
    }
    expect(await fail(guard, ADA, '192.0.2.99')).toBe(false)
    await flood(guard, 0, MAX_STRANGE)
    await guard.purge()
    for (const one of [guard, guardNow()]) expect(one.admit(ADA, '198.51.100.1')).not.toHaveProperty('retryAfterSeconds')
  })
})

import { describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { type Attempt, AttemptGuard, type Locked, MAX_STRANGE_BUCKETS } from './people/attempt-guard.ts'
import { PEOPLE_MIGRATIONS } from './people/tables.ts'
import { KnownSources, MAX_PER_ACCOUNT } from './services/known-sources.ts'
import { SERVICE_MIGRATIONS } from './services/tables.ts'
import { Attempts, MAX_KEYS } from './sign-in/attempts.ts'
import { MIGRATIONS } from './tables.ts'
import { WriteQueue } from './write-queue.ts'

const NOW = 1_800_000_000_000
const isLocked = (answer: Attempt | Locked): boolean => 'retryAfterSeconds' in answer

function guardOf(): { guard: AttemptGuard; clock: ManualClock } {
  const clock = new ManualClock(NOW)
  const { raw } = openDatabase(':memory:')
  raw.exec([...MIGRATIONS, ...PEOPLE_MIGRATIONS].join('\n'))
  return { guard: new AttemptGuard(raw, new WriteQueue(raw), clock, (text) => text), clock }
}

describe('what strangers can make us remember is bounded (C4)', () => {
  it('guesses: those of strange sources and names go, the longest quiet first; those at a person stay', () => {
    const { guard, clock } = guardOf()
    const bob = { key: 'bob', userId: 'user_bob' }
    for (let i = 0; i < 5; i++) {
      guard.admit(bob, `198.51.100.${i}`)
      // Past the slowdown, not past the lock.
      clock.advance(3_000)
    }
    const people = guard.size - 5
    expect(people).toBe(1)
    for (let i = 0; i < 100; i++) guard.admit(null, '203.0.113.1')
    expect(isLocked(guard.admit(null, '203.0.113.1'))).toBe(true)
    for (let i = 0; i < MAX_STRANGE_BUCKETS; i++)
      guard.admit({ key: `nobody ${i}`, userId: null }, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
    expect(guard.size).toBe(MAX_STRANGE_BUCKETS + people)
    // Its count has gone: a source that tries again begins anew, and costs a flood of twenty thousand.
    expect(isLocked(guard.admit(null, '203.0.113.1'))).toBe(false)
    // Whoever is guessed at is not to be had that way.
    expect(isLocked(guard.admit(bob, '203.0.113.77'))).toBe(true)
  })

  it('attempts: the key that was counted longest ago goes, and the bound on all together stays', () => {
    const clock = new ManualClock(NOW)
    const attempts = new Attempts(clock, { windowMs: 60_000, perKey: 1, together: MAX_KEYS + 2 })
    attempts.count('first')
    expect(attempts.wait('first')).toBe(60_000)
    for (let i = 0; i < MAX_KEYS; i++) attempts.count(`k${i}`)
    expect(attempts.size).toBe(MAX_KEYS)
    expect(attempts.wait('first')).toBe(0)
    expect(attempts.wait(`k${MAX_KEYS - 1}`)).toBe(60_000)
    attempts.count('last')
    // Full for all: forgetting a key buys nobody more than that.
    expect(attempts.wait('first')).toBe(60_000)
    expect(attempts.wait('never seen')).toBe(60_000)
  })

  it('known sources: so many of an account, the one first seen goes, and others keep theirs', async () => {
    const clock = new ManualClock(NOW)
    const { raw } = openDatabase(':memory:')
    raw.exec([...MIGRATIONS, ...SERVICE_MIGRATIONS].join('\n'))
    const queue = new WriteQueue(raw)
    const known = new KnownSources(raw, queue, clock)
    known.note('other', 'place')
    for (let i = 0; i <= MAX_PER_ACCOUNT; i++) known.note('busy', `s${i}`)
    await queue.write(() => undefined)
    for (const one of [known, new KnownSources(raw, queue, clock)]) {
      expect(one.has('busy', 's0')).toBe(false)
      expect(one.has('busy', 's1')).toBe(true)
      expect(one.has('busy', `s${MAX_PER_ACCOUNT}`)).toBe(true)
      expect(one.has('other', 'place')).toBe(true)
    }
    expect(raw.prepare('SELECT count(*) AS n FROM identity_client_sources').get()).toEqual({ n: MAX_PER_ACCOUNT + 1 })
  })
})

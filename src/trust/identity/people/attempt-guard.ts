import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '#foundation/core'
import { subscriberOf } from '#trust/conditions'
import type { WriteQueue } from '../write-queue.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** Guesses at one person: two for free, then slower, locked from the fifth on (NIST SP 800-63B §5.2.2 allows a hundred). */
const PERSON = { free: 2, lockFrom: 5, lockMs: 15 * MINUTE, maxMs: 12 * HOUR } as const
/** Guesses from one source at anyone: an office behind one address mistypes more often than one person. */
const SOURCE = { free: 20, lockFrom: 40, lockMs: 5 * MINUTE, maxMs: HOUR } as const
/** A failure is forgotten this long after the last one. */
const FORGET_MS = 24 * HOUR
const KNOWN_SOURCE_MS = 90 * 24 * HOUR
const KNOWN_SOURCES_PER_PERSON = 16
/** Buckets of sources and of names that nobody has: as many as strangers can make us keep. Beyond, the one counted longest ago goes. */
export const MAX_STRANGE_BUCKETS = 20_000
/** Buckets of persons: of everyone there may be, more than are guessed at in a day; those that were guessed at last are kept. */
const MAX_PERSON_BUCKETS = 200_000
const MAX_KNOWN_SOURCES = 1_000_000
/** Rows that one statement deletes: a purge after a flood holds nobody up. */
const PURGE_BATCH = 2_000
/** Statements of one purge; what is left goes in the next, seconds later. */
const PURGE_ROUNDS = 10

const OF_PERSON = 'person '

type Schedule = typeof PERSON | typeof SOURCE

/** Milliseconds to wait after the n-th failure in a row. */
export function waitAfter(failures: number, { free, lockFrom, lockMs, maxMs }: Schedule): number {
  if (failures <= free) return 0
  if (failures < lockFrom) return Math.min(2 ** (failures - free - 1) * SECOND, lockMs)
  return Math.min(2 ** Math.min(failures - lockFrom, 20) * lockMs, maxMs)
}

interface Row {
  readonly bucket: string
  readonly failures: number
  readonly last_at: number
  readonly blocked_until: number
}

interface Bucket {
  failures: number
  lastAt: number
  blockedUntil: number
}

/** Whoever is guessed at. */
export interface Target {
  /** Keyed hash of the login name, whether anyone has it or not; or of the person where there is no name. */
  readonly key: string
  /** Null when nobody has the name. */
  readonly userId: string | null
}

/** An attempt that may be made. It counts as failed until it is known to have succeeded, so that a hundred at once are not one. */
export interface Attempt {
  /** Durable when it resolves. */
  failed(): Promise<void>
  /** Forgets the failures of this person from here, and remembers the source. Durable when it resolves. */
  succeeded(userId: string): Promise<void>
}
export interface Locked {
  readonly retryAfterSeconds: number
}

/**
 * Slows guessing down and locks, per person and per source, over restarts. Whoever signs in from a source that the person has used
 * before is counted apart from everyone else: attackers elsewhere can lock themselves out, and not the person.
 * A name that nobody has is counted, locked and stored like one that somebody has.
 */
export class AttemptGuard {
  readonly #raw: DatabaseSync
  readonly #queue: WriteQueue
  readonly #clock: Clock
  readonly #digest: (text: string) => string
  readonly #buckets = new Map<string, Bucket>()
  /** Oldest first; those of persons are not among them. */
  readonly #strange = new Set<string>()
  /** Rows of buckets that memory let go of. */
  readonly #dropped = new Set<string>()
  /** By person, source → when it was last used. */
  readonly #known = new Map<string, Map<string, number>>()
  /** Source → when anyone last signed in from there. */
  readonly #places = new Map<string, number>()

  constructor(raw: DatabaseSync, queue: WriteQueue, clock: Clock, digest: (text: string) => string) {
    this.#raw = raw
    this.#queue = queue
    this.#clock = clock
    this.#digest = digest
    // What is live is loaded, and of that no more than is kept in memory anyway: the latest, those of persons apart from what strangers make.
    const now = clock.now()
    for (const [likeness, most] of [
      ['LIKE', MAX_PERSON_BUCKETS],
      ['NOT LIKE', MAX_STRANGE_BUCKETS],
    ] as const) {
      const latest = raw
        .prepare(
          `SELECT * FROM identity_attempts WHERE bucket ${likeness} '${OF_PERSON}%' AND (last_at >= ? OR blocked_until > ?)
             ORDER BY last_at DESC LIMIT ?`,
        )
        .all(now - FORGET_MS, now, most) as unknown as Row[]
      for (const { bucket, failures, last_at: lastAt, blocked_until: blockedUntil } of latest.reverse()) {
        this.#buckets.set(bucket, { failures, lastAt, blockedUntil })
        if (likeness === 'NOT LIKE') this.#strange.add(bucket)
      }
    }
    const known = raw
      .prepare('SELECT * FROM identity_known_sources WHERE seen_at > ? ORDER BY seen_at DESC LIMIT ?')
      .all(now - KNOWN_SOURCE_MS, MAX_KNOWN_SOURCES) as unknown as { user_id: string; source_digest: string; seen_at: number }[]
    known.reverse()
    for (const { user_id: userId, source_digest: source, seen_at: seenAt } of known) {
      this.#sourcesOf(userId).set(source, seenAt)
      this.#places.set(source, Math.max(seenAt, this.#places.get(source) ?? 0))
    }
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Whether anyone signed in from this subscriber in the last ninety days. Where nobody is named yet, it tells who is no stranger. */
  knows(sourceAddress: string): boolean {
    const seenAt = this.#places.get(this.#sourceOf(sourceAddress))
    return seenAt !== undefined && seenAt + KNOWN_SOURCE_MS > this.#clock.now()
  }

  /** @param target null when nobody is named yet: then only the source is counted. */
  admit(target: Target | null, sourceAddress: string): Attempt | Locked {
    const now = this.#clock.now()
    const source = this.#sourceOf(sourceAddress)
    const keys: { readonly key: string; readonly schedule: Schedule }[] = [{ key: `source ${source}`, schedule: SOURCE }]
    if (target !== null) {
      const known = this.#isKnown(target.userId, source, now)
      const prefix = target.userId === null ? 'nobody ' : OF_PERSON
      keys.push({ key: `${prefix}${target.key}${known ? ` ${source}` : ''}`, schedule: PERSON })
    }
    const blockedUntil = Math.max(...keys.map(({ key }) => this.#buckets.get(key)?.blockedUntil ?? 0))
    if (blockedUntil > now) return { retryAfterSeconds: Math.ceil((blockedUntil - now) / SECOND) }
    for (const { key, schedule } of keys) this.#count(key, schedule, now)
    return {
      failed: () => this.#store(keys.map(({ key }) => key)),
      succeeded: async (userId) => {
        const [ofSource, ofPerson] = keys
        // An own account in between must not wash off the guesses at others: of the source only this attempt is taken back.
        this.#takeBack(ofSource!.key, now)
        if (ofPerson !== undefined) this.#buckets.delete(ofPerson.key)
        await this.#remember(
          userId,
          source,
          now,
          keys.map(({ key }) => key),
        )
      },
    }
  }

  /** Forgets what is over, in memory and in storage: also rows that memory let go of before their time, or never had. */
  async purge(): Promise<void> {
    const now = this.#clock.now()
    for (const [key, { lastAt, blockedUntil }] of this.#buckets)
      if (lastAt + FORGET_MS < now && blockedUntil < now) {
        this.#buckets.delete(key)
        this.#strange.delete(key)
      }
    for (const [userId, sources] of this.#known) {
      for (const [source, seenAt] of sources) if (seenAt + KNOWN_SOURCE_MS <= now) sources.delete(source)
      if (sources.size === 0) this.#known.delete(userId)
    }
    for (const [source, seenAt] of this.#places) if (seenAt + KNOWN_SOURCE_MS <= now) this.#places.delete(source)
    for (const [sql, values] of [
      [
        'DELETE FROM identity_attempts WHERE rowid IN (SELECT rowid FROM identity_attempts WHERE last_at < ? AND blocked_until < ? LIMIT ?)',
        [now - FORGET_MS, now],
      ],
      [
        'DELETE FROM identity_known_sources WHERE rowid IN (SELECT rowid FROM identity_known_sources WHERE seen_at <= ? LIMIT ?)',
        [now - KNOWN_SOURCE_MS],
      ],
    ] as const)
      for (let round = 0; round < PURGE_ROUNDS; round++) {
        const { changes } = await this.#queue.write(() => this.#raw.prepare(sql).run(...values, PURGE_BATCH))
        if (Number(changes) < PURGE_BATCH) break
      }
    if (this.#dropped.size > 0) await this.#store([])
  }

  #isKnown(userId: string | null, source: string, now: number): boolean {
    const seenAt = this.#known.get(userId ?? '')?.get(source)
    return seenAt !== undefined && seenAt + KNOWN_SOURCE_MS > now
  }

  #count(key: string, schedule: Schedule, now: number): void {
    const before = this.#buckets.get(key)
    const failures = before === undefined || before.lastAt + FORGET_MS < now ? 1 : before.failures + 1
    this.#buckets.set(key, { failures, lastAt: now, blockedUntil: now + waitAfter(failures, schedule) })
    if (key.startsWith(OF_PERSON)) return
    this.#strange.delete(key)
    this.#strange.add(key)
    for (const oldest of this.#strange) {
      if (this.#strange.size <= MAX_STRANGE_BUCKETS) break
      this.#drop(oldest)
      // Its row goes with the next write, so that storage holds no more of what strangers make than memory does.
      this.#dropped.add(oldest)
    }
  }

  #takeBack(key: string, now: number): void {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return
    if (bucket.failures <= 1) this.#drop(key)
    else this.#buckets.set(key, { failures: bucket.failures - 1, lastAt: now, blockedUntil: 0 })
  }

  #drop(key: string): void {
    this.#buckets.delete(key)
    this.#strange.delete(key)
  }

  /** Brings storage up to what memory says of these buckets. */
  #store(keys: readonly string[]): Promise<void> {
    return this.#queue.write(() => this.#write(keys))
  }

  #write(keys: readonly string[]): void {
    const dropped = [...this.#dropped]
    this.#dropped.clear()
    for (const key of [...dropped, ...keys]) {
      const bucket = this.#buckets.get(key)
      if (bucket === undefined) this.#raw.prepare('DELETE FROM identity_attempts WHERE bucket = ?').run(key)
      else
        this.#raw
          .prepare('INSERT OR REPLACE INTO identity_attempts (bucket, failures, last_at, blocked_until) VALUES (?, ?, ?, ?)')
          .run(key, bucket.failures, bucket.lastAt, bucket.blockedUntil)
    }
  }

  async #remember(userId: string, source: string, now: number, keys: readonly string[]): Promise<void> {
    const sources = this.#sourcesOf(userId)
    sources.delete(source)
    sources.set(source, now)
    this.#places.set(source, now)
    const forgotten = [...sources.keys()].slice(0, Math.max(0, sources.size - KNOWN_SOURCES_PER_PERSON))
    for (const one of forgotten) sources.delete(one)
    await this.#queue.write(() => {
      this.#write(keys)
      this.#raw
        .prepare('INSERT OR REPLACE INTO identity_known_sources (user_id, source_digest, seen_at) VALUES (?, ?, ?)')
        .run(userId, source, now)
      for (const one of forgotten)
        this.#raw.prepare('DELETE FROM identity_known_sources WHERE user_id = ? AND source_digest = ?').run(userId, one)
    })
  }

  #sourceOf(sourceAddress: string): string {
    return this.#digest(`source ${subscriberOf(sourceAddress)}`)
  }

  #sourcesOf(userId: string): Map<string, number> {
    const sources = this.#known.get(userId) ?? new Map<string, number>()
    this.#known.set(userId, sources)
    return sources
  }
}

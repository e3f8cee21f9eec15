import { type Clock, type LimitRule, RedoubtError } from '#foundation/core'
import { type Database, migrate, type Migrations, transaction } from '#foundation/storage'
import type { PassedEvent } from './rolling-window.ts'

const MIGRATIONS: Migrations = [
  `CREATE TABLE limit_windows (
     principal TEXT NOT NULL,
     endpoint TEXT NOT NULL,
     unit TEXT NOT NULL,
     window_ms INTEGER NOT NULL,
     events TEXT NOT NULL,
     in_flight INTEGER NOT NULL,
     lease INTEGER NOT NULL,
     lease_until REAL NOT NULL,
     PRIMARY KEY (principal, endpoint, unit, window_ms)
   );
   CREATE TABLE limit_clock (id INTEGER PRIMARY KEY CHECK (id = 1), line REAL NOT NULL, wall INTEGER NOT NULL)`,
]

/** SQLITE_FULL. */
const SQLITE_FULL = 13

export interface WindowKey {
  readonly principal: string
  readonly endpoint: string
  readonly unit: LimitRule['unit']
  readonly windowMs: number
}

/** What must be counted after a crash: what passed, what is reserved, and what may have passed since, up to `lease` until `leaseUntil`. */
export interface WindowRecord extends WindowKey {
  readonly events: readonly PassedEvent[]
  readonly inFlight: number
  readonly lease: number
  readonly leaseUntil: number
}

interface Row {
  readonly principal: string
  readonly endpoint: string
  readonly unit: string
  readonly window_ms: number
  readonly events: string
  readonly in_flight: number
  readonly lease: number
  readonly lease_until: number
}

/**
 * The durable side of the windows. Times are on a line of its own that starts with the wall clock, runs with the monotonic clock and,
 * over a restart, goes on by the wall time that passed since the last write, if any: a wall clock set backwards adds nothing.
 */
export class Ledger {
  readonly #database: Database
  readonly #clock: Clock
  readonly #origin: number
  readonly #upsert
  readonly #delete
  readonly #anchor
  /** Transactions committed. */
  writes = 0

  constructor(database: Database, clock: Clock) {
    this.#database = database
    this.#clock = clock
    migrate(database, 'gateway/limits', MIGRATIONS)
    const { raw } = database
    this.#upsert = raw.prepare(
      `INSERT INTO limit_windows (principal, endpoint, unit, window_ms, events, in_flight, lease, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (principal, endpoint, unit, window_ms) DO UPDATE SET events = excluded.events, in_flight = excluded.in_flight,
       lease = excluded.lease, lease_until = excluded.lease_until`,
    )
    this.#delete = raw.prepare('DELETE FROM limit_windows WHERE principal = ? AND endpoint = ? AND unit = ? AND window_ms = ?')
    this.#anchor = raw.prepare(
      'INSERT INTO limit_clock (id, line, wall) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET line = excluded.line, wall = excluded.wall',
    )
    const anchor = raw.prepare('SELECT line, wall FROM limit_clock WHERE id = 1').get() as { line: number; wall: number } | undefined
    const wall = clock.now()
    const line = anchor ? anchor.line + Math.max(0, wall - anchor.wall) : wall
    this.#origin = line - clock.monotonic()
  }

  /** Milliseconds on the line; never goes backwards, not over restarts either. */
  now(): number {
    return this.#origin + this.#clock.monotonic()
  }

  /** @throws {RedoubtError} `ERR_STORAGE_CORRUPT` if a record is not as it was written. */
  load(): readonly WindowRecord[] {
    const rows = this.#database.raw.prepare('SELECT * FROM limit_windows').all() as unknown as readonly Row[]
    return rows.map((row) => ({
      principal: row.principal,
      endpoint: row.endpoint,
      unit: unitOf(row.unit),
      windowMs: row.window_ms,
      events: eventsOf(row.events),
      inFlight: row.in_flight,
      lease: row.lease,
      leaseUntil: row.lease_until,
    }))
  }

  /**
   * Durable when it returns; all or nothing.
   * @throws {RedoubtError} `ERR_STORAGE_FULL`, `ERR_STORAGE_IO`: then nothing may be taken on its strength, though it may have been written.
   */
  write(records: readonly WindowRecord[], gone: readonly WindowKey[]): void {
    const { raw } = this.#database
    // On a shared connection our rows would wait for, or vanish with, someone else's transaction.
    if (raw.isTransaction) throw new RedoubtError('ERR_STORAGE_IO', 'the limits need a database of their own')
    try {
      transaction(this.#database, () => {
        for (const { principal, endpoint, unit, windowMs } of gone) this.#delete.run(principal, endpoint, unit, windowMs)
        for (const { principal, endpoint, unit, windowMs, events, inFlight, lease, leaseUntil } of records)
          this.#upsert.run(principal, endpoint, unit, windowMs, JSON.stringify(events), inFlight, lease, leaseUntil)
        // Rounded up: time that did not pass must never be counted as passed.
        this.#anchor.run(this.now(), Math.ceil(this.#clock.now()))
      })
      this.writes++
    } catch (cause) {
      const code = (cause as { errcode?: number }).errcode === SQLITE_FULL ? 'ERR_STORAGE_FULL' : 'ERR_STORAGE_IO'
      throw new RedoubtError(code, 'the use of a limit cannot be recorded', { cause })
    }
  }
}

function unitOf(text: string): LimitRule['unit'] {
  if (text === 'requests' || text === 'rows' || text === 'tokens') return text
  throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a recorded limit has an unknown unit')
}

function eventsOf(text: string): readonly PassedEvent[] {
  let events: unknown
  try {
    events = JSON.parse(text)
  } catch (cause) {
    throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a recorded limit is not readable', { cause })
  }
  const isEvent = (event: unknown): event is PassedEvent =>
    Array.isArray(event) && event.length === 2 && event.every((value) => Number.isFinite(value))
  if (!Array.isArray(events) || !events.every(isEvent)) throw new RedoubtError('ERR_STORAGE_CORRUPT', 'a recorded limit is not readable')
  return events
}

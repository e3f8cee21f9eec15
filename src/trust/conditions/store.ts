import { type Database, migrate, type Migrations, storageError, transaction } from '#foundation/storage'
import type { Habits, Seen } from './habits.ts'
import type { KeyUse } from './key-use.ts'
import type { SpanUnderWay } from './rate.ts'

const MIGRATIONS: Migrations = [
  `CREATE TABLE habits (
     type TEXT NOT NULL,
     id TEXT NOT NULL,
     saved_at INTEGER NOT NULL,
     last_at INTEGER NOT NULL,
     body TEXT NOT NULL,
     PRIMARY KEY (type, id)
   );
   CREATE INDEX habits_last_at ON habits (last_at)`,
]

type SeenRow = readonly [key: string, firstAt: number, lastAt: number, confirmed: 0 | 1]

/** Weights are in units of the moment of saving. Places are keyed hashes already. */
interface Body {
  readonly since: number
  readonly requests: number
  readonly week: readonly number[]
  readonly inSlot: readonly number[]
  readonly inHour: readonly number[]
  readonly networks: readonly SeenRow[]
  readonly devices: readonly SeenRow[]
  readonly endpoints: readonly (readonly [name: string, weight: number, lastSlot?: number])[]
  /** What is under way; absent in what was saved before it was kept. */
  readonly slot?: readonly [slot: number, weight: number]
  readonly mix?: readonly [bits: number, at: number]
  readonly spanOfSlot?: SpanUnderWay
  readonly spanOfHour?: SpanUnderWay
  readonly keys?: ReturnType<KeyUse['save']>
  readonly refusals: number
  readonly failures: number
  readonly alertedAt: number | null
}

/** Habits on disk, in a database of their own: written in batches, beside the requests. */
export class HabitStore {
  readonly #database: Database

  /** @throws {RedoubtError} `ERR_STORAGE_IO`. */
  constructor(database: Database) {
    this.#database = database
    migrate(database, 'trust/conditions', MIGRATIONS)
  }

  /** When habits were last saved; 0 when none are. */
  latest(): number {
    const row = this.#database.raw.prepare('SELECT max(saved_at) AS latest FROM habits').get() as { readonly latest: number | null }
    return row.latest ?? 0
  }

  /** The callers heard of last, at most `most`; what cannot be read is left out and learnt anew. */
  *load(
    most: number,
    make: (uid: { readonly type: string; readonly id: string }, since: number) => Habits,
    scale: (savedAt: number) => number,
  ): Generator<Habits> {
    const rows = this.#database.raw.prepare('SELECT type, id, saved_at, body FROM habits ORDER BY last_at DESC LIMIT ?').all(most) as {
      type: string
      id: string
      saved_at: number
      body: string
    }[]
    for (const { type, id, saved_at: savedAt, body } of rows.reverse()) {
      try {
        const parsed = JSON.parse(body) as Body
        const habits = make({ type, id }, parsed.since)
        restore(habits, parsed, savedAt, scale(savedAt))
        yield habits
      } catch {
        continue
      }
    }
  }

  /** One transaction. @param unit what a slot weighs at `now`. @throws {RedoubtError} `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`; nothing is saved then. */
  save(changed: Iterable<Habits>, forgotten: Iterable<{ readonly type: string; readonly id: string }>, now: number, unit: number): void {
    const { raw } = this.#database
    try {
      transaction(this.#database, () => {
        const insert = raw.prepare(
          `INSERT INTO habits (type, id, saved_at, last_at, body) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (type, id) DO UPDATE SET saved_at = excluded.saved_at, last_at = excluded.last_at, body = excluded.body`,
        )
        const remove = raw.prepare('DELETE FROM habits WHERE type = ? AND id = ?')
        for (const { type, id } of forgotten) remove.run(type, id)
        for (const habits of changed)
          insert.run(habits.uid.type, habits.uid.id, now, habits.lastAt, JSON.stringify(bodyOf(habits, now, unit)))
      })
    } catch (cause) {
      throw storageError(cause)
    }
  }
}

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000

function bodyOf(habits: Habits, now: number, unit: number): Body {
  const seen = (map: ReadonlyMap<string, Seen>): SeenRow[] =>
    [...map].map(([key, { firstAt, lastAt, confirmed }]) => [key, firstAt, lastAt, confirmed ? 1 : 0])
  return {
    since: habits.since,
    requests: habits.requests,
    week: Array.from(habits.week, (weight) => rounded(weight / unit)),
    inSlot: habits.inSlot.save(unit),
    inHour: habits.inHour.save(unit),
    networks: seen(habits.networks),
    devices: seen(habits.devices),
    endpoints: [...habits.endpoints].map(([name, { weight, lastSlot }]) => [name, rounded(weight / unit), lastSlot]),
    slot: habits.saveSlot(unit),
    mix: habits.mix.save(),
    spanOfSlot: habits.inSlot.saveSpan(unit),
    spanOfHour: habits.inHour.saveSpan(unit),
    keys: habits.keys.save(unit),
    refusals: rounded(habits.refusalsAt(now)),
    failures: rounded(habits.failuresAt(now)),
    alertedAt: Number.isFinite(habits.alertedAt) ? habits.alertedAt : null,
  }
}

function restore(habits: Habits, body: Body, savedAt: number, unit: number): void {
  habits.requests = body.requests
  habits.lastAt = savedAt
  body.week.forEach((weight, hour) => {
    habits.week[hour] = weight * unit
    habits.day[hour % habits.day.length]! += weight * unit
    habits.active += weight * unit
  })
  habits.inSlot.restore(body.inSlot, unit)
  habits.inHour.restore(body.inHour, unit)
  for (const [map, rows] of [
    [habits.networks, body.networks],
    [habits.devices, body.devices],
  ] as const)
    for (const [key, firstAt, lastAt, confirmed] of rows) map.set(key, { firstAt, lastAt, confirmed: confirmed === 1 })
  for (const [name, weight, lastSlot] of body.endpoints) habits.restoreEndpoint(name, weight * unit, lastSlot ?? -1)
  if (body.slot !== undefined) habits.restoreSlot(body.slot, unit)
  if (body.mix !== undefined) habits.mix.restore(body.mix)
  if (body.spanOfSlot !== undefined) habits.inSlot.restoreSpan(body.spanOfSlot, unit)
  if (body.spanOfHour !== undefined) habits.inHour.restoreSpan(body.spanOfHour, unit)
  if (body.keys !== undefined) habits.keys.restore(body.keys, unit)
  habits.refusals = body.refusals
  habits.refusedAt = savedAt
  habits.failures = body.failures
  habits.failedAt = savedAt
  habits.alertedAt = body.alertedAt ?? Number.NEGATIVE_INFINITY
}

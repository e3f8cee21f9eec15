import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Clock } from '#foundation/core'
import type { WriteQueue } from '../write-queue.ts'

/** Beyond, the source that was written longest ago goes. */
export const MAX_PER_ACCOUNT = 64
const REMEMBERED_MS = 90 * 86_400_000
/** A source that comes back is written again only after this time. */
const REFRESH_MS = 86_400_000

interface Row {
  readonly account: string
  readonly source: string
  readonly last_seen: number
}

/** From where each account has authenticated before: what lets it in while strangers knock at its name. Survives a restart. */
export class KnownSources {
  readonly #accounts = new Map<string, Map<string, number>>()
  readonly #queue: WriteQueue
  readonly #clock: Clock
  readonly #insert: StatementSync
  readonly #remove: StatementSync

  constructor(raw: DatabaseSync, queue: WriteQueue, clock: Clock) {
    this.#queue = queue
    this.#clock = clock
    this.#insert = raw.prepare(
      `INSERT INTO identity_client_sources (account, source, last_seen) VALUES (?, ?, ?)
       ON CONFLICT (account, source) DO UPDATE SET last_seen = excluded.last_seen`,
    )
    this.#remove = raw.prepare('DELETE FROM identity_client_sources WHERE account = ? AND source = ?')
    const rows = raw.prepare('SELECT account, source, last_seen FROM identity_client_sources ORDER BY last_seen').all() as unknown as Row[]
    for (const { account, source, last_seen: seen } of rows) this.#of(account).set(source, seen)
  }

  has(account: string, source: string): boolean {
    const seen = this.#accounts.get(account)?.get(source)
    return seen !== undefined && seen > this.#clock.now() - REMEMBERED_MS
  }

  /** After a success, so only for accounts that exist. Failing to write costs the account nothing now: it is known until a restart. */
  note(account: string, source: string): void {
    const now = this.#clock.now()
    const sources = this.#of(account)
    const seen = sources.get(source)
    if (seen !== undefined && Math.abs(now - seen) < REFRESH_MS) return
    sources.delete(source)
    sources.set(source, now)
    const [oldest] = sources.size > MAX_PER_ACCOUNT ? sources.keys() : []
    if (oldest !== undefined) sources.delete(oldest)
    this.#queue
      .write(() => {
        this.#insert.run(account, source, now)
        if (oldest !== undefined) this.#remove.run(account, oldest)
      })
      .catch(() => sources.delete(source))
  }

  #of(account: string): Map<string, number> {
    let sources = this.#accounts.get(account)
    if (sources === undefined) {
      sources = new Map()
      this.#accounts.set(account, sources)
    }
    return sources
  }
}

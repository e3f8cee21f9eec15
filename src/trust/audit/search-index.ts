import { createHmac, type KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import { type JsonObject, RedoubtError } from '#foundation/core'
import { type Database, migrate, openDatabase, storageError, transaction } from '#foundation/storage'
import { parseEntry, personalOf } from './event-entry.ts'

export interface SearchQuery {
  readonly type?: string
  readonly actor?: { readonly type: string; readonly id: string }
  readonly resource?: { readonly type: string; readonly id: string }
  readonly requestId?: string
  /** The person as the caller names them; only a keyed pseudonym is looked up. */
  readonly subject?: string
  readonly code?: string
  readonly outcome?: string
  /** Epoch milliseconds, inclusive. */
  readonly from?: number
  readonly to?: number
  /** 1 to 1,000; 100 by default. */
  readonly limit?: number
  /** Only entries with a smaller index: the `next` of the page before. */
  readonly before?: number
  /** Only entries with this index or a larger one. */
  readonly first?: number
}

export interface SearchResult {
  /** Newest first. */
  readonly entries: readonly { readonly index: number; readonly event: JsonObject }[]
  readonly next: number | null
  /** Entries at and above this index are not indexed yet. */
  readonly upTo: number
}

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
/** Search keys are cut to 128 bits: enough against accidental matches, and the index stays small. */
const KEY_BYTES = 16
const CACHED_KEYS = 4_096
const RECENT_REQUESTS = 512
const ROWS_PER_TRANSACTION = 2_000
/** A search itself brings the index forward by at most this many entries; then it answers for what is indexed. */
const ROWS_PER_SEARCH = 50_000

const MIGRATIONS = [
  `CREATE TABLE audit_entries (
     idx INTEGER PRIMARY KEY, time INTEGER NOT NULL, type TEXT NOT NULL, outcome TEXT NOT NULL, code TEXT,
     actor BLOB NOT NULL, resource BLOB NOT NULL, request BLOB);
   CREATE INDEX audit_entries_actor ON audit_entries (actor);
   CREATE INDEX audit_entries_resource ON audit_entries (resource);
   CREATE INDEX audit_entries_request ON audit_entries (request) WHERE request IS NOT NULL;
   CREATE INDEX audit_entries_type ON audit_entries (type);
   CREATE TABLE audit_subjects (subject BLOB NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (subject, idx)) WITHOUT ROWID;
   CREATE TABLE audit_index (id INTEGER PRIMARY KEY CHECK (id = 1), log TEXT NOT NULL, indexed INTEGER NOT NULL, last TEXT NOT NULL)`,
]

/** Where the index reads from: the log. */
export interface IndexedLog {
  readonly size: number
  entry(index: number): Uint8Array | null
}

/**
 * The search index: derived from the log, thrown away and rebuilt when it is missing, ahead, or of another log.
 * Names of actors, resources, requests and subjects are looked up by HMAC-SHA-256, so the file tells nobody who did what.
 * It is brought forward in slices beside the requests, and by a search.
 */
export class SearchIndex {
  readonly #database: Database
  readonly #key: KeyObject
  readonly #log: IndexedLog
  readonly #keys = new Map<string, Uint8Array>()
  readonly #requests = new Map<string, Uint8Array>()
  #indexed = 0

  /** @param path A file, or `:memory:`. @param origin Names the log, so that an index of another one is not taken for ours. */
  constructor(path: string, key: KeyObject, origin: string, log: IndexedLog) {
    this.#key = key
    this.#log = log
    this.#database = openIndex(path)
    const name = this.#hmac('log', origin)
    const row = this.#database.raw.prepare('SELECT log, indexed, last FROM audit_index').get() as
      | { log: string; indexed: number; last: string }
      | undefined
    const log64 = Buffer.from(name).toString('base64')
    if (row?.log === log64 && row.indexed <= log.size && row.last === this.#mark(row.indexed)) this.#indexed = row.indexed
    else this.#restart(log64)
  }

  get indexed(): number {
    return this.#indexed
  }

  /** Indexes up to `rows` more entries. @returns how many are still missing. @throws {RedoubtError} `ERR_STORAGE_FULL`, `ERR_STORAGE_IO`. */
  catchUp(rows: number): number {
    const end = Math.min(this.#log.size, this.#indexed + rows)
    while (this.#indexed < end) this.#indexUpTo(Math.min(end, this.#indexed + ROWS_PER_TRANSACTION))
    return this.#log.size - this.#indexed
  }

  search(query: SearchQuery, pseudonym: (subject: string) => string): SearchResult {
    this.catchUp(ROWS_PER_SEARCH)
    const limit = query.limit ?? DEFAULT_LIMIT
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
      throw new RedoubtError('ERR_INPUT_INVALID', `the limit must be 1 to ${MAX_LIMIT}`)
    const { condition, parameters } = this.#conditionOf(query, pseudonym)
    const rows = this.#database.raw
      .prepare(`SELECT idx FROM audit_entries ${condition} ORDER BY idx DESC LIMIT ?`)
      .all(...parameters, limit + 1) as unknown as readonly { idx: number }[]
    const page = rows.slice(0, limit)
    const entries = page.map(({ idx }) => {
      const bytes = this.#log.entry(idx)
      const event = bytes && parseEntry(bytes)
      if (event === null) throw new RedoubtError('ERR_AUDIT_CORRUPT', `the entry ${idx} is not what was indexed`)
      return { index: idx, event }
    })
    return { entries, next: rows.length > limit ? (page.at(-1)?.idx ?? null) : null, upTo: this.#indexed }
  }

  /**
   * Indices of entries that fit, lowest first, of those that are indexed.
   * @param query its `limit` is how many at most.
   */
  indices(
    query: SearchQuery & { readonly limit: number },
    pseudonym: (subject: string) => string,
    order: 'ASC' | 'DESC' = 'ASC',
  ): number[] {
    const { condition, parameters } = this.#conditionOf(query, pseudonym)
    const rows = this.#database.raw
      .prepare(`SELECT idx FROM audit_entries ${condition} ORDER BY idx ${order} LIMIT ?`)
      .all(...parameters, query.limit) as unknown as readonly { idx: number }[]
    return rows.map(({ idx }) => idx)
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  #conditionOf(
    query: SearchQuery,
    pseudonym: (subject: string) => string,
  ): { readonly condition: string; readonly parameters: readonly (string | number | Uint8Array)[] } {
    const where: string[] = []
    const parameters: (string | number | Uint8Array)[] = []
    const and = (clause: string, value: string | number | Uint8Array | undefined): void => {
      if (value === undefined) return
      where.push(clause)
      parameters.push(value)
    }
    and('type = ?', query.type)
    and('outcome = ?', query.outcome)
    and('code = ?', query.code)
    and('actor = ?', query.actor && this.#entityKey('actor', query.actor))
    and('resource = ?', query.resource && this.#entityKey('resource', query.resource))
    and('request = ?', query.requestId === undefined ? undefined : this.#hmac('request', query.requestId))
    and(
      'idx IN (SELECT idx FROM audit_subjects WHERE subject = ?)',
      query.subject === undefined ? undefined : this.#hmac('subject', pseudonym(query.subject)),
    )
    and('time >= ?', query.from)
    and('time <= ?', query.to)
    and('idx < ?', query.before)
    and('idx >= ?', query.first)
    return { condition: where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`, parameters }
  }

  #indexUpTo(end: number): void {
    const { raw } = this.#database
    const insert = raw.prepare(
      'INSERT OR REPLACE INTO audit_entries (idx, time, type, outcome, code, actor, resource, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    const insertSubject = raw.prepare('INSERT OR IGNORE INTO audit_subjects (subject, idx) VALUES (?, ?)')
    const index = (): void => {
      for (let at = this.#indexed; at < end; at++) {
        const bytes = this.#log.entry(at)
        const event = bytes && parseEntry(bytes)
        if (event === null) continue
        const requestId = event['requestId']
        insert.run(
          at,
          typeof event['time'] === 'number' ? Math.floor(event['time']) : 0,
          textOf(event['type']),
          textOf(event['outcome']),
          event['code'] === undefined ? null : textOf(event['code']),
          this.#entityKey('actor', event['actor'] as { type: string; id: string }),
          this.#entityKey('resource', event['resource'] as { type: string; id: string }),
          typeof requestId === 'string' ? this.#requestKey(requestId) : null,
        )
        for (const { pseudonym } of personalOf(event) ?? []) insertSubject.run(this.#hmac('subject', pseudonym), at)
        for (const pseudonym of shownIn(event)) insertSubject.run(this.#hmac('subject', pseudonym), at)
      }
      raw.prepare('UPDATE audit_index SET indexed = ?, last = ?').run(end, this.#mark(end))
    }
    try {
      transaction(this.#database, index)
    } catch (cause) {
      throw storageError(cause)
    }
    this.#indexed = end
  }

  #restart(log: string): void {
    this.#database.raw.exec('DELETE FROM audit_entries; DELETE FROM audit_subjects; DELETE FROM audit_index')
    this.#database.raw.prepare('INSERT INTO audit_index (id, log, indexed, last) VALUES (1, ?, 0, ?)').run(log, this.#mark(0))
    this.#indexed = 0
  }

  /** Fingerprint of the last indexed entry: an index of a log that took another course is not taken for ours. */
  #mark(indexed: number): string {
    const bytes = indexed === 0 ? null : this.#log.entry(indexed - 1)
    return bytes === null ? '' : createHmac('sha256', this.#key).update('mark\0').update(bytes).digest('base64')
  }

  #entityKey(kind: string, entity: { readonly type: string; readonly id: string } | undefined): Uint8Array {
    return this.#cached(kind, `${String(entity?.type)}\0${String(entity?.id)}`)
  }

  /** Actors and resources come again and again, requests do not. */
  #cached(kind: string, value: string): Uint8Array {
    const name = `${kind}\0${value}`
    let key = this.#keys.get(name)
    if (key === undefined) {
      if (this.#keys.size >= CACHED_KEYS) this.#keys.clear()
      key = this.#hmac(kind, value)
      this.#keys.set(name, key)
    }
    return key
  }

  /** The admission and the completion of a request lie close together. */
  #requestKey(requestId: string): Uint8Array {
    const known = this.#requests.get(requestId)
    if (known !== undefined) return known
    if (this.#requests.size >= RECENT_REQUESTS) this.#requests.clear()
    const key = this.#hmac('request', requestId)
    this.#requests.set(requestId, key)
    return key
  }

  #hmac(kind: string, value: string): Uint8Array {
    return createHmac('sha256', this.#key).update(`${kind}\0${value}`).digest().subarray(0, KEY_BYTES)
  }
}

/** Opens the file; one that is damaged holds nothing that the log does not, so it gives way to a new one. */
function openIndex(path: string): Database {
  const open = (): Database => {
    const database = openDatabase(path)
    // Derived data: losing the last transactions in a power cut only means indexing them again.
    database.raw.exec('PRAGMA synchronous=NORMAL')
    migrate(database, 'trust/audit', MIGRATIONS)
    return database
  }
  try {
    return open()
  } catch (cause) {
    if (path === ':memory:') throw cause
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
    return open()
  }
}

/** Entries of the append port may look like events; a member of another type is indexed as empty. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** Pseudonyms of the people whose rows an event says were shown (`details.subjects` of `data.rows`). */
function shownIn(event: JsonObject): readonly string[] {
  const { subjects } = (event['details'] ?? {}) as { readonly subjects?: unknown }
  return Array.isArray(subjects) ? subjects.filter((subject) => typeof subject === 'string') : []
}

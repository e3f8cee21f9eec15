import {
  type Alert,
  ALERT_SEVERITIES,
  type AlertSeverity,
  asRedoubtError,
  canonicalJson,
  type EntityUid,
  type JsonObject,
  RedoubtError,
} from '#foundation/core'
import { type Database, migrate, transaction } from '#foundation/storage'
import { severityRank, type StoredAlert } from './alert.ts'
import type { OpenAlert } from './open-alerts.ts'
import { type AlertRow, type DeliveryRow, MIGRATIONS } from './tables.ts'

export interface AlertQuery {
  readonly state?: 'open' | 'acknowledged' | 'all'
  /** This severe or more. */
  readonly severity?: AlertSeverity
  readonly kind?: string
  readonly limit?: number
  /** As `next` of the page before. */
  readonly before?: number
}

export interface AlertPage {
  /** Newest first. */
  readonly alerts: readonly StoredAlert[]
  readonly next: number | null
}

/** What of an alert has to be sent, and whereto. */
export interface NewDelivery {
  readonly id: string
  readonly place: string
  readonly alertId: string
  readonly severity: AlertSeverity
  readonly body: string
}

export interface Delivery extends NewDelivery {
  readonly attempts: number
  readonly state: 'waiting' | 'delivered' | 'given-up'
  readonly problem: string | null
}

/** Messages that wait for one place; beyond, the least severe and oldest are dropped. */
export const MAX_WAITING = 1_000
const DEFAULT_LIMIT = 50
const BATCH = 100
const DAY_MS = 86_400_000

/** Alerts and what of them is still to be recorded and sent, in SQLite. Every method is durable when it returns, and throws `ERR_STORAGE_IO`. */
export class AlertStore {
  readonly #database: Database
  readonly #bounds: { readonly maxKept: number; readonly retentionDays: number }

  constructor(database: Database, bounds: { readonly maxKept: number; readonly retentionDays: number }) {
    this.#database = database
    this.#bounds = bounds
    migrate(database, 'governance/alerts', MIGRATIONS)
  }

  /**
   * Saves alerts and what is to be sent of them, all or nothing. Doing it twice changes nothing but what was sent in between.
   * @returns how many alerts that nobody acknowledged, and messages, had to make room.
   */
  save(
    alerts: readonly OpenAlert[],
    deliveries: readonly NewDelivery[],
    now: number,
  ): { readonly pruned: number; readonly dropped: number } {
    return this.#transaction(() => {
      const upsert = this.#database.raw.prepare(
        `INSERT INTO alerts (id, kind, severity, summary, subject_type, subject_id, key, details, request_id, log_index, count, first_at, last_at, record_due)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
         ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, summary = excluded.summary, subject_type = excluded.subject_type,
           subject_id = excluded.subject_id, details = excluded.details, request_id = excluded.request_id, log_index = excluded.log_index,
           count = excluded.count, last_at = excluded.last_at, record_due = MAX(record_due, excluded.severity > severity)`,
      )
      for (const { id, alert, count, firstAt, lastAt } of alerts)
        upsert.run(
          id,
          alert.kind,
          severityRank(alert.severity),
          alert.summary,
          alert.subject.type,
          alert.subject.id,
          alert.key,
          canonicalJson(alert.details),
          alert.requestId ?? null,
          alert.logIndex ?? null,
          count,
          firstAt,
          lastAt,
        )
      const insert = this.#database.raw.prepare(
        `INSERT INTO alert_deliveries (id, place, alert_id, severity, body, created_at, state, attempts, next_at, problem)
         VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, ?, NULL) ON CONFLICT (id) DO NOTHING`,
      )
      for (const { id, place, alertId, severity, body } of deliveries)
        insert.run(id, place, alertId, severityRank(severity), body, now, now)
      const dropped = [...new Set(deliveries.map(({ place }) => place))].reduce((sum, place) => sum + this.#dropWaiting(place), 0)
      return { pruned: this.#prune(now), dropped }
    })
  }

  list({ state = 'open', severity, kind, limit = DEFAULT_LIMIT, before }: AlertQuery): AlertPage {
    const where = ['seq < ?', 'severity >= ?', ...(kind === undefined ? [] : ['kind = ?'])]
    if (state !== 'all') where.push(`acknowledged_at IS ${state === 'open' ? '' : 'NOT '}NULL`)
    const rows = this.#all<AlertRow>(
      `SELECT * FROM alerts WHERE ${where.join(' AND ')} ORDER BY seq DESC LIMIT ?`,
      before ?? Number.MAX_SAFE_INTEGER,
      severity === undefined ? 0 : severityRank(severity),
      ...(kind === undefined ? [] : [kind]),
      limit + 1,
    )
    const shown = rows.slice(0, limit)
    return { alerts: shown.map(alertOf), next: rows.length > limit ? (shown.at(-1)?.seq ?? null) : null }
  }

  get(id: string): StoredAlert | null {
    const row = this.#all<AlertRow>('SELECT * FROM alerts WHERE id = ?', id)[0]
    return row ? alertOf(row) : null
  }

  acknowledge(id: string, by: EntityUid, now: number): void {
    this.#run(
      'UPDATE alerts SET acknowledged_at = ?, acknowledged_by_type = ?, acknowledged_by_id = ? WHERE id = ? AND acknowledged_at IS NULL',
      now,
      by.type,
      by.id,
      id,
    )
  }

  /** Alerts that began since, oldest first, as they are taken up after a restart. */
  since(firstAt: number, limit: number): readonly OpenAlert[] {
    const rows = this.#all<AlertRow>('SELECT * FROM alerts WHERE first_at > ? ORDER BY seq DESC LIMIT ?', firstAt, limit)
    return rows.reverse().map((row) => ({
      id: row.id,
      alert: raisedOf(row),
      count: row.count,
      firstAt: row.first_at,
      lastAt: row.last_at,
      news: false,
    }))
  }

  /** Alerts that the log has not taken yet. */
  unrecorded(): readonly StoredAlert[] {
    return this.#all<AlertRow>('SELECT * FROM alerts WHERE record_due = 1 ORDER BY seq LIMIT ?', BATCH).map(alertOf)
  }

  recorded({ id, severity }: Pick<StoredAlert, 'id' | 'severity'>, index: number): void {
    // When it became more severe meanwhile that is to be recorded too.
    this.#run('UPDATE alerts SET recorded_index = ?, record_due = (severity > ?) WHERE id = ?', index, severityRank(severity), id)
  }

  /** The message to send next: the most severe first, then the oldest. @param patience a wait longer than any means that the clock was set. */
  due(place: string, now: number, patience: number): Delivery | null {
    const row = this.#all<DeliveryRow>(
      `SELECT * FROM alert_deliveries WHERE place = ? AND state = 'waiting' AND (next_at <= ? OR next_at > ?)
       ORDER BY severity DESC, created_at, rowid LIMIT 1`,
      place,
      now,
      now + patience,
    )[0]
    return row ? deliveryOf(row) : null
  }

  delivered(id: string): void {
    this.#run("UPDATE alert_deliveries SET state = 'delivered', attempts = attempts + 1, problem = NULL WHERE id = ?", id)
  }

  failed(id: string, problem: string, nextAt: number): void {
    this.#run('UPDATE alert_deliveries SET attempts = attempts + 1, problem = ?, next_at = ? WHERE id = ?', problem, nextAt, id)
  }

  givenUp(id: string, problem: string): void {
    this.#run("UPDATE alert_deliveries SET state = 'given-up', attempts = attempts + 1, problem = ? WHERE id = ?", problem, id)
  }

  /** Deliveries that came to an end which the log has not taken yet. */
  ended(): readonly Delivery[] {
    return this.#all<DeliveryRow>("SELECT * FROM alert_deliveries WHERE state <> 'waiting' ORDER BY rowid LIMIT ?", BATCH).map(deliveryOf)
  }

  forget(id: string): void {
    this.#run('DELETE FROM alert_deliveries WHERE id = ?', id)
  }

  counts(): { readonly open: Readonly<Record<AlertSeverity, number>>; readonly unrecorded: number } {
    const rows = this.#all<{ severity: number; many: number }>(
      'SELECT severity, count(*) AS many FROM alerts WHERE acknowledged_at IS NULL GROUP BY severity',
    )
    const many = (severity: AlertSeverity): number => rows.find((row) => row.severity === severityRank(severity))?.many ?? 0
    const unrecorded = this.#all<{ many: number }>('SELECT count(*) AS many FROM alerts WHERE record_due = 1')[0]?.many ?? 0
    return { open: { info: many('info'), warning: many('warning'), critical: many('critical') }, unrecorded }
  }

  waiting(place: string): number {
    return (
      this.#all<{ many: number }>("SELECT count(*) AS many FROM alert_deliveries WHERE place = ? AND state = 'waiting'", place)[0]?.many ??
      0
    )
  }

  #prune(now: number): number {
    const { maxKept, retentionDays } = this.#bounds
    this.#run('DELETE FROM alerts WHERE acknowledged_at IS NOT NULL AND last_at < ?', now - retentionDays * DAY_MS)
    const kept = this.#all<{ many: number }>('SELECT count(*) AS many FROM alerts')[0]?.many ?? 0
    if (kept <= maxKept) return 0
    const gone = this.#all<{ acknowledged_at: number | null }>(
      `DELETE FROM alerts WHERE seq IN (SELECT seq FROM alerts ORDER BY acknowledged_at IS NULL, severity, seq LIMIT ?) RETURNING acknowledged_at`,
      kept - maxKept,
    )
    return gone.filter((row) => row.acknowledged_at === null).length
  }

  #dropWaiting(place: string): number {
    const excess = this.waiting(place) - MAX_WAITING
    if (excess <= 0) return 0
    this.#run(
      `DELETE FROM alert_deliveries WHERE rowid IN (SELECT rowid FROM alert_deliveries WHERE place = ? AND state = 'waiting'
       ORDER BY severity, created_at, rowid LIMIT ?)`,
      place,
      excess,
    )
    return excess
  }

  #transaction<T>(work: () => T): T {
    if (this.#database.raw.isTransaction) throw new RedoubtError('ERR_STORAGE_IO', 'the alerts need a database of their own')
    try {
      return transaction(this.#database, work)
    } catch (cause) {
      throw asRedoubtError(cause, 'ERR_STORAGE_IO')
    }
  }

  #run(sql: string, ...values: readonly (string | number | null)[]): void {
    try {
      this.#database.raw.prepare(sql).run(...values)
    } catch (cause) {
      throw asRedoubtError(cause, 'ERR_STORAGE_IO')
    }
  }

  #all<Row>(sql: string, ...values: readonly (string | number)[]): Row[] {
    try {
      return this.#database.raw.prepare(sql).all(...values) as Row[]
    } catch (cause) {
      throw asRedoubtError(cause, 'ERR_STORAGE_IO')
    }
  }
}

const severityOf = (rank: number): AlertSeverity => ALERT_SEVERITIES[rank] ?? 'critical'

function alertOf(row: AlertRow): StoredAlert {
  return {
    id: row.id,
    kind: row.kind,
    severity: severityOf(row.severity),
    summary: row.summary,
    subject: { type: row.subject_type, id: row.subject_id },
    key: row.key,
    details: JSON.parse(row.details) as JsonObject,
    requestId: row.request_id,
    logIndex: row.log_index,
    count: row.count,
    firstAt: row.first_at,
    lastAt: row.last_at,
    acknowledgedAt: row.acknowledged_at,
    acknowledgedBy:
      row.acknowledged_by_type === null || row.acknowledged_by_id === null
        ? null
        : { type: row.acknowledged_by_type, id: row.acknowledged_by_id },
    recordedIndex: row.recorded_index,
  }
}

function raisedOf(row: AlertRow): Alert {
  const { kind, severity, summary, subject, key, details, requestId, logIndex } = alertOf(row)
  return {
    kind,
    severity,
    summary,
    subject,
    key,
    details,
    ...(requestId === null ? {} : { requestId }),
    ...(logIndex === null ? {} : { logIndex }),
  }
}

const deliveryOf = (row: DeliveryRow): Delivery => ({
  id: row.id,
  place: row.place,
  alertId: row.alert_id,
  severity: severityOf(row.severity),
  body: row.body,
  attempts: row.attempts,
  state: row.state === 'delivered' || row.state === 'given-up' ? row.state : 'waiting',
  problem: row.problem,
})

import {
  type Alert,
  type AlertSeverity,
  type AlertSink,
  asRedoubtError,
  type AuditSink,
  type Clock,
  type EntityUid,
  type ErrorCode,
  newId,
  RedoubtError,
} from '#foundation/core'
import type { Database } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import { admitAlert, type StoredAlert } from './alert.ts'
import type { AlertsConfig } from './config.ts'
import { Courier, type PlaceHealth, retryDelayMs } from './courier.ts'
import { MAX_OPEN, type OpenAlert, OpenAlerts } from './open-alerts.ts'
import { messageBody, messageId } from './alert-message.ts'
import type { AlertPlace } from './place.ts'
import { AlertRecord, SELF } from './record-alerts.ts'
import { type AlertPage, type AlertQuery, AlertStore, type NewDelivery } from './store.ts'

/** Raised alerts are saved, recorded and sent this often. */
const TICK_MS = 250
/** Alerts that wait for a disk that takes nothing; beyond, the oldest are lost, and counted. */
export const MAX_UNSAVED = 4_000
const TEST_KIND = 'alerts.test'

export interface AlertsHealth {
  /** Alerts that nobody acknowledged; null when the store cannot be read. */
  readonly open: Readonly<Record<AlertSeverity, number>> | null
  /** Kept, but the log could not take them yet. */
  readonly unrecorded: number
  /** Raised, but the disk could not take them yet. */
  readonly unsaved: number
  /** Since the server started: what was no alert, what a failing disk or a full store pushed out unacknowledged, what a full outbox dropped. */
  readonly malformed: number
  readonly lost: number
  readonly undelivered: number
  readonly places: readonly PlaceHealth[]
  /** Code of the error that keeps alerts from being saved; null when they are. */
  readonly problem: ErrorCode | null
}

/** What a place answered to a test. */
export interface PlaceAnswer {
  readonly name: string
  readonly taken: boolean
  /** A status, a code of the system; null when it took the message. */
  readonly problem: string | null
}

export interface Alerts extends AlertSink {
  /**
   * As `raise`, and on the disk when it returns: for what must not happen unless someone is told.
   * @throws {RedoubtError} `ERR_STORAGE_IO`: it is not kept yet, though it may be later; `ERR_INPUT_INVALID` for what is no alert.
   */
  keep(alert: Alert): void
  /** Sends a test message to every place, whatever its severity, one attempt each, beside what waits. Recorded. @throws `ERR_AUDIT_UNAVAILABLE`. */
  test(by: EntityUid, requestId?: string): Promise<readonly PlaceAnswer[]>
  /** Newest first. @throws {RedoubtError} `ERR_STORAGE_IO`. */
  list(query?: AlertQuery): AlertPage
  /**
   * Recorded in the log before it takes effect. Doing it again changes nothing.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_AUDIT_UNAVAILABLE`.
   */
  acknowledge(id: string, by: EntityUid, requestId?: string): Promise<StoredAlert>
  health(): AlertsHealth
  /** Does at once what is due: saves, records, sends. The room does it by itself too. */
  settle(): Promise<void>
  /** Saves what was raised; what is not sent yet waits for the next start. */
  close(): Promise<void>
}

export interface AlertsOptions {
  /** A database of its own: its writes are synchronous and must never meet an open transaction of another room. */
  readonly database: Database
  /** Where alerts are recorded. Not a sink that raises alerts: a log that fails would raise without end. */
  readonly audit: AuditSink
  readonly clock: Clock
  readonly logger: Logger
  readonly config: Pick<AlertsConfig, 'windowSeconds' | 'retentionDays' | 'maxKept' | 'maxAttempts'>
  readonly places: readonly AlertPlace[]
  /** Origin of the log, told in each message: says which server speaks. */
  readonly log: string
  /** 0: only `settle` does anything. */
  readonly tickMs?: number
}

/** @throws {RedoubtError} `ERR_STORAGE_IO` when the store cannot be opened. */
export function openAlerts(options: AlertsOptions): Alerts {
  return new AlertRoom(options)
}

class AlertRoom implements Alerts {
  readonly #audit: AuditSink
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #log: string
  readonly #store: AlertStore
  readonly #open: OpenAlerts
  readonly #unsaved = new Set<OpenAlert>()
  readonly #couriers: readonly Courier[]
  readonly #record: AlertRecord
  readonly #timer: NodeJS.Timeout | null
  #saveAfter = Number.NEGATIVE_INFINITY
  #saveFailures = 0
  #problem: ErrorCode | null = null
  #malformed = 0
  #lost = 0
  #undelivered = 0

  constructor({ database, audit, clock, logger, config, places, log, tickMs = TICK_MS }: AlertsOptions) {
    this.#audit = audit
    this.#clock = clock
    this.#logger = logger
    this.#log = log
    this.#store = new AlertStore(database, config)
    this.#open = new OpenAlerts(clock, config.windowSeconds * 1_000)
    for (const alert of this.#store.since(clock.now() - config.windowSeconds * 1_000, MAX_OPEN)) this.#open.resume(alert)
    this.#couriers = places.map((place) => new Courier({ place, store: this.#store, clock, logger, maxAttempts: config.maxAttempts }))
    this.#record = new AlertRecord({ store: this.#store, couriers: this.#couriers, audit, clock, logger })
    this.#timer = tickMs === 0 ? null : setInterval(() => void this.settle(), tickMs)
    this.#timer?.unref()
  }

  raise(raised: Alert): void {
    const alert = admitAlert(raised)
    if (alert === null) {
      this.#malformed++
      return
    }
    this.#unsaved.add(this.#open.note(alert))
    if (this.#unsaved.size <= MAX_UNSAVED) return
    for (const oldest of this.#unsaved) {
      this.#unsaved.delete(oldest)
      this.#lost++
      break
    }
  }

  keep(raised: Alert): void {
    const alert = admitAlert(raised)
    if (alert === null) throw new RedoubtError('ERR_INPUT_INVALID', 'it is no alert')
    const noted = this.#open.note(alert)
    this.#unsaved.add(noted)
    this.#save(true)
    if (this.#unsaved.has(noted)) throw new RedoubtError('ERR_STORAGE_IO', 'the alert cannot be kept')
  }

  async test(by: EntityUid, requestId?: string): Promise<readonly PlaceAnswer[]> {
    const id = newId('alr')
    const asked: Alert = {
      kind: TEST_KIND,
      severity: 'info',
      summary: 'this is a test; nothing asks for attention',
      subject: SELF,
      key: TEST_KIND,
      details: {},
      ...(requestId === undefined ? {} : { requestId }),
    }
    const body = messageBody(id, asked, this.#log, this.#clock.now())
    const answers = await Promise.all(
      this.#couriers.map(async (courier): Promise<PlaceAnswer> => {
        const problem = await courier.probe({ id: messageId(id, 'test', courier.place.name), body })
        return { name: courier.place.name, taken: problem === null, problem }
      }),
    )
    const refused = answers.filter(({ taken }) => !taken)
    await this.#audit.record({
      type: 'alert.test',
      actor: { type: by.type, id: by.id },
      action: 'respond',
      resource: SELF,
      outcome: refused.length === 0 ? 'success' : 'failed',
      ...(refused.length === 0 ? {} : { code: 'ERR_ALERT_DELIVERY' as const }),
      details: { places: answers.length, refused: refused.map(({ name }) => name) },
      ...(requestId === undefined ? {} : { requestId }),
    })
    return answers
  }

  list(query: AlertQuery = {}): AlertPage {
    this.#save(true)
    return this.#store.list(query)
  }

  async acknowledge(id: string, by: EntityUid, requestId?: string): Promise<StoredAlert> {
    this.#save(true)
    const known = this.#store.get(id)
    if (!known) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such alert; it may have been acknowledged and expired')
    if (known.acknowledgedAt !== null) return known
    await this.#audit.record({
      type: 'alert.acknowledge',
      actor: { type: by.type, id: by.id },
      action: 'respond',
      resource: known.subject,
      outcome: 'success',
      details: { alert: id, kind: known.kind, severity: known.severity, count: known.count },
      ...(requestId === undefined ? {} : { requestId }),
    })
    this.#store.acknowledge(id, by, this.#clock.now())
    return this.#store.get(id) ?? known
  }

  health(): AlertsHealth {
    const kept = {
      unsaved: this.#unsaved.size,
      malformed: this.#malformed,
      lost: this.#lost,
      undelivered: this.#undelivered,
      problem: this.#problem,
    }
    try {
      return { ...kept, ...this.#store.counts(), places: this.#couriers.map((courier) => courier.health()) }
    } catch (thrown) {
      return { ...kept, open: null, unrecorded: 0, places: [], problem: asRedoubtError(thrown).code }
    }
  }

  async settle(): Promise<void> {
    this.#save()
    await Promise.all([this.#record.settle(), ...this.#couriers.map((courier) => courier.run())])
    // What was delivered meanwhile is on record without waiting for the next turn.
    await this.#record.settle()
  }

  async close(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    this.#save(true)
    await Promise.all(this.#couriers.map((courier) => courier.close()))
    await this.#record.close()
  }

  /** Never throws: what cannot be saved waits, and shows in `health`. @param anyway also while a failing disk is left alone. */
  #save(anyway = false): void {
    if (this.#unsaved.size === 0 || (!anyway && this.#clock.monotonic() < this.#saveAfter)) return
    const alerts = [...this.#unsaved]
    const now = this.#clock.now()
    try {
      const { pruned, dropped } = this.#store.save(
        alerts,
        alerts.filter(({ news }) => news).flatMap((alert) => this.#deliveriesOf(alert)),
        now,
      )
      for (const alert of alerts) alert.news = false
      this.#unsaved.clear()
      this.#record.note()
      this.#saveFailures = 0
      this.#problem = null
      this.#lost += pruned
      this.#undelivered += dropped
      if (pruned + dropped > 0) this.#logger.error({ pruned, dropped }, 'alerts had to make room for others')
    } catch (thrown) {
      const error = asRedoubtError(thrown)
      this.#problem = error.code
      this.#saveFailures++
      this.#saveAfter = this.#clock.monotonic() + retryDelayMs(this.#saveFailures)
      this.#logger.error({ err: error, unsaved: alerts.length }, 'alerts could not be saved; they are kept in memory')
    }
  }

  #deliveriesOf({ id, alert, lastAt }: OpenAlert): readonly NewDelivery[] {
    const takers = this.#couriers.filter((courier) => courier.takes(alert.severity))
    if (takers.length === 0) return []
    const body = messageBody(id, alert, this.#log, lastAt)
    return takers.map(({ place }) => ({
      id: messageId(id, alert.severity, place.name),
      place: place.name,
      alertId: id,
      severity: alert.severity,
      body,
    }))
  }
}

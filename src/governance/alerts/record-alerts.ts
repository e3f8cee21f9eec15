import { asRedoubtError, type AuditSink, type Clock, type EntityUid } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { StoredAlert } from './alert.ts'
import { type Courier, retryDelayMs } from './courier.ts'
import type { AlertStore, Delivery } from './store.ts'

export const SELF: EntityUid = { type: 'System', id: 'alerts' }

interface RecordParts {
  readonly store: AlertStore
  readonly couriers: readonly Courier[]
  /** Not a sink that raises alerts: a log that fails would raise without end. */
  readonly audit: AuditSink
  readonly clock: Clock
  readonly logger: Logger
}

/** Brings into the log what it has not taken yet: alerts that were raised, deliveries that ended. One turn at a time. */
export class AlertRecord {
  readonly #parts: RecordParts
  #turn: Promise<void> | null = null
  /** Something may wait to be recorded. */
  #waiting = true
  /** On the monotonic clock: a log that is down is asked again after a while only. */
  #after = Number.NEGATIVE_INFINITY
  #failures = 0

  constructor(parts: RecordParts) {
    this.#parts = parts
  }

  /** Something was saved that the log has not. */
  note(): void {
    this.#waiting = true
  }

  /** Joins the turn that runs, if one does. Never rejects: what the log does not take is kept, and marked in the store. */
  settle(): Promise<void> {
    this.#turn ??= this.#record().finally(() => (this.#turn = null))
    return this.#turn
  }

  /** A last turn, also while a log that is down is left alone. */
  async close(): Promise<void> {
    this.#after = Number.NEGATIVE_INFINITY
    await this.#turn
    await this.#record()
  }

  async #record(): Promise<void> {
    const { store, couriers, clock, logger } = this.#parts
    for (const courier of couriers) if (courier.takeEnded()) this.#waiting = true
    if (!this.#waiting || clock.monotonic() < this.#after) return
    this.#waiting = false
    try {
      for (let alerts = store.unrecorded(); alerts.length > 0; alerts = store.unrecorded())
        for (const alert of alerts) await this.#recordRaise(alert)
      for (let ended = store.ended(); ended.length > 0; ended = store.ended())
        for (const delivery of ended) await this.#recordDelivery(delivery)
      this.#failures = 0
    } catch (thrown) {
      this.#waiting = true
      this.#failures++
      this.#after = clock.monotonic() + retryDelayMs(this.#failures)
      logger.error({ err: asRedoubtError(thrown) }, 'alerts could not be recorded; they are kept and marked')
    }
  }

  async #recordRaise(alert: StoredAlert): Promise<void> {
    const { index } = await this.#parts.audit.record({
      type: 'alert.raise',
      actor: SELF,
      action: 'raise',
      resource: alert.subject,
      outcome: 'success',
      details: {
        alert: alert.id,
        kind: alert.kind,
        severity: alert.severity,
        summary: alert.summary,
        key: alert.key,
        facts: alert.details,
        ...(alert.logIndex === null ? {} : { logIndex: alert.logIndex }),
      },
      ...(alert.requestId === null ? {} : { requestId: alert.requestId }),
    })
    this.#parts.store.recorded(alert, index)
  }

  async #recordDelivery({ id, place, alertId, attempts, state, problem }: Delivery): Promise<void> {
    const done = state === 'delivered'
    await this.#parts.audit.record({
      type: 'alert.delivery',
      actor: SELF,
      action: 'deliver',
      resource: { type: 'System', id: `alert-place:${place}` },
      outcome: done ? 'success' : 'failed',
      ...(done ? {} : { code: 'ERR_ALERT_DELIVERY' as const }),
      details: { alert: alertId, message: id, attempts, ...(problem === null ? {} : { problem }) },
    })
    this.#parts.store.forget(id)
  }
}

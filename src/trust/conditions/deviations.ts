import type { AlertSink, AuditSink, EntityUid, JsonObject } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { reasonsOf } from './explain.ts'
import type { Habits } from './habits.ts'

const HOUR_MS = 3_600_000
/** One caller deviates once an hour, and all of them together so often; what is beyond is an alert without an entry of its own. */
const MAX_EVENTS_AN_HOUR = 200
const SELF: EntityUid = { type: 'System', id: 'conditions' }

/** Tells of callers that do what is unusual of them: an alert, and an entry of the record. */
export class Deviations {
  readonly #options: { readonly alerts: AlertSink; readonly audit: AuditSink; readonly logger: Logger }
  #eventHour = Number.NaN
  #events = 0

  constructor(options: { readonly alerts: AlertSink; readonly audit: AuditSink; readonly logger: Logger }) {
    this.#options = options
  }

  /** Once until the caller is calm again, and once an hour. */
  tell(habits: Habits, at: number): void {
    if (habits.alerted || at - habits.alertedAt < HOUR_MS) return
    habits.alerted = true
    habits.alertedAt = at
    const { alerts, audit, logger } = this.#options
    const { uid, risk } = habits
    const details: JsonObject = {
      risk,
      reasons: Object.fromEntries(reasonsOf(habits.points).map(({ reason, points }) => [reason, points])),
      requests: habits.requests,
    }
    alerts.raise({
      kind: 'behaviour.deviation',
      severity: risk > 80 ? 'critical' : 'warning',
      summary: `${uid.type}::${uid.id} does what is unusual of it (risk ${risk})`,
      subject: uid,
      key: `${uid.type}::${uid.id}`,
      details,
    })
    if (!this.#mayRecord(at)) return
    audit
      .record({ type: 'behaviour.deviation', actor: SELF, action: 'observe', resource: uid, outcome: 'success', details })
      .catch((error: unknown) => logger.error({ err: error }, 'a deviation could not be recorded'))
  }

  #mayRecord(at: number): boolean {
    const hour = Math.floor(at / HOUR_MS)
    if (hour !== this.#eventHour) [this.#eventHour, this.#events] = [hour, 0]
    return ++this.#events <= MAX_EVENTS_AN_HOUR
  }
}

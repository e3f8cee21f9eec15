import type { JsonObject } from '../canonical-json.ts'
import type { EntityUid } from './entities.ts'

export const ALERT_SEVERITIES = ['info', 'warning', 'critical'] as const
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number]

export interface Alert {
  /** Dotted, lower case: `model.refused`, `authentication.flood`, … */
  readonly kind: string
  readonly severity: AlertSeverity
  /** One line for people. Like every other member without personal data, secrets or text that a caller sent. */
  readonly summary: string
  /** What the alert is about. */
  readonly subject: EntityUid
  /** Alerts of one kind and key within a window are one alert with a count. */
  readonly key: string
  /** Facts without personal data: codes, counts, versions. */
  readonly details: JsonObject
  readonly requestId?: string
  /** The entry of the log that it comes from. */
  readonly logIndex?: number
}

/** Implemented by `#governance/alerts`. */
export interface AlertSink {
  /**
   * Synchronous; never throws, never waits, whatever it is given, and takes bounded memory. The alert is kept, recorded and sent
   * after the caller went on; a crash within a quarter of a second can lose it.
   */
  raise(alert: Alert): void
}

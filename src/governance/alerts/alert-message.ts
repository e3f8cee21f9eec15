import { type Alert, canonicalJson } from '#foundation/core'
import type { AlertEnvelope } from './place.ts'

/** The body of what is sent of an alert. @param log origin of the log: says which server speaks. @param at when it was raised, in milliseconds. */
export function messageBody(id: string, alert: Alert, log: string, at: number): string {
  const { kind, severity, summary, subject, key, details, requestId, logIndex } = alert
  const envelope: AlertEnvelope = {
    type: 'alert.raise',
    timestamp: new Date(at).toISOString(),
    data: {
      id,
      kind,
      severity,
      summary,
      subject: { type: subject.type, id: subject.id },
      key,
      details,
      log,
      ...(requestId === undefined ? {} : { requestId }),
      ...(logIndex === undefined ? {} : { logIndex }),
    },
  }
  return canonicalJson(envelope)
}

/** Named after what it says, so that saving the same news twice sends one message. @param about the severity, or that it is a test. */
export const messageId = (alertId: string, about: string, place: string): string =>
  `msg_${alertId.slice(alertId.indexOf('_') + 1)}-${about}-${place}`

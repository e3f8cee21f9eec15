import { type Alert, ALERT_SEVERITIES, type AlertSeverity, canonicalJson, type EntityUid, type JsonObject } from '#foundation/core'

/** An alert as it is kept and shown. */
export interface StoredAlert {
  readonly id: string
  readonly kind: string
  readonly severity: AlertSeverity
  readonly summary: string
  readonly subject: EntityUid
  readonly key: string
  readonly details: JsonObject
  readonly requestId: string | null
  /** The entry of the log that it comes from. */
  readonly logIndex: number | null
  /** How often it was raised in its window. */
  readonly count: number
  /** Epoch milliseconds. */
  readonly firstAt: number
  readonly lastAt: number
  readonly acknowledgedAt: number | null
  readonly acknowledgedBy: EntityUid | null
  /** The entry of the log that records the alert; null while the log could not take it. */
  readonly recordedIndex: number | null
}

const KIND = /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+$/
const MAX_KIND = 64
const MAX_SUMMARY = 300
const MAX_NAME = 200
const MAX_KEY = 300
const MAX_REQUEST_ID = 64
/** Bounds what the open alerts take in memory, and the entry of the log. */
export const MAX_DETAILS_BYTES = 2_048

export const severityRank = (severity: AlertSeverity): number => ALERT_SEVERITIES.indexOf(severity)

/**
 * Cuts an alert to its bounds and to one line of text, so that nothing a caller passes can break a table, a terminal or a mail.
 * @returns null for what is no alert at all. Never throws.
 */
export function admitAlert(alert: Alert): Alert | null {
  try {
    if (alert.kind.length > MAX_KIND || !KIND.test(alert.kind) || !ALERT_SEVERITIES.includes(alert.severity)) return null
    const { requestId, logIndex } = alert
    return {
      kind: alert.kind,
      severity: alert.severity,
      summary: line(alert.summary, MAX_SUMMARY),
      subject: { type: line(alert.subject.type, MAX_NAME), id: line(alert.subject.id, MAX_NAME) },
      key: line(alert.key, MAX_KEY),
      details: boundedDetails(alert.details),
      ...(requestId === undefined ? {} : { requestId: line(requestId, MAX_REQUEST_ID) }),
      ...(Number.isSafeInteger(logIndex) ? { logIndex: Number(logIndex) } : {}),
    }
  } catch {
    return null
  }
}

/** Control and direction-changing characters become spaces: a summary must not forge a line of its reader's screen. */
function line(text: string, length: number): string {
  return text
    .slice(0, length)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
}

function boundedDetails(details: JsonObject): JsonObject {
  let text: string
  try {
    text = canonicalJson(details)
  } catch {
    return { omitted: 'not JSON' }
  }
  const bytes = Buffer.byteLength(text)
  // A copy: the caller may change its object.
  return bytes > MAX_DETAILS_BYTES ? { omitted: 'too large', bytes } : (JSON.parse(text) as JsonObject)
}

import {
  type AlertSink,
  asRedoubtError,
  type AuditEvent,
  type AuditReceipt,
  type AuditSink,
  type Clock,
  type EntityUid,
} from '#foundation/core'
import { type AlertRule, alertRules, factsOf, TAMPERING_RULE } from './alert-rules.ts'
import type { AlertsConfig } from './config.ts'
import { RefusalCounter } from './refusal-counter.ts'

interface Watched {
  readonly rule: AlertRule
  readonly counter: RefusalCounter | null
}

const NONE: readonly Watched[] = []
const THE_LOG: EntityUid = { type: 'Log', id: 'audit' }

/**
 * A sink that records in `audit` and raises the alerts that the rules make of it: the record is one, so this sees everything.
 * Adds nothing to the wait of the caller, and nothing it does can fail the recording.
 */
export function watchEvents(options: {
  readonly audit: AuditSink
  readonly alerts: AlertSink
  readonly clock: Clock
  readonly config: Pick<AlertsConfig, 'authenticationRefusals' | 'policyRefusals'>
}): AuditSink {
  const { audit, alerts, clock } = options
  const byType = new Map<string, Watched[]>()
  for (const rule of alertRules(options.config)) {
    const watched = { rule, counter: rule.threshold ? new RefusalCounter(clock, rule.threshold) : null }
    for (const type of rule.types) byType.set(type, [...(byType.get(type) ?? []), watched])
  }
  const tampering: Watched = { rule: TAMPERING_RULE, counter: null }

  const note = (watched: readonly Watched[], event: AuditEvent, logIndex: number | null): void => {
    for (const { rule, counter } of watched) {
      if (rule.when?.(event) === false) continue
      const subject = rule.subject(event)
      const key = `${subject.type}::${subject.id}`
      if (counter !== null && !counter.add(key, rule.threshold?.weight?.(event) ?? 1)) continue
      alerts.raise({
        kind: rule.kind,
        severity: rule.severity,
        summary: rule.summary(event),
        subject: { type: subject.type, id: subject.id },
        key,
        details: factsOf(event),
        ...(event.requestId === undefined ? {} : { requestId: event.requestId }),
        ...(logIndex === null ? {} : { logIndex }),
      })
    }
  }
  const unwritable = (thrown: unknown): void =>
    alerts.raise({
      kind: 'log.unwritable',
      severity: 'critical',
      summary: 'the log does not take entries; what cannot be recorded is refused',
      subject: THE_LOG,
      key: 'unwritable',
      details: { code: asRedoubtError(thrown).code },
    })

  return {
    record(event): Promise<AuditReceipt> {
      const recorded = audit.record(event)
      const rules = byType.get(event.type) ?? NONE
      const watched = event.outcome !== 'success' && event.code !== undefined ? [...rules, tampering] : rules
      // What the log could not take is no less alarming.
      recorded
        .then(watched.length === 0 ? undefined : ({ index }) => note(watched, event, index), (thrown: unknown) => {
          if (asRedoubtError(thrown).code === 'ERR_AUDIT_UNAVAILABLE') unwritable(thrown)
          note(watched, event, null)
        })
        .catch(() => undefined)
      return recorded
    },
  }
}

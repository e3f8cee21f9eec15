import type { AuditSink } from '#foundation/core'
import type { Conditions } from './conditions.ts'

/** A sink that records in `audit` and tells the conditions of it: refusals of a caller, wherever they were given, raise its risk. */
export function watchConduct(audit: AuditSink, conditions: Pick<Conditions, 'observe'>): AuditSink {
  return {
    record(event) {
      conditions.observe(event)
      return audit.record(event)
    },
  }
}

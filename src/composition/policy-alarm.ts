import type { AuditSink } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Mismatch } from '#trust/policy'

/** Two engines that differ over one request: the request is refused, and nobody may have to look at a metric to learn of it. */
export function policyAlarm(audit: AuditSink, logger: Logger): (mismatch: Mismatch) => void {
  return ({ ours, cedar, query }) => {
    logger.error(
      { ...query, ours: ours.effect, cedar: cedar?.effect ?? null },
      'the policy engine and Cedar’s own differ; the request is refused',
    )
    audit
      .record({
        type: 'policy.mismatch',
        actor: { type: 'System', id: 'redoubt' },
        action: query.action,
        resource: { type: 'System', id: 'policies' },
        outcome: 'failed',
        code: 'ERR_POLICY_ERROR',
        details: { principal: query.principal, resource: query.resource, ours: ours.effect, cedar: cedar?.effect ?? null },
      })
      .catch((error: unknown) => logger.error({ err: error }, 'the difference could not be recorded'))
  }
}

import { type AlertSink, asRedoubtError, type AuditSink } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { PolicyStore } from '#interfaces/api'
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

/**
 * Holds the policies that a server starts with to the invariants: a change is held to them before it takes effect, files that lay on the
 * disk were not. The server serves meanwhile; never rejects.
 */
export async function invariantAlarm({
  policies,
  alerts,
  logger,
}: {
  readonly policies: Pick<PolicyStore, 'demandInvariants'>
  readonly alerts: AlertSink
  readonly logger: Logger
}): Promise<void> {
  try {
    await policies.demandInvariants()
  } catch (thrown) {
    const { code, message, evidence } = asRedoubtError(thrown)
    logger.error({ code, evidence }, `the policies in force are not held by their invariants: ${message}`)
    alerts.raise({
      kind: 'policy.invariant-broken',
      severity: 'critical',
      summary: 'the policies in force break an invariant, or it could not be decided; see redoubt policy prove',
      subject: { type: 'System', id: 'policies' },
      key: 'policies',
      details: { code, invariant: evidence['invariant'] ?? null },
    })
  }
}

import type { RunningStreams } from '#gateway/pipeline'
import type { Alerts } from '#governance/alerts'
import type { PolicyStore } from '#interfaces/api'
import type { AuditLog } from '#trust/audit'
import type { KeyReconciliation, Keyring } from '#trust/keys'
import type { MetricsSource } from './metrics.ts'
import type { Readiness } from './readiness.ts'

/** What is read off the rooms at each scrape. */
export function metricsSource(of: {
  readonly log: Pick<AuditLog, 'health'>
  readonly streams: Pick<RunningStreams, 'size'>
  readonly keyring: Pick<Keyring, 'usage'>
  readonly reconciliation: KeyReconciliation
  readonly policies: Pick<PolicyStore, 'engine'>
  readonly readiness: Pick<Readiness, 'state'>
  readonly alerts: Pick<Alerts, 'health'>
}): MetricsSource {
  return {
    log: () => of.log.health(),
    runningRequests: () => of.streams.size,
    keyUses: () => ({ ...of.keyring.usage }),
    reconciliation: of.reconciliation,
    shadow: () => of.policies.engine.shadow,
    ready: () => of.readiness.state === 'ready',
    alerts: () => of.alerts.health(),
  }
}

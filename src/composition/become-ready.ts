import type { Datasets } from '#assets/datasets'
import type { Registry } from '#assets/registry'
import { type AlertSink, asRedoubtError, type AuditSink } from '#foundation/core'
import type { Database } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import type { ModelServer } from '#gateway/serving'
import type { PolicyStore } from '#interfaces/api'
import { invariantAlarm } from './policy-alarm.ts'
import type { Readiness } from './readiness.ts'
import { loadDeployedModels, makeStarterWorkspace } from './starter-workspace.ts'
import type { Surroundings } from './surroundings.ts'

interface ReadyParts extends Pick<Surroundings, 'starterRows' | 'beforeReady'> {
  readonly profile: 'development' | 'production'
  readonly database: Database
  readonly datasets: Datasets
  readonly registry: Registry
  readonly models: ModelServer
  readonly policies: PolicyStore
  readonly audit: AuditSink
  readonly alerts: AlertSink
  readonly logger: Logger
  readonly readiness: Readiness
  /** Begins what goes on by itself from then on. */
  readonly begin: () => void
}

/** Loads what is deployed while the server already answers, and says that it is ready. @throws {RedoubtError} when the starter workspace cannot be made. */
export async function becomeReady(parts: ReadyParts): Promise<void> {
  const { profile, datasets, registry, models, database, policies, audit, alerts, logger, readiness, starterRows } = parts
  try {
    await loadDeployedModels({ registry, models, audit, logger })
    if (profile === 'development')
      await makeStarterWorkspace({ datasets, registry, models, database, ...(starterRows === undefined ? {} : { rows: starterRows }) })
    parts.beforeReady?.()
    readiness.done()
    parts.begin()
    // Beside the first requests: it takes a core for seconds where there are policies of one's own.
    void invariantAlarm({ policies, alerts, logger })
  } catch (thrown) {
    readiness.failed(asRedoubtError(thrown))
    logger.error({ err: thrown }, 'the starter workspace could not be made')
    throw thrown
  }
}

import { type Datasets, openDatasets } from '#assets/datasets'
import { openPipelines, type Pipelines } from '#assets/pipelines'
import { openRegistry, type Registry } from '#assets/registry'
import type { AuditSink, Clock, LegalHolds } from '#foundation/core'
import type { Database, DurableFolder } from '#foundation/storage'
import { columnScanner, type ConfidentialStore, fingerprintKey, openConfidential, type Planner } from '#gateway/filters'
import type { AuditedKeys, Keyring } from '#trust/keys'
import type { Configuration } from './configuration.ts'

interface AssetParts {
  readonly database: Database<unknown>
  readonly objects: DurableFolder
  readonly keys: AuditedKeys
  readonly holds: LegalHolds
  readonly audit: AuditSink
  readonly clock: Clock
  readonly keyring: Pick<Keyring, 'sealer' | 'searchKey'>
  readonly plan: Planner
  readonly profile: Configuration['profile']
  readonly sought: Configuration['confidential']
}

interface Assets {
  readonly datasets: Datasets
  readonly registry: Registry
  readonly pipelines: Pipelines
  readonly confidential: ConfidentialStore
}

/** What lies in the house as objects and rows: data sets, models, pipelines, and what is registered as confidential. */
export async function openAssets({ keyring, plan, profile, sought, ...common }: AssetParts): Promise<Assets> {
  const { database, audit, clock } = common
  return {
    datasets: openDatasets({ ...common, sealer: keyring.sealer, scanner: columnScanner, environment: profile }),
    registry: openRegistry({ ...common, environment: profile }),
    pipelines: openPipelines({ database, audit, clock }),
    confidential: await openConfidential({
      ...common,
      key: fingerprintKey(keyring.searchKey),
      mode: sought.streams,
      boilerplate: sought.boilerplate,
      plan,
    }),
  }
}

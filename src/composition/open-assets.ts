import type { Collections } from '#assets/collections'
import { type Datasets, type ImportedVersion, openDatasets } from '#assets/datasets'
import { openPipelines, type Pipelines } from '#assets/pipelines'
import { openRegistry, type Registry } from '#assets/registry'
import { openTransforms, type RunAsk, runTransform, TransformRuns, type Transforms } from '#assets/transforms'
import type { AuditSink, Clock, LegalHolds } from '#foundation/core'
import type { Database, DurableFolder } from '#foundation/storage'
import { columnScanner, type ConfidentialStore, fingerprintKey, openConfidential, type Planner } from '#gateway/filters'
import type { AuditedKeys, Keyring } from '#trust/keys'
import type { Logger } from '#foundation/telemetry'
import { codeDigest } from './code-digest.ts'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import { derivedKey } from './derived-key.ts'
import { startCollections } from './start-collections.ts'

interface AssetParts {
  readonly database: Database
  readonly objects: DurableFolder
  /** Where they lie, for threads. */
  readonly objectsPath: string
  readonly keys: AuditedKeys
  readonly holds: LegalHolds
  readonly audit: AuditSink
  readonly clock: Clock
  readonly keyring: Pick<Keyring, 'sealer' | 'searchKey' | 'pseudonymKey' | 'signedBefore'>
  readonly plan: Planner
  readonly profile: Configuration['profile']
  readonly sought: Configuration['confidential']
  readonly logger: Logger
}

export interface Assets {
  readonly datasets: Datasets
  readonly collections: Collections
  readonly registry: Registry
  readonly pipelines: Pipelines
  readonly transforms: Transforms
  readonly transformRuns: TransformRuns
  runTransform(ask: RunAsk): Promise<ImportedVersion>
  readonly confidential: ConfidentialStore
}

/** What lies in the house as objects and rows: data sets, models, pipelines, and what is registered as confidential. */
export async function openAssets(
  { keyring, plan, profile, sought, logger, objectsPath, ...common }: AssetParts,
  closers: Closers,
): Promise<Assets> {
  const { database, audit, clock } = common
  const datasets = openDatasets({ ...common, sealer: keyring.sealer, scanner: columnScanner, environment: profile })
  const digestKey = derivedKey(keyring.searchKey, 'redoubt collected rows')
  const transforms = openTransforms({ database, audit, clock })
  const running = { datasets, transforms, keys: common.keys, audit, pseudonymKey: keyring.pseudonymKey, objectsPath }
  return {
    datasets,
    transforms,
    transformRuns: new TransformRuns(clock),
    runTransform: (ask) => runTransform(running, ask),
    collections: startCollections({ ...common, datasets, digestKey, codeDigest, environment: profile, logger }, closers),
    registry: openRegistry({
      ...common,
      environment: profile,
      signedBefore: keyring.signedBefore('model-signing'),
      madeOf: (name, version) => datasets.madeOf(name, version),
    }),
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

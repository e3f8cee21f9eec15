import type { AuditSink, Clock, EntityFacts } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Collections } from '#assets/collections'
import type { Datasets, ImportedVersion } from '#assets/datasets'
import type { Pipelines } from '#assets/pipelines'
import type { Registry } from '#assets/registry'
import type { RunAsk, TransformRuns, Transforms } from '#assets/transforms'
import type { ConfidentialStore, Vault } from '#gateway/filters'
import type { Limits } from '#gateway/limits'
import type { ModelServer } from '#gateway/serving'
import type { Conditions, LocalTime } from '#trust/conditions'
import type { Alerts } from '#governance/alerts'
import type { Exceptions } from '#governance/approvals'
import type { Erasures, Holds } from '#governance/erasure'
import type { Oversight } from '#governance/oversight'
import type { AuditLog } from '#trust/audit'
import type { Identity } from '#trust/identity'
import type { KeyReconciliation, KeyRotation, Keys, RootOfTrust } from '#trust/keys'
import type { PolicyStore } from './policy-store.ts'

/** The rooms that the control plane commands, tied in the composition root. */
export interface ControlPlane {
  readonly identity: Identity
  readonly policies: PolicyStore
  readonly audit: AuditSink
  readonly log: AuditLog
  readonly alerts: Alerts
  readonly exceptions: Exceptions
  readonly reviews: Oversight
  /** Days that an access review has, unless it is begun with others. */
  readonly accessReviewDays: number
  readonly keys: Keys
  readonly holds: Holds
  readonly erasures: Erasures
  /** Keyed pseudonym of a person. */
  pseudonym(subject: string): string
  readonly rotation: Pick<KeyRotation, 'run' | 'progress'>
  readonly reconciliation: Pick<KeyReconciliation, 'run'>
  readonly root: RootOfTrust
  readonly vault: Pick<Vault, 'restore'>
  /** Keys the digests of what models are asked, as of the calls themselves. */
  readonly digestKey: Uint8Array
  readonly datasets: Datasets
  readonly collections: Collections
  readonly pipelines: Pipelines
  readonly transforms: Transforms
  readonly transformRuns: TransformRuns
  /** As `runTransform` of the room, with what it needs of the house. */
  runTransform(ask: RunAsk): Promise<ImportedVersion>
  readonly confidential: ConfidentialStore
  readonly registry: Registry
  readonly models: ModelServer
  readonly limits: Pick<Limits, 'take'>
  readonly clock: Clock
  readonly localTime: LocalTime
  readonly conditions: Conditions
  readonly logger: Logger
  readonly profile: 'development' | 'production'
  readonly version: string
  /** How long a JSON body may take to arrive. */
  readonly bodyTimeoutMs: number
  /** Language-model endpoints, as policies see them. */
  readonly endpoints: readonly EntityFacts[]
  /** What `redoubt doctor` cannot see from outside; names and states, no secrets. */
  status(): Promise<Readonly<Record<string, unknown>>>
  /** Makes a handshake with each connection that the server has: what protects it; no secrets. */
  legs(): Promise<readonly object[]>
}

import type { KeyObject } from 'node:crypto'
import type { AuditSink, RowCondition } from '#foundation/core'
import { pseudonymOf } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import {
  type DatasetVersion,
  readElsewhere,
  type RowAccess,
  type SealedVersion,
  sealVersion,
  type VersionFacts,
  type VersionPlace,
} from '#assets/datasets'
import type { Keys, KeyUse } from '#trust/keys'
import { applySteps, type StepTally } from './apply-steps.ts'
import type { TransformDefinition } from './definition.ts'
import type { JoinBounds } from './join-index.ts'
import { planOf, type SourceFacts } from './plan.ts'

export interface WorkSource {
  readonly version: DatasetVersion
  readonly facts: SourceFacts
  readonly use: KeyUse
  /** The condition on rows stands beside it, in its portable form. */
  readonly access: Omit<RowAccess, 'rows'>
  readonly condition: unknown
}

/** What a thread is given: no key that opens or seals rows, no row. */
export interface TransformWork {
  readonly id: string
  readonly use: KeyUse
  readonly definition: TransformDefinition
  readonly sources: readonly WorkSource[]
  readonly facts: VersionFacts
  readonly pseudonymKey: KeyObject
  readonly bounds: JoinBounds
}

/** What a thread asks of the house. */
export interface WorkPorts {
  readonly objects: DurableFolder
  readonly keys: Pick<Keys, 'generateDataKey' | 'unwrap'>
  readonly audit: AuditSink
  readonly place: () => Promise<VersionPlace>
  readonly revive: (condition: unknown) => Promise<RowCondition>
  readonly progress: (rows: number) => void
}

export interface WorkDone {
  readonly sealed: SealedVersion
  readonly steps: readonly StepTally[]
  /** Of each source: rows that were read and admitted, and for which a policy could not be evaluated. */
  readonly sources: readonly { readonly read: number; readonly admitted: number; readonly failed: number }[]
}

/**
 * Opens the sources, takes their rows through the steps, and seals what comes out: all that has rows in clear.
 * @throws {RedoubtError} `ERR_TRANSFORM_…`; as `readElsewhere` and `sealVersion`.
 */
export async function transformWork(work: TransformWork, ports: WorkPorts): Promise<WorkDone> {
  const { id, use, facts, pseudonymKey } = work
  const plan = planOf(
    work.definition,
    work.sources.map((source) => source.facts),
  )
  const readings = []
  for (const { version, use: reading, access, condition } of work.sources) {
    const rows = condition === null ? null : await ports.revive(condition)
    readings.push(readElsewhere(ports, version, reading, { ...access, rows }))
  }
  const steps: StepTally[] = []
  const rows = applySteps(plan, readings, steps, work.bounds)
  const sealer = { pseudonym: (subject: string) => pseudonymOf(pseudonymKey, subject) }
  const bytes = (): number => work.sources.reduce((sum, { version }) => sum + version.bytes, 0)
  const sealed = await sealVersion({ ...ports, sealer }, rows, { id, use, place: ports.place }, facts, { bytes, progress: ports.progress })
  return { sealed, steps, sources: readings.map(({ tally }) => ({ ...tally })) }
}

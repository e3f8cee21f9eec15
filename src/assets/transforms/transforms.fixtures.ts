/** Transforms over real files and the thread, with keys in memory and a log that can be looked at. */
import { createSecretKey } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEvent, type AuditSink, ManualClock, RedoubtError } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { type Datasets, type DatasetVersion, EVERY_ROW_WHOLE, type ImportedVersion, openDatasets, type RowAccess } from '#assets/datasets'
import { memoryKeys, memorySealer, noHolds } from '../../../test/evaluation/memory-datasets.ts'
import { checkedTransform, sourcesOf } from './definition.ts'
import type { SourceFacts } from './plan.ts'
import { type RunAsk, type RunPorts, runTransform } from './run-transform.ts'
import { openTransforms, type Transforms } from './transforms.ts'

export const ADA = { type: 'ServiceAccount', id: 'ada' }

export interface World {
  readonly folder: string
  readonly datasets: Datasets
  readonly transforms: Transforms
  readonly events: AuditEvent[]
  readonly keyLog: string[]
  readonly ports: RunPorts
  /** What the log refuses. */
  refuses: (event: AuditEvent) => boolean
  add(name: string, csv: string, change?: object): Promise<DatasetVersion>
  /** Saves and runs. @param access of each source by name. */
  run(
    definition: object,
    access?: Readonly<Record<string, RowAccess>>,
    ask?: Partial<RunAsk>,
    ports?: Partial<RunPorts>,
  ): Promise<ImportedVersion>
  rows(name: string): Promise<Record<string, number | string | null>[]>
  close(): void
}

export function factsOf(datasets: Pick<Datasets, 'scan'>, version: DatasetVersion, change: Partial<SourceFacts> = {}): SourceFacts {
  const { name, columns, subject, sensitivity, purposes, legalBasis } = version
  return { name, columns, masked: [], subject, sensitivity, purposes, legalBasis, scan: datasets.scan(version), ...change }
}

export function openWorld(): World {
  const folder = mkdtempSync(join(tmpdir(), 'redoubt-transforms-'))
  const database = openDatabase(':memory:')
  const events: AuditEvent[] = []
  const keyLog: string[] = []
  const world = { refuses: (_event: AuditEvent): boolean => false }
  const audit: AuditSink = {
    async record(event) {
      if (world.refuses(event)) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
      events.push(event)
      return { index: events.length - 1, leafHash: '' }
    },
  }
  const keys = memoryKeys((use) => keyLog.push(use))
  const clock = new ManualClock(1_700_000_000_000)
  const objectsPath = join(folder, 'objects')
  const datasets = openDatasets({ database, objects: nodeFolder(objectsPath), keys, audit, clock, sealer: memorySealer, holds: noHolds, environment: 'development' }) // prettier-ignore
  const transforms = openTransforms({ database, audit, clock })
  const ports: RunPorts = { datasets, transforms, keys, audit, pseudonymKey: createSecretKey(Buffer.from('test')), objectsPath }
  let saved = 0
  return Object.assign(world, {
    folder,
    datasets,
    transforms,
    events,
    keyLog,
    ports,
    async add(name: string, csv: string, change: object = {}) {
      async function* source(): AsyncGenerator<Uint8Array> {
        yield Buffer.from(csv)
      }
      return datasets.import(source(), { name, sensitivity: 'internal', purposes: ['care'], legalBasis: 'contract', by: ADA, ...change })
    },
    async run(
      written: object,
      access: Readonly<Record<string, RowAccess>> = {},
      ask: Partial<RunAsk> = {},
      change: Partial<RunPorts> = {},
    ) {
      const definition = checkedTransform(written)
      const transform = await transforms.save({ name: `t${++saved}`, definition, replaces: null, by: ADA })
      const sources = sourcesOf(definition).map(({ dataset, version: number }) => {
        const version = datasets.get(dataset, number)!
        const own = access[dataset] ?? { ...EVERY_ROW_WHOLE, action: 'transform' }
        const use = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: dataset } }
        const { columns, masked } = datasets.read(version, use, own)
        return { version, facts: factsOf(datasets, version, { columns, masked }), access: own, use }
      })
      return runTransform({ ...ports, ...change }, { transform, run: `run_${saved}`, sources, by: ADA, ...ask })
    },
    async rows(name: string) {
      const rows: Record<string, number | string | null>[] = []
      const use = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: name } }
      for await (const group of datasets.read(datasets.get(name)!, use, EVERY_ROW_WHOLE))
        for (let row = 0; row < group.rows; row++)
          rows.push(Object.fromEntries(group.columns.map(({ name: column, values }) => [column, Number.isNaN(values[row]) ? null : (values[row] ?? null)]))) // prettier-ignore
      return rows
    },
    close() {
      rmSync(folder, { recursive: true, force: true })
    },
  })
}

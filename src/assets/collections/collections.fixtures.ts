/** Collections over a folder in memory that loses what was not synced, and what they did. */
import { type AuditEvent, type AuditSink, type LegalHolds, ManualClock, RedoubtError } from '#foundation/core'
import { type Database, MemoryFolder, openDatabase } from '#foundation/storage'
import { type Datasets, openDatasets, type RowGroup } from '#assets/datasets'
import { memoryKeys, memorySealer } from '../../../test/evaluation/memory-datasets.ts'
import { openCollections } from './collections.ts'
import type { Collections } from './contract.ts'
import { rowsOfObjects } from './row-batch.ts'
import { APP, COLUMNS, USE, type Visit, visit } from './visits.fixtures.ts'

export class World {
  database: Database = openDatabase(':memory:')
  objects: MemoryFolder
  readonly keys = memoryKeys()
  readonly events: AuditEvent[] = []
  readonly clock = new ManualClock(1_700_000_000_000)
  auditFails: (event: AuditEvent) => boolean = () => false
  /** Called before an event is recorded: what happens meanwhile. */
  meanwhile: (event: AuditEvent) => Promise<void> = async () => undefined
  /** Pseudonyms of people under a legal hold. */
  held: readonly string[] = []
  datasets!: Datasets
  collections!: Collections

  constructor(objects = new MemoryFolder()) {
    this.objects = objects
    this.start()
  }

  /** Opens the rooms over what is there, as after a start. */
  start(): void {
    const audit: AuditSink = {
      record: async (event) => {
        await this.meanwhile(event)
        if (this.auditFails(event)) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
        return { index: this.events.push(event) - 1, leafHash: '' }
      },
    }
    const { database, objects, keys, clock } = this
    const common = { database, objects, keys, clock, audit, environment: 'development' } as const
    const holds: LegalHolds = {
      heldSubjects: () => this.held,
      demandNone: ({ pseudonym }) => {
        if (pseudonym !== undefined && this.held.includes(pseudonym)) throw new RedoubtError('ERR_LEGAL_HOLD')
      },
    }
    this.datasets = openDatasets({ ...common, sealer: memorySealer, holds })
    this.collections = openCollections({
      ...common,
      datasets: this.datasets,
      holds,
      digestKey: new Uint8Array(32).fill(7),
      codeDigest: async () => 'c0de',
    })
  }

  append(visits: readonly Visit[], key?: string): Promise<{ readonly batch: string; readonly rows: number; readonly known: boolean }> {
    const rows = rowsOfObjects(visits, COLUMNS)
    return this.collections.append('visits', { rows, bytes: JSON.stringify(visits).length, key, by: APP, purpose: 'care' })
  }

  async rows(version?: number): Promise<Visit[]> {
    const found = this.datasets.get('visits', version)
    if (!found) return []
    const rows: Visit[] = []
    for await (const group of this.datasets.read(found, USE, { action: 'test', rows: null, masks: {} })) rows.push(...visitsOf(group))
    return rows
  }
}

function visitsOf(group: RowGroup): Visit[] {
  const [patient, age, weight] = group.columns
  const number = (value: unknown): number | null => (typeof value === 'number' && !Number.isNaN(value) ? value : null)
  return Array.from({ length: group.rows }, (_, row) => ({
    patient: String(patient!.values[row]),
    age: number(age!.values[row]),
    weight: number(weight!.values[row]),
  }))
}

export const visits = (count: number, from = 0): Visit[] => Array.from({ length: count }, (_, i) => visit(from + i))

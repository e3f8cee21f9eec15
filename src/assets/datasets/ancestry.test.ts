import { beforeEach, describe, expect, it } from 'vitest'
import { type AuditEvent, type LegalHolds, ManualClock, RedoubtError } from '#foundation/core'
import { type Database, MemoryFolder, migrate, openDatabase } from '#foundation/storage'
import { memoryKeys, memorySealer as sealer, someone, someUse } from '../../../test/evaluation/memory-datasets.ts'
import { ANCESTRY_MIGRATION, openAncestry } from './ancestry.ts'
import { type Datasets, openDatasets } from './datasets.ts'
import type { DatasetVersion, RowGroup } from './dataset-version.ts'

let events: AuditEvent[]
/** The data set that is under a hold. */
let held: string | null
/** Called when an event is put on record. */
let recorded: (type: string) => void
let datasets: Datasets

beforeEach(() => {
  events = []
  held = null
  recorded = () => undefined
  const holds: LegalHolds = {
    demandNone({ dataset, madeOf = [] }) {
      if (held !== null && (dataset === held || madeOf.includes(held))) throw new RedoubtError('ERR_LEGAL_HOLD', `held by ${held}`)
    },
    heldSubjects: () => [],
  }
  const audit = {
    async record(event: AuditEvent) {
      events.push(event)
      recorded(event.type)
      return { index: events.length - 1, leafHash: '' }
    },
  }
  const [database, objects, keys] = [openDatabase(':memory:'), new MemoryFolder(), memoryKeys()]
  datasets = openDatasets({ database, objects, keys, audit, clock: new ManualClock(1), sealer, holds, environment: 'development' })
})

const COLUMNS = [
  { name: 'who', type: 'text' },
  { name: 'age', type: 'integer' },
] as const
async function* rows(): AsyncGenerator<RowGroup> {
  yield {
    rows: 2,
    columns: [
      { name: 'who', type: 'text', values: ['ann', 'bob'] },
      { name: 'age', type: 'integer', values: Float64Array.from([1, 2]) },
    ],
  }
}
/** A version of rows that came of others, or that goes on from another. */
const write = (name: string, of: readonly DatasetVersion[] = [], after?: DatasetVersion): Promise<DatasetVersion> =>
  datasets.write(rows(), {
    name,
    columns: COLUMNS,
    subject: 'who',
    sensitivity: 'internal',
    purposes: ['testing'],
    legalBasis: 'contract',
    by: someone,
    event: 'data.transform',
    details: () => ({}),
    bytes: () => 1,
    after,
    ...(of.length === 0
      ? {}
      : {
          derivedFrom: {
            transform: { name: 't', version: 1, digest: 'a'.repeat(64) },
            sources: of.map(({ name: source, version, digest }) => ({ name: source, version, digest })),
            codeDigest: 'c'.repeat(64),
            person: someone,
          },
        }),
  })
const outcome = (ended: Promise<unknown>): Promise<string> =>
  ended.then(
    () => 'done',
    (error: RedoubtError) => error.code,
  )

describe('what rows came of (A1, B7)', () => {
  it('is known through all that was made in between, also of what is gone', async () => {
    const first = await write('first')
    const other = await write('other')
    const second = await write('second', [first])
    await write('third', [second, other])
    expect(['first', 'second', 'third'].map((name) => datasets.madeOf(name))).toEqual([[], ['first'], ['first', 'other', 'second']])
    await datasets.remove('second', someUse)
    // Of the name there is nothing; what was made of it, or learned from it, came of what it came of.
    expect([datasets.madeOf('second'), datasets.madeOf('second', 1)]).toEqual([[], ['first']])
    expect(datasets.madeOf('third')).toEqual(['first', 'other', 'second'])
    // Under the same name other rows came.
    await write('second', [other])
    expect([datasets.madeOf('second'), datasets.madeOf('second', 1), datasets.madeOf('second', 2)]).toEqual([
      ['other'],
      ['first'],
      ['other'],
    ])
  })

  it('goes on with the versions that take a version’s rows along', async () => {
    const first = await write('first')
    const grown = await write('grown', [first])
    await write('grown', [], grown)
    expect([datasets.madeOf('grown', 2), datasets.madeOf('grown')]).toEqual([['first'], ['first']])
  })

  it('is a hold on each of them: nothing that was made of their rows is erased, removed or shredded, whenever it was made', async () => {
    const second = await write('second', [await write('first')])
    held = 'first'
    await write('third', [second])
    const outcomes = (name: string): Promise<string[]> =>
      Promise.all(
        [
          datasets.eraseSubject(name, { pseudonym: sealer.pseudonym('ann'), erasure: `er_${name}` }, someUse),
          datasets.remove(name, someUse),
          datasets.shred(name, 'er_2', someUse),
        ].map(outcome),
      )
    for (const name of ['second', 'third']) expect(await outcomes(name)).toEqual(['ERR_LEGAL_HOLD', 'ERR_LEGAL_HOLD', 'ERR_LEGAL_HOLD'])
    expect(datasets.list().map(({ name, rows: count }) => [name, count])).toEqual([
      ['first', 2],
      ['second', 2],
      ['third', 2],
    ])
    expect(events.filter(({ type }) => ['data.erase', 'data.remove', 'data.shred'].includes(type))).toEqual([])
    // A hold on what was made holds nothing that it was made of.
    held = 'third'
    expect(await outcome(datasets.remove('first', someUse))).toBe('done')
    held = null
    expect(await outcome(datasets.remove('third', someUse))).toBe('done')
  })

  it('is asked once more when a removal is on record: one that was set meanwhile counts, and the record says so', async () => {
    await write('second', [await write('first')])
    recorded = (type) => {
      if (type === 'data.remove') held = 'first'
    }
    expect(await outcome(datasets.remove('second', someUse))).toBe('ERR_LEGAL_HOLD')
    expect(datasets.get('second')?.rows).toBe(2)
    expect(events.filter(({ type }) => type === 'data.remove').map(({ outcome: ended, code }) => [ended, code])).toEqual([
      ['success', undefined],
      ['failed', 'ERR_LEGAL_HOLD'],
    ])
  })
})

describe('what policies know of it (B1)', () => {
  it('is each source with its own, as it is said to be, or as what was made of it where it is gone', async () => {
    const second = await write('second', [await write('first')])
    const [first] = datasets.facts(second).madeOf ?? []
    expect(first).toBe(datasets.facts(datasets.get('first')!))
    expect(first).not.toHaveProperty('madeOf')
    const [third, fourth] = [await write('third', [second]), await write('fourth', [second])]
    expect(datasets.facts(third).madeOf).toEqual([datasets.facts(second)])
    await datasets.remove('first', someUse)
    await datasets.remove('second', someUse)
    expect(datasets.facts(fourth).madeOf).toMatchObject([
      { id: 'second', attributes: { sensitivity: 1, purposes: ['testing'] }, madeOf: [{ id: 'first' }] },
    ])
  })
})

describe('a catalogue from before', () => {
  it('learns of what its versions came, chains of them too', () => {
    const database: Database = openDatabase(':memory:')
    database.raw.exec(
      `CREATE TABLE datasets (id TEXT PRIMARY KEY, name TEXT, version INTEGER);
       CREATE TABLE dataset_derivations (id TEXT PRIMARY KEY, derived_from TEXT)`,
    )
    const add = (id: string, name: string, version: number, sources: readonly [string, number][]): void => {
      database.raw.prepare('INSERT INTO datasets VALUES (?, ?, ?)').run(id, name, version)
      const from = { sources: sources.map(([source, number]) => ({ name: source, version: number, digest: 'd' })) }
      if (sources.length > 0) database.raw.prepare('INSERT INTO dataset_derivations VALUES (?, ?)').run(id, JSON.stringify(from))
    }
    add('1', 'first', 1, [])
    add('2', 'second', 1, [['first', 1]])
    add('3', 'second', 2, [['gone', 4]])
    add('4', 'third', 1, [['second', 1], ['second', 2]]) // prettier-ignore
    // A set that is made of itself again and again ends, too.
    add('5', 'third', 2, [['third', 1]])
    migrate(database, 'test', [ANCESTRY_MIGRATION])
    const ancestry = openAncestry(database)
    expect(ancestry.ofVersion({ name: 'first', version: 1 })).toEqual([])
    expect(ancestry.ofVersion({ name: 'second', version: 2 })).toEqual(['gone'])
    expect(ancestry.ofVersion({ name: 'third', version: 1 })).toEqual(['first', 'gone', 'second'])
    expect(ancestry.ofName('third')).toEqual(['first', 'gone', 'second', 'third'])
  })
})

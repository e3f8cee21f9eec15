import { describe, expect, it } from 'vitest'
import type { ColumnMask, DataScan, RowCondition } from '#foundation/core'
import type { DatasetVersion } from './dataset-version.ts'
import { visibleScan, visibleVersion } from './visible-version.ts'

const version: DatasetVersion = {
  id: 'ds_1',
  name: 'people',
  version: 1,
  digest: 'd',
  rows: 120,
  bytes: 4_000,
  groups: 1,
  erasures: 0,
  columns: [
    { name: 'who', type: 'text', nullable: false },
    { name: 'age', type: 'integer', nullable: false },
    { name: 'late', type: 'integer', nullable: true },
  ],
  label: 'late',
  subject: 'who',
  sensitivity: 'confidential',
  purposes: ['p'],
  legalBasis: 'contract',
  createdAt: 1,
}
const some: RowCondition = { digest: 'c', columns: [], admits: () => true }
const access = (masks: Record<string, ColumnMask> = {}, rows: RowCondition | null = null) => ({ rows, masks })
const names = (...accesses: Parameters<typeof visibleVersion>[1]) => visibleVersion(version, accesses).columns.map(({ name }) => name)

describe('what may be known of a data set (B2)', () => {
  it('is all of it where nothing is kept back, masks included', () => {
    expect(visibleVersion(version, [access()])).toEqual(version)
    expect(visibleVersion(version, [access({ default: 'redact', age: 'coarse' })])).toEqual(version)
  })

  it('is no column that every act hides, by name or by default, nor that it is label or subject', () => {
    expect(names(access({ age: 'hide' }))).toEqual(['who', 'late'])
    expect(names(access({ default: 'hide', age: 'keep' }))).toEqual(['age'])
    expect(visibleVersion(version, [access({ default: 'hide', age: 'keep' })])).toMatchObject({ label: null, subject: null })
    expect(names(access({ age: 'hide', late: 'hide' }), access({ age: 'hide', who: 'hide' }))).toEqual(['who', 'late'])
  })

  it('is no number of rows, no size and no missing value where every act is of some rows only', () => {
    const seen = visibleVersion(version, [access({}, some), access({}, some)])
    expect(seen).toMatchObject({ rows: null, bytes: null, groups: null })
    expect(new Set(seen.columns.map(({ nullable }) => nullable))).toEqual(new Set([true]))
    expect(visibleVersion(version, [access({}, some), access()])).toEqual(version)
  })
})

describe('what may be known of what was found (B2)', () => {
  const scan: DataScan = {
    rows: 120,
    isSample: false,
    sensitivity: 'restricted',
    categories: ['health'],
    subject: 'who',
    columns: [
      { name: 'who', values: 120, entities: [{ entity: 'PERSON', values: 120, share: 1 }], categories: [], sensitivity: 'confidential' },
      { name: 'age', values: 120, entities: [], categories: ['health'], sensitivity: 'restricted' },
    ],
  }

  it('is all of it where every row and column is seen whole', () => {
    expect(visibleScan(scan, version, [access()])).toEqual(scan)
    expect(visibleScan(null, version, [access()])).toBeNull()
  })

  it('is nothing where policies let some rows be seen only: counts over all would tell of the others', () => {
    expect(visibleScan(scan, version, [access({}, some)])).toBeNull()
    expect(visibleScan(scan, version, [])).toBeNull()
  })

  it('is nothing of a column that is masked or hidden, nor of the whole by way of it', () => {
    for (const mask of ['redact', 'hide', 'coarse'] as const) {
      expect(visibleScan(scan, version, [access({ age: mask }), access({}, some)])).toMatchObject({
        sensitivity: 'confidential',
        categories: [],
        subject: 'who',
        columns: [{ name: 'who' }],
      })
      expect(visibleScan(scan, version, [access({ who: mask })])).toMatchObject({ subject: null, columns: [{ name: 'age' }] })
    }
  })
})

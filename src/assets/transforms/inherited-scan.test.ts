import { describe, expect, it } from 'vitest'
import type { DataScan } from '#foundation/core'
import { checkedTransform } from './definition.ts'
import { inheritedScan } from './inherited-scan.ts'
import { planOf, type SourceFacts } from './plan.ts'

const column = (name: string, change: Partial<DataScan['columns'][number]> = {}): DataScan['columns'][number] => ({ name, values: 10, entities: [], categories: [], sensitivity: 'internal', ...change }) // prettier-ignore
const scanOf = (rows: number, ...columns: DataScan['columns']): DataScan => ({
  rows,
  isSample: false,
  sensitivity: 'restricted',
  categories: [...new Set(columns.flatMap(({ categories }) => categories))],
  subject: null,
  columns,
})
const base: SourceFacts = { name: 'visits', columns: [{ name: 'patient', type: 'text' }, { name: 'note', type: 'text' }, { name: 'age', type: 'integer' }], masked: [], subject: 'patient', sensitivity: 'confidential', purposes: ['care', 'research', 'billing'], legalBasis: 'contract', scan: null } // prettier-ignore
const visits: SourceFacts = {
  ...base,
  scan: scanOf(40, column('patient', { sensitivity: 'confidential' }), column('note', { categories: ['health'], sensitivity: 'restricted', entities: [{ entity: 'EMAIL_ADDRESS', share: 0.2, values: 2 }] }), column('age')), // prettier-ignore
}
const wards: SourceFacts = {
  ...base,
  name: 'wards',
  columns: [{ name: 'id', type: 'integer' }, { name: 'faith', type: 'text' }], // prettier-ignore
  subject: null,
  sensitivity: 'restricted',
  purposes: ['research', 'care'],
  scan: scanOf(7, column('id'), column('faith', { categories: ['religion'], entities: [{ entity: 'EMAIL_ADDRESS', share: 0.6, values: 6 }] })), // prettier-ignore
}
const planned = (steps: readonly object[], sources: readonly SourceFacts[]) =>
  planOf(checkedTransform({ from: 'visits', steps, to: { dataset: 'made' } }), sources)
const JOIN = { join: { with: 'wards', on: { age: 'id' }, take: ['faith'] } }

describe('what is made of several data sets (B1, B7)', () => {
  it('is as sensitive as the most sensitive of them, for the purposes that all have, on their one basis, about the same people', () => {
    const plan = planned([JOIN], [visits, wards])
    expect(plan).toMatchObject({ sensitivity: 'restricted', purposes: ['care', 'research'], legalBasis: 'contract', subject: 'patient' })
    // Whichever of them is the more sensitive one.
    expect(planned([JOIN], [{ ...visits, sensitivity: 'restricted' }, { ...wards, sensitivity: 'public' }]).sensitivity).toBe('restricted') // prettier-ignore
    // A joined data set whose columns are not taken still decides which rows there are.
    expect(planned([{ join: { ...JOIN.join, take: [] } }], [visits, wards]).sensitivity).toBe('restricted')
  })

  it('keeps what is masked masked, by whichever name it comes out', () => {
    const plan = planned([JOIN, { select: ['patient', { column: 'faith', as: 'f' }] }], [visits, { ...wards, masked: ['faith'] }])
    expect(plan.columns.map(({ name, masked }) => [name, masked])).toEqual([['patient', false], ['f', true]]) // prettier-ignore
  })

  it('has the special categories of all of them, also of columns that are not there any more', () => {
    const plan = planned([JOIN, { filter: 'contains(note, "x")' }, { select: ['patient', 'age'] }], [visits, wards])
    const scan = inheritedScan(plan, [visits, wards])!
    expect([...scan.categories].sort()).toEqual(['health', 'religion'])
    expect(scan.columns.map(({ name, categories, sensitivity }) => [name, categories, sensitivity])).toEqual([
      ['patient', [], 'confidential'],
      ['age', [], 'internal'],
    ])
    expect(scan).toMatchObject({ rows: 40, isSample: true, subject: 'patient' })
  })

  it('has in each column what was found in all that it is made of, the most of each', () => {
    const plan = planned([JOIN, { derive: { both: 'concat(note, faith)' } }], [visits, wards])
    const both = inheritedScan(plan, [visits, wards])!.columns.find(({ name }) => name === 'both')!
    expect([...both.categories].sort()).toEqual(['health', 'religion'])
    expect(both.entities).toMatchObject([{ entity: 'EMAIL_ADDRESS', share: 0.6 }])
    expect(both.sensitivity).toBe('restricted')
  })

  it('is said to be unknown only where nothing looked at any of them', () => {
    const plan = planned([JOIN], [base, wards])
    expect(inheritedScan(plan, [base, { ...wards, scan: null }])).toBeNull()
    expect(inheritedScan(plan, [base, wards])!.categories).toEqual(['religion'])
  })
})

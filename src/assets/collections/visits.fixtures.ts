/** What is collected in tests. */
import type { KeyUse } from '#trust/keys'
import type { CollectedColumn, CreateCollection } from './collection.ts'

export const APP = { type: 'ServiceAccount', id: 'app' }
export const MAKER = { type: 'User', id: 'maker' }
export const USE: KeyUse = { principal: MAKER, purpose: 'care', resource: { type: 'Dataset', id: 'visits' } }
export const COLUMNS: readonly CollectedColumn[] = [
  { name: 'patient', type: 'text', nullable: false },
  { name: 'age', type: 'integer', nullable: true },
  { name: 'weight', type: 'real', nullable: true },
]
export const VISITS: CreateCollection = {
  name: 'visits',
  columns: COLUMNS,
  subject: 'patient',
  sensitivity: 'restricted',
  purposes: ['care'],
  legalBasis: 'contract',
  collectors: ['app'],
  cutHours: null,
  by: MAKER,
}

export interface Visit {
  readonly patient: string
  readonly age?: number | null
  readonly weight?: number | null
}

export const visit = (n: number): Visit => ({ patient: `patient-${n}`, age: n % 90, weight: n / 4 })

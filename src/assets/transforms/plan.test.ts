import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import type { RowGroup } from '#assets/datasets'
import { applySteps } from './apply-steps.ts'
import { checkedTransform, MAX_SOURCES, sourcesOf } from './definition.ts'
import { planOf, type SourceFacts } from './plan.ts'

const base: SourceFacts = { name: '', columns: [], masked: [], subject: null, sensitivity: 'internal', purposes: ['care', 'research'], legalBasis: 'contract', scan: null } // prettier-ignore
const visits: SourceFacts = {
  ...base,
  name: 'visits',
  columns: [
    { name: 'patient', type: 'text' },
    { name: 'age', type: 'integer' },
    { name: 'weight', type: 'real' },
    { name: 'income', type: 'integer' },
  ],
  masked: ['income'],
  subject: 'patient',
  sensitivity: 'confidential',
}
const SOURCES: Readonly<Record<string, SourceFacts>> = {
  visits,
  wards: { ...base, name: 'wards', columns: [{ name: 'id', type: 'integer' }, { name: 'title', type: 'text' }] }, // prettier-ignore
  others: { ...visits, name: 'others', masked: [], purposes: ['care'] },
  sold: { ...base, name: 'sold', columns: [{ name: 'id', type: 'integer' }], purposes: ['marketing'] },
  consented: { ...base, name: 'consented', columns: [{ name: 'id', type: 'integer' }], legalBasis: 'consent' },
  nobody: { ...visits, name: 'nobody', masked: ['patient'] },
}
const plan = (written: unknown) => {
  const definition = checkedTransform(written)
  return planOf(
    definition,
    sourcesOf(definition).map(({ dataset }) => SOURCES[dataset]!),
  )
}
const of = (steps: readonly unknown[], to: object = {}, from = 'visits') => ({ from, steps, to: { dataset: 'made', ...to } })
const joined = (change: object) => of([{ join: { with: 'wards', on: { age: 'id' }, take: ['title'], ...change } }])
const all = [{ filter: 'true' }]

describe('a definition that is not sound (A9)', () => {
  it.each([
    ['an unknown member', { ...of(all), colour: 'red' }, 'the definition: Unrecognized key: "colour"'],
    ['an unknown step', of([{ sort: ['age'] }]), 'steps.0: `sort` is not known here'],
    ['two steps in one', of([{ filter: 'true', select: ['patient'] }]), 'steps.0: Unrecognized key: "select"'],
    ['no step', of([]), 'steps: Too small: expected array to have >=1 items'],
    ['too many steps', of(Array.from({ length: 33 }, () => ({ filter: 'true' }))), 'steps: Too big: expected array to have <=32 items'],
    ['too many sources', of(Array.from({ length: MAX_SOURCES }, () => joined({}).steps[0])), 'a transform reads at most 8 data sets'],
    ['a target that is read', of(all, { dataset: 'visits' }), 'to.dataset: a transform does not write into what it reads'],
    ['a target that is joined', { ...joined({}), to: { dataset: 'wards' } }, 'to.dataset: a transform does not write into what it reads'],
    ['a name that leads elsewhere', of(all, { dataset: '../made' }), 'to.dataset: a name of a data set'],
    ['no definition', null, 'the definition: Invalid input'],
    ['an expression that is none', of([{ derive: { old: 'age >' } }]), 'steps.0.derive.old: the end of the expression is not expected here'],
    ['a column that is not there', of([{ select: ['patient'] }, { filter: 'age > 1' }]), 'steps.1.filter: there is no column `age` at this step'],
    ['types that do not fit', of([{ filter: 'age = "old"' }]), 'steps.0.filter: `=` compares integer with text'],
    ['a filter that is no condition', of([{ filter: 'age' }]), 'steps.0.filter: a filter is true or false, and this is integer'],
    ['a column of truth values', of([{ derive: { old: 'age > 60' } }]), 'steps.0.derive.old: a column holds numbers or texts; write `if(…, 1, 0)`'],
    ['a column without a type', of([{ derive: { none: 'missing' } }]), 'steps.0.derive.none: a column of nothing but missing values has no type'],
    ['a derived column whose name there is', of([{ derive: { age: '1' } }]), 'steps.0.derive: there would be two columns `age`'],
    ['a selected name twice', of([{ select: ['patient', { column: 'age', as: 'patient' }] }]), 'steps.0.select: there would be two columns `patient`'],
    ['a joined name twice', joined({ take: [{ column: 'title', as: 'age' }] }), 'steps.0.join: there would be two columns `age`'],
    ['a name of blanks', of([{ derive: { ' ': '1' } }]), 'steps.0.derive: a column has no name'],
    ['the subject dropped', of([{ select: ['age'] }]), 'steps.0.select: keep the column `patient`, once'],
    ['the subject twice', of([{ select: ['patient', { column: 'patient', as: 'again' }] }]), 'steps.0.select: keep the column `patient`, once'],
    ['a joined subject left out', of([{ join: { with: 'others', on: { id: 'age' }, take: ['weight'] } }], {}, 'wards'), 'steps.0.join: take the column `patient`, once'],
    ['people joined on something else', of([{ join: { with: 'others', on: { age: 'age' }, take: [] } }]), 'steps.0.join: both sides are about people, so they are joined on them: `patient: patient`'],
    ['a subject that is masked', of(all, {}, 'nobody'), 'from: whom the rows of `nobody` are about is kept from you'],
    ['a masked column in a filter', of([{ filter: 'income > 1' }]), 'steps.0.filter: the column `income` is masked for you'],
    ['a masked column renamed and used', of([{ select: ['patient', { column: 'income', as: 'x' }] }, { derive: { y: 'x' } }]), 'steps.1.derive.y: the column `x` is masked for you'],
    ['a masked column in a branch that is not taken', of([{ filter: 'if(true, true, missing(income))' }]), 'the column `income` is masked for you'],
    ['a join on a masked column', joined({ on: { income: 'id' } }), 'steps.0.join: `income` and `id`: nothing is joined on a column that is masked for you'],
    ['a join of text and number', joined({ on: { patient: 'id' } }), 'steps.0.join: `patient` is text and `id` is integer'],
    ['a joined column that is not there', joined({ take: ['beds'] }), 'steps.0.join: there is no column `beds` in `wards`'],
    ['a lower sensitivity', of(all, { sensitivity: 'internal' }), 'to.sensitivity: the sources are `confidential`, and what is made of them is no less'],
    ['a purpose that a source has not', of([{ join: { with: 'others', on: { patient: 'patient' }, take: [] } }], { purposes: ['research'] }), 'to.purposes: not all sources were collected for `research`'],
    ['no purpose in common', joined({ with: 'sold', take: [] }), 'the sources were collected for no purpose in common'],
    ['two legal bases', joined({ with: 'consented', take: [] }), 'the sources were collected on different legal bases: contract, consent'],
    ['another legal basis', of(all, { legalBasis: 'consent' }), 'to.legalBasis: the sources were collected on `contract`'],
    ['a label that does not come out', of([{ select: ['patient'] }], { label: 'age' }), 'to.label: no column `age` comes out'],
    ['a person for a label', of(all, { label: 'patient' }), 'to.label: who a row is about is no label'],
  ])('is refused for %s', (_name, written, message) => {
    const refused = (() => {
      try {
        plan(written)
      } catch (thrown) {
        return thrown
      }
      return null
    })()
    expect(refused).toBeInstanceOf(RedoubtError)
    expect((refused as RedoubtError).code).toBe('ERR_TRANSFORM_DEFINITION')
    expect((refused as RedoubtError).message).toContain(message)
  }) // prettier-ignore

  it('reaches no prototype by the names of its columns', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const written = JSON.parse(`{"from":"visits","steps":[{"derive":{"${name}":"age + 1"}}],"to":{"dataset":"made"}}`)
      try {
        expect(plan(written).columns.at(-1)).toMatchObject({ name, type: 'integer' })
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'ERR_TRANSFORM_DEFINITION' })
      }
      expect(({} as Record<string, unknown>)['type']).toBeUndefined()
    }
  })
})

describe('values that come out of a sound one', () => {
  const group: RowGroup = { rows: 1, columns: [{ name: 'patient', type: 'text', values: ['p'.repeat(40_000)] }, { name: 'age', type: 'integer', values: Float64Array.of(2 ** 53 - 1) }, { name: 'weight', type: 'real', values: Float64Array.of(1.5e308) }, { name: 'income', type: 'integer', values: Float64Array.of(1) }] } // prettier-ignore
  async function derived(expression: string): Promise<unknown> {
    async function* source(): AsyncGenerator<RowGroup> {
      yield group
    }
    try {
      for await (const { columns } of applySteps(plan(of([{ derive: { out: expression } }])), [source()], []))
        return columns.at(-1)!.values[0]
      return 'no row'
    } catch (thrown) {
      return thrown instanceof RedoubtError ? `${thrown.code} ${thrown.message}` : thrown
    }
  }

  it.each([
    ['age / 0', Number.NaN],
    ['age % 0', Number.NaN],
    ['weight / (1 - 1)', Number.NaN],
    ['-age', -(2 ** 53 - 1)],
    ['age + 1', 'ERR_TRANSFORM_VALUE steps.0.derive.out: a whole number beyond 2^53 came out'],
    ['age * 2', 'ERR_TRANSFORM_VALUE steps.0.derive.out: a whole number beyond 2^53 came out'],
    ['floor(weight)', 'ERR_TRANSFORM_VALUE steps.0.derive.out: a whole number beyond 2^53 came out'],
    ['weight * 10', 'ERR_TRANSFORM_VALUE steps.0.derive.out: a number too large to keep came out'],
    ['weight / 0.01', 'ERR_TRANSFORM_VALUE steps.0.derive.out: a number too large to keep came out'],
    ['0 * -1', 0],
    ['coalesce(age / 0, 7.0)', 7],
  ])('%s is %s', async (expression, value) => expect(await derived(expression)).toEqual(value))

  it('are texts of a bounded length', async () => {
    expect(await derived('concat(patient, "!")')).toHaveLength(40_001)
    expect(await derived('concat(patient, patient)')).toBe(
      'ERR_TRANSFORM_VALUE steps.0.derive.out: a text of more than 65536 characters came out',
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DataScan } from '#foundation/core'
import { categoriesOf } from './category-values.ts'
import { columnScanner } from './column-scanner.ts'
import { meaningOf } from './column-words.ts'
import { MAX_SAMPLED_ROWS, RowSample } from './row-sample.ts'

const SEED = Number(process.env['REDOUBT_SEED'] ?? 20_261_127)

async function scan(names: readonly string[], rows: Iterable<readonly string[]>): Promise<DataScan> {
  const table = columnScanner.begin(names)
  for (const row of rows) table.row(row)
  return table.finish()
}
const times = <T>(count: number, make: (i: number) => T): readonly T[] => Array.from({ length: count }, (_, i) => make(i))
const column = (found: DataScan, name: string) => found.columns.find((one) => one.name === name)!
const PEOPLE = ['Jane Doe', 'Hans Müller', 'Ana García López', 'John Smith', 'Maria Rossi', 'Pierre Dupont']

describe('the columns of a table (C6, C9)', () => {
  it('are told by their values, whatever they are called', async () => {
    const found = await scan(
      ['a', 'b', 'c', 'd'],
      times(60, (i) => [`p${i}@example.org`, PEOPLE[i % 6]!, `+49 30 ${1_234_567 + i}`, '4111 1111 1111 1111']),
    )
    expect(found.columns.map(({ entities }) => entities[0])).toMatchObject([
      { entity: 'EMAIL_ADDRESS', values: 60, share: 1 },
      { entity: 'PERSON', share: 1 },
      { entity: 'PHONE_NUMBER', share: 1 },
      { entity: 'CREDIT_CARD', share: 1 },
    ])
    expect(found.columns.map(({ sensitivity }) => sensitivity)).toEqual(['confidential', 'confidential', 'confidential', 'restricted'])
    expect(found).toMatchObject({ rows: 60, isSample: false, sensitivity: 'restricted' })
  })

  it('are told by their names where the values alone say too little', async () => {
    const ssn = times(40, (i) => [String(521_449_382 + i)])
    expect(column(await scan(['ssn'], ssn), 'ssn')).toMatchObject({ entities: [{ entity: 'US_SSN' }], sensitivity: 'restricted' })
    expect(column(await scan(['amount'], ssn), 'amount')).toMatchObject({ entities: [], sensitivity: 'public' })
  })

  it('show how much of a column is free text with a value in it', async () => {
    const found = await scan(
      ['notes'],
      times(100, (i) => [i % 10 === 0 ? `please write to jane${i}@example.com today` : 'called about the invoice']),
    )
    expect(column(found, 'notes')).toMatchObject({
      entities: [{ entity: 'EMAIL_ADDRESS', values: 10, share: 0.1 }],
      sensitivity: 'confidential',
    })
  })

  it('tell no names of people where few values hold one', async () => {
    const found = await scan(['x'], times(60, (i) => [i % 10 === 0 ? PEOPLE[i % 6]! : 'called about the invoice'])) // prettier-ignore
    expect(found.columns[0]?.entities).toEqual([])
  })

  it('tell no names of people in addresses of mail', async () => {
    const found = await scan(['x'], times(30, (i) => [`jane.doe${i}@example.org`])) // prettier-ignore
    expect(found.columns[0]?.entities.map(({ entity }) => entity)).toEqual(['EMAIL_ADDRESS'])
  })

  it('call for nothing where nothing points at a person', async () => {
    const found = await scan(
      ['amount', 'colour', 'created', 'product_name', 'treatment_group', 'job'],
      times(300, (i) => [String(i * 13.5), ['white', 'green', 'black'][i % 3]!, `2024-03-0${1 + (i % 9)}`, 'Lamp', 'B', 'Adm-clerical']),
    )
    expect(found).toMatchObject({ sensitivity: 'public', categories: [], subject: null })
  })

  it('never tell a value, whatever the table holds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.stringMatching(/^[a-z]{6,12}[ @.:-][A-Za-z0-9]{6,20}$/u), { minLength: 1, maxLength: 8 }),
        async (values) => {
          const told = JSON.stringify(await scan(['x'], values.map((value) => [value]))) // prettier-ignore
          for (const value of values) expect(told).not.toContain(value)
        },
      ),
      { seed: SEED, numRuns: 100 },
    )
  })

  it('are looked at whatever they hold, giving way to other work', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { maxLength: 4 }), { maxLength: 12 }),
        async (names, rows) => {
          const found = await scan(names, rows)
          expect(found.columns).toHaveLength(names.length)
          for (const { entities, values } of found.columns)
            for (const one of entities) expect(one.share >= 0 && one.share <= 1 && one.values <= values).toBe(true)
        },
      ),
      { seed: SEED, numRuns: 100 },
    )
    const table = columnScanner.begin(['text'])
    for (let i = 0; i < 500; i++) table.row([`call 020 7946 0${100 + i} or write to a${i}@example.org, please`.repeat(4)])
    let turns = 0
    const ticking = setInterval(() => turns++, 0)
    await table.finish()
    clearInterval(ticking)
    expect(turns).toBeGreaterThan(2)
    await expect(table.finish(AbortSignal.abort(new Error('cut off')))).rejects.toThrow('cut off')
  })
})

describe('special categories (GDPR art. 9)', () => {
  it.each([
    ['health', ['diagnosis', 'bloodType', 'KRANKHEIT', 'Groupe sanguin', 'niepełnosprawność', 'hiv_status']],
    ['religion', ['religion', 'Konfession', 'church_tax', 'wyznanie', 'religiosoCreencia']],
    ['ethnicity', ['race', 'ethnicGroup', 'origine_ethnique', 'raça']],
    ['politics', ['party_affiliation', 'Parteizugehörigkeit', 'opinión política']],
    ['trade-union', ['union_membership', 'gewerkschaft', 'vakbondslid']],
    ['sex-life', ['sexual_orientation', 'sexuelle Orientierung', 'orientacja-seksualna']],
    ['biometric', ['fingerprint', 'empreinteDigitale', 'face_embedding']],
    ['genetic', ['dna', 'genotype', 'génétique']],
  ] as const)('are told by the name of the column: %s', (category, names) => {
    for (const name of names) expect(meaningOf(name).categories, name).toContain(category)
  })

  it('are not told by words that only look like them', () => {
    for (const name of [
      'trace',
      'embrace',
      'unionized_atoms',
      'sex',
      'sessions',
      'sector',
      'party_size',
      'general',
      'amount',
      'credit_union',
    ])
      expect(meaningOf(name).categories, name).toEqual([])
  })

  it('are told by values, two of a list at least and most of them', () => {
    const counts = (...values: readonly string[]): ReadonlyMap<string, number> => new Map(values.map((value) => [value, 1]))
    expect(categoriesOf(counts('Catholic', 'Muslim', 'other'))).toEqual(['religion'])
    expect(categoriesOf(counts('ev', 'RK', '-'))).toEqual(['religion'])
    expect(categoriesOf(counts('Hétérosexuel', 'bisexuel'))).toEqual(['sex-life'])
    expect(categoriesOf(counts('A+', 'O-', '0+'))).toEqual(['health'])
    expect(categoriesOf(counts('Catholic', 'x', 'y', 'z'))).toEqual([])
    expect(categoriesOf(counts('Catholic'))).toEqual([])
    expect(categoriesOf(counts('white', 'black', 'green'))).toEqual([])
  })

  it('make a table restricted', async () => {
    const found = await scan(['colour', 'x'], times(30, (i) => ['red', i % 2 === 0 ? 'Catholic' : 'Muslim'])) // prettier-ignore
    expect(found).toMatchObject({ sensitivity: 'restricted', categories: ['religion'] })
  })
})

describe('whom a row is about', () => {
  it.each([
    [['amount', 'customer_id', 'city'], (i: number) => [String(i * 3), `C${i}`, 'Berlin'], 'customer_id'],
    [['patient', 'age'], (i: number) => [`pat-${i}`, '40'], 'patient'],
    [['x', 'mail'], (i: number) => ['1', `p${i}@example.org`], 'mail'],
    [['customer_type', 'amount'], (i: number) => [i % 2 === 0 ? 'new' : 'old', String(i)], null],
    [['id', 'price'], (i: number) => [String(i), '3'], null],
  ] as const)('%j', async (names, row, expected) => {
    expect((await scan(names, times(50, row))).subject).toBe(expected)
  })
})

describe('the rows that are looked at', () => {
  it('are all of a short table, and an even sample of a longer one, the same each time, in bounded memory', () => {
    const sampleOf = (count: number): readonly number[] => {
      const sample = new RowSample(1)
      for (let i = 0; i < count; i++) sample.add([String(i)])
      expect(sample.seen).toBe(count)
      return [...sample.valuesOf(0).keys()].map(Number)
    }
    expect(sampleOf(MAX_SAMPLED_ROWS)).toHaveLength(MAX_SAMPLED_ROWS)
    const long = sampleOf(100_000)
    expect(long).toEqual(sampleOf(100_000))
    expect(long.length).toBeLessThanOrEqual(MAX_SAMPLED_ROWS)
    expect(long.length).toBeGreaterThan(MAX_SAMPLED_ROWS / 3)
    // Every tenth of the table, and every place in a pattern of ten rows, has its share.
    for (const part of [(i: number) => Math.floor(i / 10_000), (i: number) => i % 10]) {
      const shares = new Map<number, number>()
      for (const i of long) shares.set(part(i), (shares.get(part(i)) ?? 0) + 1)
      expect(shares.size).toBe(10)
      for (const count of shares.values()) expect(Math.abs(count / long.length - 0.1)).toBeLessThan(0.04)
    }
  })

  it('are few where they are wide or long, and never none', () => {
    const wide = new RowSample(4_096)
    const row = times(4_096, () => 'x'.repeat(500))
    for (let i = 0; i < 60; i++) wide.add(row)
    expect(wide.size).toBeGreaterThan(0)
    expect(wide.size * 4_096 * 128).toBeLessThanOrEqual(2 ** 22)
    expect(Math.max(...[...wide.valuesOf(0).keys()].map(({ length }) => length))).toBeLessThan(200)
    const long = new RowSample(1)
    const value = 'y'.repeat(5_000)
    for (let i = 0; i < 4_000; i++) long.add([value])
    expect([...long.valuesOf(0).keys()][0]).toHaveLength(2_000)
    expect(long.size * 2_000).toBeLessThanOrEqual(2 ** 22)
  })
})

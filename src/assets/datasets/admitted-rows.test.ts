import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { type AuditEvent, type ColumnMask, ManualClock, RedoubtError, type RowCells, type RowCondition } from '#foundation/core'
import { MemoryFolder, openDatabase } from '#foundation/storage'
import type { KeyUse } from '#trust/keys'
import { memoryKeys, memorySealer as sealer, noHolds } from '../../../test/evaluation/memory-datasets.ts'
import { aggregate } from './aggregate.ts'
import { csvOf } from './csv-writer.ts'
import { type Datasets, openDatasets } from './datasets.ts'
import type { DatasetVersion, RowGroup } from './dataset-version.ts'
import type { ImportOptions } from './options.ts'
import { accessOf, EVERY_ROW_WHOLE, type RowAccess } from './row-access.ts'
import { roundedMean } from './rounded.ts'

const ADA = { type: 'ServiceAccount', id: 'ada' }
const USE: KeyUse = { principal: ADA, purpose: 'care', resource: { type: 'Dataset', id: 'people' } }
const OPTIONS: ImportOptions = { name: 'people', sensitivity: 'restricted', purposes: ['care'], legalBasis: 'contract', by: ADA }
const DIGEST = 'c'.repeat(64)

let events: AuditEvent[]
let auditFails: (event: AuditEvent) => boolean
let datasets: Datasets
beforeEach(() => {
  events = []
  auditFails = () => false
  const record = async (event: AuditEvent) => {
    if (auditFails(event)) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    return { index: events.push(event) - 1, leafHash: '' }
  }
  datasets = openDatasets({
    database: openDatabase(':memory:'),
    objects: new MemoryFolder(),
    keys: memoryKeys(),
    audit: { record },
    clock: new ManualClock(0),
    sealer,
    holds: noHolds,
    environment: 'development',
  })
})

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text, 'utf8')
}
const load = (text: string, options: Partial<ImportOptions> = {}): Promise<DatasetVersion> =>
  datasets.import(bytes(text), { ...OPTIONS, ...options })
const where = (admits: (row: RowCells) => boolean | null, columns: RowCondition['columns'] = []): RowCondition => ({
  digest: DIGEST,
  columns,
  admits,
})
const access = (masks: Readonly<Record<string, ColumnMask>>, rows: RowCondition | null = null): RowAccess => ({
  action: 'view',
  rows,
  masks,
})
const readAll = async (version: DatasetVersion, with_: RowAccess): Promise<Record<string, unknown[]>> => {
  const all: Record<string, unknown[]> = {}
  for await (const group of datasets.read(version, USE, with_))
    for (const { name, values } of group.columns) (all[name] ??= []).push(...values)
  return all
}

const TABLE = `who,born,iban,income,score,region
ada,1815-12-10,DE89370400440532013000,41234,0.5,north
bob,1901-01-01T00:00:00Z,short,-952,,south
cyd,unknown,,17,1.25,
`

describe('rows under a condition', () => {
  it('are asked by their cells as they are, of every type, with what is missing missing (B2)', async () => {
    const version = await load(TABLE)
    const asked: unknown[] = []
    const condition = where((row) => {
      asked.push([row.text('region'), row.integer('income'), row.real('score'), row.real('income'), row.integer('score')])
      return row.real('score') === 1.25
    })
    expect(await readAll(version, access({}, condition))).toMatchObject({ who: ['cyd'], score: [1.25] })
    expect(asked).toEqual([
      ['north', 41_234, 0.5, null, null],
      ['south', -952, null, null, null],
      [null, 17, 1.25, null, null],
    ])
  })

  it('are those it admits, in order, across groups of 8192, and what they hold is not changed (B2)', async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => `${n},${n % 3 === 0 ? 'in' : 'out'}`)
    const version = await load(`n,side\n${lines.join('\n')}\n`)
    expect(version.groups).toBeGreaterThan(2)
    const reading = datasets.read(
      version,
      USE,
      access(
        {},
        where((row) => row.text('side') === 'in', [{ name: 'side', type: 'text' }]),
      ),
    )
    const seen: number[] = []
    for await (const group of reading) seen.push(...(group.columns[0]?.values as Float64Array))
    expect(seen).toEqual(Array.from({ length: 6667 }, (_, n) => 3 * n))
    expect(reading.tally).toEqual({ read: 20_000, admitted: 6667, failed: 0 })
  })

  it('see each cell as what it is: missing is no value, integers are numbers, text of one type is not found as another', async () => {
    const version = await load(TABLE)
    const seen: unknown[] = []
    const looks = where((row) => {
      const texts = ['region', 'income', '__proto__'].map((name) => row.text(name))
      seen.push([...texts, ...['income', 'region', 'score'].map((name) => row.integer(name))])
      return true
    })
    await readAll(version, access({}, looks))
    expect(seen).toEqual([
      ['north', null, null, 41_234, null, null],
      ['south', null, null, -952, null, null],
      [null, null, null, 17, null, null],
    ])
  })

  it('leave out, and count, each row that cannot be decided (fails closed)', async () => {
    const version = await load(TABLE)
    const reading = datasets.read(
      version,
      USE,
      access(
        {},
        where((row) => (row.text('region') === null ? null : row.text('region') === 'north')),
      ),
    )
    let rows = 0
    for await (const group of reading) rows += group.rows
    expect(rows).toBe(1)
    expect(reading.tally).toEqual({ read: 3, admitted: 1, failed: 1 })
  })

  it.each([
    [
      'a column that is not there',
      access(
        {},
        where(() => true, [{ name: 'reg', type: 'text' }]),
      ),
    ],
    [
      'a column of another type',
      access(
        {},
        where(() => true, [{ name: 'income', type: 'text' }]),
      ),
    ],
    [
      'a column of real numbers, read as whole ones',
      access(
        {},
        where(() => true, [{ name: 'score', type: 'integer' }]),
      ),
    ],
    ['a mask of a column that is not there', access({ regoin: 'redact' })],
  ])('are refused before anything is read where a policy speaks of %s', async (what, wrong) => {
    const version = await load(TABLE)
    events.length = 0
    expect(() => datasets.read(version, USE, wrong)).toThrowError(expect.objectContaining({ code: 'ERR_DATA_COLUMN' }))
    if (what.includes('real'))
      expect(() => datasets.read(version, USE, wrong)).toThrowError(
        expect.objectContaining({
          cause: expect.objectContaining({ message: expect.stringContaining('reads as integer the column `score`') as string }) as Error,
        }),
      )
    await expect(datasets.first(version, USE, wrong, { limit: 5 })).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN' })
    expect(events).toEqual([])
  })

  it('need a decision that allows', () => {
    const obligations = { filterInput: {}, filterOutput: {}, limits: [], maxRowsPerCall: null }
    const decision = { effect: 'deny' as const, code: 'ERR_POLICY_PURPOSE' as const, obligations }
    expect(() => accessOf('view', decision)).toThrowError(expect.objectContaining({ code: 'ERR_POLICY_PURPOSE' }))
  })
})

describe('columns under a mask', () => {
  it('show what the mask leaves, and nothing of a value that does not fit it (A1, D1)', async () => {
    const version = await load(TABLE)
    const masks = { who: 'redact', born: 'year', iban: 'last4', income: 'coarse', score: 'redact', region: 'hide' } as const
    expect(await readAll(version, access(masks))).toEqual({
      who: ['***', '***', '***'],
      born: ['1815', '1901', '***'],
      iban: ['***3000', '***', null],
      income: [40_000, -1000, 20],
      score: ['***', null, '***'],
    })
    expect(await readAll(version, access({ born: 'coarse', income: 'year', score: 'last4', default: 'keep' }))).toMatchObject({
      born: ['***', '***', '***'],
      income: ['***', '***', '***'],
      score: ['***', null, '***'],
      region: ['north', 'south', null],
    })
  })

  it('follow the default where they are not named, but who a row is about is then not shown in part', async () => {
    const version = await load(TABLE.replace('ada,', '11,').replace('bob,', '12,').replace('cyd,', '13,'), { subject: 'who' })
    expect(await readAll(version, access({ default: 'coarse' }))).toMatchObject({ who: ['***', '***', '***'], income: [40_000, -1000, 20] })
    expect(await readAll(version, access({ default: 'coarse', who: 'keep' }))).toMatchObject({ who: ['11', '12', '13'] })
    expect(Object.keys(await readAll(version, access({ default: 'hide', income: 'keep' })))).toEqual(['income'])
    const accounts = await load(TABLE, { name: 'accounts', subject: 'iban' })
    expect(await readAll(accounts, access({ default: 'last4' }))).toMatchObject({
      iban: ['***', '***', null],
      born: ['***2-10', '***:00Z', '***'],
    })
    expect(await readAll(accounts, access({ default: 'last4', iban: 'last4' }))).toMatchObject({ iban: ['***3000', '***', null] })
  })
})

describe('the record of a reading', () => {
  it('has condition and masks, durable before the first row (E3, D4)', async () => {
    const version = await load(TABLE)
    events.length = 0
    await readAll(
      version,
      access(
        { who: 'redact', region: 'hide' },
        where(() => true),
      ),
    )
    expect(events).toMatchObject([
      {
        type: 'data.read',
        details: {
          access: 'view',
          rowCondition: DIGEST,
          maskedColumns: { count: 1, names: ['who'] },
          hiddenColumns: { count: 1, names: ['region'] },
          columnsRead: { count: 5, names: ['who', 'born', 'iban', 'income', 'score'] },
        },
      },
    ])
    auditFails = ({ type }) => type === 'data.read'
    await expect(readAll(version, EVERY_ROW_WHOLE)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
  })

  it('names by pseudonym whose rows were shown, before they are, and nobody whose row was not (D4)', async () => {
    const version = await load(TABLE, { subject: 'who' })
    events.length = 0
    const condition = where((row) => row.text('region') !== 'south')
    const first = await datasets.first(version, USE, access({ who: 'hide' }, condition), { limit: 10, columns: ['income'] })
    expect(first).toMatchObject({ rows: [[41_234], [17]], condition: DIGEST, hidden: ['who'], more: false })
    expect(events.at(-1)).toMatchObject({
      type: 'data.rows',
      details: { shown: 2, subjects: [sealer.pseudonym('ada'), sealer.pseudonym('cyd')] },
    })
    expect(JSON.stringify(events)).not.toContain(sealer.pseudonym('bob'))
    auditFails = ({ type }) => type === 'data.rows'
    await expect(datasets.first(version, USE, EVERY_ROW_WHOLE, { limit: 10 })).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
  })

  it('has no rows that were not shown, because the reading was ended before', async () => {
    const version = await load(TABLE)
    events.length = 0
    const ended = new AbortController()
    const condition = where(() => {
      ended.abort(new Error('revoked'))
      return true
    })
    const asked = datasets.first(version, USE, access({}, condition), { limit: 10, signal: ended.signal })
    await expect(asked).rejects.toThrow('revoked')
    expect(events.map(({ type }) => type)).toEqual(['data.read'])
  })

  it('holds bounded lists of columns, and first rows are bounded in number', async () => {
    const names = Array.from({ length: 300 }, (_, n) => `column-${n}`)
    const version = await load(`${names.join(',')}\n${`${names.map(() => 1).join(',')}\n`.repeat(2000)}`)
    events.length = 0
    const { rows, more } = await datasets.first(version, USE, access({ default: 'redact' }), { limit: 5000 })
    expect([rows.length, more]).toEqual([333, true])
    expect(events[0]?.details?.['maskedColumns']).toMatchObject({ count: 300 })
    expect(JSON.stringify(events[0]?.details?.['maskedColumns']).length).toBeLessThan(1000)
    expect(events[0]?.details?.['columnsRead']).toEqual({ count: 300, names })
    const long = Array.from({ length: 300 }, (_, n) => `${'c'.repeat(190)}${n}`)
    const wide = await load(`${long.join(',')}\n${long.map(() => 1).join(',')}\n`, { name: 'wide' })
    events.length = 0
    await readAll(wide, EVERY_ROW_WHOLE)
    const { count, names: kept } = (events[0]?.details?.['columnsRead'] ?? {}) as { count: number; names: string[] }
    expect([count, kept.length > 40, kept.join('').length <= 8_192]).toEqual([300, true, true])
    await expect(datasets.first(version, USE, access({ 'column-1': 'hide' }), { limit: 1, columns: ['column-1'] })).rejects.toMatchObject({
      code: 'ERR_DATA_COLUMN',
    })
  })
})

describe('an export', () => {
  it('is CSV that imports as what it was, whatever stands in a cell', async () => {
    const odd = 'name,n\n"a,""b""\r\nc",1\n" ",2\n,3\n=1+1,-4\nüñ😀,5\n'
    const version = await load(odd, { textColumns: ['name'] })
    let text = ''
    for await (const chunk of csvOf(datasets.read(version, USE, EVERY_ROW_WHOLE))) text += Buffer.from(chunk).toString('utf8')
    const again = await load(text, { name: 'again', textColumns: ['name'] })
    expect(await readAll(again, EVERY_ROW_WHOLE)).toEqual(await readAll(version, EVERY_ROW_WHOLE))
  })

  it('of no admitted row is a header alone', async () => {
    const version = await load(TABLE)
    let text = ''
    for await (const chunk of csvOf(
      datasets.read(
        version,
        USE,
        access(
          { who: 'hide' },
          where(() => false),
        ),
      ),
    ))
      text += Buffer.from(chunk).toString('utf8')
    expect(text).toBe('born,iban,income,score,region\r\n')
  })
})

describe('counts and means', () => {
  const groups = (sizes: Readonly<Record<string, number>>): string =>
    `g,x\n${Object.entries(sizes)
      .flatMap(([name, size]) => Array.from({ length: size }, (_, n) => `${name},${n}`))
      .join('\n')}\n`
  const ask = async (text: string, wanted: Parameters<typeof aggregate>[1], with_: RowAccess = EVERY_ROW_WHOLE) =>
    aggregate(datasets.read(await load(text), USE, with_), wanted)

  it('are told of groups of ten rows and more', async () => {
    expect(await ask(groups({ a: 30, b: 10, c: 9, d: 5 }), { groupBy: 'g', mean: 'x' })).toEqual({
      rows: 55,
      mean: 10,
      groups: [
        { value: 'a', rows: 30, mean: 15 },
        { value: 'b', rows: 10, mean: 5 },
      ],
      suppressed: 2,
    })
    expect(await ask('g,x\na,1\n', {})).toEqual({ rows: null })
    expect(await ask('g,x\na,1\n', { mean: 'x' })).toEqual({ rows: null, mean: null })
  })

  it('are rounded: a region less its towns, and the rows before less those after, leave nobody alone (A1, B2)', async () => {
    // One town of one inhabitant, in a region of thirty-one; left out by town, and not to be had from the region either.
    const rows = (extra: string) => `region,town,x\n${'n,t1,100\n'.repeat(30)}${'s,t2,100\n'.repeat(31)}${'s,t3,100\n'.repeat(9)}${extra}`
    const by = (groupBy: string, extra: string) => ask(rows(extra), { groupBy, mean: 'x' })
    const lonely = 'n,t4,900\n'
    const [regions, towns, without] = [await by('region', lonely), await by('town', lonely), await by('region', '')]
    expect(towns.groups).toEqual([
      { value: 't1', rows: 30, mean: 100 },
      { value: 't2', rows: 30, mean: 100 },
    ])
    expect(regions.groups?.map(({ value, rows: told }) => [value, told])).toEqual([
      ['s', 40],
      ['n', 30],
    ])
    expect(without.groups?.map(({ value, rows: told }) => [value, told])).toEqual([
      ['s', 40],
      ['n', 30],
    ])
    const mean = regions.groups?.find(({ value }) => value === 'n')?.mean ?? 0
    // Of 125.8, from which the 900 of one person could be had back to the digit.
    expect(mean).toBe(200)
  })

  it('come in an order that tells no more than their numbers', async () => {
    const answer = await ask(groups({ a: 28, b: 30, c: 32, d: 60 }), { groupBy: 'g' })
    expect(answer.groups?.map(({ value, rows }) => [value, rows])).toEqual([
      ['d', 60],
      ['a', 30],
      ['b', 30],
      ['c', 30],
    ])
  })

  it('of the mean are as coarse as what five rows can change in it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { minLength: 10, maxLength: 60 }), (values) => {
        const [least, most, rows] = [Math.min(...values), Math.max(...values), values.length]
        const mean = values.reduce((sum, value) => sum + value, 0) / rows
        const change = (5 * (most - least)) / rows
        const told = roundedMean({ mean, least, most, rows })
        // Never farther off than half of a step, and a step is at most two and a half times what five rows change.
        expect(Math.abs(told - mean)).toBeLessThanOrEqual(1.25 * change + 1e-6)
        if (most === least) expect(told).toBe(mean)
      }),
      { seed: 20_261_127, numRuns: 500 },
    )
    expect(roundedMean({ mean: 123_456.7, least: 0, most: 200_000, rows: 10_000 })).toBe(123_500)
  })

  it('do not give a small group away by what is missing from the total', async () => {
    const answer = await ask(groups({ a: 30, b: 12, c: 9 }), { groupBy: 'g', mean: 'x' })
    expect(answer.groups).toEqual([{ value: 'a', rows: 30, mean: 15 }])
    expect(answer).toMatchObject({ rows: 50, suppressed: 2 })
    const few = `g,x\n${'a,1\n'.repeat(20)}${'b,1\n'.repeat(15)}${'c,1\n'.repeat(3)}${'c,\n'.repeat(20)}`
    const means = await ask(few, { groupBy: 'g', mean: 'x' })
    expect(means.groups?.map(({ value, mean }) => [value, mean])).toEqual([
      ['c', null],
      ['a', 1],
      ['b', null],
    ])
  })

  it('see the rows and columns that may be seen, no others', async () => {
    const text = groups({ a: 30, b: 20 })
    const only = access(
      {},
      where((row) => row.text('g') === 'a'),
    )
    expect(await ask(text, { groupBy: 'g' }, only)).toEqual({ rows: 30, groups: [{ value: 'a', rows: 30 }], suppressed: 0 })
    await expect(ask(text, { mean: 'x' }, access({ x: 'hide' }))).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN' })
    await expect(ask(text, { mean: 'x' }, access({ x: 'redact' }))).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN' })
    expect((await ask(text, { groupBy: 'g' }, access({ g: 'redact' }))).groups).toEqual([{ value: '***', rows: 50 }])
  })

  describe('of a data set that says whom its rows are about', () => {
    /** `many` rows of each of `people` persons, in group `g`. */
    const visits = (g: string, people: number, many: number, first = 0): string =>
      Array.from({ length: people * many }, (_, n) => `${g},p-${first + (n % people)},${n}\n`).join('')
    const askOf = async (rows: string, wanted: Parameters<typeof aggregate>[1], with_: RowAccess = EVERY_ROW_WHOLE) =>
      aggregate(datasets.read(await load(`g,who,x\n${rows}`, { subject: 'who' }), USE, with_), wanted)

    it('are told of ten people and more, however many rows one person has (A1)', async () => {
      const rows = visits('a', 30, 2) + visits('b', 9, 50, 100) + visits('c', 10, 1, 200) + visits('d', 1, 40, 300)
      const answer = await askOf(rows, { groupBy: 'g', mean: 'x' })
      expect(answer.groups?.map(({ value, rows }) => [value, rows])).toEqual([
        ['a', 60],
        ['c', 10],
      ])
      expect(answer.suppressed).toBe(2)
      expect(await askOf(visits('a', 9, 100), { mean: 'x' })).toEqual({ rows: null, mean: null })
      expect(await askOf(visits('a', 10, 1), {})).toEqual({ rows: 10 })
    })

    it('count those of whom a row does not say as one person', async () => {
      const nobody = 'a,,1\n'.repeat(100)
      expect(await askOf(visits('a', 8, 1) + nobody, {})).toEqual({ rows: null })
      expect(await askOf(visits('a', 9, 1) + nobody, {})).toEqual({ rows: 110 })
    })

    it('do not give few people away by what is missing from the total, who have rows in several groups or many', async () => {
      // Left out: the same five persons twice, with twenty rows; these are no ten people.
      const rows = visits('a', 30, 1) + visits('b', 12, 1, 100) + visits('c', 5, 2, 200) + visits('d', 5, 2, 200)
      expect(await askOf(rows, { groupBy: 'g' })).toMatchObject({ groups: [{ value: 'a' }], suppressed: 3 })
      const enough = visits('a', 30, 1) + visits('b', 12, 1, 100) + visits('c', 5, 2, 200) + visits('d', 5, 2, 300)
      expect((await askOf(enough, { groupBy: 'g' })).groups).toHaveLength(2)
    })

    it('average the values of ten people and more, where rows of ten lack one too', async () => {
      const rows = `${visits('a', 30, 1)}${visits('b', 2, 20, 100)}${visits('b', 30, 1, 200).replaceAll(/,\d+$/gm, ',')}${visits('c', 15, 1, 300)}`
      const answer = await askOf(rows, { groupBy: 'g', mean: 'x' })
      expect(answer.groups?.map(({ value, mean }) => [value, mean !== null])).toEqual([
        ['b', false],
        ['a', true],
        // With it the sum of the two persons of `b` would be what is left.
        ['c', false],
      ])
    })

    it('are neither by the column that says whom, nor of it, masked or not', async () => {
      const rows = 'a,1,2\n'.repeat(20)
      for (const wanted of [{ groupBy: 'who' }, { mean: 'who' }])
        for (const mask of ['keep', 'coarse'] as const)
          await expect(askOf(rows, wanted, access({ who: mask }))).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN', message: /says whom/ })
      await expect(askOf(rows, { groupBy: 'who' }, access({ who: 'hide' }))).rejects.toMatchObject({
        message: 'there is no column `who` for you',
      })
    })
  })

  it('are refused by a column of real numbers, of text to average, or of too many values', async () => {
    await expect(ask('g,x\na,1.5\n', { groupBy: 'x' })).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN' })
    await expect(ask('g,x\na,1\n', { mean: 'g' })).rejects.toMatchObject({ code: 'ERR_DATA_COLUMN' })
    const many = `g\n${Array.from({ length: 10_001 }, (_, n) => n).join('\n')}\n`
    await expect(ask(many, { groupBy: 'g' })).rejects.toMatchObject({ code: 'ERR_INPUT_TOO_LARGE' })
  })
})

describe('a group that does not fit what was decided', () => {
  it('shows no column that nobody spoke of when the reading began', async () => {
    const { AdmittedRows } = await import('./admitted-rows.ts')
    const version = await load(TABLE)
    const group: RowGroup = { rows: 1, columns: [{ name: 'unheard-of', type: 'text', values: ['secret'] }] }
    expect(new AdmittedRows(version, EVERY_ROW_WHOLE).take(group)?.group.columns).toEqual([])
  })
})

/** Who sees which rows of a data set, and how: by the command line and the routes, against the whole server. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runProgram } from '#interfaces/commands'
import { createProgram } from '../../src/composition/program.ts'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'

/** A row that a policy hides holds these and no other row does. */
const CANARY = { patient: 'canary-patient', note: 'CANARYNOTE', ward: 'CANARYWARD', age: 8097 }
/** One row less is another number of rows, rounded to five, too. */
const COUNT = 123
const HEADER = 'patient,ward,note,age,late'
const LINES = Array.from({ length: COUNT }, (_, n) =>
  n === 60
    ? `${CANARY.patient},${CANARY.ward},${CANARY.note},${CANARY.age},1`
    : `patient-${n},${n % 2 === 0 ? 'east' : 'west'},note ${n % 5},${20 + (n % 40)},${n % 3 === 0 ? 1 : 0}`,
)
const HIDE = `@id("closed-wards")
forbid (principal, action in Action::"useData", resource is Dataset)
when { resource == Dataset::"patients" || resource == Dataset::"people" }
unless { resource.row.text.hasTag("ward") && ["east", "west"].contains(resource.row.text.getTag("ward")) };
`

let house: House
let root: string
let scientist: HouseAccount
let officer: HouseAccount
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-rows-'))
  house = await openHouse()
  scientist = await house.account('scientist', 'data-scientist')
  officer = await house.account('officer', 'privacy-officer')
  for (const [name, sensitivity] of [
    ['patients', 'restricted'],
    ['people', 'confidential'],
  ]) {
    const path = `/api/v1/datasets/${name}/versions?sensitivity=${sensitivity}&purpose=credit-scoring&legalBasis=contract&label=late&subject=patient`
    const { status, text } = await house.call('POST', path, {
      token: house.token,
      headers: { 'content-type': 'text/csv' },
      body: `${HEADER}\n${LINES.join('\n')}\n`,
    })
    if (status !== 200 || !text.includes('"type":"result"')) throw new Error(text)
  }
})
afterAll(async () => {
  await house.close()
  rmSync(root, { recursive: true, force: true })
})
afterEach(async () => {
  delete process.env['REDOUBT_TOKEN']
  for (const name of ['closed', 'broken']) await house.call('DELETE', `/api/v1/policies/${name}`, { token: house.token })
})

async function redoubt(account: HouseAccount, ...args: string[]) {
  let out = ''
  let err = ''
  process.env['REDOUBT_TOKEN'] = account.token
  const terminal = { writeOut: (text: string) => void (out += text), writeErr: (text: string) => void (err += text) }
  const code = await runProgram(createProgram(['redoubt']), ['node', 'redoubt', ...args, '--data-dir', house.dataDir], terminal)
  return { code, out, err, all: out + err }
}
const put = async (name: string, text: string): Promise<void> => {
  const { status, text: said } = await house.call('PUT', `/api/v1/policies/${name}`, { token: house.token, json: { text } })
  if (status !== 200) throw new Error(said)
}
const canaries = [CANARY.patient, CANARY.note, CANARY.ward, String(CANARY.age)]
const hidden = (text: string): void => {
  for (const canary of canaries) expect(text).not.toContain(canary)
}
const out = (name: string): string => join(root, name)

describe('the acts on data', () => {
  it('view and not export: a data scientist sees confidential rows and takes none out (B2)', async () => {
    const rows = await redoubt(scientist, 'data', 'rows', 'people', '--limit', '70', '--json')
    expect(rows.code).toBe(0)
    expect(JSON.parse(rows.out)).toMatchObject({ access: 'view', more: true, rowCondition: null })
    expect(rows.out).toContain(CANARY.note)
    const refused = await redoubt(scientist, 'data', 'export', 'people', '--out', out('no.csv'))
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('ERR_POLICY_DENIED')
    expect(readdirSync(root)).toEqual([])
    expect((await house.entries({ type: 'control.refusal', limit: '1' }))[0]?.event).toMatchObject({
      action: 'export',
      actor: { id: 'scientist' },
      resource: { id: 'people' },
    })
  })

  it('masked and yet trained on: a data scientist trains on restricted rows of which masks are shown (B2)', async () => {
    const rows = await redoubt(scientist, 'data', 'rows', 'patients', '--limit', '70')
    expect(rows.code).toBe(0)
    expect(rows.out).toContain('patient (masked)')
    expect(rows.out).toContain('you may see this data set masked')
    for (const secret of [CANARY.patient, CANARY.note, CANARY.ward, 'patient-1', 'note 1', 'east']) expect(rows.out).not.toContain(secret)
    const whole = await house.call('GET', '/api/v1/datasets/patients/rows?masked=false', { token: scientist.token })
    expect(whole.json.access).toBe('viewMasked')
    const trained = await redoubt(scientist, 'model', 'train', '--dataset', 'patients', '--algorithm', 'logistic', '--name', 'masked-only')
    expect(trained.code).toBe(0)
  })

  it('queries tell of groups of ten and more (B2, A1)', async () => {
    const answer = await redoubt(scientist, 'data', 'query', 'patients', '--group-by', 'ward', '--mean', 'age', '--json')
    const { groups, suppressed, rows } = JSON.parse(answer.out) as {
      groups: { value: string; rows: number }[]
      suppressed: number
      rows: number
    }
    expect(rows).toBe(125)
    expect(suppressed).toBe(2)
    expect(groups.map(({ value }) => value)).toEqual(['east'])
    expect(answer.out).not.toContain(CANARY.ward)
    expect((await redoubt(scientist, 'data', 'query', 'patients', '--count')).out).toContain('125 rows')
    expect((await redoubt(scientist, 'data', 'query', 'patients', '--mean', 'ward')).code).toBe(1)
  })

  it('what is taken out is whole, for its owner alone, and in the record with digest and number of rows (B2, D4)', async () => {
    const file = out('people.csv')
    const { code, out: said } = await redoubt(officer, 'data', 'export', 'people', '--out', file, '--json')
    expect(code).toBe(0)
    const bytes = readFileSync(file)
    const digest = createHash('sha256').update(bytes).digest('hex')
    expect(JSON.parse(said)).toEqual({ file, bytes: bytes.byteLength, sha256: digest })
    expect(bytes.toString('utf8').replaceAll('\r\n', '\n')).toBe(`${HEADER}\n${LINES.join('\n')}\n`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const [exported, read] = (await house.entries({ resource: 'Dataset::people', limit: '2' })).map(({ event }) => event)
    expect(exported).toMatchObject({ type: 'data.export', actor: { id: 'officer' }, details: { digest, rows: COUNT, failed: 0 } })
    expect(read?.['type']).not.toBe('data.export')
    expect((await redoubt(officer, 'data', 'export', 'people', '--out', file)).code).toBe(2)
    expect((await redoubt(officer, 'data', 'export', 'patients', '--out', out('restricted.csv'))).code).toBe(1)
  })
})

describe('a row that a policy hides', () => {
  it('is in no answer, no file, no count and no training, and lineage says so (B2, C10)', async () => {
    await put('closed', HIDE)
    for (const [account, name] of [
      [officer, 'people'],
      [scientist, 'people'],
      [scientist, 'patients'],
    ] as const) {
      for (const more of [[], ['--json'], ['--masked']]) {
        const rows = await redoubt(account, 'data', 'rows', name, '--limit', '1000', ...more)
        expect(rows.code).toBe(0)
        hidden(rows.all.replaceAll(/[0-9a-f]{64}/g, ''))
      }
      for (const ask of [
        ['--group-by', 'ward'],
        ['--group-by', 'age'],
      ]) {
        const { code, all } = await redoubt(account, 'data', 'query', name, ...ask)
        expect(code).toBe(0)
        expect(all).toContain('120 rows')
        hidden(all)
      }
      // Whom a row is about is nothing to group by.
      const { code, all } = await redoubt(account, 'data', 'query', name, '--group-by', 'patient')
      expect([code, all.includes('ERR_DATA_COLUMN')]).toEqual([1, true])
      hidden(all)
    }
    const file = out('without.csv')
    expect((await redoubt(officer, 'data', 'export', 'people', '--out', file)).code).toBe(0)
    const text = readFileSync(file, 'utf8')
    hidden(text)
    expect(text.trim().split('\r\n')).toHaveLength(COUNT)
    expect((await redoubt(scientist, 'model', 'train', '--dataset', 'patients', '--algorithm', 'logistic', '--name', 'without')).code).toBe(
      0,
    )
    const lineage = JSON.parse((await redoubt(scientist, 'model', 'lineage', 'without', '--json')).out)
    const { rows } = lineage.versions[0].lineage.dataset
    expect(rows).toEqual({ condition: expect.stringMatching(/^[0-9a-f]{64}$/) as string, admitted: COUNT - 1 })
    const events = await house.entries({ type: 'data.read', limit: '1' })
    expect(events[0]?.event).toMatchObject({ details: { access: 'trainOn', rowCondition: rows.condition } })
    expect((await house.entries({ type: 'control.admission', resource: 'Dataset::patients', limit: '1' }))[0]?.event).toMatchObject({
      decision: { policies: expect.arrayContaining(['closed-wards', 'data-scientist-work']) as string[] },
    })
  })

  it('whose patient asks is found not to have been shown, and who was shown is found by name (D4)', async () => {
    await put('closed', HIDE)
    const before = await house.entries({ type: 'data.rows', subject: CANARY.patient })
    await redoubt(officer, 'data', 'rows', 'people', '--limit', '1000')
    expect(await house.entries({ type: 'data.rows', subject: CANARY.patient })).toHaveLength(before.length)
    const [entry] = await house.entries({ type: 'data.rows', subject: 'patient-1', limit: '1' })
    expect(entry?.event).toMatchObject({ actor: { id: 'officer' }, resource: { id: 'people' } })
    expect(JSON.stringify(entry)).not.toContain('patient-1')
  })
})

describe('what is kept back', () => {
  const HIDE_NOTE = `@id("clerks") @hide_columns("note, patient")
permit (principal in Role::"business-user", action in [Action::"view", Action::"query"], resource == Dataset::"people");
`

  it('is not told of by the list of data sets: columns, number of rows, size (B2)', async () => {
    const clerk = await house.account('clerk', 'business-user')
    const listed = async (by: HouseAccount) => {
      const answer = await house.call('GET', '/api/v1/datasets', { token: by.token })
      return (answer.json.datasets as { name: string; rows: number | null }[]).find(({ name }) => name === 'people')
    }
    expect(await listed(clerk)).toBeUndefined()
    await put('broken', HIDE_NOTE)
    expect(await listed(scientist)).toMatchObject({ rows: COUNT, subject: 'patient', label: 'late' })
    const seen = await listed(clerk)
    expect(seen).toMatchObject({ rows: COUNT, subject: null, columns: [{ name: 'ward' }, { name: 'age' }, { name: 'late' }] })
    expect(JSON.stringify(seen)).not.toMatch(/note|patient/)
    await put('closed', HIDE)
    for (const by of [clerk, scientist]) {
      const some = await listed(by)
      expect(some).toMatchObject({ rows: null, bytes: null, groups: null })
      // Random bits may hold those digits by chance.
      expect(JSON.stringify({ ...some, id: '', digest: '', createdAt: 0 })).not.toContain(String(COUNT))
    }
    expect((await redoubt(scientist, 'data', 'list')).out).toMatch(/people +1 +some/)
  })

  it('is not told of by what is refused: a hidden column is as one that is not there (B2)', async () => {
    const clerk = await house.account('second-clerk', 'business-user')
    await put('broken', HIDE_NOTE)
    const ask = async (column: string): Promise<unknown[]> => {
      const rows = await house.call('GET', `/api/v1/datasets/people/rows?column=${column}`, { token: clerk.token })
      const sent = { token: clerk.token, json: { groupBy: column } }
      const query = await house.call('POST', '/api/v1/datasets/people/query', sent)
      return [rows, query].map(({ status, json: { requestId: _id, ...problem } }) => [status, JSON.stringify(problem)])
    }
    const nothing = JSON.stringify(await ask('nothing'))
    expect(nothing).toContain('ERR_DATA_COLUMN')
    expect(JSON.stringify(await ask('note')).replaceAll('note', 'nothing')).toBe(nothing)
    expect(JSON.stringify(await ask('patient')).replaceAll('patient', 'nothing')).toBe(nothing)
    const rows = await house.call('GET', '/api/v1/datasets/people/rows', { token: clerk.token })
    expect(rows.json.columnsHidden).toBe(true)
    expect(rows.text).not.toMatch(/note|patient/)
    // Nor by a policy that does not fit: the column that it speaks of is hidden from whoever asks.
    await put(
      'closed',
      HIDE.replaceAll('ward', 'patient')
        .replaceAll('.text.', '.integer.')
        .replace(/\["east".*\)\)/, 'resource.row.integer.getTag("patient") > 0'),
    )
    const refused = await house.call('GET', '/api/v1/datasets/people/rows', { token: clerk.token })
    expect(refused.json.code).toBe('ERR_DATA_COLUMN')
    expect(refused.text).not.toContain('patient')
  })

  it('and what is read is in the record by the names of columns, with or without asking for them (E3)', async () => {
    await put('closed', HIDE)
    const read = async () => (await house.entries({ type: 'data.read', resource: 'Dataset::people', limit: '1' }))[0]?.event['details']
    await redoubt(officer, 'data', 'rows', 'people', '--limit', '3')
    const all = ['patient', 'ward', 'note', 'age', 'late']
    const condition = { columnsOfCondition: { count: 1, names: ['ward'] } }
    expect(await read()).toMatchObject({ limit: 3, columnsRead: { count: 5, names: all }, ...condition })
    await redoubt(officer, 'data', 'rows', 'people', '--columns', 'age,ward')
    expect(await read()).toMatchObject({ columnsRead: { count: 2, names: ['age', 'ward'] }, ...condition })
    await redoubt(officer, 'data', 'query', 'people', '--group-by', 'ward', '--mean', 'age')
    expect(await read()).toMatchObject({ columnsRead: { count: 2, names: ['ward', 'age'] }, groupBy: 'ward', mean: 'age' })
    await redoubt(officer, 'data', 'query', 'people', '--count')
    expect(await read()).toMatchObject({ columnsRead: { count: 0, names: [] } })
    expect((await redoubt(officer, 'data', 'export', 'people', '--out', out('named.csv'))).code).toBe(0)
    expect(await read()).toMatchObject({ access: 'export', columnsRead: { count: 5, names: all } })
  })
})

describe('a policy that does not fit the data', () => {
  it('refuses every use of them: a column that is not there, one of another type, one misspelt in a mask (fails closed)', async () => {
    const forbid = (test: string): string =>
      `forbid (principal, action in Action::"useData", resource == Dataset::"people") when { ${test} };\n`
    for (const text of [
      forbid('resource.row.text.hasTag("wrad")'),
      forbid('resource.row.integer.hasTag("ward")'),
      '@mask_columns("ptaient=redact")\npermit (principal, action in [Action::"view", Action::"query", Action::"export"], resource == Dataset::"people");\n',
    ]) {
      await put('broken', text)
      for (const args of [
        ['data', 'rows', 'people'],
        ['data', 'query', 'people'],
        ['data', 'export', 'people', '--out', out('broken.csv')],
      ]) {
        const { code, err } = await redoubt(officer, ...args)
        expect([code, args[1], err.includes('ERR_DATA_COLUMN')]).toEqual([1, args[1], true])
      }
    }
    expect(existsSync(out('broken.csv'))).toBe(false)
    await put('broken', forbid('resource.row.text.hasTag("wrad")'))
    const train = await redoubt(scientist, 'model', 'train', '--dataset', 'people', '--algorithm', 'logistic', '--name', 'never')
    expect([train.code, train.err.includes('ERR_DATA_COLUMN')]).toEqual([1, true])
  })

  it('that cannot be evaluated for some rows leaves these out, and the record alone says how many (fails closed)', async () => {
    await put(
      'broken',
      `forbid (principal, action in Action::"useData", resource == Dataset::"people")
       when { resource.row.integer.hasTag("age") && resource.row.integer.getTag("age") > 1000
              && resource.row.integer.getTag("age") * 9007199254740991 * 1024 > 0 };\n`,
    )
    const { out: said } = await redoubt(officer, 'data', 'rows', 'people', '--limit', '1000', '--json')
    const { rows, rowCondition, ...rest } = JSON.parse(said) as { rows: unknown[]; rowCondition: string }
    expect(rows.length).toBe(COUNT - 1)
    expect(rowCondition).toMatch(/^[0-9a-f]{64}$/)
    // A number of rows that are kept back, or 1 for this one, would tell of them.
    expect(Object.keys(rest).toSorted()).toEqual(['access', 'columns', 'columnsHidden', 'more', 'name', 'version'])
    hidden(said)
    const [shown] = await house.entries({ type: 'data.rows', resource: 'Dataset::people', limit: '1' })
    expect(shown?.event).toMatchObject({ details: { shown: COUNT - 1, failed: 1 } })
  })
})

describe('what is true no longer', () => {
  it('ends an export that has begun: another condition on rows is another decision (B8)', async () => {
    const lines = Array.from({ length: 40_000 }, (_, n) => `p-${n},east,${'x'.repeat(200)},${n % 50},${n % 2}`)
    await house.call(
      'POST',
      '/api/v1/datasets/long/versions?sensitivity=internal&purpose=credit-scoring&legalBasis=contract&subject=patient',
      {
        token: house.token,
        headers: { 'content-type': 'text/csv' },
        body: `${HEADER}\n${lines.join('\n')}\n`,
      },
    )
    const response = await house.open('POST', '/api/v1/datasets/long/export', { token: officer.token })
    expect(response.statusCode).toBe(200)
    response.pause()
    await put('closed', HIDE.replace('resource == Dataset::"patients" || resource == Dataset::"people"', 'resource == Dataset::"long"'))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    let bytes = 0
    await expect(
      (async () => {
        for await (const chunk of response as AsyncIterable<Buffer>) bytes += chunk.byteLength
      })(),
    ).rejects.toThrow()
    expect(bytes).toBeLessThan(40_000 * 200)
    expect(response.trailers['repr-digest']).toBeUndefined()
    expect((await house.entries({ type: 'data.export', resource: 'Dataset::long' })).length).toBe(0)
    expect((await house.entries({ type: 'control.refusal', resource: 'Dataset::long' }))[0]?.event).toMatchObject({
      action: 'export',
      outcome: 'refused',
    })
  })
})

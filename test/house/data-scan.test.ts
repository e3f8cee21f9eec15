/** What is found in the columns of an import, by the command line and the routes, against the whole server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

const TABLE = `client_no,mail,confession,amount\n${Array.from({ length: 40 }, (_, i) => `c-${i},canary${i}@example.org,${i % 3 === 0 ? 'Catholic' : 'Muslim'},${i * 7}`).join('\n')}\n`
const ONLY_SOME = `@id("small-amounts")
forbid (principal, action in Action::"useData", resource == Dataset::"donors")
unless { resource.row.integer.hasTag("amount") && resource.row.integer.getTag("amount") < 100 };
`

let house: House
let root: string
let file: string
let scientist: HouseAccount
let auditor: HouseAccount
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'redoubt-data-scan-'))
  file = join(root, 'donors.csv')
  writeFileSync(file, TABLE)
  house = await openHouse()
  scientist = await house.account('scientist', 'data-scientist')
  auditor = await house.account('auditor', 'auditor')
})
afterAll(async () => {
  await house.close()
  rmSync(root, { recursive: true, force: true })
})
afterEach(async () => {
  await house.call('DELETE', '/api/v1/policies/some', { token: house.token })
})

const redoubt = (token: string, ...args: string[]) => runRedoubt(house, args, token)
const load = (...more: string[]) =>
  redoubt(house.token, 'data', 'import', file, '--purpose', 'credit-scoring', '--legal-basis', 'contract', ...more)
const get = (path: string, token: string) => house.call('GET', `/api/v1/datasets/${path}`, { token })
const alerts = async (): Promise<readonly { kind: string; subject: { id: string } }[]> =>
  ((await house.call('GET', '/api/v1/alerts', { token: house.token })).json as { alerts: { kind: string; subject: { id: string } }[] })
    .alerts

describe('an import (A1, C6)', () => {
  it('warns where more is found than was said, raises it, records it, and never tells a value', async () => {
    const { code, out } = await load('--name', 'donors', '--sensitivity', 'internal')
    expect(code).toBe(0)
    expect(out).toMatch(/WARNING: this calls for the sensitivity `restricted`, and it was imported as `internal`/u)
    expect(out).toMatch(/confession +religion +restricted/u)
    expect(out).toMatch(/mail +EMAIL_ADDRESS 100 %/u)
    expect(out).toContain('`client_no` looks like the column')
    expect(out).not.toContain('canary1')
    const [entry] = await house.entries({ type: 'data.import', limit: '1' })
    expect(entry?.event).toMatchObject({
      details: {
        scan: {
          rows: 40,
          isStricter: true,
          sensitivity: 'restricted',
          categories: ['religion'],
        },
      },
    })
    for (let i = 0; i < 200 && !(await alerts()).some(({ kind }) => kind === 'data.sensitivity'); i++)
      await new Promise((resolve) => setTimeout(resolve, 25))
    expect((await alerts()).filter(({ kind }) => kind === 'data.sensitivity')).toMatchObject([{ subject: { id: 'donors' } }])
  })

  it('is refused with --strict, says what to do, and leaves nothing', async () => {
    const { code, err } = await load('--name', 'strict-donors', '--sensitivity', 'confidential', '--strict')
    expect(code).toBe(1)
    expect(err).toMatch(/calls for the sensitivity `restricted`,\s+and `confidential` was given/u)
    expect(err).toContain('data scan')
    expect((await get('strict-donors', house.token)).json).toMatchObject({ code: 'ERR_DATA_UNKNOWN' })
    const right = await load('--name', 'strict-donors', '--sensitivity', 'restricted', '--strict', '--json')
    expect(JSON.parse(right.out)).toMatchObject({ version: 1, scan: { sensitivity: 'restricted', subject: 'client_no' } })
    expect(right.out).not.toContain('WARNING')
    expect((await redoubt(house.token, 'data', 'scan', 'strict-donors')).code).toBe(0)
  })
})

describe('what was found (B2)', () => {
  it('is told to whom may view the data set, and to nobody else', async () => {
    expect((await get('donors', scientist.token)).json).toMatchObject({
      name: 'donors',
      rows: 40,
      isStricter: true,
      scan: { sensitivity: 'restricted', categories: ['religion'] },
    })
    const { code, out } = await redoubt(scientist.token, 'data', 'scan', 'donors')
    expect(code).toBe(0)
    expect(out).toMatch(/confession +religion/u)
    expect(out).toContain('WARNING')
    for (const path of ['donors', 'donors/scan']) expect((await get(path, auditor.token)).json).toMatchObject({ code: 'ERR_POLICY_DENIED' })
    expect((await redoubt(auditor.token, 'data', 'scan', 'donors')).err).toContain('ERR_POLICY_DENIED')
  })

  it('is of the rows that may be seen only, and what was counted over all of them is not told', async () => {
    await house.call('PUT', '/api/v1/policies/some', { token: house.token, json: { text: ONLY_SOME } })
    expect((await get('donors', scientist.token)).json).toMatchObject({ rows: null, scan: null, isStricter: false })
    const { json } = await get('donors/scan', scientist.token)
    expect(json).toMatchObject({ scan: { rows: 15 }, given: 'internal' })
    expect(json.rowCondition).not.toBeNull()
    const [entry] = await house.entries({ type: 'data.read', limit: '1' })
    expect(entry?.event).toMatchObject({ actor: { id: 'scientist' }, details: { scan: true, access: 'view' } })
  })
})

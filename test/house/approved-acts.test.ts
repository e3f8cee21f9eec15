/** What approvals are bound to, against the whole server: the rows that were looked at, the folder that was looked at. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type House, type HouseAccount, openHouse } from './house.fixture.ts'

const ONE = `@id("one-for-rows") forbid (principal, action == Action::"export", resource == Dataset::"people") when { context.approvals < 1 };
@id("one-for-uploads") forbid (principal, action == Action::"import", resource == System::"dataset:looked-at") when { context.approvals < 1 };
@id("one-for-policies") forbid (principal, action == Action::"administer", resource == System::"policies") when { context.approvals < 1 };
`
const folder = mkdtempSync(join(tmpdir(), 'redoubt-approved-'))

let house: House
let officer: HouseAccount
let admin: HouseAccount
let other: HouseAccount
const importRows = async (ages: readonly number[]): Promise<void> => {
  const path = '/api/v1/datasets/people/versions?sensitivity=internal&purpose=credit-scoring&legalBasis=contract&subject=who'
  const body = `who,age\n${ages.map((age, n) => `p-${n},${age}\n`).join('')}`
  const { status, text } = await house.call('POST', path, { token: house.token, headers: { 'content-type': 'text/csv' }, body })
  if (status !== 200 || !text.includes('"type":"result"')) throw new Error(text)
}
beforeAll(async () => {
  writeFileSync(join(folder, 'one.cedar'), ONE)
  house = await openHouse((configuration) => ({ ...configuration, policies: folder }))
  officer = await house.account('officer', 'privacy-officer')
  admin = await house.account('admin', 'administrator')
  other = await house.account('other', 'administrator')
  await importRows([30, 40])
}, 60_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

const call = (by: HouseAccount, method: string, path: string, json?: object) =>
  house.call(method, `/api/v1${path}`, { token: by.token, ...(json === undefined ? {} : { json }) })
/** Asks for approval of what is refused, and has it approved. */
async function approvedPayload(by: HouseAccount, approver: HouseAccount, act: () => ReturnType<typeof call>) {
  const refused = (await act()).json
  expect(refused).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED', needed: 1 })
  const { id, digest } = (await call(by, 'POST', '/approvals', { offer: refused.approval, reason: 'the yearly look' })).json
  const shown = (await call(approver, 'GET', `/approvals/${id}`)).json
  expect((await call(approver, 'POST', `/approvals/${id}/approve`, { digest })).status).toBe(200)
  return shown.payload as { readonly meant: Record<string, unknown>; readonly body: unknown }
}
const approved = async (...act: Parameters<typeof approvedPayload>) => (await approvedPayload(...act)).meant
const approvedBody = async (...act: Parameters<typeof approvedPayload>) => (await approvedPayload(...act)).body

describe('an approval of an act on a data set (B1, B8)', () => {
  it('is of the version that was looked at: what is imported later needs its own', async () => {
    const whole = () => house.call('POST', '/api/v1/datasets/people/export', { token: officer.token })
    const second = await house.account('second-officer', 'privacy-officer')
    const meant = await approved(officer, second, whole)
    expect(meant).toEqual({ datasetVersion: { version: 1, digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string } })
    await importRows([30, 40, 50])
    // The approval was of two rows, and neither lets three out nor is spent by the try.
    const refused = await whole()
    expect(refused.json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect(refused.text).not.toContain('p-2')
    expect((await approved(officer, second, whole))['datasetVersion']).toMatchObject({ version: 2 })
    expect((await whole()).text.trim().split('\r\n')).toHaveLength(4)
  })
})

describe('an approval of an upload (B1, B8)', () => {
  const path = '/api/v1/datasets/looked-at/versions?sensitivity=internal&purpose=credit-scoring&legalBasis=contract'
  const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64')
  const upload = (body: string, digest?: string) =>
    house.call('POST', path, {
      token: house.token,
      headers: { 'content-type': 'text/csv', ...(digest === undefined ? {} : { 'content-digest': `sha-256=:${digest}:` }) },
      body,
    })
  const imported = async () => (await house.call('GET', '/api/v1/datasets/looked-at', { token: house.token })).status === 200
  const rows = 'age,income\n30,1\n40,2\n'
  const others = 'age,income\n30,1\n40,9\n'

  it('is of the bytes that were looked at, by their digest: others are not imported under it (RFC 9530)', async () => {
    const bootstrap = { token: house.token } as HouseAccount
    // What will be sent has to be said first.
    const unsaid = (await upload(rows)).json
    expect(unsaid).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED', needed: 1, detail: expect.stringContaining('content-digest') as string })
    expect(unsaid).not.toHaveProperty('approval')
    const shown = await approvedBody(bootstrap, other, () => upload(rows, digestOf(rows)))
    expect(shown).toEqual({ contentDigest: { 'sha-256': createHash('sha256').update(rows).digest('hex') } })
    // Another file is another act; the same words with other bytes behind them come to nothing, and take the approval with them.
    expect((await upload(others, digestOf(others))).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect((await upload(others, digestOf(rows))).text).toContain('ERR_INPUT_DIGEST')
    expect(await imported()).toBe(false)
    await approvedBody(bootstrap, other, () => upload(rows, digestOf(rows)))
    expect((await upload(rows, digestOf(rows))).text).toContain('"type":"result"')
    expect(await imported()).toBe(true)
    expect((await upload(rows, digestOf(rows))).json.code).toBe('ERR_APPROVAL_REQUIRED')
  })
})

describe('an approval of a reload of the policies (B1, B8)', () => {
  const reload = () => call(admin, 'POST', '/policies/reload')
  const digest = async () => (await call(admin, 'GET', '/policies')).json.digest as string

  it('is of the folder as it was, and of the policies in force', async () => {
    writeFileSync(join(folder, 'night.cedar'), '@id("night") forbid (principal, action, resource) when { context.risk > 99 };\n')
    const meant = await approved(admin, other, reload)
    expect(meant).toEqual({ policySet: await digest(), folder: expect.stringMatching(/^[0-9a-f]{64}$/) as string })
    // Exchanged after it was approved: a policy that nobody looked at.
    const smuggled = '@id("mine") permit (principal, action == Action::"rotateKey", resource);\n'
    writeFileSync(join(folder, 'night.cedar'), smuggled)
    const before = await digest()
    expect((await reload()).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect(await digest()).toBe(before)
    writeFileSync(join(folder, 'night.cedar'), '@id("night") forbid (principal, action, resource) when { context.risk > 99 };\n')
    const done = await reload()
    expect([done.status, done.json.before]).toEqual([200, before])
    expect(await digest()).not.toBe(before)
  })
})

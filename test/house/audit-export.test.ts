/** The record, taken out to be shown to someone who does not trust us: who may, what is in it, what is recorded of it (E5, B2). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyExport } from '#trust/audit'
import { type Answer, type House, type HouseAccount, openHouse, starterRow } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

let house: House
let auditor: HouseAccount
let folder: string
let key: string
beforeAll(async () => {
  house = await openHouse()
  folder = mkdtempSync(join(tmpdir(), 'redoubt-audit-export-'))
  auditor = await house.account('auditor', 'auditor')
  key = (await house.call('GET', '/api/v1/audit/log', { token: house.token })).json.verifierKey
  for (const subject of ['ada-lovelace', 'bela-bartok'])
    await house.call('POST', '/v2/models/credit/infer', { token: house.token, json: { parameters: { subject }, ...starterRow() } })
}, 120_000)
afterAll(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

const take = (query = '', by: HouseAccount = auditor): Promise<Answer> =>
  house.call('GET', `/api/v1/audit/export${query}`, { token: by.token })
const verify = (text: string) => verifyExport([Buffer.from(text)], { verifierKey: key })

const command = (token: string, ...args: string[]) => runRedoubt(house, args, token)

describe('the record as a file (E5)', () => {
  it('is whole, and verifies with the key of the log; what is sealed stays sealed', async () => {
    const before = await house.logSize()
    const { status, text, headers } = await take()
    expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson'])
    const verdict = await verify(text)
    expect(verdict).toMatchObject({ ok: true, kind: 'range', first: 0, witnesses: [] })
    expect(verdict.entries).toBeGreaterThanOrEqual(before)
    expect(text).not.toMatch(/lovelace|bartok|permanent/)
    expect((await verify(text.replace('"success', '"refused'))).ok).toBe(false)
  })

  it('of a person is a selection, recorded under the pseudonym, and found by it', async () => {
    const { text, headers } = await take('?subject=ada-lovelace')
    expect(await verify(text)).toMatchObject({ ok: true, kind: 'selection' })
    expect((await verify(text)).entries).toBeGreaterThan(0)
    const entries = await house.entries({ requestId: headers['x-request-id'] as string })
    expect(entries.map(({ event }) => [event['type'], event['outcome'], event['action']])).toEqual([
      ['audit.exported', 'success', 'exportAudit'],
      ['audit.export', 'success', 'exportAudit'],
      ['control.admission', 'success', 'exportAudit'],
    ])
    expect(JSON.stringify(entries)).not.toContain('lovelace')
    const found = await house.entries({ subject: 'ada-lovelace', type: 'audit.export' })
    expect(found.map(({ index }) => index)).toEqual([entries[1]?.index])
    const [ended] = entries
    expect(ended?.event['details']).toMatchObject({ digest: expect.stringMatching(/^[0-9a-f]{64}$/), kind: 'selection' })
    expect((await verify(text)).receipt).toBe(ended?.index)
  })

  it('between two times is what the search finds there', async () => {
    const [latest] = await house.entries({ type: 'inference.completion', limit: '1' })
    const time = Number(latest?.event['time'])
    const verdict = await verify((await take(`?from=${time}&to=${time}`)).text)
    expect(verdict).toMatchObject({ ok: true, kind: 'range' })
    expect([verdict.first <= latest!.index, latest!.index < verdict.end]).toEqual([true, true])
  })
})

describe('taking the record out is an act of its own (B2)', () => {
  it('is not for those who may only read it', async () => {
    const reader = await house.account('reader', 'privacy-officer', 'subject-rights')
    expect((await house.call('GET', '/api/v1/audit/entries', { token: reader.token })).status).toBe(200)
    const answer = await take('', reader)
    expect([answer.status, answer.json.code]).toEqual([403, 'ERR_POLICY_DENIED'])
    expect(answer.text).not.toContain('redoubt-audit-export')
    for (const role of ['administrator', 'data-scientist', 'ml-engineer', 'deployer', 'application', 'business-user'])
      expect((await take('', await house.account(`an-${role}`, role))).json.code, role).toBe('ERR_POLICY_DENIED')
    expect((await take('', await house.account('officer', 'security-officer'))).status).toBe(200)
    const [refusal] = await house.entries({ type: 'control.refusal', actor: 'ServiceAccount::reader' })
    expect(refusal?.event).toMatchObject({ action: 'exportAudit', resource: { type: 'Log', id: 'audit' } })
  })

  it('waits for a second person where a policy says so, who agrees to this question and no other', async () => {
    const text = '@id("two-for-export") forbid (principal, action == Action::"exportAudit", resource) when { context.approvals < 1 };'
    expect((await house.call('PUT', '/api/v1/policies/two-for-export', { token: house.token, json: { text } })).status).toBe(200)
    const second = await house.account('second', 'security-officer')
    const { json: refused } = await take('?type=key.unwrap')
    expect(refused).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED', needed: 1 })
    const asked = await house.call('POST', '/api/v1/approvals', {
      token: auditor.token,
      json: { offer: refused.approval, reason: 'a trial' },
    })
    const { id, digest } = asked.json
    expect((await house.call('POST', `/api/v1/approvals/${id}/approve`, { token: second.token, json: { digest } })).status).toBe(200)
    expect((await take()).json.code).toBe('ERR_APPROVAL_REQUIRED')
    const taken = await take('?type=key.unwrap')
    expect(await verify(taken.text)).toMatchObject({ ok: true, kind: 'selection', selection: { type: 'key.unwrap' } })
    expect((await take('?type=key.unwrap')).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect((await house.call('DELETE', '/api/v1/policies/two-for-export', { token: house.token })).status).toBe(200)
  })
})

describe('redoubt audit export', () => {
  it('writes a file that `audit verify` verifies offline, and finds tampering in', async () => {
    const file = join(folder, 'record.ndjson')
    const wrote = await command(auditor.token, 'audit', 'export', '--from', '2020-01-01T00:00:00Z', '--out', file)
    expect(wrote).toMatchObject({ code: 0, out: expect.stringMatching(/verified: all \d+ entries of `redoubt.local\/log` from 0 to \d+/) })
    expect(wrote.err).toContain(`--key '${key}'`)
    expect((await command(auditor.token, 'audit', 'export', '--out', file)).code).toBe(2)
    // No server is asked, and no key of this host.
    const verified = await command('', 'audit', 'verify', '--export', file, '--key', key, '--url', 'https://localhost:1')
    expect(verified).toMatchObject({ code: 0, err: '', out: expect.stringContaining('verified: all') })
    const own = await command('', 'audit', 'verify', '--export', file)
    expect(own).toMatchObject({ code: 0, err: expect.stringContaining('ONLY THE FILE VOUCHES FOR ITS KEY') })
    expect(own.err).toContain(key)
    const lines = readFileSync(file, 'utf8').split('\n')
    writeFileSync(file, lines.filter((_, i) => i !== 3).join('\n'))
    const tampered = await command('', 'audit', 'verify', '--export', file, '--key', key)
    expect(tampered).toMatchObject({ code: 1, out: expect.stringContaining('the entry 3 stands where 2 is due') })
    const asJson = await command('', 'audit', 'verify', '--export', file, '--key', key, '--json')
    expect([asJson.code, JSON.parse(asJson.out).ok]).toEqual([1, false])
    expect((await command('', 'audit', 'verify', '--export', join(folder, 'none'))).code).toBe(2)
    expect((await command('', 'audit', 'verify', '--export', file, '--checkpoint', file)).code).toBe(2)
  })

  it('writes nothing where it is refused', async () => {
    const file = join(folder, 'refused.ndjson')
    const application = await house.account('an-app')
    expect(await command(application.token, 'audit', 'export', '--out', file)).toMatchObject({ code: 1, out: '' })
    expect(() => readFileSync(file)).toThrow('ENOENT')
  })
})

/** The end of a person's key, against the whole server: who may, what is asked, and what is left (A7, B2). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type House, openHouse, starterRow } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

let house: House
beforeAll(async () => {
  house = await openHouse()
}, 120_000)
afterAll(() => house.close())

const destroy = (token: string, subject = 'nobody') => house.call('POST', '/api/v1/subjects/destroy-key', { token, json: { subject } })
async function command(token: string, ...words: string[]) {
  const { code, out, err } = await runRedoubt(house, words, token)
  return { code, out: out + err }
}

describe('destroying a key (A7, B2)', () => {
  it('is for security and privacy officers, and asked as `destroyKey` of the key', async () => {
    for (const role of ['administrator', 'auditor', 'data-scientist', 'ml-engineer', 'deployer', 'application', 'business-user'])
      expect((await destroy((await house.account(`a-${role}`, role)).token)).json.code, role).toBe('ERR_POLICY_DENIED')
    // The right to erase data sets is no right to destroy keys.
    expect((await destroy(house.token)).json.code).toBe('ERR_POLICY_DENIED')
    for (const role of ['security-officer', 'privacy-officer']) {
      const answer = await destroy((await house.account(`a-${role}`, role)).token)
      expect([answer.status, answer.json.destroyed]).toEqual([200, false])
      const [asked] = await house.entries({ requestId: answer.headers['x-request-id'] as string, type: 'control.admission' })
      expect(asked?.event).toMatchObject({ action: 'destroyKey', resource: { type: 'Key', id: 'subject' } })
      const [done] = await house.entries({ requestId: answer.headers['x-request-id'] as string, type: 'key.destroy' })
      expect(done?.event).toMatchObject({ action: 'destroyKey', actor: { id: `a-${role}` } })
    }
  })

  it('waits for a second person where a policy says so', async () => {
    const text = '@id("two-for-keys") forbid (principal, action == Action::"destroyKey", resource is Key) when { context.approvals < 1 };'
    expect((await house.call('PUT', '/api/v1/policies/two-for-keys', { token: house.token, json: { text } })).status).toBe(200)
    const officer = await house.account('first-officer', 'privacy-officer')
    const second = await house.account('second-officer', 'security-officer')
    const { json: refused } = await destroy(officer.token, 'greta')
    expect(refused).toMatchObject({ code: 'ERR_APPROVAL_REQUIRED', needed: 1 })
    const asked = await house.call('POST', '/api/v1/approvals', {
      token: officer.token,
      json: { offer: refused.approval, reason: 'she asks' },
    })
    const { id, digest } = asked.json
    expect((await house.call('POST', `/api/v1/approvals/${id}/approve`, { token: second.token, json: { digest } })).status).toBe(200)
    // Approved for one person, not for another; once.
    expect((await destroy(officer.token, 'hanna')).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect((await destroy(officer.token, 'greta')).status).toBe(200)
    expect((await destroy(officer.token, 'greta')).json.code).toBe('ERR_APPROVAL_REQUIRED')
    expect((await house.call('DELETE', '/api/v1/policies/two-for-keys', { token: house.token })).status).toBe(200)
  })

  it('by command is confirmed: where nobody can, only `--yes` goes on, and the words say what goes', async () => {
    const officer = await house.account('third-officer', 'privacy-officer')
    const json = { parameters: { subject: 'ida' }, ...starterRow() }
    expect((await house.call('POST', '/v2/models/credit/infer', { token: house.token, json })).status).toBe(200)
    const [entry] = await house.entries({ subject: 'ida', type: 'inference.completion' })
    const fields = async () =>
      (await house.call('GET', `/api/v1/audit/entries/${entry?.index}`, { token: officer.token })).json.personal[0].fields as unknown
    const asked = await command(officer.token, 'keys', 'destroy', '--subject', 'ida')
    expect([asked.code, asked.out.includes('--yes')]).toEqual([2, true])
    expect(await fields()).not.toBeNull()
    const done = await command(officer.token, 'keys', 'destroy', '--subject', 'ida', '--yes')
    expect([done.code, done.out.includes('destroyed the key of subject')]).toEqual([0, true])
    expect(await fields()).toBeNull()
  })
})

/** The key provider's count against the log, over the whole server: what its work leaves adds up (A7). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type House, openHouse, starterRow } from './house.fixture.ts'
import { runRedoubt } from './run-redoubt.fixture.ts'

let house: House
beforeAll(async () => {
  house = await openHouse()
}, 120_000)
afterAll(() => house.close())

describe('the use of keys (A7)', () => {
  it('adds up after a start, calls and rotations, by command, in the log, in the metrics and for the doctor', async () => {
    const officer = await house.account('key-officer', 'security-officer')
    for (const subject of ['ann', 'ben']) {
      const json = { parameters: { subject }, ...starterRow() }
      expect((await house.call('POST', '/v2/models/credit/infer', { token: house.token, json })).status).toBe(200)
    }
    for (const json of [{ keyClass: 'dataset' }, { keyClass: 'model', owner: 'credit' }, { keyClass: 'configuration' }])
      expect((await house.call('POST', '/api/v1/keys/rotate', { token: officer.token, json })).status).toBe(200)
    const { code, out } = await runRedoubt(house, ['keys', 'reconcile', '--json'], officer.token)
    const found = JSON.parse(out)
    expect({ code, differing: found.rows.filter((row: { finding: string }) => row.finding !== 'agrees') }).toEqual({
      code: 0,
      differing: [],
    })
    for (const { provider, log, own, withheld, uncertain, operation } of found.rows)
      if (uncertain === 0 && operation !== 'make') expect(provider).toBe(log + own + withheld)
    expect(found.rows).toContainEqual(expect.objectContaining({ operation: 'make', key: 'all', provider: 2, log: 2 }))
    const [entry] = await house.entries({ type: 'key.reconcile' })
    expect(entry?.event).toMatchObject({ outcome: 'success', details: { entries: found.entries } })

    const { text } = await house.call('GET', '/metrics')
    expect(text).toMatch(/^redoubt_key_operations_unaccounted 0$/m)
    expect(text).toMatch(/^redoubt_key_own_operations\{purpose="checkpoint",operation="sign",key="checkpoint"\} [1-9]/m)
    expect(text).toMatch(/^redoubt_key_operations\{told_by="provider",operation="wrap",key="dataset"\} [1-9]/m)
    const status = await house.call('GET', '/api/v1/status', { token: officer.token })
    expect(status.json.keyReconciliation).toMatchObject({ agrees: true, problem: null })
  })

  it('is asked for by those who see keys, and by nobody else', async () => {
    const { token } = await house.account('an-application', 'application')
    expect((await house.call('POST', '/api/v1/keys/reconcile', { token, json: {} })).json.code).toBe('ERR_POLICY_DENIED')
  })
})

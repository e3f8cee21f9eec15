/** Whoever looks for models that it may not use leaves a trace, on the whole server. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type House, openHouse } from './house.fixture.ts'

let house: House
beforeAll(async () => {
  house = await openHouse()
})
afterAll(() => house.close())

it.each([
  ['/v2/models/credit', 'ERR_POLICY_PURPOSE', { type: 'Model', id: 'credit' }],
  ['/v2/models/credit/ready', 'ERR_POLICY_PURPOSE', { type: 'Model', id: 'credit' }],
  ['/v2/models/nothing', 'ERR_MODEL_UNKNOWN', { type: 'Surface', id: 'open-inference' }],
  ['/v1/models/nothing', 'ERR_MODEL_UNKNOWN', { type: 'Surface', id: 'openai.chat' }],
] as const)('is refused at %s on record, as an inference is (E3)', async (path, code, resource) => {
  const name = `looker${path.replaceAll(/\W/g, '-')}`
  const account = await house.account(name, 'application', 'marketing')
  const refused = await house.call('GET', path, { token: account.token })
  expect(refused.status).toBeGreaterThanOrEqual(400)
  const entries = await house.entries({ type: 'inference.refusal', actor: `ServiceAccount::${name}` })
  expect(entries).toHaveLength(1)
  expect(entries[0]?.event).toMatchObject({ code, action: 'invoke', resource, outcome: 'refused', purpose: 'marketing' })
  expect(entries[0]?.event['requestId']).toBe(refused.headers['x-request-id'])
  expect(refused.headers['redoubt-log-index']).toBe(String(entries[0]?.index))
  if (code === 'ERR_POLICY_PURPOSE') expect(entries[0]?.event['decision']).toMatchObject({ effect: 'deny' })
})

it('is no refusal to be shown an empty list', async () => {
  const account = await house.account('lister', 'auditor', 'marketing')
  const answer = await house.call('GET', '/v1/models', { token: account.token })
  expect(answer.json).toMatchObject({ data: [] })
  expect(await house.entries({ type: 'inference.refusal', actor: 'ServiceAccount::lister' })).toEqual([])
})

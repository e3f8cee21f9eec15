/** Several upstreams behind one public name, against the whole server: where a request goes when the first does not answer, and where never. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CARD, type Conformance, openConformance } from './conformance.fixture.ts'

const AGREED = { reference: 'DPA 2026-14', expires: '2099-12-31' }
const ENDED = { reference: 'DPA 2019-3', expires: '2020-12-31' }

let at: Conformance
beforeAll(async () => {
  at = await openConformance((chat, { mock, scripted }) => {
    const to = (baseUrl: string, agreement?: object) => ({
      baseUrl,
      allowLoopbackHttp: true,
      retries: 0,
      ...(agreement ? { agreement } : {}),
    })
    const model = (...fallbacks: object[]) => ({ upstream: 'first', model: 'first-model', fallbacks })
    return {
      upstreams: {
        ...chat.upstreams,
        first: to(scripted),
        patient: { ...to(scripted), retries: 2 },
        agreed: to(mock, AGREED),
        ended: to(mock, ENDED),
      },
      models: {
        ...chat.models,
        open: model({ upstream: 'agreed', model: 'second-model' }),
        ended: model({ upstream: 'ended', model: 'second-model' }),
        narrow: model({ upstream: 'agreed', model: 'second-model', purposes: ['marketing'] }),
        patient: { upstream: 'patient', model: 'first-model' },
      },
    }
  })
})
afterAll(() => at.close())

const ask = (model: string, more: object = {}) =>
  at.house.call('POST', '/v1/chat/completions', {
    token: at.account.token,
    json: { model, messages: [{ role: 'user', content: `hello ${CARD}` }], ...more },
  })
const recorded = async (answer: { headers: Record<string, unknown> }) =>
  (await at.house.entries({ requestId: String(answer.headers['x-request-id']) })).map(({ event }) => event).toReversed()

describe('a model with a fallback', () => {
  it('is answered by the fallback when the first does not answer, guarded alike and on record before it goes there (C6, D4, E3)', async () => {
    at.scripted.failures.push(500)
    const answer = await ask('open')
    expect(answer.status, answer.text).toBe(200)
    expect(answer.json).toMatchObject({ model: 'open', choices: [{ message: { content: 'Hello there, how are you?' } }] })
    const sent = JSON.stringify(at.mock.getLastRequest()?.body)
    expect(sent).toContain('second-model')
    expect(sent).toContain('[CREDIT_CARD]')
    expect(sent).not.toContain('4111')
    const events = await recorded(answer)
    expect(events.map(({ type }) => type)).toEqual(['inference.admission', 'inference.failover', 'inference.completion'])
    expect(events.map(({ details }) => (details as { upstream: string }).upstream)).toEqual(['first', 'agreed', 'agreed'])
  })

  it('streams from the fallback too', async () => {
    at.scripted.failures.push(503)
    const answer = await ask('open', { stream: true })
    expect(answer.text).toContain('[DONE]')
    expect(answer.text).not.toContain('error')
  })

  it('never goes to a vendor whose agreement has ended (D4)', async () => {
    const before = at.mock.getRequests().length
    at.scripted.failures.push(500)
    const answer = await ask('ended')
    expect(answer.status).toBe(502)
    expect(at.mock.getRequests().length).toBe(before)
    expect((await recorded(answer)).map(({ type }) => type)).toEqual(['inference.admission', 'inference.refusal'])
  })

  it('never goes where the policies would not let it go: each place is decided anew (B7, D4)', async () => {
    const before = at.mock.getRequests().length
    at.scripted.failures.push(500)
    const answer = await ask('narrow')
    expect(answer.status).toBe(502)
    expect(at.mock.getRequests().length).toBe(before)
    // The first place serves other purposes and goes on doing so.
    expect((await ask('narrow')).status).toBe(200)
  })

  it('does not go elsewhere with a request that was refused for what it is', async () => {
    const before = at.mock.getRequests().length
    at.scripted.failures.push(400)
    expect((await ask('open')).status).toBe(400)
    expect(at.mock.getRequests().length).toBe(before)
  })

  it('is asked again by itself only when it cannot have answered, within bounds', async () => {
    const asked = at.scripted.asked.length
    at.scripted.failures.push(503, 502)
    expect((await ask('patient')).status).toBe(200)
    expect(at.scripted.asked.length - asked).toBe(3)
    at.scripted.failures.push(500, 500)
    expect((await ask('patient')).status).toBe(502)
    expect(at.scripted.asked.length - asked).toBe(4)
    at.scripted.failures.length = 0
  })
})

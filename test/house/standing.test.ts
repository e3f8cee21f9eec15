import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BOOTSTRAP_KEY_FILE, readAccountFile, requestToken, revokeToken } from '#trust/client'
import { join } from 'node:path'
import { type House, openHouse, starterRow } from './house.fixture.ts'

let house: House
beforeAll(async () => {
  house = await openHouse()
})
afterAll(() => house.close())

/** A request whose body is half sent; `finish` sends the rest and gives the answer. */
async function begun(method: string, path: string, token: string, body: string, contentType = 'application/json') {
  const half = Math.floor(body.length / 2)
  const sent = request({
    host: 'localhost',
    port: house.port,
    ca: house.ca,
    method,
    path,
    agent: false,
    headers: { authorization: `Bearer ${token}`, 'content-type': contentType, 'content-length': Buffer.byteLength(body) },
  })
  const answer = new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject))
  answer.catch(() => undefined)
  sent.write(body.slice(0, half))
  // Long enough for the head to have been looked at, far less than a body may take.
  await new Promise((resolve) => setTimeout(resolve, 150))
  return {
    answer,
    async finish() {
      sent.end(body.slice(half))
      return text(await answer)
    },
    leave: () => sent.destroy(),
  }
}

async function text(response: IncomingMessage): Promise<{ status: number; text: string; headers: IncomingMessage['headers'] }> {
  const parts: Buffer[] = []
  try {
    for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  } catch {
    // The server ends a connection whose body it does not want.
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8'), headers: response.headers }
}

const disable = (name: string) => house.call('POST', `/api/v1/service-accounts/${name}/disable`, { token: house.token, json: {} })

describe('what was true when a request began and is not any more', () => {
  it('an account that is disabled while its call arrives gets no answer from the model (B8)', async () => {
    const { token } = await house.account('slow-app')
    const call = await begun('POST', '/v2/models/credit/infer', token, JSON.stringify(starterRow()))
    expect((await disable('slow-app')).status).toBe(200)
    const { status, headers } = await call.finish()
    expect([status, headers['redoubt-code']]).toEqual([401, 'ERR_ACCOUNT_DISABLED'])
  })

  it('a token that is revoked while its order arrives changes nothing (B5, B8)', async () => {
    const account = readAccountFile(join(house.secretsDir, BOOTSTRAP_KEY_FILE))!
    const ask = { ...account, baseUrl: house.server.url, ca: house.ca }
    const { accessToken } = await requestToken(ask)
    const policy = JSON.stringify({ text: 'permit (principal, action, resource);\n' })
    const call = await begun('PUT', '/api/v1/policies/late', accessToken, policy)
    await revokeToken(ask, accessToken)
    const answer = await call.finish()
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([401, 'ERR_TOKEN_REVOKED'])
    expect((await house.call('GET', '/api/v1/policies', { token: house.token })).text).not.toContain('late.cedar')
    expect((await house.entries({ code: 'ERR_TOKEN_REVOKED', type: 'control.refusal' }))[0]?.event).toMatchObject({ outcome: 'refused' })
  })

  it('a policy that is put in force ends a running stream within a second (B7, B8)', async () => {
    const { token } = await house.account('streaming-app')
    const response = await house.open('POST', '/v1/chat/completions', {
      token,
      json: { model: 'assistant', stream: true, messages: [{ role: 'user', content: 'hold' }] },
    })
    expect(response.statusCode).toBe(200)
    const forbid = 'forbid (principal == ServiceAccount::"streaming-app", action == Action::"invoke", resource is Endpoint);\n'
    const cancelled = house.upstream.nextCancellation()
    await house.call('PUT', '/api/v1/policies/no-streams', { token: house.token, json: { text: forbid } })
    const began = performance.now()
    const { text: events } = await text(response)
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(events).toContain('err_policy_denied')
    expect(events).not.toContain('[DONE]')
    await cancelled
    await house.call('DELETE', '/api/v1/policies/no-streams', { token: house.token })
    const [entry] = await house.entries({ type: 'inference.completion', actor: 'ServiceAccount::streaming-app' })
    expect(entry?.event).toMatchObject({ outcome: 'refused', code: 'ERR_POLICY_DENIED' })
  })

  it('an import ends when its account does, though nothing more arrives (B8)', async () => {
    const { token } = await house.account('slow-engineer', 'ml-engineer')
    const query = 'sensitivity=internal&purpose=credit-scoring&legalBasis=contract'
    const call = await begun('POST', `/api/v1/datasets/late/versions?${query}`, token, 'a,b\n1,2\n'.repeat(50), 'text/csv')
    const response = await call.answer
    await disable('slow-engineer')
    const { text: lines } = await text(response)
    expect(JSON.parse(lines.trim().split('\n').at(-1)!)).toMatchObject({ type: 'error', problem: { code: 'ERR_ACCOUNT_DISABLED' } })
    expect((await house.call('GET', '/api/v1/datasets', { token: house.token })).text).not.toContain('"late"')
    expect(await house.entries({ code: 'ERR_ACCOUNT_DISABLED', actor: 'ServiceAccount::slow-engineer' })).not.toEqual([])
  })
})

it('finds and erases a subject of any name that a call could give (D3)', async () => {
  const { token } = await house.account('long-names-app')
  const officer = await house.account('long-names-officer', 'privacy-officer')
  const subject = 'ü'.repeat(500)
  const headers = { 'redoubt-subject': 'x'.repeat(500) }
  expect((await house.call('POST', '/v2/models/credit/infer', { token, headers, json: starterRow() })).status).toBe(200)
  const json = { ...starterRow(), parameters: { subject } }
  expect((await house.call('POST', '/v2/models/credit/infer', { token, json })).status).toBe(200)
  for (const name of [headers['redoubt-subject'], subject]) {
    expect((await house.entries({ subject: name, type: 'inference.completion' })).length).toBe(1)
    const answer = await house.call('POST', '/api/v1/subjects/destroy-key', { token: officer.token, json: { subject: name } })
    expect([answer.status, answer.json.destroyed]).toEqual([200, true])
  }
})

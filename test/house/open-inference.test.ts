import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyProof } from '#trust/audit'
import { type Answer, type House, type HouseAccount, openHouse, starterRow } from './house.fixture.ts'

let house: House
let application: HouseAccount
beforeAll(async () => {
  house = await openHouse()
  application = await house.account('scorer')
})
afterAll(() => house.close())

const get = (path: string, token = application.token): Promise<Answer> => house.call('GET', path, { token })
const infer = (body: object, path = '/v2/models/credit/infer', token = application.token): Promise<Answer> =>
  house.call('POST', path, { token, json: body })
const probability = (answer: Answer): number => answer.json.outputs.find(({ name }: { name: string }) => name === 'probability').data[0]

describe('the Open Inference Protocol', () => {
  it('tells whether the server lives and is ready, to anyone', async () => {
    expect((await house.call('GET', '/v2/health/live')).json).toEqual({ live: true })
    expect((await house.call('GET', '/v2/health/ready')).json).toMatchObject({ ready: true })
    expect((await house.call('GET', '/readyz')).text).toBe('ready\n')
  })

  it('describes the server, the model and its versions', async () => {
    expect((await get('/v2')).json).toMatchObject({ name: 'redoubt', extensions: [] })
    const metadata = (await get('/v2/models/credit')).json
    expect(metadata).toMatchObject({ name: 'credit', versions: ['1'], platform: 'onnxruntime_onnx' })
    expect(metadata.inputs).toContainEqual({ name: 'income', datatype: 'INT64', shape: [-1, 1] })
    expect(metadata.inputs.map(({ name }: { name: string }) => name)).not.toContain('applicant')
    expect(metadata.outputs.map(({ name }: { name: string }) => name).sort()).toEqual(['label', 'probability'])
    expect((await get('/v2/models/credit/versions/1')).json).toEqual(metadata)
    for (const path of ['/v2/models/credit/ready', '/v2/models/credit/versions/1/ready'])
      expect((await get(path)).json).toEqual({ name: 'credit', ready: true })
  })

  it('answers for what is not there with 404 in its own shape', async () => {
    for (const path of [
      '/v2/models/nothing',
      '/v2/models/nothing/ready',
      '/v2/models/credit/versions/2',
      '/v2/models/credit/versions/2/ready',
    ]) {
      const answer = await get(path)
      expect(`${path} ${answer.status}`).toBe(`${path} 404`)
      expect(Object.keys(answer.json)).toEqual(['error'])
    }
    expect((await infer(starterRow(), '/v2/models/credit/versions/2/infer')).status).toBe(404)
  })

  it.each([
    '/v2/',
    '/v2/models',
    '/v2/models/',
    '/v2/models/CREDIT',
    '/v2/models/credit%2fx',
    '/v2/models/../credit',
    '/v2/models/credit/',
    '/v2/models/credit/versions/0',
    '/v2/models/credit/versions/01',
    '/v2/models/credit/versions/1.0',
    '/v2/models/credit/generate',
    '/v2/repository/index',
  ])('serves nothing at %s', async (path) => {
    // As it stands: a client would tidy it up first.
    const answer = await house.bytes(
      `GET ${path} HTTP/1.1\r\nhost: localhost:${house.port}\r\nauthorization: Bearer ${application.token}\r\nconnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 4(?:04|21) /)
  })

  it('scores a row by name and by version, the same each time', async () => {
    const first = await infer({ id: 'row-1', ...starterRow() })
    expect(first.status, first.text).toBe(200)
    expect(first.json).toMatchObject({ model_name: 'credit', model_version: '1', id: 'row-1' })
    expect(probability(first)).toBeGreaterThan(0)
    expect(probability(first)).toBeLessThan(1)
    expect(probability(await infer(starterRow(), '/v2/models/credit/versions/1/infer'))).toBe(probability(first))
    expect(first.headers['redoubt-log-index']).toMatch(/^\d+$/)
  })

  it('takes null for a missing number and counts it as in training', async () => {
    const missing = await infer(starterRow({ income: null }))
    expect(missing.status, missing.text).toBe(200)
    expect(probability(missing)).not.toBe(probability(await infer(starterRow())))
    expect((await infer(starterRow({ income: 'much' }))).status).toBe(400)
  })

  it('counts rows under the limits, and tells what is left (C4)', async () => {
    const answer = await infer(starterRow())
    expect(answer.headers['x-ratelimit-remaining-requests']).toMatch(/^\d+$/)
    const rows = 2_001
    const wide = {
      inputs: starterRow().inputs.map((input) => ({
        ...input,
        shape: [rows, 1],
        data: Array(rows).fill((input as { data: unknown[] }).data[0]),
      })),
    }
    const refused = await infer(wide)
    expect(`${refused.status} ${String(refused.headers['redoubt-code'])}`).toBe('413 ERR_LIMIT_CALL_SIZE')
    expect(refused.json.error).toContain('ERR_LIMIT_CALL_SIZE')
  })

  it('refuses an account of another purpose, which does not see the model either (B7)', async () => {
    const marketing = await house.account('marketing', 'application', 'marketing')
    const refused = await infer(starterRow(), '/v2/models/credit/infer', marketing.token)
    expect(`${refused.status} ${String(refused.headers['redoubt-code'])}`).toBe('403 ERR_POLICY_PURPOSE')
    const [entry] = await house.entries({ requestId: String(refused.headers['x-request-id']) })
    expect(entry?.event).toMatchObject({ type: 'inference.refusal', code: 'ERR_POLICY_PURPOSE', purpose: 'marketing' })
    expect(refused.headers['redoubt-log-index']).toBe(String(entry?.index))
    expect((await get('/v2/models/credit', marketing.token)).status).toBe(403)
    // Nor does it learn from what is wrong with a body what the model takes.
    for (const body of [{ inputs: [] }, { inputs: 7 }, starterRow({ income: 'much' })]) {
      const blind = await infer(body, '/v2/models/credit/infer', marketing.token)
      expect(`${blind.status} ${String(blind.headers['redoubt-code'])}`).toBe('403 ERR_POLICY_PURPOSE')
      expect(blind.text).not.toMatch(/age|income|inputs/)
      const [record] = await house.entries({ requestId: String(blind.headers['x-request-id']) })
      expect(record?.event).toMatchObject({
        code: 'ERR_POLICY_PURPOSE',
        resource: { type: 'Model', id: 'credit' },
        decision: { effect: 'deny' },
      })
      expect((await infer(body)).json.error).toContain('ERR_INPUT_INVALID')
    }
  })

  it('serves a quarantined model no more, from the next request on (B8)', async () => {
    const officer = await house.account('officer', 'security-officer', 'security')
    const train = await house.call('POST', '/api/v1/models/short-lived/train', {
      token: house.token,
      json: { dataset: 'credit', algorithm: 'logistic' },
    })
    expect(train.text).toContain('"type":"result"')
    expect((await house.call('POST', '/api/v1/models/short-lived/deploy', { token: house.token })).status).toBe(200)
    expect((await infer(starterRow(), '/v2/models/short-lived/infer')).status).toBe(200)
    const quarantined = await house.call('POST', '/api/v1/models/short-lived/quarantine', {
      token: officer.token,
      json: { reason: 'a test' },
    })
    expect(quarantined.status, quarantined.text).toBe(200)
    const refused = await infer(starterRow(), '/v2/models/short-lived/infer')
    expect(refused.status).toBeGreaterThanOrEqual(403)
    expect(refused.status).toBeLessThan(405)
    const again = await house.call('POST', '/api/v1/models/short-lived/deploy', { token: house.token })
    expect(again.status).toBe(403)
  })
})

describe('a person in the record', () => {
  interface Shown {
    readonly personal: readonly { readonly subject: string; readonly fields: Record<string, unknown> | null }[]
  }
  const shown = async (index: number): Promise<Shown> =>
    (await house.call('GET', `/api/v1/audit/entries/${index}`, { token: house.token })).json as Shown
  const proved = async (index: number): Promise<boolean> => {
    const answer = await house.call('GET', `/api/v1/audit/entries/${index}/proof`, { token: house.token })
    const { proof, entry, verifierKey } = answer.json as { proof: string; entry: string; verifierKey: string }
    return verifyProof(proof, Buffer.from(entry), verifierKey, []).ok
  }

  it('is sealed under a key of its own; when that is destroyed nothing can be read and everything still proves (E5, A7)', async () => {
    const subject = 'person-4711@example.com'
    const answer = await infer({ ...starterRow(), parameters: { subject } })
    expect(answer.status, answer.text).toBe(200)
    const other = await infer({ ...starterRow(), parameters: { subject: 'person-4712@example.com' } })
    const index = Number(answer.headers['redoubt-log-index'])
    const otherIndex = Number(other.headers['redoubt-log-index'])

    const before = await shown(index)
    expect(before.personal).toEqual([
      { subject: expect.stringMatching(/^[\w-]{43}$/), fields: { prediction: expect.any(Array), inputs: expect.any(Array) } },
    ])
    expect(JSON.stringify(before)).not.toContain(subject)
    const found = await house.entries({ subject })
    expect(found.map((entry) => entry.index)).toContain(index)
    expect(await proved(index)).toBe(true)

    const officer = await house.account('key-officer', 'privacy-officer')
    const destroyed = await house.call('POST', '/api/v1/subjects/destroy-key', { token: officer.token, json: { subject } })
    expect(destroyed.json).toMatchObject({ destroyed: true, pseudonym: before.personal[0]?.subject })

    for (const entry of found) expect((await shown(entry.index)).personal.every(({ fields }) => fields === null)).toBe(true)
    expect((await shown(otherIndex)).personal[0]?.fields).not.toBeNull()
    expect(await proved(index)).toBe(true)
    expect(await proved(otherIndex)).toBe(true)
  })

  it('may be named by the header, and not by two names at once', async () => {
    const headers = { 'redoubt-subject': 'person-1' }
    const ask = (body: object) => house.call('POST', '/v2/models/credit/infer', { token: application.token, headers, json: body })
    const named = await ask(starterRow())
    expect((await shown(Number(named.headers['redoubt-log-index']))).personal.length).toBe(1)
    expect((await ask({ ...starterRow(), parameters: { subject: 'person-2' } })).status).toBe(400)
  })
})

describe('a service account', () => {
  it('is made, gets tokens, is seen, and ends at once (B4, B8)', async () => {
    const account = await house.account('short-lived', 'application', 'credit-scoring')
    const whoami = await get('/api/v1/whoami', account.token)
    expect(whoami.json).toMatchObject({ type: 'ServiceAccount', name: 'short-lived', roles: ['application'], purpose: 'credit-scoring' })
    const listed = await house.call('GET', '/api/v1/service-accounts', { token: house.token })
    expect(listed.json.serviceAccounts).toContainEqual(expect.objectContaining({ name: 'short-lived', disabled: false }))
    expect(listed.text).not.toContain('"d"')

    expect((await infer(starterRow(), '/v2/models/credit/infer', account.token)).status).toBe(200)
    const disabled = await house.call('POST', '/api/v1/service-accounts/short-lived/disable', { token: house.token })
    expect(disabled.json).toEqual({ name: 'short-lived', disabled: true })
    expect((await infer(starterRow(), '/v2/models/credit/infer', account.token)).status).toBe(401)
    await expect(account.freshToken()).rejects.toMatchObject({ code: 'ERR_CLIENT_AUTHENTICATION' })
  })

  it('needs a right that it was given: an application administers nothing (B2)', async () => {
    const asks: readonly [string, string, object | undefined][] = [
      ['GET', '/api/v1/service-accounts', undefined],
      ['GET', '/api/v1/audit/entries', undefined],
      ['GET', '/api/v1/audit/log', undefined],
      ['GET', '/api/v1/keys', undefined],
      ['POST', '/api/v1/keys/rotate', { keyClass: 'model' }],
      ['POST', '/api/v1/subjects/destroy-key', { subject: 'nobody' }],
      ['PUT', '/api/v1/policies/all', { text: 'permit (principal, action, resource);' }],
      ['POST', '/api/v1/service-accounts', { name: 'friend', roles: ['administrator'], purpose: 'x', legalBasis: 'contract' }],
      ['POST', '/api/v1/models/credit/deploy', {}],
      ['DELETE', '/api/v1/models/credit', undefined],
      ['GET', '/log/tile/entries/000', undefined],
    ]
    for (const [method, path, json] of asks) {
      const answer = await house.call(method, path, { token: application.token, ...(json === undefined ? {} : { json }) })
      expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} 403`)
      const [entry] = await house.entries({ requestId: String(answer.headers['x-request-id']) })
      expect(entry?.event, path).toMatchObject({ type: 'control.refusal', outcome: 'refused' })
    }
  })

  it('that states no purpose may use nothing (B7)', async () => {
    const aimless = await house.account('aimless', 'application', '')
    const refused = await infer(starterRow(), '/v2/models/credit/infer', aimless.token)
    expect(`${refused.status} ${String(refused.headers['redoubt-code'])}`).toBe('403 ERR_POLICY_PURPOSE')
  })

  it('cannot be given the role of the host’s own account', async () => {
    const answer = await house.call('POST', '/api/v1/service-accounts', {
      token: house.token,
      json: { name: 'usurper', roles: ['bootstrap'], purpose: 'x', legalBasis: 'contract' },
    })
    expect(answer.status).toBe(400)
  })
})

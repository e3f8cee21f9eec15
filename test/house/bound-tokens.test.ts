/** Bound tokens on every surface of the whole server, over its own listener. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { request } from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '#foundation/crypto'
import { type PrivateJwk, requestToken, signProof } from '#trust/client'
import { type House, openHouse } from './house.fixture.ts'

const SURFACES = [
  ['GET', '/v1/models'],
  ['POST', '/v1/chat/completions'],
  ['GET', '/v2/models/credit'],
  ['POST', '/v2/models/credit/infer'],
  ['GET', '/api/v1/whoami'],
  ['GET', '/log/tile/entries/000'],
] as const

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

let house: House
beforeAll(async () => {
  house = await openHouse()
})
afterAll(() => house.close())

async function made(name: string, more: object): Promise<PrivateJwk> {
  const json = { name, roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract', ...more }
  const created = await house.call('POST', '/api/v1/service-accounts', { token: house.token, json })
  expect(created.status, created.text).toBe(201)
  return created.json.privateKeyJwk as PrivateJwk
}

function send(
  method: string,
  path: string,
  headers: Record<string, string>,
  tls: { cert?: string; key?: string } = {},
  body = '{}',
): Promise<Answer> {
  const sent = method === 'GET' ? '' : body
  const options = {
    host: 'localhost',
    port: house.port,
    method,
    path,
    ca: house.ca,
    agent: false as const,
    ...tls,
    headers: { 'content-type': 'application/json', 'content-length': String(sent.length), ...headers },
  }
  return new Promise((resolve, reject) => {
    const call = request(options, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }))
    })
    call.on('error', reject).end(sent)
  })
}

describe('a token bound to a key (RFC 9449)', () => {
  let token: string
  let key: KeyObject
  let nonce: string
  beforeAll(async () => {
    const privateKeyJwk = await made('bound', { binding: 'dpop' })
    key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const ask = { baseUrl: house.server.url, accountId: 'bound', privateKeyJwk, ca: house.ca }
    await expect(requestToken(ask)).rejects.toMatchObject({ code: 'ERR_TOKEN_REQUEST' })
    const issued = await requestToken({ ...ask, proofKey: key })
    expect(issued.tokenType).toBe('DPoP')
    token = issued.accessToken
    const first = await send('GET', '/v1/models', { authorization: `DPoP ${token}`, dpop: proof('GET', '/v1/models') })
    expect(first.headers['www-authenticate']).toContain('use_dpop_nonce')
    nonce = String(first.headers['dpop-nonce'])
  })
  const proof = (method: string, path: string, more = {}): string =>
    signProof(key, { method, url: house.server.url + path, accessToken: token, ...more })
  const withProof = (method: string, path: string, dpop: string): Promise<Answer> =>
    send(method, path, { authorization: `DPoP ${token}`, dpop })

  it.each(SURFACES)('is taken at %s %s with a proof, once, and nowhere else (B8)', async (method, path) => {
    const good = proof(method, path, { nonce })
    const answer = await withProof(method, path, good)
    expect([answer.status, answer.text]).not.toEqual([401, expect.anything()])
    for (const [headers, code] of [
      [{ authorization: `DPoP ${token}`, dpop: good }, 'ERR_DPOP_REPLAYED'],
      [{ authorization: `Bearer ${token}` }, 'ERR_TOKEN_DOWNGRADE'],
      [{ authorization: `DPoP ${token}` }, 'ERR_DPOP_MISSING'],
      [{ authorization: `DPoP ${token}`, dpop: proof('DELETE', path, { nonce }) }, 'ERR_DPOP_METHOD'],
      [{ authorization: `DPoP ${token}`, dpop: proof(method, `${path}x`, { nonce }) }, 'ERR_DPOP_URL'],
      [{ authorization: `DPoP ${token}`, dpop: proof(method, path) }, 'ERR_DPOP_NONCE'],
    ] as const) {
      const refused = await send(method, path, headers)
      expect(refused.status).toBe(401)
      expect(`${refused.text} ${String(refused.headers['redoubt-code'])}`).toContain(code)
      expect(refused.headers['www-authenticate']).toContain(`DPoP error="`)
      expect(refused.headers['www-authenticate']).toContain(code)
      expect(refused.headers['dpop-nonce']).toMatch(/^[\w-]{22}$/)
    }
  })

  it.each(SURFACES)(
    'is asked for as DPoP at %s %s whatever else is wrong with it, with the algorithms of proofs (§7.1)',
    async (method, path) => {
      const name = `ended-${method}-${path.replaceAll(/\W/g, '-')}`.toLowerCase()
      const privateKeyJwk = await made(name, { binding: 'dpop' })
      const { accessToken } = await requestToken({ baseUrl: house.server.url, accountId: name, privateKeyJwk, ca: house.ca, proofKey: key })
      const spoiled = `${accessToken.slice(0, -6)}AAAAAA`
      expect((await house.call('POST', `/api/v1/service-accounts/${name}/disable`, { token: house.token })).status).toBeLessThan(300)
      for (const [authorization, code] of [
        [`DPoP ${accessToken}`, 'ERR_ACCOUNT_DISABLED'],
        [`Bearer ${accessToken}`, 'ERR_ACCOUNT_DISABLED'],
        [`DPoP ${spoiled}`, 'ERR_TOKEN_SIGNATURE'],
      ] as const) {
        const refused = await send(method, path, { authorization, dpop: proof(method, path, { nonce, accessToken }) })
        expect(refused.status).toBe(401)
        expect(refused.headers['www-authenticate']).toBe(
          `DPoP error="invalid_token", error_description="${code}", algs="ES256 EdDSA Ed25519"`,
        )
      }
      // An unbound token is asked for as what it is.
      const unbound = await send(method, path, { authorization: `DPoP ${house.token}`, dpop: proof(method, path, { nonce }) })
      expect(unbound.headers['www-authenticate']).toBe('Bearer error="invalid_token", error_description="ERR_TOKEN_SCHEME"')
    },
  )

  it('is judged by the address of the server, not by the host that the caller names', async () => {
    const elsewhere = signProof(key, { method: 'GET', url: 'https://127.0.0.1/v1/models', accessToken: token, nonce })
    const headers = { authorization: `DPoP ${token}`, dpop: elsewhere, host: '127.0.0.1', 'x-forwarded-host': '127.0.0.1' }
    const refused = await send('GET', '/v1/models', headers)
    expect([401, 421]).toContain(refused.status)
    const good = await send('GET', '/v1/models', {
      authorization: `DPoP ${token}`,
      dpop: proof('GET', '/v1/models', { nonce }),
      'x-forwarded-host': 'evil.example',
    })
    expect(good.status).toBe(200)
  })

  it('is on record with the code of each refusal', async () => {
    const refusals = await house.entries({ type: 'authentication.refused' })
    const codes = new Set(refusals.map(({ event }) => event['code']))
    for (const code of [
      'ERR_DPOP_REPLAYED',
      'ERR_TOKEN_DOWNGRADE',
      'ERR_DPOP_MISSING',
      'ERR_DPOP_METHOD',
      'ERR_DPOP_URL',
      'ERR_DPOP_NONCE',
    ])
      expect(codes).toContain(code)
  })
})

describe('a token bound to a certificate (RFC 8705)', () => {
  it.each(SURFACES)('is taken at %s %s over the connection of that certificate alone (O10, B8)', async (method, path) => {
    const certificates = await Promise.all([certificate(), certificate()])
    const [mine, other] = certificates
    const name = `batch-${method}-${path.replaceAll(/\W/g, '-')}`.toLowerCase()
    expect(await made(name, { binding: 'mtls', certificate: mine.cert })).toBeNull()
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: name }).toString()
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const issued = await send('POST', '/oauth/token', type, mine, form)
    const { access_token: token } = JSON.parse(issued.text) as { access_token: string }
    const authorization = `Bearer ${token}`
    expect((await send(method, path, { authorization }, mine)).status).not.toBe(401)
    const spoofed = {
      'client-cert': `:${Buffer.from(mine.cert).toString('base64')}:`,
      'x-forwarded-client-cert': mine.cert.replaceAll('\n', ''),
    }
    for (const [headers, tls] of [
      [{}, other],
      [{}, {}],
      [spoofed, {}],
    ] as const) {
      const refused = await send(method, path, { authorization, ...headers }, tls)
      expect(refused.status).toBe(401)
      expect(`${refused.text} ${String(refused.headers['redoubt-code'])}`).toContain('ERR_TOKEN_CERTIFICATE')
    }
  })
})

async function certificate(): Promise<{ cert: string; key: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = await createCertificateAuthority({ privateKey, publicKey, commonName: 'client', now: Date.now() })
  return { cert, key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() }
}

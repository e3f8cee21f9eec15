import { generateKeyPairSync } from 'node:crypto'
import { request } from 'node:https'
import { connect } from 'node:tls'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN, assertion, type Fixture, grantForm, ISSUER } from '../identity.fixtures.ts'
import { ASSERTION_TYPE, type PrivateJwk, thumbprintOf } from '#trust/client'
import {
  bearer,
  clientCertificate,
  codeOf,
  makeProof,
  openSettled,
  openTlsFixture,
  type ProofChange,
  proofKey,
  type TlsFixture,
} from './services.fixtures.ts'

const FORM = 'application/x-www-form-urlencoded'
const TOKEN_URL = `${ISSUER}/oauth/token`

describe('a token that is bound to a key, at the token endpoint (RFC 9449 §5)', () => {
  let fixture: Fixture
  let key: PrivateJwk
  beforeEach(async () => {
    fixture = await openSettled()
    key = (await fixture.account('scorer')).privateKeyJwk
  })
  afterEach(() => fixture.close())

  const signer = proofKey()
  const proof = (change: ProofChange = {}): string =>
    makeProof(signer, { method: 'POST', url: TOKEN_URL, now: fixture.clock.now() }, change)
  const ask = (dpop: string | null, name = 'scorer', privateKey = key): Promise<Response> =>
    fixture.post('/oauth/token', grantForm(name, assertion(name, privateKey, fixture.clock.now())), {
      'content-type': FORM,
      ...(dpop === null ? {} : { dpop }),
    })
  const answerOf = async (response: Response): Promise<Record<string, unknown>> => (await response.json()) as Record<string, unknown>

  it('says `cnf.jkt` and the type DPoP, and is in the log as bound (B4)', async () => {
    const response = await ask(proof())
    const answer = await answerOf(response)
    expect(answer).toMatchObject({ token_type: 'DPoP', expires_in: 600 })
    expect(decodeJwt(String(answer['access_token']))).toMatchObject({ cnf: { jkt: thumbprintOf(signer) }, sub: 'scorer' })
    expect(fixture.audit.of('token.issue')).toMatchObject([{ details: { binding: 'dpop' } }])
    expect(codeOf(fixture.identity.authenticate(bearer(String(answer['access_token']))))).toBe('ERR_TOKEN_DOWNGRADE')
  })

  it.each<[string, string, () => string]>([
    ['O03 for another address', 'ERR_DPOP_URL', () => proof({ claims: { htu: `${ISSUER}/v1/models` } })],
    ['O04 for another method', 'ERR_DPOP_METHOD', () => proof({ claims: { htm: 'GET' } })],
    ['O06 of an hour ago', 'ERR_DPOP_TIME', () => proof({ claims: { iat: Math.floor(fixture.clock.now() / 1000) - 3600 } })],
    ['O07 with a private key', 'ERR_DPOP_KEY', () => proof({ header: { jwk: signer.export({ format: 'jwk' }) } })],
    ['O07 by another key', 'ERR_DPOP_SIGNATURE', () => proof({ signer: proofKey() })],
    ['O09 with a nonce that we did not give', 'ERR_DPOP_NONCE', () => proof({ claims: { nonce: 'x' } })],
    ['O02 that is empty', 'ERR_DPOP_MALFORMED', () => ''],
  ])('refuses a proof %s, and gives no token', async (_what, code, make) => {
    const response = await ask(make())
    const answer = await answerOf(response)
    expect(response.status).toBe(400)
    expect(answer).toMatchObject({ code, error: code === 'ERR_DPOP_NONCE' ? 'use_dpop_nonce' : 'invalid_dpop_proof' })
    expect(answer).not.toHaveProperty('access_token')
    expect(response.headers.get('dpop-nonce')).toMatch(/^[\w-]{22}$/)
    expect(fixture.audit.of('authentication.refused')).toMatchObject([{ code, actor: { id: 'scorer' } }])
    expect(fixture.audit.of('token.issue')).toHaveLength(0)
  })

  it('takes a proof once, of many at once and after a restart too (O01)', async () => {
    const once = proof()
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(once)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    const refused = await answerOf(answers.find(({ status }) => status !== 200)!)
    expect(refused).toMatchObject({ error: 'invalid_dpop_proof', code: 'ERR_DPOP_REPLAYED' })
    const rows = fixture.database.raw.prepare("SELECT count(*) AS n FROM identity_artifacts WHERE model = 'DpopProof'").get()
    expect(rows).toEqual({ n: 1 })
  })

  it('gives an account that takes bound tokens only no other (O08)', async () => {
    const { privateKeyJwk } = await fixture.account('strict', { binding: 'dpop' })
    expect(await answerOf(await ask(null, 'strict', privateKeyJwk))).toMatchObject({
      error: 'invalid_dpop_proof',
      code: 'ERR_DPOP_MISSING',
    })
    expect(await answerOf(await ask(proof(), 'strict', privateKeyJwk))).toMatchObject({ token_type: 'DPoP' })
  })

  it('writes nothing for a proof of whoever is not authenticated', async () => {
    const stranger = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as PrivateJwk
    expect((await ask(proof(), 'scorer', stranger)).status).toBe(401)
    expect(fixture.database.raw.prepare('SELECT count(*) AS n FROM identity_artifacts').get()).toEqual({ n: 0 })
  })

  it.each<[string, string, (good: string) => string]>([
    ['that was used before', 'ERR_ASSERTION_REPLAYED', (good) => good],
    [
      'for the token endpoint of another server',
      'ERR_ASSERTION_AUDIENCE',
      () => assertion('scorer', key, fixture.clock.now(), { aud: 'https://other.example/oauth/token' }),
    ],
    [
      'for this and another server',
      'ERR_ASSERTION_AUDIENCE',
      () => assertion('scorer', key, fixture.clock.now(), { aud: [ISSUER, 'https://other.example'] }),
    ],
  ])('refuses an assertion %s with a reason of its own (O17)', async (_what, code, make) => {
    const good = assertion('scorer', key, fixture.clock.now())
    expect((await fixture.post('/oauth/token', grantForm('scorer', good))).status).toBe(200)
    const response = await fixture.post('/oauth/token', grantForm('scorer', make(good)))
    expect(response.status).toBe(401)
    expect(await answerOf(response)).toMatchObject({ error: 'invalid_client', code })
    expect(fixture.audit.of('authentication.refused')).toMatchObject([{ code }])
  })
})

describe('an account that authenticates with a certificate (RFC 8705)', () => {
  let fixture: TlsFixture
  beforeEach(async () => {
    fixture = await openTlsFixture()
  })
  afterEach(() => fixture.close())

  interface Sent {
    readonly certificate?: { readonly cert: string; readonly key: string } | undefined
    readonly method?: string
    readonly headers?: Record<string, string>
    readonly body?: string
  }
  const send = (
    path: string,
    { certificate, method = 'GET', headers = {}, body = '' }: Sent = {},
  ): Promise<{ status: number; json: Record<string, unknown> }> =>
    new Promise((resolve, reject) => {
      const options = {
        method,
        ca: fixture.ca,
        agent: false as const,
        headers: { ...headers, 'content-length': body.length },
        ...certificate,
      }
      const call = request(`${fixture.issuer}${path}`, options, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part: string) => (text += part))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, json: JSON.parse(text) as Record<string, unknown> }))
      })
      call.on('error', reject).end(body)
    })
  const grant = (name: string, certificate?: Sent['certificate'], more: Sent = {}) =>
    send('/oauth/token', {
      method: 'POST',
      certificate,
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: name }).toString(),
      ...more,
      headers: { 'content-type': FORM, ...more.headers },
    })
  const use = (token: unknown, more: Sent = {}) =>
    send('/v1/models', { ...more, headers: { authorization: `Bearer ${String(token)}`, ...more.headers } })

  it('gets tokens bound to it, which no other connection can use (O10, B4, B5)', async () => {
    const [mine, other] = [await clientCertificate(), await clientCertificate()]
    const created = await fixture.identity.serviceAccounts.create(
      { name: 'batch', roles: ['application'], purpose: 'p', legalBasis: 'contract', binding: 'mtls', certificate: mine.cert },
      ADMIN,
    )
    expect(created).toMatchObject({ privateKeyJwk: null, account: { binding: 'mtls', certificate: mine.thumbprint } })
    const { status, json } = await grant('batch', mine)
    expect([status, json]).toMatchObject([200, { token_type: 'Bearer' }])
    const token = json['access_token']
    expect(decodeJwt(String(token))).toMatchObject({ cnf: { 'x5t#S256': mine.thumbprint } })
    expect((await use(token, { certificate: mine })).json).toEqual({ id: 'batch', binding: 'mtls', onBehalfBy: '' })
    expect(await use(token, { certificate: other })).toMatchObject({ status: 401, json: { code: 'ERR_TOKEN_CERTIFICATE' } })
    expect(await use(token)).toMatchObject({ status: 401, json: { code: 'ERR_TOKEN_CERTIFICATE' } })
    const pem = encodeURIComponent(mine.cert)
    const spoofed = {
      'x-forwarded-client-cert': `Cert="${pem}"`,
      'x-ssl-client-cert': pem,
      'client-cert': `:${pem}:`,
      'x-client-cert': pem,
    }
    expect(await use(token, { headers: spoofed })).toMatchObject({ status: 401, json: { code: 'ERR_TOKEN_CERTIFICATE' } })
    expect((await grant('batch', undefined, { headers: spoofed })).status).toBe(401)
    expect((await grant('batch', other)).status).toBe(401)
    expect((await grant('batch')).status).toBe(401)
  })

  it('may sign an assertion with the key of the certificate, and still needs the connection', async () => {
    const mine = await clientCertificate()
    await fixture.account('batch', { binding: 'mtls', certificate: mine.cert })
    const { createPrivateKey } = await import('node:crypto')
    const signed = assertion('batch', createPrivateKey(mine.key), fixture.clock.now(), { aud: fixture.issuer }, { alg: 'ES256' })
    const body = grantForm('batch', signed)
    expect(await grant('batch', undefined, { body })).toMatchObject({ status: 401, json: { code: 'ERR_CLIENT_CERTIFICATE' } })
  })

  it('gets a new certificate; the old one and its tokens end at once', async () => {
    const [old, next] = [await clientCertificate(), await clientCertificate()]
    await fixture.account('batch', { binding: 'mtls', certificate: old.cert })
    const { access_token: token } = (await grant('batch', old)).json
    await fixture.identity.serviceAccounts.replaceKey('batch', ADMIN, next.cert)
    expect(await use(token, { certificate: old })).toMatchObject({ status: 401, json: { code: 'ERR_TOKEN_REVOKED' } })
    expect((await grant('batch', old)).status).toBe(401)
    expect((await grant('batch', next)).status).toBe(200)
    await expect(fixture.identity.serviceAccounts.replaceKey('batch', ADMIN)).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' })
  })

  it('is known on a connection that resumes an earlier one', async () => {
    const mine = await clientCertificate()
    await fixture.account('batch', { binding: 'mtls', certificate: mine.cert })
    const body = 'grant_type=client_credentials&client_id=batch'
    const head = `POST /oauth/token HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: ${FORM}\r\ncontent-length: ${body.length}\r\n\r\n`
    const over = (session?: Buffer): Promise<{ session: Buffer | undefined; resumed: boolean; text: string }> =>
      new Promise((resolve, reject) => {
        const seen: { session: Buffer | undefined; resumed: boolean; text: string } = { session: undefined, resumed: false, text: '' }
        const { hostname: host, port } = new URL(fixture.issuer)
        const options = { host, port: Number(port), servername: host, ca: fixture.ca, cert: mine.cert, key: mine.key }
        const socket = connect({ ...options, ...(session === undefined ? {} : { session }) }, () => {
          seen.resumed = socket.isSessionReused()
          socket.write(head + body)
        })
        socket.on('session', (ticket) => (seen.session = ticket)).on('data', (data) => (seen.text += data.toString()))
        socket.on('close', () => resolve(seen)).on('error', reject)
      })
    const first = await over()
    const second = await over(first.session)
    expect([first.resumed, second.resumed]).toEqual([false, true])
    expect(second.text).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('revokes and introspects over its connection', async () => {
    const mine = await clientCertificate()
    await fixture.account('batch', { binding: 'mtls', certificate: mine.cert })
    const token = String((await grant('batch', mine)).json['access_token'])
    const body = new URLSearchParams({ client_id: 'batch', token }).toString()
    const post = (path: string, certificate?: Sent['certificate']) =>
      send(path, { method: 'POST', certificate, body, headers: { 'content-type': FORM } })
    expect((await post('/oauth/introspect', mine)).json).toMatchObject({ active: true, cnf: { 'x5t#S256': mine.thumbprint } })
    expect((await post('/oauth/introspect')).status).toBe(401)
  })

  it.each<[string, () => Promise<Record<string, unknown>>]>([
    ['a certificate without the binding', async () => ({ certificate: (await clientCertificate()).cert })],
    ['the binding without a certificate', async () => ({ binding: 'mtls' })],
    [
      'a certificate and a key',
      async () => ({
        binding: 'mtls',
        certificate: (await clientCertificate()).cert,
        publicKeyJwk: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) },
      }),
    ],
    [
      'two certificates',
      async () => ({ binding: 'mtls', certificate: `${(await clientCertificate()).cert}\n${(await clientCertificate()).cert}` }),
    ],
    ['a private key in place of a certificate', async () => ({ binding: 'mtls', certificate: (await clientCertificate()).key })],
    ['text', async () => ({ binding: 'mtls', certificate: 'certificate' })],
  ])('is not made with %s', async (_what, more) => {
    await expect(fixture.account('batch', (await more()) as never)).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' })
  })

  it('asks nobody else for a certificate: an account with a key works over a connection without one', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const body = grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now(), { aud: fixture.issuer }))
    const { status, json } = await grant('scorer', undefined, { body })
    expect(status).toBe(200)
    expect((await use(json['access_token'])).json).toMatchObject({ id: 'scorer', binding: 'none' })
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'scorer',
      client_assertion_type: ASSERTION_TYPE,
    }).toString()
    expect((await grant('scorer', await clientCertificate(), { body: form })).status).toBe(401)
  })
})

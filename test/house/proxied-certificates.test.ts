/** Certificate-bound tokens behind a proxy that ends TLS: every connection to this server is the proxy's. */
import { generateKeyPairSync } from 'node:crypto'
import { request } from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '#foundation/crypto'
import { type House, openHouse } from './house.fixture.ts'

interface Certificate {
  readonly cert: string
  readonly key: string
  /** As RFC 9440 writes it. */
  readonly header: string
}

async function certificate(): Promise<Certificate> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const cert = await createCertificateAuthority({ privateKey, publicKey, commonName: 'client', now: Date.now() })
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return { cert, key, header: `:${cert.replaceAll(/-----.*-----|\s/g, '')}:` }
}

type Headers = Readonly<Record<string, string | readonly string[]>>

function send(
  house: House,
  method: string,
  path: string,
  headers: Headers,
  tls: Partial<Certificate>,
  body = '',
): Promise<[number, string]> {
  const { cert, key } = tls
  const connection = cert === undefined || key === undefined ? {} : { cert, key }
  const options = { host: 'localhost', port: house.port, method, path, ca: house.ca, agent: false as const, ...connection }
  return new Promise((resolve, reject) => {
    const call = request({ ...options, headers: { 'content-length': String(body.length), ...headers } }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve([answer.statusCode ?? 0, `${text} ${String(answer.headers['redoubt-code'])}`]))
    })
    call.on('error', reject).end(body)
  })
}

const token = async (house: House, headers: Headers, tls: Partial<Certificate>): Promise<[number, string]> => {
  const [status, text] = await send(
    house,
    'POST',
    '/oauth/token',
    { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    tls,
    'grant_type=client_credentials&client_id=batch',
  )
  return [status, status === 200 ? (JSON.parse(text.slice(0, text.lastIndexOf('}') + 1)) as { access_token: string }).access_token : text]
}

async function houseWith(clientCertificateHeader: string | undefined, mine: Certificate): Promise<House> {
  const opened = await openHouse((configuration) => ({
    ...configuration,
    server: { ...configuration.server, trustedProxies: ['127.0.0.0/8', '::1'], clientCertificateHeader },
  }))
  const account = { name: 'batch', roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract', binding: 'mtls' }
  const json = { ...account, certificate: mine.cert }
  expect((await opened.call('POST', '/api/v1/service-accounts', { token: opened.token, json })).status).toBe(201)
  return opened
}

describe('a token bound to a certificate behind a named proxy (RFC 8705, RFC 9440, B8)', () => {
  let house: House
  let mine: Certificate
  let other: Certificate
  let proxy: Certificate
  beforeAll(async () => {
    ;[mine, other, proxy] = await Promise.all([certificate(), certificate(), certificate()])
    house = await houseWith('Client-Cert', mine)
  })
  afterAll(() => house.close())

  it('is given out and taken for the certificate that the proxy forwards, whatever certificate the proxy has', async () => {
    const [status, bound] = await token(house, { 'client-cert': mine.header }, proxy)
    expect(status, bound).toBe(200)
    const authorization = `Bearer ${bound}`
    for (const tls of [proxy, {}])
      expect((await send(house, 'GET', '/api/v1/whoami', { authorization, 'client-cert': mine.header }, tls))[0]).toBe(200)
    for (const headers of [{}, { 'client-cert': other.header }, { 'x-forwarded-client-cert': mine.header }]) {
      const [refused, text] = await send(house, 'GET', '/api/v1/whoami', { authorization, ...headers }, proxy)
      expect([refused, text]).toEqual([401, expect.stringContaining('ERR_TOKEN_CERTIFICATE')])
    }
  })

  it('is not to be had with the proxy’s own certificate: that says nothing of the caller', async () => {
    // As if the proxy connected with a certificate that an account has.
    expect(await token(house, {}, mine)).toEqual([401, expect.stringContaining('ERR_CLIENT')])
    const [, bound] = await token(house, { 'client-cert': mine.header }, proxy)
    const [refused, text] = await send(house, 'GET', '/api/v1/whoami', { authorization: `Bearer ${bound}` }, mine)
    expect([refused, text]).toEqual([401, expect.stringContaining('ERR_TOKEN_CERTIFICATE')])
  })

  it('is refused when the header is malformed, or there twice: one line may be the client’s own', async () => {
    const [, bound] = await token(house, { 'client-cert': mine.header }, proxy)
    const authorization = `Bearer ${bound}`
    for (const value of [
      [mine.header, mine.header],
      [mine.header, other.header],
      mine.header.slice(1),
      '::',
      `${mine.header}, ${mine.header}`,
    ]) {
      const [status, text] = await send(house, 'GET', '/api/v1/whoami', { authorization, 'client-cert': value }, proxy)
      expect([status, text], String(value).slice(0, 20)).toEqual([400, expect.stringContaining('ERR_FORWARDED_INVALID')])
    }
  })
})

describe('a proxy that forwards no certificate', () => {
  it('lets no certificate pass, neither its own nor one that a client writes into a header', async () => {
    const mine = await certificate()
    const house = await houseWith(undefined, mine)
    try {
      for (const [headers, tls] of [
        [{}, mine],
        [{ 'client-cert': mine.header }, mine],
        [{ 'client-cert': mine.header }, {}],
      ] as const)
        expect(await token(house, headers, tls)).toEqual([401, expect.stringContaining('ERR_CLIENT')])
    } finally {
      await house.close()
    }
  })
})

/** openid-client, an implementation that is not ours, over real TLS 1.3: bound tokens, certificates, exchange. */
import { webcrypto } from 'node:crypto'
import { decodeJwt, importJWK } from 'jose'
import * as client from 'openid-client'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PrivateJwk } from '#trust/client'
import { type ClientCertificate, clientCertificate, openTlsFixture, personToken, signIn, type TlsFixture } from './services.fixtures.ts'
import { ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE } from './token-exchange.ts'

let fixture: TlsFixture
let key: PrivateJwk
const agents: Agent[] = []
beforeAll(async () => {
  fixture = await openTlsFixture()
  const mayActFor = { roles: ['business-user' as const], purposes: ['credit-scoring'] }
  key = (await fixture.account('scorer', { mayActFor })).privateKeyJwk
})
afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.close()))
  await fixture.close()
})

async function discover(name: string, authentication: client.ClientAuth, certificate?: ClientCertificate): Promise<client.Configuration> {
  const dispatcher = new Agent({ connect: { ca: fixture.ca, ...(certificate && { cert: certificate.cert, key: certificate.key }) } })
  agents.push(dispatcher)
  const overTls = ((url: string, options: object) => undiciFetch(url, { ...options, dispatcher })) as unknown as client.CustomFetch
  const settings = { algorithm: 'oauth2' as const, [client.customFetch]: overTls }
  return client.discovery(new URL(fixture.issuer), name, {}, authentication, settings)
}

async function byKey(): Promise<client.Configuration> {
  const privateKey = await importJWK({ ...key }, 'EdDSA')
  if (privateKey instanceof Uint8Array) throw new Error('not a key')
  return discover('scorer', client.PrivateKeyJwt(privateKey))
}

const resource = (path: string): URL => new URL(path, fixture.issuer)

describe('openid-client', () => {
  it.each([
    ['ES256', { name: 'ECDSA', namedCurve: 'P-256' }],
    ['Ed25519', { name: 'Ed25519' }],
  ])(
    'gets and uses a token bound to an %s key, answering the demand for a nonce by itself (RFC 9449, B4, B5)',
    async (_algorithm, algorithm) => {
      const configuration = await byKey()
      const pair = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as client.CryptoKeyPair
      const DPoP = client.getDPoPHandle(configuration, pair)
      const { access_token: token, token_type: type } = await client.clientCredentialsGrant(configuration, {}, { DPoP })
      expect(type).toBe('dpop')
      expect(decodeJwt(token)['cnf']).toEqual({ jkt: await DPoP.calculateThumbprint() })
      const ask = (path: string, options: client.DPoPOptions | undefined): Promise<Response> =>
        client.fetchProtectedResource(configuration, token, resource(path), 'GET', null, undefined, options)
      const answer = await ask('/v1/models?limit=1', { DPoP })
      expect(await answer.json()).toEqual({ id: 'scorer', binding: 'dpop', onBehalfBy: '' })
      // Without its proofs, or with those of another key, it is worth nothing.
      await expect(ask('/v1/models', undefined)).rejects.toThrow()
      const other = client.getDPoPHandle(
        configuration,
        (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as client.CryptoKeyPair,
      )
      await expect(ask('/v1/models', { DPoP: other })).rejects.toThrow()
    },
  )

  it('gets and uses a token with its certificate (RFC 8705, B4, B5)', async () => {
    const mine = await clientCertificate()
    await fixture.account('batch', { binding: 'mtls', certificate: mine.cert })
    const configuration = await discover('batch', client.TlsClientAuth(), mine)
    const { access_token: token } = await client.clientCredentialsGrant(configuration)
    expect(decodeJwt(token)['cnf']).toEqual({ 'x5t#S256': mine.thumbprint })
    const answer = await client.fetchProtectedResource(configuration, token, resource('/v2/models'), 'GET')
    expect(await answer.json()).toEqual({ id: 'batch', binding: 'mtls', onBehalfBy: '' })
    const stranger = await discover('batch', client.TlsClientAuth(), await clientCertificate())
    await expect(client.clientCredentialsGrant(stranger)).rejects.toThrow()
    await expect(client.fetchProtectedResource(stranger, token, resource('/v2/models'), 'GET')).rejects.toThrow()
  })

  it('exchanges a user’s token for one by which the service acts for them (RFC 8693, B5)', async () => {
    const ada = await signIn(fixture)
    const configuration = await byKey()
    const exchanged = await client.genericGrantRequest(configuration, TOKEN_EXCHANGE, {
      subject_token: personToken(fixture, ada, { iss: fixture.issuer, aud: fixture.issuer }),
      subject_token_type: ACCESS_TOKEN_TYPE,
    })
    expect(exchanged['issued_token_type']).toBe(ACCESS_TOKEN_TYPE)
    const answer = await client.fetchProtectedResource(configuration, exchanged.access_token, resource('/v1/models'), 'GET')
    expect(await answer.json()).toEqual({ id: ada.id, binding: 'none', onBehalfBy: 'scorer' })
    await expect(
      client.genericGrantRequest(configuration, TOKEN_EXCHANGE, {
        subject_token: exchanged.access_token,
        subject_token_type: ACCESS_TOKEN_TYPE,
      }),
    ).rejects.toThrow()
  })
})

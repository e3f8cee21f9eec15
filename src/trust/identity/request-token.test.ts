import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createCertificateAuthority, issueServerCertificate, TLS_OPTIONS } from '#foundation/crypto'
import { type PrivateJwk, requestToken, revokeToken } from '#trust/client'
import { importJWK } from 'jose'
import * as client from 'openid-client'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerOAuthError } from './http.ts'
import { type Fixture, openFixture } from './identity.fixtures.ts'

async function authority(): Promise<{ pem: string; issue: () => Promise<{ key: string; cert: string }> }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = Date.now()
  const pem = await createCertificateAuthority({ privateKey, publicKey, commonName: 'Test CA', now })
  return {
    pem,
    async issue() {
      const made = await issueServerCertificate({
        authorityPem: pem,
        authorityKey: privateKey,
        dnsNames: ['localhost'],
        ipAddresses: ['127.0.0.1'],
        spiffeId: 'spiffe://redoubt/server',
        now,
      })
      return { key: made.privateKeyPem, cert: made.certificatePem }
    },
  }
}

let fixture: Fixture
let instead: Fixture['identity']['handler'] | null = null
let server: Server
let issuer: string
let ca: string
let key: PrivateJwk
beforeAll(async () => {
  const one = await authority()
  ca = one.pem
  server = createServer({ ...(await one.issue()), ...TLS_OPTIONS }, (req, res) => (instead ?? fixture.identity.handler)(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer = `https://localhost:${(server.address() as AddressInfo).port}`
  fixture = await openFixture({ issuer })
  key = (await fixture.account('scorer')).privateKeyJwk
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await fixture.close()
})

const nameOf = (token: string): unknown => {
  const answer = fixture.identity.authenticate({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/' })
  return 'code' in answer ? answer.code : answer.name
}

describe('the client side', () => {
  it('gets a token over TLS that the server trusts (B4)', async () => {
    const { accessToken, expiresAt } = await requestToken({ baseUrl: issuer, accountId: 'scorer', privateKeyJwk: key, ca })
    expect(nameOf(accessToken)).toBe('scorer')
    expect(expiresAt - Date.now()).toBeGreaterThan(590_000)
  })

  it('revokes its token, and no token of another account (B5)', async () => {
    const ask = { baseUrl: issuer, accountId: 'scorer', privateKeyJwk: key, ca }
    const { accessToken } = await requestToken(ask)
    const other = { ...ask, accountId: 'other', privateKeyJwk: (await fixture.account('other')).privateKeyJwk }
    await expect(revokeToken(other, accessToken)).rejects.toMatchObject({ code: 'ERR_TOKEN_REQUEST' })
    await expect(revokeToken({ ...ask, accountId: 'other' }, accessToken)).rejects.toMatchObject({ code: 'ERR_CLIENT_AUTHENTICATION' })
    expect(nameOf(accessToken)).toBe('scorer')
    await revokeToken(ask, accessToken)
    expect(nameOf(accessToken)).toBe('ERR_TOKEN_REVOKED')
  })

  it('trusts no other certificate authority, and nobody without one (A2)', async () => {
    const { pem } = await authority()
    for (const wrong of [pem, undefined]) {
      await expect(requestToken({ baseUrl: issuer, accountId: 'scorer', privateKeyJwk: key, ca: wrong })).rejects.toMatchObject({
        code: 'ERR_SERVER_UNREACHABLE',
      })
    }
  })

  it('says what is wrong with the server in its own words', async () => {
    instead = (_req, res) => answerOAuthError(res, 507, 'server_error', 'ERR_STORAGE_FULL')
    try {
      const asked = requestToken({ baseUrl: issuer, accountId: 'scorer', privateKeyJwk: key, ca })
      await expect(asked).rejects.toMatchObject({ code: 'ERR_STORAGE_FULL' })
    } finally {
      instead = null
    }
  })

  it('tells a key that is not accepted from a server that does not answer', async () => {
    const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
    const other: PrivateJwk = { kty: 'OKP', crv: 'Ed25519', x, d }
    await expect(requestToken({ baseUrl: issuer, accountId: 'scorer', privateKeyJwk: other, ca })).rejects.toMatchObject({
      code: 'ERR_CLIENT_AUTHENTICATION',
    })
    await expect(requestToken({ baseUrl: 'https://127.0.0.1:1', accountId: 'scorer', privateKeyJwk: key, ca })).rejects.toMatchObject({
      code: 'ERR_SERVER_UNREACHABLE',
    })
  })
})

describe('an independent client (openid-client)', () => {
  const discover = async (algorithm: 'oauth2' | 'oidc'): Promise<client.Configuration> => {
    const privateKey = await importJWK({ ...key }, 'EdDSA')
    if (privateKey instanceof Uint8Array) throw new Error('not a key')
    const dispatcher = new Agent({ connect: { ca } })
    const overTls = ((url: string, options: object) => undiciFetch(url, { ...options, dispatcher })) as unknown as client.CustomFetch
    return client.discovery(new URL(issuer), 'scorer', {}, client.PrivateKeyJwt(privateKey), { algorithm, [client.customFetch]: overTls })
  }

  it.each(['oauth2', 'oidc'] as const)('discovers (%s), gets, introspects and revokes a token (B5)', async (algorithm) => {
    const configuration = await discover(algorithm)
    const { access_token: token, expires_in: expiresIn } = await client.clientCredentialsGrant(configuration, { resource: issuer })
    expect(expiresIn).toBe(600)
    expect(nameOf(token)).toBe('scorer')
    expect(await client.tokenIntrospection(configuration, token)).toMatchObject({ active: true, client_id: 'scorer' })
    await client.tokenRevocation(configuration, token)
    expect(nameOf(token)).toBe('ERR_TOKEN_REVOKED')
    expect(await client.tokenIntrospection(configuration, token)).toEqual({ active: false })
  })
})

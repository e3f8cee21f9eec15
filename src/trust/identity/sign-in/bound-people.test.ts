/** Tokens of people that are bound to a key (RFC 9449), with openid-client, as the command line has them and a console may. */
import { generateKeyPairSync, type KeyObject, webcrypto } from 'node:crypto'
import { decodeJwt } from 'jose'
import * as oidc from 'openid-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ISSUER } from '../identity.fixtures.ts'
import { signProof, thumbprintOf } from '#trust/client'
import { openSignInFixture, type Page, signIn, type SignInFixture } from './sign-in.fixtures.ts'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const CLI = { client: 'redoubt-cli', redirectUri: 'http://127.0.0.1:49152/callback' } as const
const CONSOLE = { client: 'redoubt-console', redirectUri: `${ISSUER}/console/callback` } as const

let fixture: SignInFixture
let configuration: oidc.Configuration
beforeEach(async () => {
  fixture = await openSignInFixture({ boundClients: ['redoubt-cli'] })
  fixture.people.add('ada')
  configuration = await fixture.client('redoubt-cli')
})
afterEach(() => fixture.close())

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
async function handle(of = configuration): Promise<oidc.DPoPHandle> {
  return oidc.getDPoPHandle(of, await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']))
}
const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const tokenProof = (key: KeyObject): string => signProof(key, { method: 'POST', url: `${ISSUER}/oauth/token` })

/** A request for a token as a thief would make it: whatever form, whatever proofs. */
async function ask(form: Record<string, string>, proof?: string): Promise<{ status: number; body: any }> {
  const response = await fixture.post('/oauth/token', new URLSearchParams({ client_id: 'redoubt-cli', ...form }).toString(), {
    'content-type': 'application/x-www-form-urlencoded',
    ...(proof === undefined ? {} : { dpop: proof }),
  })
  return { status: response.status, body: await response.json() }
}
const refresh = (token: string, proof?: string) => ask({ grant_type: 'refresh_token', refresh_token: token }, proof)
const refusals = (): (string | undefined)[] => fixture.audit.of('authentication.refused').map((event) => event.code)

/** The whole of the device flow; what the device got, with its key. */
async function connect(): Promise<{ key: KeyObject; tokens: { access_token: string; refresh_token: string; token_type: string } }> {
  const key = newKey()
  const device = await oidc.initiateDeviceAuthorization(configuration, { scope: 'openid' })
  const browser = await fixture.signedIn('ada')
  const page = await browser.submit(await browser.get('/device'), '/device', { user_code: device.user_code })
  await browser.submit(page, '/device/decide', { decision: 'yes' })
  const { status, body } = await ask({ grant_type: DEVICE_GRANT, device_code: device.device_code }, tokenProof(key))
  expect(status).toBe(200)
  return { key, tokens: body }
}

/** The authorization code flow up to the code. */
async function authorize({ client, redirectUri }: typeof CLI | typeof CONSOLE, more: Record<string, string> = {}) {
  const of = await fixture.client(client)
  const verifier = oidc.randomPKCECodeVerifier()
  const url = oidc.buildAuthorizationUrl(of, {
    redirect_uri: redirectUri,
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  })
  const browser = fixture.browser()
  const consent: Page = await signIn(browser, await browser.get(url.href), 'ada')
  const back = new URL((await browser.submit(consent, '/consent', { decision: 'yes' })).headers.get('location')!)
  return {
    of,
    back,
    redeem: (options?: oidc.DPoPOptions) => oidc.authorizationCodeGrant(of, back, { pkceCodeVerifier: verifier }, {}, options),
  }
}

describe('a command line’s tokens are bound to its key (B4, B5, RFC 9449)', () => {
  it('from the device flow on, with openid-client, through renewals and a restart', async () => {
    const DPoP = await handle()
    const device = await oidc.initiateDeviceAuthorization(configuration, { scope: 'openid' })
    const browser = await fixture.signedIn('ada')
    const page = await browser.submit(await browser.get('/device'), '/device', { user_code: device.user_code })
    await browser.submit(page, '/device/decide', { decision: 'yes' })
    const tokens = await oidc.pollDeviceAuthorizationGrant(configuration, { ...device, interval: 0.05 }, {}, { DPoP })
    expect(tokens.token_type).toBe('dpop')
    const confirmation = { jkt: await DPoP.calculateThumbprint() }
    expect(decodeJwt(tokens.access_token)['cnf']).toEqual(confirmation)
    expect(fixture.audit.of('token.issue')).toMatchObject([{ details: { client: 'redoubt-cli', binding: 'dpop' } }])
    await fixture.restart()
    const renewed = await oidc.refreshTokenGrant(configuration, tokens.refresh_token!, {}, { DPoP })
    expect(renewed.token_type).toBe('dpop')
    expect(decodeJwt(renewed.access_token)['cnf']).toEqual(confirmation)
    await expect(oidc.refreshTokenGrant(configuration, renewed.refresh_token!, {}, { DPoP: await handle() })).rejects.toThrow()
    await expect(oidc.refreshTokenGrant(configuration, renewed.refresh_token!)).rejects.toThrow()
    expect((await oidc.refreshTokenGrant(configuration, renewed.refresh_token!, {}, { DPoP })).token_type).toBe('dpop')
  })

  it('from the authorization code on, which its request tied to the key (`dpop_jkt`, RFC 9449 §10)', async () => {
    const DPoP = await handle()
    const { redeem } = await authorize(CLI, { dpop_jkt: await DPoP.calculateThumbprint() })
    const tokens = await redeem({ DPoP })
    expect(decodeJwt(tokens.access_token)['cnf']).toEqual({ jkt: await DPoP.calculateThumbprint() })
    // Whoever steals the next code has no use for it, with the verifier too.
    const stolen = await authorize(CLI, { dpop_jkt: await DPoP.calculateThumbprint() })
    await expect(stolen.redeem({ DPoP: await handle() })).rejects.toThrow()
    expect(refusals()).toContain('ERR_DPOP_BINDING')
    const begun = await fixture.browser().get(`/oauth/authorize?${new URLSearchParams({ ...wellFormed, dpop_jkt: 'short' }).toString()}`)
    expect(new URL(begun.headers.get('location')!).searchParams.get('error')).toBe('invalid_request')
  })

  it('or there are none: without a proof the command line gets no token (O02, O08)', async () => {
    const device = await oidc.initiateDeviceAuthorization(configuration, { scope: 'openid' })
    expect(await ask({ grant_type: DEVICE_GRANT, device_code: device.device_code })).toMatchObject({
      status: 400,
      body: { error: 'invalid_dpop_proof', code: 'ERR_DPOP_MISSING' },
    })
    expect(refusals()).toEqual(['ERR_DPOP_MISSING'])
  })

  it('a stolen file of tokens is worth nothing without the key (O09)', async () => {
    const { key, tokens } = await connect()
    const stolen = tokens.refresh_token
    expect(tokens.token_type).toBe('DPoP')
    expect((await refresh(stolen)).body.code).toBe('ERR_DPOP_MISSING')
    expect((await refresh(stolen, tokenProof(newKey()))).body.error).toBe('invalid_grant')
    expect(refusals()).toEqual(['ERR_DPOP_MISSING', 'ERR_DPOP_BINDING'])
    // Nor did the thief end the family: its owner goes on.
    const renewed = await refresh(stolen, tokenProof(key))
    expect(renewed).toMatchObject({ status: 200, body: { token_type: 'DPoP' } })
    expect(fixture.audit.of('token.replay')).toEqual([])
    // A token that was rotated away, without the key, does not end it either; with the key it does.
    expect((await refresh(stolen, tokenProof(newKey()))).body.error).toBe('invalid_grant')
    expect(fixture.audit.of('token.replay')).toEqual([])
    expect((await refresh(stolen, tokenProof(key))).body.error).toBe('invalid_grant')
    expect(fixture.audit.of('token.replay')).toHaveLength(1)
  })

  it('a proof that was used before is refused, of many at once and after a restart too (O01)', async () => {
    const { key, tokens } = await connect()
    const proof = tokenProof(key)
    const renewed = await refresh(tokens.refresh_token, proof)
    expect(renewed.status).toBe(200)
    expect((await refresh(renewed.body.refresh_token, proof)).body.code).toBe('ERR_DPOP_REPLAYED')
    await fixture.restart()
    expect((await refresh(renewed.body.refresh_token, proof)).body.code).toBe('ERR_DPOP_REPLAYED')
    // The refused proofs cost the family nothing.
    expect((await refresh(renewed.body.refresh_token, tokenProof(key))).status).toBe(200)
  })

  it.each([
    ['O03 for another address', 'ERR_DPOP_URL', (key: KeyObject) => signProof(key, { method: 'POST', url: `${ISSUER}/oauth/revoke` })],
    ['O04 for another method', 'ERR_DPOP_METHOD', (key: KeyObject) => signProof(key, { method: 'GET', url: `${ISSUER}/oauth/token` })],
    [
      'O09 with a nonce that we did not give',
      'ERR_DPOP_NONCE',
      (key: KeyObject) => signProof(key, { method: 'POST', url: `${ISSUER}/oauth/token`, nonce: 'x' }),
    ],
    ['of no form', 'ERR_DPOP_MALFORMED', () => 'x'],
  ])('a proof %s is refused, and uses up no refresh token', async (_what, code, make) => {
    const { key, tokens } = await connect()
    expect((await refresh(tokens.refresh_token, make(key))).body).toMatchObject({ code })
    expect(refusals()).toEqual([code])
    expect((await refresh(tokens.refresh_token, tokenProof(key))).status).toBe(200)
  })

  it('lets a caller say nothing of the key by itself', async () => {
    const { key, tokens } = await connect()
    const form = new URLSearchParams({ client_id: 'redoubt-cli', grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-redoubt-proof-key': thumbprintOf(key) }
    const other = signProof(newKey(), { method: 'POST', url: `${ISSUER}/oauth/token` })
    expect((await fixture.post('/oauth/token', form.toString(), { ...headers, dpop: other })).status).toBe(400)
    expect(refusals()).toEqual(['ERR_DPOP_BINDING'])
  })
})

describe('the console', () => {
  it('gets tokens that are not bound, as browsers do, until its tokens are to be bound', async () => {
    const { redeem } = await authorize(CONSOLE)
    const tokens = await redeem()
    expect(tokens.token_type).toBe('bearer')
    await fixture.close()
    fixture = await openSignInFixture({ boundClients: ['redoubt-cli', 'redoubt-console'] })
    fixture.people.add('ada')
    const demanded = await authorize(CONSOLE)
    await expect(demanded.redeem()).rejects.toMatchObject({ error: 'invalid_dpop_proof' })
  })

  it('may bind its tokens to a key; whatever follows of them is bound then', async () => {
    const { of, redeem } = await authorize(CONSOLE)
    const DPoP = await handle(of)
    const tokens = await redeem({ DPoP })
    expect(tokens.token_type).toBe('dpop')
    await expect(oidc.refreshTokenGrant(of, tokens.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' })
    expect(refusals()).toContain('ERR_DPOP_MISSING')
    expect((await oidc.refreshTokenGrant(of, tokens.refresh_token!, {}, { DPoP })).token_type).toBe('dpop')
  })
})

const wellFormed = {
  client_id: 'redoubt-cli',
  redirect_uri: CLI.redirectUri,
  response_type: 'code',
  scope: 'openid',
  code_challenge: 'a'.repeat(43),
  code_challenge_method: 'S256',
}

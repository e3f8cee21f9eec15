import { decodeJwt } from 'jose'
import * as oidc from 'openid-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formOf, openSignInFixture, type Page, signIn, type SignInFixture, type TestBrowser } from './sign-in.fixtures.ts'

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

let fixture: SignInFixture
let configuration: oidc.Configuration
beforeEach(async () => {
  fixture = await openSignInFixture()
  fixture.people.add('ada')
  configuration = await fixture.client('redoubt-cli')
})
afterEach(() => fixture.close())

const ask = (more: Record<string, string> = {}) => oidc.initiateDeviceAuthorization(configuration, { scope: 'openid', ...more })
const poll = async (deviceCode: string, client = 'redoubt-cli'): Promise<{ status: number; body: any }> => {
  const form = new URLSearchParams({ grant_type: GRANT, client_id: client, device_code: deviceCode })
  const response = await fixture.post('/oauth/token', form.toString())
  return { status: response.status, body: await response.json() }
}
/** After the pause that the server asked for. */
const pollLater = (deviceCode: string): Promise<{ status: number; body: any }> => {
  fixture.clock.advance(6_000)
  return poll(deviceCode)
}
const refusals = (): (string | undefined)[] => fixture.audit.of('authentication.refused').map((event) => event.code)
async function decide(browser: TestBrowser, code: string, decision: 'yes' | 'no'): Promise<Page> {
  const asked = await browser.submit(await browser.get('/device'), '/device', { user_code: code })
  return browser.submit(asked, '/device/decide', { decision })
}

describe('device flow (B5, RFC 8628)', () => {
  it('gives a device a session of its own, with openid-client, after its owner signed in and said yes (B3, B4)', async () => {
    const device = await ask()
    expect(device).toMatchObject({ interval: 5, expires_in: 600, verification_uri: 'https://gateway.example:8443/device' })
    expect(device.user_code).toMatch(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/)
    expect((await poll(device.device_code)).body.error).toBe('authorization_pending')

    const browser = fixture.browser()
    const confirm = await signIn(browser, await browser.get(device.verification_uri_complete!), 'ada', '3')
    expect(confirm.text).toContain(device.user_code)
    expect(confirm.text).toContain('127.0.0.1')
    const done = await browser.submit(confirm, '/device/decide', { decision: 'yes' })
    expect(done.text).toContain('Connected')

    const answer = await pollLater(device.device_code)
    expect(answer.status).toBe(200)
    const claims = decodeJwt(answer.body.access_token)
    expect(claims).toMatchObject({ client_id: 'redoubt-cli', acr: '3', sub: fixture.people.byLoginName('ada')!.id })
    const sessions = await fixture.people.sessions.list(claims.sub!)
    expect(new Set(sessions.map(({ userAgent }) => userAgent))).toEqual(new Set(['Redoubt command line', 'node']))
    expect(sessions.find(({ id }) => id === claims['sid'])?.userAgent).toBe('Redoubt command line')
    expect(fixture.audit.of('access.device')).toMatchObject([{ actor: { type: 'User', id: claims.sub }, outcome: 'success' }])

    const refreshed = await oidc.refreshTokenGrant(configuration, answer.body.refresh_token)
    expect(decodeJwt(refreshed.access_token)['sid']).toBe(claims['sid'])
  })

  it('refuses a device code that was used, is another client’s, or whose owner said no', async () => {
    const browser = await fixture.signedIn('ada')
    const device = await ask()
    await decide(browser, device.user_code.toLowerCase().replace('-', ' '), 'yes')
    expect((await pollLater(device.device_code)).status).toBe(200)
    expect((await pollLater(device.device_code)).body.error).toBe('invalid_grant')
    expect(refusals()).toContain('ERR_CODE_REPLAYED')

    const refused = await ask()
    expect((await decide(browser, refused.user_code, 'no')).text).toContain('Not allowed')
    expect((await pollLater(refused.device_code)).body.error).toBe('access_denied')
    const other = await ask()
    expect((await poll(other.device_code, 'redoubt-console')).status).toBe(400)
  })

  it('O20 slow_down: a device that polls too fast has to wait longer (RFC 8628 §3.5)', async () => {
    const { device_code: code } = await ask()
    expect((await poll(code)).body.error).toBe('authorization_pending')
    expect((await poll(code)).body).toMatchObject({ error: 'slow_down', code: 'ERR_DEVICE_POLLING' })
    fixture.clock.advance(6_000)
    expect((await poll(code)).body.error).toBe('slow_down')
    fixture.clock.advance(16_000)
    expect((await poll(code)).body.error).toBe('authorization_pending')
    expect(refusals()).toContain('ERR_DEVICE_POLLING')
  })

  it('O20 guesses at user codes are counted and stopped, for the right one too (RFC 8628 §5.1)', async () => {
    const { user_code: right } = await ask()
    const browser = await fixture.signedIn('ada')
    const page = await browser.get('/device')
    for (let i = 0; i < 10; i++) expect((await browser.submit(page, '/device', { user_code: 'BBBB-BBBB' })).status).toBe(403)
    const stopped = await browser.submit(page, '/device', { user_code: right })
    expect(stopped.status).toBe(429)
    expect(Number(stopped.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(refusals()).toContain('ERR_DEVICE_CODE')
    expect(stopped.text).not.toContain('Is this your code?')
    // Through the link too, and for another account from the same place.
    expect((await browser.once('GET', `/device?user_code=${right}`)).status).toBe(429)
    fixture.people.add('eve')
    expect((await (await fixture.signedIn('eve')).once('GET', `/device?user_code=${right}`)).status).toBe(429)
    fixture.clock.advance(601_000)
    expect((await browser.submit(page, '/device', { user_code: 'BBBB-BBBB' })).status).toBe(403)
  })

  it('asks whoever follows the link of another, and lets nobody decide who is not signed in', async () => {
    const device = await ask()
    const stranger = fixture.browser()
    expect((await stranger.get(device.verification_uri_complete!)).url).toMatch(/^\/sign-in/)
    const browser = await fixture.signedIn('ada')
    const confirm = await browser.get(device.verification_uri_complete!)
    expect(confirm.text).toContain('Nobody has a reason to send you one')
    expect((await pollLater(device.device_code)).body.error).toBe('authorization_pending')
  })

  it('asks for more where the device asks for more (RFC 9470)', async () => {
    const device = await ask({ acr_values: '3', max_age: '60' })
    const browser = await fixture.signedIn('ada', '123456')
    const asked = await decide(browser, device.user_code, 'yes')
    expect(asked.text).toContain('Confirm that it is you')
    expect((await pollLater(device.device_code)).body.error).toBe('authorization_pending')
    const confirm = await browser.go('POST', '/sign-in/code', { ...formOf(asked, '/sign-in/passkey').fields, code: '3' })
    await browser.submit(confirm, '/device/decide', { decision: 'yes' })
    expect(decodeJwt((await pollLater(device.device_code)).body.access_token)).toMatchObject({ acr: '3' })
  })

  it('keeps waiting over a restart, and ends the device’s session when the device signs out', async () => {
    const device = await ask()
    await fixture.restart()
    const browser = await fixture.signedIn('ada')
    await decide(browser, device.user_code, 'yes')
    const { body } = await pollLater(device.device_code)
    const session = decodeJwt(body.access_token)['sid'] as string
    const form = new URLSearchParams({ client_id: 'redoubt-cli', token: body.refresh_token, token_type_hint: 'refresh_token' })
    expect((await fixture.post('/oauth/revoke', form.toString())).status).toBe(200)
    expect(fixture.people.sessions.get(session)).toBeNull()
    expect((await browser.get('/sessions')).text).toContain('Your sessions')
  })

  it('expires', async () => {
    const device = await ask()
    fixture.clock.advance(601_000)
    const browser = await fixture.signedIn('ada')
    expect((await browser.submit(await browser.get('/device'), '/device', { user_code: device.user_code })).status).toBe(403)
  })
})

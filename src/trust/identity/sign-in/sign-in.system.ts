import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt } from 'jose'
import * as oidc from 'openid-client'
import * as OTPAuth from 'otpauth'
import type { Page } from 'playwright-core'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openChromium, picture, type TestChromium, type Visit } from '../chromium.fixtures.ts'
import { openTlsServer, type TlsServer } from '../../../../test/fixtures/tls-server.ts'
import { ADMIN, type Fixture, openFixture } from '../identity.fixtures.ts'
import type { NewPerson } from '../people/people.ts'

/** The whole way in a real browser with a virtual security key and the certificate verified: nothing of the house is replaced. */
let fixture: Fixture
let server: TlsServer
let chromium: TestChromium
/** Where the command line would listen for the code. */
let loopback: Server
let callback: URL | null = null
let redirectUri: string

beforeAll(async () => {
  server = await openTlsServer((req, res) => fixture.identity.handler(req, res))
  chromium = await openChromium(server.authorityPem)
  loopback = createServer((req, res) => {
    if (req.url?.startsWith('/callback') === true) callback = new URL(req.url, redirectUri)
    res.setHeader('content-type', 'text/plain').end('You can close this page.')
  })
  await new Promise<void>((resolve) => loopback.listen(0, '127.0.0.1', resolve))
  redirectUri = `http://127.0.0.1:${(loopback.address() as AddressInfo).port}/callback`
})
afterAll(async () => {
  await chromium?.close()
  loopback?.closeAllConnections()
  loopback?.close()
  server?.close()
})
beforeEach(async () => {
  callback = null
  // The pages are the point here; tokens that are bound to a key have tests of their own (`bound-people.test.ts`).
  fixture = await openFixture({ issuer: server.issuer, config: { boundClients: [] } })
})
afterEach(async () => {
  await chromium.closeVisits()
  await fixture.close()
})

const ADA: NewPerson = { loginName: 'ada@example.org', roles: ['data-scientist'], purpose: 'credit-scoring', legalBasis: 'contract' }

/** Makes a person and follows their link, as they would. */
async function enrolled(visit: Visit, ask: NewPerson): Promise<void> {
  const { link } = await fixture.identity.people.create(ask, ADMIN)
  await visit.page.goto(link.url)
  await visit.page.getByRole('button', { name: 'Register a key' }).click()
  await visit.page.getByRole('heading', { name: 'You can sign in now' }).waitFor()
}

async function client(id = 'redoubt-cli'): Promise<oidc.Configuration> {
  const dispatcher = new Agent({ connect: { ca: server.authorityPem } })
  return oidc.discovery(new URL(server.issuer), id, { id_token_signed_response_alg: 'EdDSA' }, oidc.None(), {
    [oidc.customFetch]: (url, options) => undiciFetch(url, { ...options, dispatcher } as never),
  })
}
async function begin(configuration: oidc.Configuration, more: Record<string, string> = {}): Promise<{ url: string; verifier: string }> {
  const verifier = oidc.randomPKCECodeVerifier()
  const url = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  })
  return { url: url.href, verifier }
}
const authenticate = (token: string) =>
  fixture.identity.authenticate({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/api/v1/whoami' })
const heading = (page: Page, name: string | RegExp): Promise<void> => page.getByRole('heading', { name, level: 1 }).waitFor()
/** No sideways scrolling, every field named, the problems list empty but for what is expected. */
async function sound({ page, problems }: Visit): Promise<void> {
  expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
  const nameless = await page.evaluate(
    "[...document.querySelectorAll('input:not([type=hidden]), button, a')].filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label'))).length",
  )
  expect(nameless).toBe(0)
  // Markup that ended up in an attribute shows as text.
  expect(await page.locator('body').innerText()).not.toMatch(/[<>]|="/)
  // Chromium notes each answer with an error status, which these pages give on purpose.
  expect(problems.filter((one) => !/status of 4\d\d/.test(one))).toEqual([])
}

describe('signing in with a browser (B3, B4, B5)', () => {
  it('enrols, signs in with a key, consents, and the client gets a token that the server takes', async () => {
    const visit = await chromium.visit({ width: 1200 })
    const { page } = visit
    await enrolled(visit, ADA)
    await picture(page, 'enrolled-codes-1200')
    expect(await page.locator('#codes li').count()).toBeGreaterThanOrEqual(8)

    const configuration = await client()
    const { url, verifier } = await begin(configuration)
    await page.goto(url)
    await heading(page, 'Sign in')
    await picture(page, 'sign-in-1200')
    await sound(visit)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await heading(page, 'Let Redoubt command line act as you?')
    await picture(page, 'consent-1200')
    await sound(visit)
    expect(await page.locator('dl').innerText()).toContain('data-scientist')
    await page.getByRole('button', { name: 'Allow', exact: true }).click()
    await page.waitForURL(`${redirectUri}*`)
    const tokens = await oidc.authorizationCodeGrant(configuration, callback!, { pkceCodeVerifier: verifier })
    expect(authenticate(tokens.access_token)).toMatchObject({
      facts: { type: 'User' },
      roles: ['data-scientist'],
      purpose: 'credit-scoring',
    })

    await page.goto(`${server.issuer}/sessions`)
    await heading(page, 'Your sessions')
    await picture(page, 'sessions-1200')
    await sound(visit)
    await page.getByRole('button', { name: 'Sign out here' }).click()
    await heading(page, 'Signed out')
    expect(authenticate(tokens.access_token)).toMatchObject({ code: expect.stringMatching(/^ERR_/) })
    await expect(oidc.refreshTokenGrant(configuration, tokens.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  it('signs in by name with a key that does not know its owner, with the keyboard alone, on a narrow dark screen', async () => {
    const visit = await chromium.visit({ width: 400, dark: true })
    const { page } = visit
    await enrolled(visit, ADA)
    await picture(page, 'enrolled-codes-400-dark')
    await page.goto(`${server.issuer}/sign-in`)
    await picture(page, 'sign-in-400-dark')
    await sound(visit)
    await page.getByLabel('Login name').focus()
    await page.keyboard.type('ada@example.org')
    await page.keyboard.press('Enter')
    await heading(page, 'Sign in as ada@example.org')
    await picture(page, 'sign-in-named-400-dark')
    await sound(visit)
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await heading(page, 'Your sessions')
    await picture(page, 'sessions-400-dark')
    await sound(visit)
  })

  it('signs in with a code from an app, says what was wrong, and steps up to a key where that is asked (RFC 9470, B7)', async () => {
    const visit = await chromium.visit({ width: 400 })
    const { page } = visit
    const { link } = await fixture.identity.people.create(ADA, ADMIN)
    await page.goto(link.url)
    await picture(page, 'enrol-person-400')
    await page.getByRole('button', { name: 'Use an app that shows codes' }).click()
    await heading(page, 'Add this key to your app')
    await picture(page, 'enrol-app-400')
    await sound(visit)
    await page.getByText('Or copy it as one address').click()
    const totp = OTPAuth.URI.parse(await page.locator('#uri').innerText()) as OTPAuth.TOTP
    const code = (): string => totp.generate({ timestamp: fixture.clock.now() })
    await page.getByLabel('Code that the app shows now').fill(code())
    await page.getByRole('button', { name: 'Finish' }).click()
    await heading(page, 'You can sign in now')
    const recoveryCode = await page.locator('#codes li').first().innerText()

    await page.goto(`${server.issuer}/sign-in`)
    await page.getByLabel('Login name').fill('ada@example.org')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByLabel('Code from your app').fill('000000')
    await page.getByRole('button', { name: 'Sign in with the code' }).click()
    await page.getByRole('alert').filter({ hasText: 'That did not work' }).waitFor()
    await picture(page, 'sign-in-problem-400')
    await sound(visit)
    fixture.clock.advance(60_000)
    await page.getByLabel('Code from your app').fill(code())
    await page.getByRole('button', { name: 'Sign in with the code' }).click()
    await heading(page, 'Your sessions')
    // A code is one factor: a second key takes two, or a recovery code.
    await page.getByRole('button', { name: 'Register another key' }).click()
    await heading(page, 'Confirm that it is you')
    await page.getByText('No key at hand?').click()
    await page.getByLabel('Recovery code').fill(recoveryCode)
    await picture(page, 'recovery-400')
    await page.getByRole('button', { name: 'Use the recovery code' }).click()
    await heading(page, 'Register a way to sign in')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await heading(page, 'You can sign in now')

    const configuration = await client()
    const { url, verifier } = await begin(configuration, { acr_values: '2' })
    await page.goto(url)
    await heading(page, 'Confirm that it is you')
    await picture(page, 'step-up-400')
    await sound(visit)
    expect(await page.getByLabel('Code from your app').count()).toBe(0)
    await page.getByRole('button', { name: 'Use your passkey or security key' }).click()
    await heading(page, 'Let Redoubt command line act as you?')
    await picture(page, 'consent-400')
    await page.getByRole('button', { name: 'Allow', exact: true }).click()
    await page.waitForURL(`${redirectUri}*`)
    const tokens = await oidc.authorizationCodeGrant(configuration, callback!, { pkceCodeVerifier: verifier })
    expect(Number(decodeJwt(tokens.access_token)['acr'])).toBeGreaterThanOrEqual(2)
  })

  it('lets a device in by its code, and nothing in that has another', async () => {
    const visit = await chromium.visit({ width: 400 })
    const { page } = visit
    await enrolled(visit, ADA)
    const configuration = await client()
    const device = await oidc.initiateDeviceAuthorization(configuration, { scope: 'openid' })
    await page.goto(device.verification_uri)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await heading(page, 'Connect a device')
    await picture(page, 'device-400')
    await page.getByLabel('Code').fill('BBBB-BBBB')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('alert').waitFor()
    await picture(page, 'device-problem-400')
    await sound(visit)
    await page.getByLabel('Code').fill(device.user_code.toLowerCase())
    await page.getByRole('button', { name: 'Continue' }).click()
    await heading(page, 'Is this your code?')
    await picture(page, 'device-confirm-400')
    await sound(visit)
    await page.getByRole('button', { name: 'Allow', exact: true }).click()
    await heading(page, 'Connected')
    await picture(page, 'device-done-400')
    const tokens = await oidc.pollDeviceAuthorizationGrant(configuration, device)
    expect(authenticate(tokens.access_token)).toMatchObject({ facts: { type: 'User' } })

    // An access token is revoked by its client alone, and by itself (RFC 7009).
    const renewed = await oidc.refreshTokenGrant(configuration, tokens.refresh_token!)
    const console_ = await client('redoubt-console')
    await oidc.tokenRevocation(console_, renewed.access_token)
    expect(authenticate(renewed.access_token)).toMatchObject({ facts: { type: 'User' } })
    await oidc.tokenRevocation(configuration, renewed.access_token)
    expect(authenticate(renewed.access_token)).toMatchObject({ code: 'ERR_TOKEN_REVOKED' })
    expect(authenticate(tokens.access_token)).toMatchObject({ facts: { type: 'User' } })

    // Its session is ended in the browser; the next request is refused.
    await page.goto(`${server.issuer}/sessions`)
    await picture(page, 'sessions-two-400')
    await sound(visit)
    await page.getByRole('button', { name: /^End the session of Redoubt command line/ }).click()
    await heading(page, 'Your sessions')
    expect(authenticate(tokens.access_token)).toMatchObject({ code: 'ERR_SESSION_ENDED' })
  })

  it('goes on without a key, says so, and cancels back to the client', async () => {
    const visit = await chromium.visit({ width: 1200, dark: true })
    const { page } = visit
    const { url } = await begin(await client())
    await page.goto(url)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await page.getByText('no key of yours was found').waitFor({ timeout: 400_000 })
    await picture(page, 'sign-in-no-key-1200-dark')
    await page.getByRole('button', { name: 'Cancel and go back' }).click()
    await page.waitForURL(`${redirectUri}*`)
    expect(callback?.searchParams.get('error')).toBe('access_denied')
    await page.goto(`${server.issuer}/consent?flow=${'x'.repeat(21)}`)
    await heading(page, 'This did not work')
    await picture(page, 'error-1200-dark')
  })
})

import type { Role } from '#foundation/core'
import { Secret, TOTP } from 'otpauth'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openChromium, picture as keep, type TestChromium, type Visit, type VisitOptions } from './chromium.fixtures.ts'
import { openTlsServer, type TlsServer } from '../../../test/fixtures/tls-server.ts'
import { ADMIN, type Fixture, openFixture } from './identity.fixtures.ts'
import { HOME } from './people/people.fixtures.ts'

let fixture: Fixture
let server: TlsServer
let chromium: TestChromium

beforeAll(async () => {
  server = await openTlsServer((req, res) => fixture.identity.handler(req, res))
  chromium = await openChromium(server.authorityPem)
})

afterAll(async () => {
  await chromium?.close()
  server?.close()
})

const visit = (options?: VisitOptions): Promise<Visit> => chromium.visit(options)
const picture = (page: Page, name: string): Promise<void> => keep(page, `enrolment-${name}`)
const shown = (page: Page): Promise<string[]> =>
  page.evaluate("[...document.querySelectorAll('section')].filter((one) => !one.hidden).map((one) => one.id)")

let link: string
beforeEach(async () => {
  fixture = await openFixture({ issuer: server.issuer })
  link = (await fixture.identity.createEnrolmentLink(ADMIN)).url
})
afterEach(async () => {
  await chromium.closeVisits()
  await fixture.close()
})

describe('the enrolment page in a browser (B3)', () => {
  it('makes the owner of a security key the administrator, with the keyboard alone', async () => {
    const { page, problems } = await visit()
    await page.goto(link)
    expect(await shown(page)).toEqual(['ready'])
    await picture(page, 'ready')
    await page.getByLabel('Your login name').focus()
    await page.keyboard.type('ada@example.org')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'You are the administrator' }).waitFor()
    expect(await shown(page)).toEqual(['done'])
    await picture(page, 'done')
    expect(fixture.identity.administratorEnrolled()).toBe(true)
    expect(
      fixture.database.raw.prepare('SELECT counter, transports, length(public_key) > 50 AS key FROM identity_credentials').get(),
    ).toMatchObject({
      transports: '["usb"]',
      key: 1,
    })
    expect(problems).toEqual([])

    const second = await visit()
    const response = await second.page.goto(link)
    expect(response?.status()).toBe(403)
    await second.page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
    await picture(second.page, 'expired')
  })

  it('asks for a name', async () => {
    const { page, problems } = await visit()
    await page.goto(link)
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByText('Enter your login name.').waitFor()
    expect(await shown(page)).toEqual(['ready'])
    expect(problems).toEqual([])
  })

  it('shows that it waits for the key, and takes it back', async () => {
    const { page, devtools, problems } = await visit({ dark: true, width: 360 })
    await devtools.send('WebAuthn.disable')
    await devtools.send('WebAuthn.enable')
    await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'usb', hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: false },
    })
    await page.goto(link)
    await page.getByLabel('Your login name').fill('ada@example.org')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByRole('heading', { name: 'Use your key now' }).waitFor()
    await picture(page, 'waiting-dark-narrow')
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    // The request is under way once the browser has asked the key.
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('heading', { name: 'It was not registered' }).waitFor()
    await picture(page, 'error-dark-narrow')
    await page.getByRole('button', { name: 'Try again' }).click()
    expect(await shown(page)).toEqual(['ready'])
    expect(fixture.identity.administratorEnrolled()).toBe(false)
    expect(problems).toEqual([])
  })

  it('refuses a key that cannot verify its user', async () => {
    const { page } = await visit({ userVerification: false })
    await page.goto(link)
    await page.getByLabel('Your login name').fill('ada@example.org')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByRole('heading', { name: 'It was not registered' }).waitFor()
    expect(fixture.identity.administratorEnrolled()).toBe(false)
  })

  it('says so when the link expires while the page is open', async () => {
    const { page } = await visit()
    await page.goto(link)
    fixture.clock.advance(16 * 60 * 1000)
    await page.getByLabel('Your login name').fill('ada@example.org')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByRole('heading', { name: 'This link no longer works' }).waitFor()
    expect(await shown(page)).toEqual(['expired'])
  })

  const create = async (loginName: string, roles: readonly Role[]) =>
    fixture.identity.people.create({ loginName, roles, purpose: 'credit-scoring', legalBasis: 'contract' }, ADMIN)

  it('enrols a person, who then signs in with that key by the options of the server', async () => {
    const { person, link } = await create('ada@example.org', ['security-officer'])
    const { page, problems } = await visit()
    await page.goto(link.url)
    await page.getByRole('heading', { name: 'Register a way to sign in' }).waitFor()
    expect(await page.getByLabel('Your login name').isVisible()).toBe(false)
    expect(await page.getByRole('button', { name: 'Use an app that shows codes' }).isVisible()).toBe(false)
    await picture(page, 'person')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByRole('heading', { name: 'You can sign in now' }).waitFor()
    expect(await page.getByText('Write these recovery codes down now.').isVisible()).toBe(false)
    expect(fixture.identity.people.find(person.id)?.factors.passkeys).toBe(1)

    const { assertion } = fixture.identity.people
    const { handle, options } = await assertion.begin({ loginName: 'ada@example.org' }, HOME)
    const response = await page.evaluate(async (json) => {
      const bytes = (text: string) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
      const text = (buffer: ArrayBuffer) =>
        btoa(String.fromCharCode(...new Uint8Array(buffer)))
          .replaceAll('+', '-')
          .replaceAll('/', '_')
          .replaceAll('=', '')
      const { credentials } = (globalThis as any).navigator
      const one = await credentials.get({
        publicKey: {
          ...json,
          challenge: bytes(json.challenge),
          allowCredentials: json.allowCredentials?.map((c: any) => ({ ...c, id: bytes(c.id) })),
        },
      })
      const { clientDataJSON, authenticatorData, signature, userHandle } = one.response
      return {
        id: one.id,
        rawId: text(one.rawId),
        type: one.type,
        response: {
          clientDataJSON: text(clientDataJSON),
          authenticatorData: text(authenticatorData),
          signature: text(signature),
          userHandle: userHandle === null ? null : text(userHandle),
        },
      }
    }, options as any)
    expect(await assertion.complete(handle, response as never, { sourceAddress: '127.0.0.1', userAgent: 'Chromium' })).toMatchObject({
      person: { id: person.id },
      mfaLevel: 3,
    })
    expect(problems).toEqual([])
  })

  it('sets up a code generator for who is not powerful, and shows the recovery codes once', async () => {
    const { person, link } = await create('bob@example.org', ['data-scientist'])
    const { page, problems } = await visit()
    await page.goto(link.url)
    await page.getByRole('button', { name: 'Use an app that shows codes' }).click()
    await page.getByRole('heading', { name: 'Add this key to your app' }).waitFor()
    await picture(page, 'generator')
    const secret = (await page.locator('#secret').textContent()) ?? ''
    const code = new TOTP({ secret: Secret.fromBase32(secret.replaceAll(' ', '')) }).generate({ timestamp: fixture.clock.now() })
    await page.getByLabel('Code that the app shows now').fill(code)
    await page.getByRole('button', { name: 'Finish' }).click()
    await page.getByRole('heading', { name: 'You can sign in now' }).waitFor()
    expect(await page.locator('#codes li').count()).toBe(10)
    await picture(page, 'codes')
    expect(fixture.identity.people.find(person.id)?.factors).toEqual({ passkeys: 0, totp: true, recoveryCodes: 10 })
    expect(problems).toEqual([])
  })
})

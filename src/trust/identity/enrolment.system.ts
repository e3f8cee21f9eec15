import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  openChromium,
  openTlsServer,
  picture as keep,
  type TestChromium,
  type TlsServer,
  type Visit,
  type VisitOptions,
} from './chromium.fixtures.ts'
import { ADMIN, type Fixture, openFixture } from './identity.fixtures.ts'

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
})

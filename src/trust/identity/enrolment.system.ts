import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificateAuthority, issueServerCertificate, TLS_OPTIONS } from '#foundation/crypto'
import type { Role } from '#foundation/core'
import { Secret, TOTP } from 'otpauth'
import { type Browser, chromium, type CDPSession, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN, type Fixture, openFixture } from './identity.fixtures.ts'

/** A real browser with a virtual security key, over TLS with a certificate that it verifies. Needs Debian's chromium and libnss3-tools. */
const CHROMIUM = process.env['REDOUBT_CHROMIUM'] ?? '/usr/bin/chromium'

const home = mkdtempSync(join(tmpdir(), 'redoubt-browser-'))
let fixture: Fixture
let server: Server
let browser: Browser
let issuer: string

function run(command: string, arguments_: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, arguments_, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`)
}

beforeAll(async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const now = Date.now()
  const authorityPem = await createCertificateAuthority({ privateKey, publicKey, commonName: 'Redoubt test CA', now })
  const { privateKeyPem: key, certificatePem: cert } = await issueServerCertificate({
    authorityPem,
    authorityKey: privateKey,
    dnsNames: ['localhost'],
    ipAddresses: [],
    spiffeId: 'spiffe://redoubt/server',
    now,
  })
  server = createServer({ key, cert, ...TLS_OPTIONS }, (req, res) => fixture.identity.handler(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer = `https://localhost:${(server.address() as AddressInfo).port}`

  // Chromium trusts what its NSS database says. Certificate errors are not ignored: they would hide a real one.
  const nss = join(home, '.pki', 'nssdb')
  mkdirSync(nss, { recursive: true })
  writeFileSync(join(home, 'ca.pem'), authorityPem)
  run('certutil', ['-d', `sql:${nss}`, '-N', '--empty-password'])
  run('certutil', ['-d', `sql:${nss}`, '-A', '-t', 'C,,', '-n', 'redoubt', '-i', join(home, 'ca.pem')])
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    env: { ...process.env, HOME: home },
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
})

afterAll(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
  rmSync(home, { recursive: true, force: true })
})

interface Visit {
  readonly page: Page
  readonly devtools: CDPSession
  readonly problems: string[]
}
const visits: Visit[] = []

/** A fresh profile with a security key plugged in. Anything that the page prints, throws or violates is kept. */
async function visit(
  options: { readonly userVerification?: boolean; readonly dark?: boolean; readonly width?: number } = {},
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 900, height: 800 },
    colorScheme: options.dark === true ? 'dark' : 'light',
  })
  const page = await context.newPage()
  const devtools = await context.newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'usb',
      hasResidentKey: true,
      hasUserVerification: options.userVerification ?? true,
      isUserVerified: options.userVerification ?? true,
      automaticPresenceSimulation: true,
    },
  })
  const problems: string[] = []
  page.on('console', (message) => problems.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`))
  const one = { page, devtools, problems }
  visits.push(one)
  return one
}

const picture = async (page: Page, name: string): Promise<void> => {
  const folder = process.env['REDOUBT_SCREENSHOTS']
  if (folder !== undefined) await page.screenshot({ path: join(folder, `enrolment-${name}.png`) })
}
const shown = (page: Page): Promise<string[]> =>
  page.evaluate("[...document.querySelectorAll('section')].filter((one) => !one.hidden).map((one) => one.id)")

let link: string
beforeEach(async () => {
  fixture = await openFixture({ issuer })
  link = (await fixture.identity.createEnrolmentLink(ADMIN)).url
})
afterEach(async () => {
  for (const { page } of visits.splice(0)) await page.context().close()
  await fixture.close()
})

describe('the enrolment page in a browser (B3)', () => {
  it('makes the owner of a security key the administrator, with the keyboard alone', async () => {
    const { page, problems } = await visit()
    await page.goto(link)
    expect(await shown(page)).toEqual(['ready'])
    await picture(page, 'ready')
    await page.getByLabel('Your name').focus()
    await page.keyboard.type('Ada Lovelace')
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
    await page.getByText('Enter your name.').waitFor()
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
    await page.getByLabel('Your name').fill('Ada Lovelace')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByRole('heading', { name: 'Use your key now' }).waitFor()
    await picture(page, 'waiting-dark-narrow')
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    // The request is under way once the browser has asked the key.
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('heading', { name: 'Nothing was registered' }).waitFor()
    await picture(page, 'error-dark-narrow')
    await page.getByRole('button', { name: 'Try again' }).click()
    expect(await shown(page)).toEqual(['ready'])
    expect(fixture.identity.administratorEnrolled()).toBe(false)
    expect(problems).toEqual([])
  })

  it('refuses a key that cannot verify its user', async () => {
    const { page } = await visit({ userVerification: false })
    await page.goto(link)
    await page.getByLabel('Your name').fill('Ada Lovelace')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByRole('heading', { name: 'Nothing was registered' }).waitFor()
    expect(fixture.identity.administratorEnrolled()).toBe(false)
  })

  it('says so when the link expires while the page is open', async () => {
    const { page } = await visit()
    await page.goto(link)
    fixture.clock.advance(16 * 60 * 1000)
    await page.getByLabel('Your name').fill('Ada Lovelace')
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
    await page.getByRole('heading', { name: 'Enrol your security key' }).waitFor()
    expect(await page.getByLabel('Your name').isVisible()).toBe(false)
    expect(await page.getByRole('button', { name: 'Use a code generator instead' }).isVisible()).toBe(false)
    await picture(page, 'person')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await page.getByRole('heading', { name: 'You are enrolled' }).waitFor()
    expect(await page.getByRole('heading', { name: 'Recovery codes' }).isVisible()).toBe(false)
    expect(fixture.identity.people.find(person.id)?.factors.passkeys).toBe(1)

    const { assertion } = fixture.identity.people
    const { handle, options } = await assertion.begin({ loginName: 'ada@example.org' })
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
    await page.getByRole('button', { name: 'Use a code generator instead' }).click()
    await page.getByRole('heading', { name: 'Set up your code generator' }).waitFor()
    await picture(page, 'generator')
    const secret = (await page.locator('#secret').textContent()) ?? ''
    const code = new TOTP({ secret: Secret.fromBase32(secret.replaceAll(' ', '')) }).generate({ timestamp: fixture.clock.now() })
    await page.getByLabel('The six digits that it shows now').fill(code)
    await page.getByRole('button', { name: 'Check the code' }).click()
    await page.getByRole('heading', { name: 'You are enrolled' }).waitFor()
    expect(await page.locator('#recovery-codes li').count()).toBe(10)
    await picture(page, 'codes')
    expect(fixture.identity.people.find(person.id)?.factors).toEqual({ passkeys: 0, totp: true, recoveryCodes: 10 })
    expect(problems).toEqual([])
  })
})

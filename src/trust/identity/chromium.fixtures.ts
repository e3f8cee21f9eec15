/** A real browser with virtual security keys, over TLS with a certificate that it verifies. Needs Debian's chromium and libnss3-tools. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'

const CHROMIUM = process.env['REDOUBT_CHROMIUM'] ?? '/usr/bin/chromium'

/** One profile, with one security key plugged in unless said otherwise. */
export interface Visit {
  readonly page: Page
  readonly devtools: CDPSession
  /** What the page printed, threw or violated. */
  readonly problems: string[]
}

export interface VisitOptions {
  readonly userVerification?: boolean
  readonly dark?: boolean
  readonly width?: number
}

export interface TestChromium {
  visit(options?: VisitOptions): Promise<Visit>
  closeVisits(): Promise<void>
  close(): Promise<void>
}

function run(command: string, arguments_: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, arguments_, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`)
}

/** @param authorityPem what the browser is to trust. Certificate errors are not ignored: they would hide a real one. */
export async function openChromium(authorityPem: string): Promise<TestChromium> {
  const home = mkdtempSync(join(tmpdir(), 'redoubt-browser-'))
  // Chromium trusts what its NSS database says.
  const nss = join(home, '.pki', 'nssdb')
  mkdirSync(nss, { recursive: true })
  writeFileSync(join(home, 'ca.pem'), authorityPem)
  run('certutil', ['-d', `sql:${nss}`, '-N', '--empty-password'])
  run('certutil', ['-d', `sql:${nss}`, '-A', '-t', 'C,,', '-n', 'redoubt', '-i', join(home, 'ca.pem')])
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    env: { ...process.env, HOME: home },
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  const visits: Visit[] = []
  return {
    async visit({ userVerification = true, dark = false, width = 900 } = {}) {
      const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: dark ? 'dark' : 'light' })
      const page = await context.newPage()
      const devtools = await context.newCDPSession(page)
      await devtools.send('WebAuthn.enable')
      await plugIn(devtools, userVerification)
      const problems: string[] = []
      page.on('console', (message) => problems.push(`${message.type()}: ${message.text()}`))
      page.on('pageerror', (error) => problems.push(`error: ${error.message}`))
      const one = { page, devtools, problems }
      visits.push(one)
      return one
    },
    async closeVisits() {
      for (const { page } of visits.splice(0)) await page.context().close()
    },
    async close() {
      await browser.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** @returns the id of the virtual key. */
export async function plugIn(devtools: CDPSession, userVerification = true): Promise<string> {
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'usb',
      hasResidentKey: true,
      hasUserVerification: userVerification,
      isUserVerified: userVerification,
      automaticPresenceSimulation: true,
    },
  })
  return authenticatorId
}

/** Kept in the folder of REDOUBT_SCREENSHOTS, to be looked at; nowhere when that is not set. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['REDOUBT_SCREENSHOTS']
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

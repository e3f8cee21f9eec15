import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openChromium, picture, type TestChromium, type Visit } from '../../src/trust/identity/chromium.fixtures.ts'
import { type House, openHouse } from './house.fixture.ts'

/** The first day: the whole server, its own certificate, a browser with a security key, and the command line as a process of its own. */
const root = fileURLToPath(new URL('../..', import.meta.url))

let house: House
let chromium: TestChromium
let ada: Visit
/** Home of a person on another machine: no secrets of the server, only its certificate. */
let home: string

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'redoubt-home-'))
  house = await openHouse()
  chromium = await openChromium(house.ca)
  ada = await chromium.visit({ width: 1200 })
})
afterAll(async () => {
  await chromium?.close()
  await house?.close()
  rmSync(home, { recursive: true, force: true })
})

interface Ran {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

function start(...words: readonly string[]): { readonly process: ChildProcess; readonly ended: Promise<Ran>; line(): Promise<string> } {
  const child = spawn(process.execPath, [join(root, 'src/cli.ts'), ...words], {
    cwd: home,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      REDOUBT_URL: house.server.url,
      REDOUBT_CA: house.server.caPath,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (part: Buffer) => (out += part.toString()))
  child.stderr.on('data', (part: Buffer) => (err += part.toString()))
  const ended = new Promise<Ran>((resolve) => child.once('close', (status) => resolve({ status, out, err })))
  const line = async (): Promise<string> => {
    for (let i = 0; i < 600 && !out.includes('\n') && child.exitCode === null; i++) await new Promise((resolve) => setTimeout(resolve, 50))
    if (!out.includes('\n')) throw new Error(`no line: ${err}`)
    return out.slice(0, out.indexOf('\n'))
  }
  return { process: child, ended, line }
}
const run = (...words: readonly string[]): Promise<Ran> => start(...words).ended
const heading = (page: Page, name: string): Promise<void> => page.getByRole('heading', { name, level: 1 }).waitFor()

/** `redoubt login` as a person does it: the command prints, the browser answers. */
async function login({ page }: Visit, answer: (page: Page) => Promise<void>, ...words: readonly string[]): Promise<Ran> {
  const running = start('login', '--json', ...words)
  const prompt = JSON.parse(await running.line()) as { userCode: string; verificationUriComplete: string }
  await page.goto(prompt.verificationUriComplete)
  await answer(page)
  await heading(page, 'Is this your code?')
  expect(await page.locator('p.code').innerText()).toBe(prompt.userCode)
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await heading(page, 'Connected')
  return running.ended
}
const withKey = async (page: Page): Promise<void> => page.getByRole('button', { name: 'Sign in with a passkey' }).click()

describe('the first day (B3, B4, B5, B8)', () => {
  it('the first administrator enrols, and signs in at the command line from another machine', async () => {
    const { page } = ada
    await page.goto(house.server.enrolmentLink!)
    await page.getByLabel('Your login name').fill('ada@example.org')
    await page.getByRole('button', { name: 'Register a key' }).click()
    await heading(page, 'You are the administrator')

    const nobody = await run('whoami', '--json')
    expect(nobody.status).not.toBe(0)
    const { status, out, err } = await login(ada, withKey)
    expect([status, err]).toEqual([0, ''])
    expect(out).toContain('"mfaLevel": 3')
    const me = JSON.parse((await run('whoami', '--json')).out)
    expect(me).toMatchObject({
      type: 'User',
      mfaLevel: 3,
      roles: expect.arrayContaining(['administrator']),
      sessionId: expect.stringMatching(/^ses_/),
    })
    const words = (await run('whoami')).out
    expect(words).toContain(me.sessionId)
    expect(words).toMatch(/mfaLevel +3/)
  })

  it('makes the first colleague, who enrols by the link and signs in', async () => {
    const created = await run(
      'access',
      'users',
      'create',
      'bob@example.org',
      '--role',
      'data-scientist',
      '--purpose',
      'credit-scoring',
      '--legal-basis',
      'contract',
      '--json',
    )
    expect([created.status, created.err]).toEqual([0, ''])
    const { link } = JSON.parse(created.out) as { link: { url: string } }
    const bob = await chromium.visit({ width: 400, dark: true })
    await bob.page.goto(link.url)
    await bob.page.getByRole('button', { name: 'Register a key' }).click()
    await heading(bob.page, 'You can sign in now')
    await bob.page.getByRole('link', { name: 'Sign in' }).click()
    await withKey(bob.page)
    await heading(bob.page, 'Your sessions')
    await picture(bob.page, 'house-sessions-400-dark')
  })

  it('steps up: the key is shown anew, and the new session takes the place of the old', async () => {
    const before = JSON.parse((await run('whoami', '--json')).out)
    // Signing out in the browser leaves the command line alone.
    await ada.page.goto(`${house.server.url}/sessions`)
    await picture(ada.page, 'house-sessions-1200')
    await ada.page.getByRole('button', { name: 'Sign out here' }).click()
    await heading(ada.page, 'Signed out')
    expect(JSON.parse((await run('whoami', '--json')).out).sessionId).toBe(before.sessionId)
    const { status } = await login(ada, withKey, '--step-up', '--max-age', '60')
    expect(status).toBe(0)
    const after = JSON.parse((await run('whoami', '--json')).out)
    expect(after.sessionId).not.toBe(before.sessionId)
    expect(after.authTime).toBeGreaterThan(before.authTime)
    await ada.page.goto(`${house.server.url}/sessions`)
    expect(await ada.page.getByRole('button', { name: /^End the session of Redoubt command line/ }).count()).toBe(1)
  })

  it('ends the session in the browser; the next command is refused and says what to do', async () => {
    await ada.page.goto(`${house.server.url}/sessions`)
    await ada.page.getByRole('button', { name: /^End the session of Redoubt command line/ }).click()
    await heading(ada.page, 'Your sessions')
    const refused = await run('whoami')
    expect(refused.status).toBe(1)
    expect(refused.err).toContain('redoubt login')
    expect(refused.err).toContain('ERR_SESSION_ENDED')
  })

  it('logs out: the tokens are gone here and worth nothing there', async () => {
    expect((await login(ada, async () => undefined)).status).toBe(0)
    expect(JSON.parse((await run('logout', '--json')).out)).toEqual({ loggedOut: true, sessionEnded: true })
    expect((await run('whoami')).status).not.toBe(0)
    await ada.page.goto(`${house.server.url}/sessions`)
    expect(await ada.page.getByRole('button', { name: /^End the session of Redoubt command line/ }).count()).toBe(0)
    expect((await run('logout')).out).toContain('nobody was logged in here')
  })
})

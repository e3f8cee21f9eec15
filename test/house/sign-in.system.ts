import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openChromium, picture, type TestChromium, type Visit } from '../../src/trust/identity/chromium.fixtures.ts'
import { type House, openHouse } from './house.fixture.ts'
import { heading, OwnMachine, type Ran, withKey } from './own-machine.fixture.ts'

/** The first day: the whole server, its own certificate, a browser with a security key, and the command line as a process of its own. */
let house: House
let chromium: TestChromium
let ada: Visit
let machine: OwnMachine
const run = (...words: readonly string[]): Promise<Ran> => machine.run(...words)
const login: OwnMachine['login'] = (...words) => machine.login(...words)

beforeAll(async () => {
  house = await openHouse()
  machine = new OwnMachine(house.server.url, house.server.caPath)
  chromium = await openChromium(house.ca)
  ada = await chromium.visit({ width: 1200 })
})
afterAll(async () => {
  await chromium?.close()
  await house?.close()
  machine?.remove()
})

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

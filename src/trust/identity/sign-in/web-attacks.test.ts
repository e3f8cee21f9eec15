import { request } from 'node:http'
import * as oidc from 'openid-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ISSUER } from '../identity.fixtures.ts'
import { methodsAt, OPEN_ROUTES } from '../routes.ts'
import { houseClients } from './clients.ts'
import { BROWSER_COOKIE, SESSION_COOKIE } from './browser.ts'
import { formOf, openSignInFixture, type Page, signIn, type SignInFixture, type TestBrowser } from './sign-in.fixtures.ts'

let fixture: SignInFixture
beforeEach(async () => {
  fixture = await openSignInFixture()
  fixture.people.add('ada')
  fixture.people.add('eve')
})
afterEach(() => fixture.close())

const refusals = (): (string | undefined)[] => fixture.audit.of('authentication.refused').map((event) => event.code)
const FORMS = OPEN_ROUTES.filter(({ method, path }) => method === 'POST' && /^\/(?:sign-in|consent|device|sessions|sign-out)/.test(path))
const PAGES = ['/sign-in', '/device', '/sessions', '/oauth/end-session']

async function authorizationUrl(more: Record<string, string> = {}): Promise<string> {
  const configuration = await fixture.client('redoubt-console')
  return oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: `${ISSUER}/console/callback`,
    scope: 'openid',
    code_challenge: await oidc.calculatePKCECodeChallenge(oidc.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
    ...more,
  }).href
}
/** Where someone stands who is asked for consent. */
async function atConsent(browser: TestBrowser, name = 'ada'): Promise<Page> {
  return signIn(browser, await browser.get(await authorizationUrl()), name)
}

describe('forms of other sites (CSRF)', () => {
  it('takes no form without seal, from another origin, or in another shape; nothing changes', async () => {
    expect(FORMS.length).toBeGreaterThanOrEqual(10)
    const browser = await fixture.signedIn('ada')
    const { seal } = formOf(await browser.get('/sessions'), '/sign-out').fields as { seal: string }
    const wrong: readonly (readonly [what: string, fields: Record<string, string>, headers: Record<string, string>])[] = [
      ['no seal', {}, {}],
      ['a seal of nobody', { seal: 'x'.repeat(43) }, {}],
      ['another origin', { seal }, { origin: 'https://attacker.example', 'sec-fetch-site': 'cross-site' }],
      ['a hidden origin', { seal }, { origin: 'null' }],
      ['another port', { seal }, { origin: 'https://gateway.example' }],
      ['a neighbour', { seal }, { 'sec-fetch-site': 'same-site' }],
      ['plain text', { seal }, { 'content-type': 'text/plain' }],
    ]
    for (const { path } of FORMS) {
      for (const [what, fields, headers] of wrong) {
        const page = await browser.once('POST', path, fields, headers)
        expect([path, what, page.status >= 400 && page.status < 500]).toEqual([path, what, true])
        expect([path, what, page.headers.get('location')]).toEqual([path, what, null])
      }
    }
    expect(refusals()).toContain('ERR_FORM_ORIGIN')
    expect((await browser.get('/sessions')).text).toContain('Signed in as')
    expect(fixture.people.ended).toEqual([])
  })

  it('takes the seal of another browser for nothing', async () => {
    const eve = await fixture.signedIn('eve')
    const { seal } = formOf(await eve.get('/sessions'), '/sign-out').fields as { seal: string }
    const ada = await fixture.signedIn('ada')
    const page = await ada.once('POST', '/sign-out', { seal })
    expect(page.status).toBe(403)
    expect(fixture.people.ended).toEqual([])
  })

  it('takes no field twice and no heap of fields', async () => {
    const browser = await fixture.signedIn('ada')
    const { seal } = formOf(await browser.get('/sessions'), '/sign-out').fields as { seal: string }
    const body = (text: string): Promise<Response> =>
      fetch(`${fixture.url}/sign-out`, {
        method: 'POST',
        redirect: 'manual',
        body: text,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          origin: ISSUER,
          cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        },
      })
    expect((await body(`seal=${seal}&seal=${seal}`)).status).toBe(400)
    expect((await body(`seal=${seal}&${Array.from({ length: 40 }, (_, i) => `f${i}=1`).join('&')}`)).status).toBe(400)
    expect((await body(`seal=${seal}&x=${'y'.repeat(20_000)}`)).status).toBe(413)
    expect(fixture.people.ended).toEqual([])
  })

  it('answers no cross-origin reader and no preflight', async () => {
    for (const path of PAGES) {
      const response = await fetch(`${fixture.url}${path}`, { headers: { origin: 'https://attacker.example' } })
      expect([path, response.headers.get('access-control-allow-origin')]).toEqual([path, null])
      expect((await fetch(`${fixture.url}${path}`, { method: 'OPTIONS' })).status).toBe(405)
    }
  })
})

describe('signing someone in to another’s account (login CSRF, fixation)', () => {
  it('takes no flow that another browser began: not to sign in, not to consent, not to resume', async () => {
    const eve = fixture.browser()
    const begun = await eve.get(await authorizationUrl())
    const { flow, flow_seal: flowSeal } = formOf(begun, '/sign-in/passkey').fields as { flow: string; flow_seal: string }
    const query = new URLSearchParams({ flow, flow_seal: flowSeal }).toString()
    const ada = await fixture.signedIn('ada')
    expect((await ada.once('GET', `/oauth/authorize/${flow}?${query}`)).status).toBe(400)
    expect((await ada.once('GET', `/consent?${query}`)).status).toBe(400)
    // The sign-in page forgets the flow: whoever signs in stays here.
    expect((await fixture.browser().get(`/sign-in?${query}`)).text).not.toContain(flow)
    expect(refusals()).toContain('ERR_SIGN_IN_FLOW')
  })

  it('gives a new secret at sign-in, whatever the browser held before', async () => {
    const browser = fixture.browser()
    const planted = 'p'.repeat(43)
    browser.cookies.set(SESSION_COOKIE, planted)
    browser.cookies.set(BROWSER_COOKIE, 'q'.repeat(43))
    const page = await signIn(browser, await browser.get('/sign-in'), 'ada')
    expect(page.text).toContain('Your sessions')
    expect(browser.cookies.get(SESSION_COOKIE)).not.toBe(planted)
    expect(browser.cookies.get(BROWSER_COOKIE)).not.toBe('q'.repeat(43))
    const attacker = fixture.browser()
    attacker.cookies.set(SESSION_COOKIE, planted)
    attacker.cookies.set(BROWSER_COOKIE, 'q'.repeat(43))
    expect((await attacker.get('/sessions')).url).toBe('/sign-in')
  })

  it('gives a new secret at step-up and kills the old one; at sign-out none is left', async () => {
    const browser = await fixture.signedIn('ada', '123456')
    const old = browser.cookies.get(SESSION_COOKIE)!
    const asked = await browser.get(await authorizationUrl({ acr_values: '3' }))
    await browser.go('POST', '/sign-in/code', { ...formOf(asked, '/sign-in/passkey').fields, code: '3' })
    const thief = fixture.browser()
    thief.cookies.set(SESSION_COOKIE, old)
    expect((await thief.get('/sessions')).url).toBe('/sign-in')
    const out = await browser.submit(await browser.get('/sessions'), '/sign-out')
    expect(out.text).toContain('Signed out')
    expect(browser.cookies.has(SESSION_COOKIE)).toBe(false)
    expect(fixture.people.ended).toHaveLength(1)
  })

  it('takes no form again that was sent before a sign-in or a consent (replay)', async () => {
    const browser = fixture.browser()
    const consent = await atConsent(browser)
    const form = formOf(consent, '/consent').fields
    expect((await browser.go('POST', '/consent', { ...form, decision: 'yes' })).headers.get('location')).toContain('code=')
    const again = await browser.once('POST', '/consent', { ...form, decision: 'yes' })
    expect([again.status, again.headers.get('location')]).toEqual([400, null])
    expect(fixture.audit.of('access.consent')).toHaveLength(1)
    const resumed = await browser.once('GET', `/oauth/authorize/${form['flow']}?flow_seal=${form['flow_seal']}`)
    expect([resumed.status, resumed.headers.get('location')]).toEqual([400, null])

    const first = fixture.browser()
    const page = await first.get('/sign-in')
    const sealed = formOf(page, '/sign-in').fields
    await signIn(first, page, 'ada')
    expect((await first.once('POST', '/sign-in', { ...sealed, name: 'eve' })).status).toBe(403)
  })

  it('starts over when someone else signed in meanwhile', async () => {
    const browser = fixture.browser()
    const consent = await atConsent(browser, 'ada')
    const form = formOf(consent, '/consent').fields
    const other = await fixture.signedIn('eve')
    browser.cookies.set(SESSION_COOKIE, other.cookies.get(SESSION_COOKIE)!)
    const page = await browser.once('POST', '/consent', { ...form, decision: 'yes' })
    expect(page.status).toBe(400)
    expect(fixture.audit.of('access.consent')).toEqual([])
  })

  it('writes a consent down before there is a grant, and gives none when it cannot', async () => {
    const browser = fixture.browser()
    const form = formOf(await atConsent(browser), '/consent').fields
    const grants = () => fixture.database.raw.prepare("SELECT count(*) AS n FROM identity_artifacts WHERE model = 'Grant'").get()
    const before = grants()
    fixture.audit.down = true
    expect((await browser.once('POST', '/consent', { ...form, decision: 'yes' })).status).toBe(503)
    expect(grants()).toEqual(before)
  })

  it('lets nobody consent who is not signed in any more', async () => {
    const browser = fixture.browser()
    const form = formOf(await atConsent(browser), '/consent').fields
    const session = (await fixture.people.sessions.list(fixture.people.byLoginName('ada')!.id))[0]!
    await fixture.people.sessions.end(session.id, { type: 'User', id: 'x' })
    expect((await browser.go('POST', '/consent', { ...form, decision: 'yes' })).url).toMatch(/^\/sign-in/)
    expect(fixture.audit.of('access.consent')).toEqual([])
  })
})

describe('open redirects', () => {
  it('sends nobody anywhere by a parameter', async () => {
    const evil = ['https://attacker.example', '//attacker.example', '/\\attacker.example', 'javascript:alert(1)', '%2f%2fattacker.example']
    for (const target of evil) {
      for (const name of [
        'to',
        'return',
        'return_to',
        'next',
        'redirect',
        'redirect_uri',
        'post_logout_redirect_uri',
        'user_code',
        'flow',
      ]) {
        const browser = fixture.browser()
        const page = await signIn(browser, await browser.get(`/sign-in?${new URLSearchParams({ [name]: target }).toString()}`), 'ada')
        expect([name, target, page.status, page.url.replace(/\?.*/, '')]).toEqual([
          name,
          target,
          expect.any(Number),
          expect.stringMatching(/^\/(?:sessions|device)$/),
        ])
      }
    }
  }, 20_000)

  it('leaves after a sign-out only for a registered address', async () => {
    const out = async (query: Record<string, string>): Promise<Page> => {
      const browser = await fixture.signedIn('ada')
      const page = await browser.get(`/oauth/end-session?${new URLSearchParams(query).toString()}`)
      const form = formOf(page, '/sign-out').fields
      return browser.once('POST', '/sign-out', form)
    }
    const registered = `${ISSUER}/console/`
    const left = await out({ client_id: 'redoubt-console', post_logout_redirect_uri: registered, state: 's1' })
    expect(left.headers.get('location')).toBe(`${registered}?state=s1`)
    for (const uri of [`${registered}x`, 'https://attacker.example/console/', `${ISSUER}/console`, `${ISSUER}//attacker.example`, '']) {
      const page = await out({ client_id: 'redoubt-console', post_logout_redirect_uri: uri })
      expect([uri, page.status, page.headers.get('location')]).toEqual([uri, 200, null])
    }
    expect((await out({ client_id: 'redoubt-cli', post_logout_redirect_uri: registered })).headers.get('location')).toBeNull()
  })
})

describe('what a page carries', () => {
  it('no framing, no inline code, no cache, no third party, no referrer elsewhere', async () => {
    const browser = await fixture.signedIn('ada')
    const consent = await atConsent(fixture.browser())
    const pages = [
      consent,
      await fixture.browser().get('/sign-in'),
      ...(await Promise.all(PAGES.slice(1).map((path) => browser.get(path)))),
      await browser.once('POST', '/consent', {}),
    ]
    for (const page of pages) {
      const policy = page.headers.get('content-security-policy') ?? ''
      for (const directive of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
      ])
        expect([page.url, policy]).toEqual([page.url, expect.stringContaining(directive)])
      expect(policy).not.toMatch(/unsafe|\*|http:(?!\/\/127)/)
      expect(page.headers.get('cache-control')).toBe('no-store')
      expect(page.headers.get('x-frame-options')).toBe('DENY')
      expect(page.headers.get('x-content-type-options')).toBe('nosniff')
      expect(page.headers.get('referrer-policy')).toBe('same-origin')
      expect(page.headers.get('strict-transport-security')).toMatch(/max-age=\d{8}/)
      expect(page.text).not.toMatch(/<script(?![^>]*\bsrc="\/sign-in\/assets\/)|<style|\son[a-z]+=|\sstyle=|(?:src|href)="(?:https?:)?\/\//)
      expect(page.text).toMatch(/<html lang="en">/)
    }
    // The redirect at the end of a flow carries a code.
    const back = await browser.once('GET', (await authorizationUrl({ prompt: 'none' })).slice(ISSUER.length))
    expect(back.headers.get('cache-control')).toBe('no-store')
    expect(back.headers.get('referrer-policy')).toBe('same-origin')
  })

  it('gives out cookies that scripts, plain HTTP and other hosts cannot touch, and none of the library', async () => {
    const browser = fixture.browser()
    const seen: string[] = []
    const once = browser.once.bind(browser)
    browser.once = async (...ask) => {
      const page = await once(...ask)
      seen.push(...page.headers.getSetCookie())
      return page
    }
    await browser.submit(await atConsent(browser), '/consent', { decision: 'yes' })
    await browser.submit(await browser.get('/sessions'), '/sign-out')
    expect(seen.length).toBeGreaterThan(3)
    for (const cookie of seen) {
      expect(cookie).toMatch(/^__Host-redoubt-(?:session|browser)=[^;]*; (?:Max-Age=0; )?Path=\/; Secure; HttpOnly; SameSite=Lax$/)
    }
  })

  it('escapes what people type', async () => {
    const browser = fixture.browser()
    const typed = `"><script>alert(1)</script>'`
    const page = await browser.submit(await browser.get('/sign-in'), '/sign-in', { name: typed })
    expect(page.text).not.toContain('<script>alert')
    expect(page.text).toContain('&lt;script&gt;alert(1)')
  })

  it('says the same of a name that exists and of one that does not', async () => {
    const texts = await Promise.all(
      ['ada', 'xyz'].map(async (name) => {
        const browser = fixture.browser()
        const named = await browser.submit(await browser.get('/sign-in'), '/sign-in', { name })
        const refused = await browser.submit(named, '/sign-in/code', { code: '000000' })
        const strip = (text: string): string =>
          text
            .replaceAll(name, 'NAME')
            .replaceAll(/value="[^"]*"/g, '')
            .replaceAll(/data-key-options="[^"]*"/g, '')
        return [named.status, strip(named.text), refused.status, strip(refused.text)]
      }),
    )
    expect(texts[0]).toEqual(texts[1])
    expect(texts[0]?.[2]).toBe(403)
  })

  it('tells how long to wait when locked', async () => {
    const browser = fixture.browser()
    const named = await browser.submit(await browser.get('/sign-in'), '/sign-in', { name: 'ada' })
    const page = await browser.submit(named, '/sign-in/code', { code: 'locked' })
    expect([page.status, page.headers.get('retry-after')]).toEqual([429, '300'])
    expect(page.text).toContain('Wait 5 minutes')
  })
})

describe('floods', () => {
  it('begins only so many flows and device codes from one place in a minute, and goes on with those that have begun', async () => {
    const browser = fixture.browser()
    const consent = await atConsent(browser)
    const form = new URLSearchParams({ client_id: 'redoubt-cli', scope: 'openid' }).toString()
    let status = 200
    let begun = 0
    while (status === 200 && begun++ < 200) status = (await fixture.post('/oauth/device-authorization', form)).status
    expect(status).toBe(429)
    expect(begun).toBeLessThanOrEqual(121)
    expect((await browser.once('GET', (await authorizationUrl()).slice(ISSUER.length))).status).toBe(429)
    expect(refusals()).toContain('ERR_LIMIT_REQUESTS')
    expect((await browser.submit(consent, '/consent', { decision: 'yes' })).headers.get('location')).toContain('code=')
    fixture.clock.advance(61_000)
    expect((await fixture.post('/oauth/device-authorization', form)).status).toBe(200)
  })
})

describe('confusion of host and path', () => {
  const raw = (path: string, headers: Record<string, string>): Promise<{ status: number; location: string | undefined; text: string }> =>
    new Promise((resolve, reject) => {
      const call = request(fixture.url, { path, headers, setHost: false }, (answer) => {
        let text = ''
        answer.on('data', (part: Buffer) => (text += part.toString()))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, location: answer.headers.location, text }))
      })
      call.on('error', reject)
      call.end()
    })

  it('makes every address from the issuer, whatever host and forwarding headers say', async () => {
    const path = (await authorizationUrl()).slice(ISSUER.length)
    for (const headers of [
      { host: 'attacker.example' },
      { host: 'gateway.example:8443', 'x-forwarded-host': 'attacker.example', 'x-forwarded-proto': 'http' },
      { host: 'gateway.example:8443', forwarded: 'host=attacker.example;proto=http' },
    ]) {
      const answer = await raw(path, headers)
      expect(answer.status).toBe(303)
      expect(answer.location).toMatch(new RegExp(`^${ISSUER}/sign-in\\?flow=`))
    }
    const device = await oidc.initiateDeviceAuthorization(await fixture.client('redoubt-cli'), { scope: 'openid' })
    expect(device.verification_uri).toBe(`${ISSUER}/device`)
  })

  it('takes no cookie or header of the caller for the library’s', async () => {
    const ada = fixture.people.byLoginName('ada')!
    await fixture.signedIn('ada')
    const [session] = await fixture.people.sessions.list(ada.id)
    const path = (await authorizationUrl({ prompt: 'none' })).slice(ISSUER.length)
    const answer = await raw(path, {
      host: 'gateway.example:8443',
      cookie: `session=${session!.id}; _session=${session!.id}; ${SESSION_COOKIE}=${session!.id}`,
      'x-redoubt-browser': 'x',
      'x-redoubt-source': '10.9.9.9',
    })
    expect(answer.location).toContain('error=login_required')
  })

  it('takes a cookie that comes twice for none', async () => {
    const browser = await fixture.signedIn('ada')
    const mine = browser.cookies.get(SESSION_COOKIE)!
    const planted = 'a'.repeat(43)
    for (const [one, other] of [
      [mine, planted],
      [planted, mine],
    ]) {
      const answer = await raw('/sessions', { host: 'x', cookie: `${SESSION_COOKIE}=${one}; ${SESSION_COOKIE}=${other}` })
      expect(answer.location).toBe('/sign-in')
    }
    expect((await raw('/sessions', { host: 'x', cookie: `${SESSION_COOKIE}=${mine}` })).status).toBe(200)
  })

  it('serves no path that is written in another way', async () => {
    for (const path of [
      '//sign-in',
      '/sign-in/',
      '/x/../sign-in',
      '/sign-in/../sign-in',
      '/%73ign-in',
      '/sign-in%2f',
      '/SIGN-IN',
      '/sign-in/assets/../pages.css',
      '/sign-in/assets/..%2f..%2fsign-in.ts',
      '/oauth//authorize',
      '/oauth/authorize/',
      '/oauth/authorize/x/y',
    ]) {
      expect([path, (await raw(path, { host: 'gateway.example:8443' })).status]).toEqual([path, 404])
    }
  })
})

describe('an address that a client of the house may be sent to', () => {
  const here = [...houseClients(ISSUER).values()]
    .flatMap(({ metadata }) => [metadata['redirect_uris'], metadata['post_logout_redirect_uris'] ?? []].flat() as string[])
    .map((uri) => new URL(uri))
    .filter(({ origin }) => origin === ISSUER)

  it('is a page of ours, which uses and shows nothing of what comes with it', async () => {
    expect(here.map(({ pathname }) => pathname)).toEqual(['/console/callback', '/console/'])
    for (const { pathname } of here) {
      expect(methodsAt(pathname)).toEqual(['GET'])
      const browser = fixture.browser()
      const page = await browser.once('GET', `${pathname}?code=s3cret-code&state=%3Cscript%3E&iss=${encodeURIComponent(ISSUER)}`)
      expect([page.status, page.text.includes('There is no console here')]).toEqual([200, true])
      for (const shown of ['s3cret-code', '<script>']) expect(page.text).not.toContain(shown)
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect((await browser.once('POST', pathname, {})).status).toBe(405)
    }
  })
})

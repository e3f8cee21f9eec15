import { createHash, randomBytes } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import * as oidc from 'openid-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ISSUER } from '../identity.fixtures.ts'
import { formOf, openSignInFixture, type Page, signIn, type SignInFixture, type TestBrowser } from './sign-in.fixtures.ts'

const LOOPBACK = 'http://127.0.0.1:49152/callback'
const CONSOLE = `${ISSUER}/console/callback`

let fixture: SignInFixture
beforeEach(async () => {
  fixture = await openSignInFixture()
  fixture.people.add('ada')
})
afterEach(() => fixture.close())

interface Begun {
  readonly url: URL
  readonly verifier: string
  readonly state: string
}

async function begin(configuration: oidc.Configuration, redirectUri = LOOPBACK, more: Record<string, string> = {}): Promise<Begun> {
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const url = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope: 'openid',
    state,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  })
  return { url, verifier, state }
}

/** The whole of it: sign-in, consent, and back at the client with a code. */
async function authorize(configuration: oidc.Configuration, redirectUri = LOOPBACK): Promise<Begun & { back: URL; browser: TestBrowser }> {
  const begun = await begin(configuration, redirectUri)
  const browser = fixture.browser()
  const consent = await signIn(browser, await browser.get(begun.url.href), 'ada')
  return { ...begun, browser, back: backOf(await browser.submit(consent, '/consent', { decision: 'yes' })) }
}
const backOf = (page: Page): URL =>
  new URL(page.headers.get('location') ?? `about:blank#${page.status} ${page.url} ${page.text.slice(0, 900)}`)
const redeem = (configuration: oidc.Configuration, { back, verifier, state }: { back: URL; verifier: string; state: string }) =>
  oidc.authorizationCodeGrant(configuration, back, { pkceCodeVerifier: verifier, expectedState: state })
const post = async (form: Record<string, string>): Promise<{ status: number; body: any }> => {
  const response = await fixture.post('/oauth/token', new URLSearchParams(form).toString())
  return { status: response.status, body: await response.json() }
}
const refusals = (): (string | undefined)[] => fixture.audit.of('authentication.refused').map((event) => event.code)

describe('authorization code (B5)', () => {
  it('signs in, asks for consent, and gives a ten-minute token of the person, with openid-client (B3, B4, B5)', async () => {
    const configuration = await fixture.client('redoubt-cli')
    const authorized = await authorize(configuration)
    expect(`${authorized.back.origin}${authorized.back.pathname}`).toBe(LOOPBACK)
    const tokens = await redeem(configuration, authorized)
    expect(tokens.expires_in).toBe(600)
    expect(tokens.token_type).toBe('bearer')
    const person = fixture.people.byLoginName('ada')!
    expect(decodeProtectedHeader(tokens.access_token)).toMatchObject({ alg: 'EdDSA', typ: 'at+jwt' })
    const claims = decodeJwt(tokens.access_token)
    expect(claims).toEqual({
      iss: ISSUER,
      aud: ISSUER,
      sub: person.id,
      client_id: 'redoubt-cli',
      jti: expect.stringMatching(/^at_/),
      iat: expect.any(Number),
      exp: claims.iat! + 600,
      sid: expect.stringMatching(/^ses_/),
      auth_time: Math.floor(fixture.clock.now() / 1000),
      acr: '3',
      amr: ['hwk', 'mfa', 'user'],
      account_epoch: 0,
    })
    expect(tokens.claims()).toMatchObject({ sub: person.id, aud: 'redoubt-cli', iss: ISSUER })
    expect(fixture.audit.of('access.consent')).toMatchObject([{ actor: { type: 'User', id: person.id }, outcome: 'success' }])
    expect(fixture.audit.of('token.issue')).toMatchObject([{ actor: { type: 'User', id: person.id }, details: { tokenId: claims.jti } }])
  })

  it('tells the client which server answered, in a code and in an error (RFC 9207)', async () => {
    const configuration = await fixture.client('redoubt-cli')
    const { back } = await authorize(configuration)
    expect(back.searchParams.get('iss')).toBe(ISSUER)
    const refused = await begin(configuration, LOOPBACK, { prompt: 'none' })
    const error = backOf(await fixture.browser().get(refused.url.href))
    expect(error.searchParams.get('error')).toBe('login_required')
    expect(error.searchParams.get('iss')).toBe(ISSUER)
    back.searchParams.set('iss', 'https://attacker.example')
    await expect(
      oidc.authorizationCodeGrant(configuration, back, { pkceCodeVerifier: 'x', expectedState: oidc.skipStateCheck }),
    ).rejects.toMatchObject({ cause: { message: expect.stringContaining('"iss"') } })
  })

  it('gives nothing when the person says no, and says so to the client', async () => {
    const begun = await begin(await fixture.client('redoubt-cli'))
    const browser = fixture.browser()
    const consent = await signIn(browser, await browser.get(begun.url.href), 'ada')
    const back = backOf(await browser.submit(consent, '/consent', { decision: 'no' }))
    expect(back.searchParams.get('error')).toBe('access_denied')
    expect(back.searchParams.get('code')).toBeNull()
    expect(fixture.audit.of('access.consent')).toMatchObject([{ outcome: 'refused' }])
  })

  it('asks once for the console, and each time for a program on a loopback port (RFC 8252 §8.6)', async () => {
    const console_ = await fixture.client('redoubt-console')
    const { browser } = await authorize(console_, CONSOLE)
    expect(backOf(await browser.get((await begin(console_, CONSOLE)).url.href)).searchParams.get('code')).not.toBeNull()
    const cli = await fixture.client('redoubt-cli')
    for (const _ of [1, 2]) {
      const consent = await browser.get((await begin(cli)).url.href)
      expect(consent.url).toMatch(/^\/consent/)
      await browser.submit(consent, '/consent', { decision: 'yes' })
    }
    await fixture.people.change(fixture.people.byLoginName('ada')!.id, { roles: ['deployer'] })
    expect((await browser.get((await begin(console_, CONSOLE)).url.href)).url).toMatch(/^\/consent/)
  })

  it('keeps no code, token or flow id in the database, and goes on after a restart', async () => {
    const configuration = await fixture.client('redoubt-cli')
    const { back, verifier, state } = await authorize(configuration)
    const tokens = await redeem(configuration, { back, verifier, state })
    const stored = JSON.stringify(fixture.database.raw.prepare('SELECT * FROM identity_artifacts').all())
    expect(stored).toContain('RefreshToken')
    for (const secret of [back.searchParams.get('code')!, tokens.refresh_token!, tokens.access_token]) expect(stored).not.toContain(secret)
    await fixture.restart()
    expect((await oidc.refreshTokenGrant(configuration, tokens.refresh_token!)).access_token).toBeTruthy()
  })
})

describe('what is refused at the authorization endpoint', () => {
  const cases: readonly (readonly [id: string, change: Record<string, string | null>, error: string, code: string])[] = [
    ['O14 PKCE absent', { code_challenge: null, code_challenge_method: null }, 'invalid_request', 'ERR_PKCE'],
    ['O14 PKCE plain', { code_challenge_method: 'plain' }, 'invalid_request', 'ERR_PKCE'],
    ['O14 PKCE method left out', { code_challenge_method: null }, 'invalid_request', 'ERR_PKCE'],
    ['O21 implicit, token', { response_type: 'token' }, 'invalid_request', 'ERR_GRANT_TYPE'],
    ['O21 implicit, id_token', { response_type: 'id_token' }, 'invalid_request', 'ERR_GRANT_TYPE'],
    ['O21 hybrid', { response_type: 'code id_token' }, 'invalid_request', 'ERR_GRANT_TYPE'],
    ['O19 a resource that is not ours', { resource: 'https://other.example' }, 'invalid_target', 'ERR_TOKEN_AUDIENCE'],
  ]
  for (const [id, change, error, code] of cases) {
    it(`${id}: ${error}, told to the client (B5)`, async () => {
      const { url } = await begin(await fixture.client('redoubt-cli'))
      for (const [name, value] of Object.entries(change)) {
        if (value === null) url.searchParams.delete(name)
        else url.searchParams.set(name, value)
      }
      const page = await (await fixture.signedIn('ada')).get(url.href)
      const told = new URL(page.headers.get('location') ?? 'about:blank')
      const parameters = told.hash === '' ? told.searchParams : new URLSearchParams(told.hash.slice(1))
      expect(parameters.get('error')).toBe(error)
      expect(`${told.origin}${told.pathname}`).toBe(LOOPBACK)
      expect(refusals()).toContain(code)
    })
  }

  const addresses = [
    ['host', 'http://127.0.0.2:49152/callback'],
    ['name for the loopback', 'http://localhost:49152/callback'],
    ['path', 'http://127.0.0.1:49152/callback2'],
    ['path with dots', 'http://127.0.0.1:49152/x/../callback'],
    ['encoded dots', 'http://127.0.0.1:49152/%2e%2e/callback'],
    ['fragment', 'http://127.0.0.1:49152/callback#x'],
    ['query', 'http://127.0.0.1:49152/callback?x=1'],
    ['scheme', 'https://127.0.0.1:49152/callback'],
    ['userinfo', 'http://127.0.0.1:49152@attacker.example/callback'],
    ['userinfo in front', 'http://attacker@127.0.0.1:49152/callback'],
    ['port that is none', 'http://127.0.0.1:49152x/callback'],
  ] as const
  for (const [part, uri] of addresses) {
    it(`O15 redirect address with another ${part}: a page, no redirect (RFC 9700 §4.1)`, async () => {
      const { url } = await begin(await fixture.client('redoubt-cli'))
      url.searchParams.set('redirect_uri', uri)
      const page = await (await fixture.signedIn('ada')).once('GET', `${url.pathname}${url.search}`)
      expect(page.status).toBe(400)
      expect(page.headers.get('location')).toBeNull()
      expect(page.text).toContain('ERR_REDIRECT_URI')
      expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(refusals()).toContain('ERR_REDIRECT_URI')
    })
  }

  it('O15 the console’s address by port, and an address left out', async () => {
    const { url } = await begin(await fixture.client('redoubt-console'), CONSOLE)
    for (const uri of ['https://gateway.example:9999/console/callback', `${CONSOLE}/`, null]) {
      if (uri === null) url.searchParams.delete('redirect_uri')
      else url.searchParams.set('redirect_uri', uri)
      const page = await fixture.browser().once('GET', `${url.pathname}${url.search}`)
      expect([uri, page.status, page.headers.get('location')]).toEqual([uri, 400, null])
    }
  })

  it('a client that does not exist, a parameter twice, another way of answering', async () => {
    const { url } = await begin(await fixture.client('redoubt-cli'))
    const call = (change: (parameters: URLSearchParams) => void): Promise<Page> => {
      const changed = new URL(url)
      change(changed.searchParams)
      return fixture.browser().once('GET', `${changed.pathname}${changed.search}`)
    }
    const unknown = await call((parameters) => parameters.set('client_id', 'nobody'))
    expect([unknown.status, unknown.headers.get('location')]).toEqual([400, null])
    expect(
      (await call((parameters) => parameters.append('redirect_uri', 'http://127.0.0.1:1/callback'))).headers.get('location'),
    ).toBeNull()
    for (const mode of ['fragment', 'form_post', 'web_message']) {
      const page = await call((parameters) => parameters.set('response_mode', mode))
      expect([mode, page.text.includes('<script>'), page.headers.get('location')?.includes('code=')]).not.toEqual([mode, true, true])
      expect(page.headers.get('location') ?? '').not.toMatch(/\/sign-in/)
    }
  })
})

describe('what is refused at the token endpoint', () => {
  const form = (back: URL, verifier: string, more: Record<string, string> = {}): Record<string, string> => ({
    grant_type: 'authorization_code',
    client_id: 'redoubt-cli',
    code: back.searchParams.get('code')!,
    redirect_uri: LOOPBACK,
    code_verifier: verifier,
    ...more,
  })

  it('O12 a code that was used: refused, and what came of it is dead (RFC 9700 §4.5)', async () => {
    const configuration = await fixture.client('redoubt-cli')
    const { back, verifier } = await authorize(configuration)
    const first = await post(form(back, verifier))
    expect(first.status).toBe(200)
    expect(await post(form(back, verifier))).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(refusals()).toContain('ERR_CODE_REPLAYED')
    await expect(oidc.refreshTokenGrant(configuration, first.body.refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' })
    expect(revoked(first.body.access_token)).toBe(true)
  })

  it('O12 two at the same moment: one token at most, and then none', async () => {
    const { back, verifier } = await authorize(await fixture.client('redoubt-cli'))
    const answers = await Promise.all([post(form(back, verifier)), post(form(back, verifier)), post(form(back, verifier))])
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    for (const { body } of answers) if (body.refresh_token) expect((await refresh(body.refresh_token)).status).toBe(400)
  })

  it('O13 a wrong verifier, and none (RFC 7636)', async () => {
    const { back, verifier } = await authorize(await fixture.client('redoubt-cli'))
    for (const wrong of [oidc.randomPKCECodeVerifier(), createHash('sha256').update(verifier).digest('base64url'), 'short']) {
      expect(await post(form(back, wrong))).toMatchObject({ status: 400 })
    }
    const { code_verifier: _, ...without } = form(back, verifier)
    expect(await post(without)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(refusals().filter((code) => code === 'ERR_PKCE').length).toBeGreaterThanOrEqual(3)
  })

  it('O15 another redirect address than at the beginning, another client, an expired code', async () => {
    const { back, verifier } = await authorize(await fixture.client('redoubt-cli'))
    expect(await post(form(back, verifier, { redirect_uri: 'http://127.0.0.1:49153/callback' }))).toMatchObject({ status: 400 })
    expect(refusals()).toContain('ERR_REDIRECT_URI')
    expect(await post(form(back, verifier, { client_id: 'redoubt-console' }))).toMatchObject({ status: 400 })
  })

  it('O21 passwords and assertions of others are no way in (RFC 9700 §2.4)', async () => {
    for (const grant of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:jwt-bearer', 'client_credentials']) {
      const answer = await post({ grant_type: grant, client_id: 'redoubt-cli', username: 'ada', password: 'secret' })
      expect([grant, answer.status, answer.body.access_token]).toEqual([grant, 400, undefined])
    }
    expect(refusals().every((code) => code === 'ERR_GRANT_TYPE')).toBe(true)
  })
})

const refresh = (token: string, more: Record<string, string> = {}) =>
  post({ grant_type: 'refresh_token', client_id: 'redoubt-cli', refresh_token: token, ...more })
const revoked = (token: string): boolean =>
  fixture.database.raw.prepare('SELECT count(*) AS n FROM identity_revoked_tokens WHERE token_id = ?').get(decodeJwt(token).jti!)!['n'] ===
  1

describe('refresh tokens (B5)', () => {
  const begun = async (): Promise<{ refresh_token: string; access_token: string }> => {
    const configuration = await fixture.client('redoubt-cli')
    return (await redeem(configuration, await authorize(configuration))) as never
  }

  it('O11 reuse: the whole family is dead, access tokens too, and the session has ended (RFC 9700 §4.14)', async () => {
    const first = await begun()
    const second = await refresh(first.refresh_token)
    expect(second.status).toBe(200)
    expect(second.body.refresh_token).not.toBe(first.refresh_token)
    const session = decodeJwt(first.access_token)['sid'] as string
    expect(fixture.people.sessions.get(session)).not.toBeNull()

    expect(await refresh(first.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(await refresh(second.body.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    expect(fixture.people.sessions.get(session)).toBeNull()
    expect(revoked(first.access_token)).toBe(true)
    expect(revoked(second.body.access_token)).toBe(true)
    expect(refusals()).toContain('ERR_REFRESH_REUSED')
    expect(fixture.audit.of('token.replay')).toMatchObject([{ code: 'ERR_REFRESH_REUSED', details: { session } }])
  })

  it('O11 two at the same moment end the family too', async () => {
    const { refresh_token: token, access_token } = await begun()
    const answers = await Promise.all([refresh(token), refresh(token)])
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    expect(fixture.people.sessions.get(decodeJwt(access_token)['sid'] as string)).toBeNull()
    for (const { body } of answers) if (body.refresh_token) expect((await refresh(body.refresh_token)).status).toBe(400)
  })

  it('O11 ends its own family alone', async () => {
    const stolen = await begun()
    const configuration = await fixture.client('redoubt-cli')
    const other = await redeem(configuration, await authorize(configuration))
    await refresh(stolen.refresh_token)
    await refresh(stolen.refresh_token)
    expect((await refresh(other.refresh_token!)).status).toBe(200)
  })

  it('O19 more scope than was granted, or another resource (RFC 8707)', async () => {
    const { refresh_token: token } = await begun()
    expect(await refresh(token, { scope: 'openid admin' })).toMatchObject({ status: 400, body: { error: 'invalid_scope' } })
    expect(refusals()).toContain('ERR_SCOPE')
    expect(await refresh(token, { resource: 'https://other.example' })).toMatchObject({ status: 400, body: { error: 'invalid_target' } })
    expect(refusals()).toContain('ERR_TOKEN_AUDIENCE')
  })

  it('is worth nothing when its session ended, its owner is disabled, or another client shows it (B8)', async () => {
    const one = await begun()
    expect((await refresh(one.refresh_token, { client_id: 'redoubt-console' })).status).toBe(400)
    await fixture.people.sessions.end(decodeJwt(one.access_token)['sid'] as string, { type: 'User', id: 'x' })
    expect(await refresh(one.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
    const two = await begun()
    await fixture.people.disable(fixture.people.byLoginName('ada')!.id, { type: 'User', id: 'x' })
    expect(await refresh(two.refresh_token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  it('is revoked by its client, alone and without a word about others (RFC 7009)', async () => {
    const { refresh_token: token } = await begun()
    const revoke = async (form: Record<string, string>): Promise<number> =>
      (await fixture.post('/oauth/revoke', new URLSearchParams(form).toString())).status
    expect(await revoke({ client_id: 'redoubt-console', token })).toBe(200)
    expect(await revoke({ client_id: 'redoubt-cli', token: randomBytes(32).toString('base64url') })).toBe(200)
    const next = await refresh(token)
    expect(next.status).toBe(200)
    expect(await revoke({ client_id: 'redoubt-cli', token: next.body.refresh_token })).toBe(200)
    expect((await refresh(next.body.refresh_token)).status).toBe(400)
    expect(revoked(next.body.access_token)).toBe(true)
  })

  it('gives no token while the log takes nothing (E3)', async () => {
    const { refresh_token: token } = await begun()
    fixture.audit.down = true
    const answer = await refresh(token)
    expect(answer.status).toBe(500)
    expect(answer.body.access_token).toBeUndefined()
  })
})

describe('step-up (RFC 9470, B7)', () => {
  it('asks anew when the session is too weak or too old, and raises it', async () => {
    const configuration = await fixture.client('redoubt-console')
    const browser = await fixture.signedIn('ada', '123456')
    const { url, verifier, state } = await begin(configuration, CONSOLE, { acr_values: '3' })
    const asked = await browser.get(url.href)
    expect(asked.url).toMatch(/^\/sign-in/)
    expect(asked.text).toContain('Confirm that it is you')
    expect(asked.text).not.toContain('/sign-in/code')
    const before = browser.cookies.get('__Host-redoubt-session')
    const consent = await browser.go('POST', '/sign-in/code', { ...fieldsOf(asked), code: '3' })
    expect(browser.cookies.get('__Host-redoubt-session')).not.toBe(before)
    const back = backOf(await browser.submit(consent, '/consent', { decision: 'yes' }))
    const tokens = await redeem(configuration, { back, verifier, state })
    expect(decodeJwt(tokens.access_token)).toMatchObject({ acr: '3' })

    fixture.clock.advance(120_000)
    const old = await browser.get((await begin(configuration, CONSOLE, { max_age: '60' })).url.href)
    expect(old.text).toContain('Confirm that it is you')
    const fresh = await browser.get((await begin(configuration, CONSOLE, { max_age: '600' })).url.href)
    expect(backOf(fresh).searchParams.get('code')).not.toBeNull()
  })

  it('does not take a factor that is too weak, and tells the client when the person gives up', async () => {
    const browser = await fixture.signedIn('ada', '123456')
    const { url } = await begin(await fixture.client('redoubt-console'), CONSOLE, { acr_values: '3' })
    const asked = await browser.get(url.href)
    const again = await browser.go('POST', '/sign-in/code', { ...fieldsOf(asked), code: '123456' })
    expect(again.text).toContain('Confirm that it is you')
    const back = backOf(await browser.submit(again, '/sign-in/cancel'))
    expect(back.searchParams.get('error')).toBe('unmet_authentication_requirements')
    expect(back.searchParams.get('code')).toBeNull()
  })

  it('does not let a weaker factor make a strong session look fresh', async () => {
    const configuration = await fixture.client('redoubt-console')
    const browser = await fixture.signedIn('ada', '3')
    fixture.clock.advance(120_000)
    const asked = await browser.get((await begin(configuration, CONSOLE, { max_age: '60' })).url.href)
    const session = (await fixture.people.sessions.list(fixture.people.byLoginName('ada')!.id))[0]!
    const refused = await browser.go('POST', '/sign-in/code', { ...fieldsOf(asked), code: '123456' })
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('as strong as')
    expect(fixture.people.sessions.get(session.id)?.authTime).toBe(session.authTime)
  })

  it('sends whoever used a recovery code to register a new factor first', async () => {
    const browser = fixture.browser()
    const named = await browser.submit(await browser.get('/sign-in'), '/sign-in', { name: 'ada' })
    const page = await browser.once('POST', '/sign-in/recovery', { ...fieldsOf(named), code: '123456' })
    expect([page.status, page.headers.get('location')]).toEqual([303, `/enrol/${'e'.repeat(43)}`])
  })

  it('says unmet_authentication_requirements where nobody may be asked', async () => {
    const browser = await fixture.signedIn('ada', '123456')
    const { url } = await begin(await fixture.client('redoubt-console'), CONSOLE, { acr_values: '2', prompt: 'none' })
    expect(backOf(await browser.get(url.href)).searchParams.get('error')).toBe('unmet_authentication_requirements')
  })

  it('prompt=login asks even who just signed in', async () => {
    const browser = await fixture.signedIn('ada')
    const asked = await browser.get((await begin(await fixture.client('redoubt-console'), CONSOLE, { prompt: 'login' })).url.href)
    expect(asked.url).toMatch(/^\/sign-in/)
    const after = await browser.go('POST', '/sign-in/code', { ...fieldsOf(asked), code: '3' })
    expect(after.url).toMatch(/^\/consent/)
  })
})

/** Hidden fields of the first form: the same in each of a page. */
const fieldsOf = (page: Page): Record<string, string> => formOf(page, '/sign-in/passkey').fields

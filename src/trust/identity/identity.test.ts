import { createHash, generateKeyPairSync } from 'node:crypto'
import { connect } from 'node:net'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Principal, Refusal } from './authenticator.ts'
import { ASSERTION_TYPE, type PublicJwk } from '#trust/client'
import { ADMIN, assertion, type Fixture, grantForm, ISSUER, openFixture } from './identity.fixtures.ts'
import type { Identity } from './identity.ts'
import { methodsAt, OPEN_ROUTES } from './routes.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await openFixture()
})
afterEach(() => fixture.close())

const bearer = (token: string, identity: Identity = fixture.identity): Principal | Refusal =>
  identity.authenticate({ authorization: `Bearer ${token}`, authorizationCount: 1, url: '/v1/models' })
const codeOf = (answer: Principal | Refusal): string | null => ('code' in answer ? answer.code : null)
const clientForm = (name: string, clientAssertion: string, more: Record<string, string> = {}): string =>
  new URLSearchParams({ client_id: name, client_assertion_type: ASSERTION_TYPE, client_assertion: clientAssertion, ...more }).toString()

describe('token endpoint', () => {
  it('gives a ten-minute EdDSA at+jwt for this server to a client with private_key_jwt (B4, B5)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const response = await fixture.post('/oauth/token', grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now())))
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toContain('no-store')
    const body = (await response.json()) as { access_token: string; expires_in: number; token_type: string }
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 600 })
    expect(decodeProtectedHeader(body.access_token)).toMatchObject({ alg: 'EdDSA', typ: 'at+jwt', kid: expect.any(String) })
    const claims = decodeJwt(body.access_token)
    expect(claims).toMatchObject({ iss: ISSUER, aud: ISSUER, sub: 'scorer', client_id: 'scorer' })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(600)
    const principal = bearer(body.access_token)
    expect(principal).toMatchObject({
      name: 'scorer',
      roles: ['application'],
      purpose: 'credit-scoring',
      legalBasis: 'contract',
      mfaLevel: 1,
    })
  })

  it('records the issue before the token exists, and gives none when the log is down (E3)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    expect(fixture.audit.of('token.issue')).toMatchObject([
      { actor: { type: 'ServiceAccount', id: 'scorer' }, outcome: 'success', details: { tokenId: decodeJwt(token).jti } },
    ])
    fixture.audit.down = true
    const response = await fixture.post('/oauth/token', grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now())))
    expect(response.status).toBe(503)
    expect(await response.json()).not.toHaveProperty('access_token')
  })

  it('takes ES256 keys that clients bring themselves', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { kty, crv, x, y } = publicKey.export({ format: 'jwk' })
    const created = await fixture.identity.serviceAccounts.create(
      { name: 'es', roles: ['application'], purpose: 'p', legalBasis: 'consent', publicKeyJwk: { kty, crv, x, y } as PublicJwk },
      ADMIN,
    )
    expect(created.privateKeyJwk).toBeNull()
    const make = (): string => assertion('es', privateKey, fixture.clock.now(), {}, { alg: 'ES256' })
    const response = await fixture.post('/oauth/token', grantForm('es', make()))
    expect(response.status).toBe(200)
    const { access_token: token } = (await response.json()) as { access_token: string }
    expect((await fixture.post('/oauth/revoke', clientForm('es', make(), { token }))).status).toBe(200)
    expect(codeOf(bearer(token))).toBe('ERR_TOKEN_REVOKED')
  })

  it('refuses an assertion that was used before, after a restart too (O17)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const once = assertion('scorer', privateKeyJwk, fixture.clock.now())
    expect((await fixture.post('/oauth/token', grantForm('scorer', once))).status).toBe(200)
    expect((await fixture.post('/oauth/token', grantForm('scorer', once))).status).toBe(401)
    expect((await fixture.post('/oauth/introspect', clientForm('scorer', once, { token: 'x' }))).status).toBe(401)
    const rows = fixture.database.raw.prepare("SELECT count(*) AS n FROM identity_artifacts WHERE model = 'Assertion'").get()
    expect(rows).toEqual({ n: 1 })
  })

  it('lets exactly one of many simultaneous uses of an assertion through (O17)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const once = grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now()))
    const answers = await Promise.all(Array.from({ length: 12 }, () => fixture.post('/oauth/token', once)))
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1)
  })

  const other = generateKeyPairSync('ed25519').privateKey
  const seconds = (): number => Math.floor(fixture.clock.now() / 1000)
  it.each<[string, () => Record<string, unknown>, Record<string, unknown>?]>([
    ['the audience of another server', () => ({ aud: 'https://elsewhere.example' })],
    ['an audience with a second server', () => ({ aud: [ISSUER, 'https://elsewhere.example'] })],
    ['no audience', () => ({ aud: undefined })],
    ['an issuer that is not the subject', () => ({ iss: 'someone' })],
    ['no identifier', () => ({ jti: undefined })],
    ['an identifier that is too short', () => ({ jti: 'abc' })],
    ['no expiry', () => ({ exp: undefined })],
    ['an expiry in the past', () => ({ exp: seconds() - 30 })],
    ['an expiry a day ahead', () => ({ exp: seconds() + 86_400 })],
    ['an issue time in the future', () => ({ iat: seconds() + 60 })],
    ['a start in the future', () => ({ nbf: seconds() + 60 })],
    ['an unknown claim', () => ({ admin: true })],
    ['an unknown header member', () => ({}), { jku: 'https://attacker.example/jwks' }],
    ['the algorithm none', () => ({}), { alg: 'none' }],
    ['an algorithm that is not the account’s', () => ({}), { alg: 'HS256' }],
  ])('refuses an assertion with %s, at each endpoint that takes one (O17)', async (_what, claims, header) => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const make = (): string => assertion('scorer', privateKeyJwk, fixture.clock.now(), claims(), header)
    const answer = await fixture.post('/oauth/token', grantForm('scorer', make()))
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
    expect(((await answer.json()) as { error: string }).error).toMatch(/^invalid_(client|request)$/)
    expect((await fixture.post('/oauth/revoke', clientForm('scorer', make(), { token: 'x' }))).status).toBe(401)
    expect((await fixture.post('/oauth/introspect', clientForm('scorer', make(), { token: 'x' }))).status).toBe(401)
  })

  it('refuses an assertion under another key, and says so in the log with the account it claims', async () => {
    await fixture.account('scorer')
    const answer = await fixture.post('/oauth/token', grantForm('scorer', assertion('scorer', other, fixture.clock.now())))
    expect(answer.status).toBe(401)
    expect(fixture.audit.of('authentication.refused')).toMatchObject([
      { actor: { type: 'ServiceAccount', id: 'scorer' }, code: 'ERR_CLIENT_AUTHENTICATION', outcome: 'refused' },
    ])
  })

  it('names an unknown client anonymous in the log', async () => {
    const answer = await fixture.post('/oauth/token', grantForm('nobody', assertion('nobody', other, fixture.clock.now())))
    expect(answer.status).toBe(401)
    expect(fixture.audit.of('authentication.refused')).toMatchObject([{ actor: { type: 'User', id: 'anonymous' } }])
  })

  it.each(['authorization_code', 'password', 'implicit', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'])(
    'refuses the grant %s (O21)',
    async (grant) => {
      const { privateKeyJwk } = await fixture.account('scorer')
      const form = grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now()), { grant_type: grant, code: 'x' })
      const answer = await fixture.post('/oauth/token', form)
      expect(answer.status).toBe(400)
      expect(fixture.audit.of('authentication.refused')).toMatchObject([{ code: 'ERR_GRANT_TYPE' }])
    },
  )

  it('refuses another resource (RFC 8707 §2, O19)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const ask = (resource: string): Promise<Response> =>
      fixture.post('/oauth/token', grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now()), { resource }))
    expect(((await (await ask('https://elsewhere.example')).json()) as { error: string }).error).toBe('invalid_target')
    expect((await ask(ISSUER)).status).toBe(200)
  })

  it('judges audiences by the issuer, whatever host and forwarding headers the caller sends', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const form = grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now(), { aud: 'https://evil.example/oauth/token' }))
    const answer = await fixture.post('/oauth/token', form, {
      'content-type': 'application/x-www-form-urlencoded',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    })
    expect(answer.status).toBe(401)
  })

  it('prints nothing of its own (the library warns on the console of defaults left in place)', async () => {
    const spies = (['log', 'info', 'warn', 'error'] as const).map((name) => vi.spyOn(console, name).mockImplementation(() => undefined))
    try {
      const { privateKeyJwk } = await fixture.account('scorer')
      await fixture.token('scorer', privateKeyJwk)
      const again = await fixture.reopen()
      expect(again.paths.length).toBeGreaterThan(0)
      await fixture.post('/oauth/token', 'grant_type=client_credentials', {
        'content-type': 'application/x-www-form-urlencoded',
        origin: 'https://elsewhere.example',
        accept: 'text/html',
      })
      for (const spy of spies) expect(spy).not.toHaveBeenCalled()
    } finally {
      for (const spy of spies) spy.mockRestore()
    }
  })
})

describe('revocation and introspection', () => {
  const post = async (path: string, name: string, key: Parameters<typeof assertion>[1], token: string): Promise<Response> =>
    fixture.post(path, clientForm(name, assertion(name, key, fixture.clock.now()), { token }))

  it('refuses a revoked token at the next request, after a restart too (O22, B5, RFC 7009)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    const principal = bearer(token) as Principal
    const heard: string[] = []
    fixture.identity.onRevocation((id) => heard.push(id))
    expect((await post('/oauth/revoke', 'scorer', privateKeyJwk, token)).status).toBe(200)
    expect(codeOf(bearer(token))).toBe('ERR_TOKEN_REVOKED')
    expect(fixture.identity.stillValid(principal)).toBe('ERR_TOKEN_REVOKED')
    expect(heard).toEqual([principal.token.id])
    expect(codeOf(bearer(token, await fixture.reopen()))).toBe('ERR_TOKEN_REVOKED')
    expect(fixture.audit.of('token.revoke')).toMatchObject([{ actor: { id: 'scorer' }, details: { tokenId: principal.token.id } }])
    expect(codeOf(bearer(await fixture.token('scorer', privateKeyJwk)))).toBeNull()
  })

  it('does not let a client revoke the token of another (RFC 7009 §2.1)', async () => {
    const one = await fixture.account('one')
    const two = await fixture.account('two')
    const token = await fixture.token('one', one.privateKeyJwk)
    const answer = await post('/oauth/revoke', 'two', two.privateKeyJwk, token)
    expect(answer.status).toBe(400)
    expect(codeOf(bearer(token))).toBeNull()
  })

  it('answers an invalid token like a revoked one, and revokes nothing (RFC 7009 §2.2)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    expect((await post('/oauth/revoke', 'scorer', privateKeyJwk, `${token}=`)).status).toBe(200)
    expect(codeOf(bearer(token))).toBeNull()
  })

  it('introspects a client’s own token, and tells of no other (RFC 7662 §2.2)', async () => {
    const one = await fixture.account('one')
    const two = await fixture.account('two')
    const token = await fixture.token('one', one.privateKeyJwk)
    const own = await (await post('/oauth/introspect', 'one', one.privateKeyJwk, token)).json()
    expect(own).toMatchObject({ active: true, sub: 'one', client_id: 'one', iss: ISSUER, aud: ISSUER, token_type: 'Bearer' })
    expect(await (await post('/oauth/introspect', 'two', two.privateKeyJwk, token)).json()).toEqual({ active: false })
    expect(await (await post('/oauth/introspect', 'one', one.privateKeyJwk, 'nonsense')).json()).toEqual({ active: false })
    await post('/oauth/revoke', 'one', one.privateKeyJwk, token)
    expect(await (await post('/oauth/introspect', 'one', one.privateKeyJwk, token)).json()).toEqual({ active: false })
  })

  it('refuses both without a client, and a parameter sent twice', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    for (const path of ['/oauth/revoke', '/oauth/introspect']) {
      expect((await fixture.post(path, 'token=x')).status).toBe(401)
      const form = clientForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now()))
      expect((await fixture.post(path, `${form}&token=a&token=b`)).status).toBe(400)
    }
  })

  it('forgets a revoked token a day after it expired, and not before', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    await post('/oauth/revoke', 'scorer', privateKeyJwk, token)
    const count = (): unknown => fixture.database.raw.prepare('SELECT count(*) AS n FROM identity_revoked_tokens').get()
    fixture.clock.advance(24 * 60 * 60 * 1000)
    await fixture.identity.maintain()
    expect(count()).toEqual({ n: 1 })
    // A clock that is set back by hours does not bring the token to life.
    fixture.clock.setNow(fixture.clock.now() - 24 * 60 * 60 * 1000)
    expect(codeOf(bearer(token))).toBe('ERR_TOKEN_REVOKED')
    fixture.clock.advance(25 * 60 * 60 * 1000)
    await fixture.identity.maintain()
    expect(count()).toEqual({ n: 0 })
  })
})

describe('every request verified (B8)', () => {
  it('refuses tokens in the query, two headers, other schemes, and none (O08, O18)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    const ask = (authorization: string | undefined, authorizationCount = 1, url = '/v1/models'): string | null =>
      codeOf(fixture.identity.authenticate({ authorization, authorizationCount, url }))
    expect(ask(`Bearer ${token}`)).toBeNull()
    expect(ask(`bearer ${token}`)).toBeNull()
    expect(ask(undefined, 0)).toBe('ERR_TOKEN_MISSING')
    expect(ask('', 1)).toBe('ERR_TOKEN_MISSING')
    expect(ask(`Bearer ${token}`, 2)).toBe('ERR_TOKEN_PLACEMENT')
    expect(ask(undefined, 0, `/v1/models?access_token=${token}`)).toBe('ERR_TOKEN_PLACEMENT')
    expect(ask(`Bearer ${token}`, 1, '/v1/models?a=1&access%5Ftoken=x')).toBe('ERR_TOKEN_PLACEMENT')
    expect(ask(`Bearer ${token}`, 1, '/v1/models?Access_Token=')).toBe('ERR_TOKEN_PLACEMENT')
    expect(ask(`Bearer ${token}`, 1, '/v1/models?limit=1')).toBeNull()
    expect(ask(`DPoP ${token}`)).toBe('ERR_TOKEN_SCHEME')
    for (const scheme of ['Basic', 'Bearer Bearer', 'Bearer,', 'DPoP DPoP']) expect(ask(`${scheme} ${token}`)).toBe('ERR_TOKEN_MALFORMED')
    for (const odd of [token, `Bearer  ${token}`, `Bearer ${token} `, `Bearer ${token},${token}`, 'Bearer ', `Bearer\t${token}`]) {
      expect(ask(odd)).toBe('ERR_TOKEN_MALFORMED')
    }
  })

  it('gives the same principal and the same facts while nothing changes', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    const first = bearer(token) as Principal
    expect(bearer(token)).toBe(first)
    expect((bearer(await fixture.token('scorer', privateKeyJwk)) as Principal).facts).toBe(first.facts)
    expect(first.facts).toEqual({
      type: 'ServiceAccount',
      id: 'scorer',
      attributes: { purpose: 'credit-scoring', legalBasis: 'contract' },
      parents: [{ type: 'Role', id: 'application' }],
    })
  })

  it('refuses a token that was verified before once it expires, and ends its streams (B4)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    const principal = bearer(token) as Principal
    fixture.clock.advance(590_000)
    expect(bearer(token)).toBe(principal)
    expect(fixture.identity.stillValid(principal)).toBeNull()
    fixture.clock.advance(10_000)
    expect(codeOf(bearer(token))).toBe('ERR_TOKEN_EXPIRED')
    expect(fixture.identity.stillValid(principal)).toBe('ERR_TOKEN_EXPIRED')
  })

  it('refuses a disabled account at the next request, at the token endpoint and in running streams (O22)', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    const principal = bearer(token) as Principal
    const heard: string[] = []
    const stop = fixture.identity.onRevocation((id) => heard.push(id))
    const disabling = fixture.identity.serviceAccounts.disable('scorer', ADMIN)
    // Before anything is awaited.
    expect(codeOf(bearer(token))).toBe('ERR_ACCOUNT_DISABLED')
    expect(heard).toEqual(['scorer'])
    await disabling
    expect(fixture.identity.stillValid(principal)).toBe('ERR_ACCOUNT_DISABLED')
    const form = grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now()))
    expect((await fixture.post('/oauth/token', form)).status).toBe(401)
    expect(codeOf(bearer(token, await fixture.reopen()))).toBe('ERR_ACCOUNT_DISABLED')
    expect(fixture.audit.of('access.account.disable')).toMatchObject([{ actor: ADMIN, resource: { type: 'Account', id: 'scorer' } }])
    stop()
    await fixture.identity.serviceAccounts.disable('scorer', ADMIN)
    expect(heard).toEqual(['scorer'])
  })

  it('takes a role away from the next request on, and the account when it was the last (B1, B8)', async () => {
    const { serviceAccounts } = fixture.identity
    const two = { name: 'scorer', roles: ['application', 'auditor'], purpose: 'scoring', legalBasis: 'contract' } as const
    const { privateKeyJwk } = await serviceAccounts.create(two, ADMIN)
    if (privateKeyJwk === null) throw new Error('no key')
    const token = await fixture.token('scorer', privateKeyJwk)
    const principal = bearer(token) as Principal
    const removing = serviceAccounts.removeRole('scorer', 'auditor', ADMIN)
    // Before anything is awaited: a running stream ends, the next request has one role.
    expect(fixture.identity.stillValid(principal)).toBe('ERR_TOKEN_REVOKED')
    expect((bearer(token) as Principal).facts.parents).toEqual([{ type: 'Role', id: 'application' }])
    await removing
    const reopened = await fixture.reopen()
    expect(reopened.serviceAccounts.get('scorer')?.roles).toEqual(['application'])
    expect(fixture.audit.of('access.account.removeRole')).toMatchObject([
      { actor: ADMIN, details: { role: 'auditor', roles: ['application'] } },
    ])
    await reopened.serviceAccounts.removeRole('scorer', 'auditor', ADMIN)
    await reopened.serviceAccounts.removeRole('scorer', 'application', ADMIN)
    expect(codeOf(bearer(token, reopened))).toBe('ERR_ACCOUNT_DISABLED')
    expect(reopened.serviceAccounts.get('scorer')).toMatchObject({ disabled: true, roles: ['application'] })
  })

  it('refuses tokens and assertions under a key that was replaced', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    const principal = bearer(token) as Principal
    const { privateKeyJwk: next } = await fixture.identity.serviceAccounts.replaceKey('scorer', ADMIN)
    expect(codeOf(bearer(token))).toBe('ERR_TOKEN_REVOKED')
    expect(fixture.identity.stillValid(principal)).toBe('ERR_TOKEN_REVOKED')
    expect((await fixture.post('/oauth/token', grantForm('scorer', assertion('scorer', privateKeyJwk, fixture.clock.now())))).status).toBe(
      401,
    )
    if (next === null) throw new Error('no key')
    expect(codeOf(bearer(await fixture.token('scorer', next)))).toBeNull()
  })

  it('releases the signing key once, recorded by the key room (A7)', () => {
    expect(fixture.keyUses).toMatchObject([{ principal: { type: 'System', id: 'identity' }, purpose: 'token-signing' }])
  })
})

describe('service accounts', () => {
  it('records a new account before it exists, and makes none when the log is down (E3)', async () => {
    await fixture.account('one')
    expect(fixture.audit.of('access.account.create')).toMatchObject([
      { actor: ADMIN, resource: { id: 'one' }, details: { roles: ['application'], purpose: 'credit-scoring', legalBasis: 'contract' } },
    ])
    fixture.audit.down = true
    await expect(fixture.account('two')).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(fixture.identity.serviceAccounts.get('two')).toBeNull()
  })

  it('stores no private key and no token', async () => {
    const { privateKeyJwk } = await fixture.account('scorer')
    const token = await fixture.token('scorer', privateKeyJwk)
    const tables = fixture.database.raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[]
    const everything = JSON.stringify(tables.map(({ name }) => fixture.database.raw.prepare(`SELECT * FROM ${name}`).all()))
    expect(everything).toContain(privateKeyJwk.x)
    expect(everything).not.toContain(privateKeyJwk.d)
    expect(everything).not.toContain(token.split('.')[2])
    expect(JSON.stringify(fixture.audit.events)).not.toContain(privateKeyJwk.d)
  })

  it('gives a name once for ever, two simultaneous calls included', async () => {
    const both = await Promise.allSettled([fixture.account('one'), fixture.account('one')])
    expect(both.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
    await fixture.identity.serviceAccounts.disable('one', ADMIN)
    await expect(fixture.account('one')).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
  })

  const good = { name: 'a', roles: ['application'], purpose: 'p', legalBasis: 'contract' } as const
  it.each<[string, Record<string, unknown>]>([
    ['a name with a slash', { name: '../x' }],
    ['an empty name', { name: '' }],
    ['a name in capitals', { name: 'Admin' }],
    ['no role', { roles: [] }],
    ['an unknown role', { roles: ['god'] }],
    ['a role twice', { roles: ['application', 'application'] }],
    ['the bootstrap role', { roles: ['bootstrap'] }],
    ['a purpose that is no word', { purpose: 'Credit scoring!' }],
    ['an unknown legal basis', { legalBasis: 'because' }],
    ['an unknown member', { admin: true }],
    ['a private key in place of a public one', { publicKeyJwk: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43), d: 'A'.repeat(43) } }],
    ['a point that is not on the curve', { publicKeyJwk: { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'B'.repeat(43) } }],
  ])('refuses %s', async (_what, change) => {
    await expect(fixture.identity.serviceAccounts.create({ ...good, ...change }, ADMIN)).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
    })
    expect(fixture.audit.events).toHaveLength(0)
  })

  it('lists and gets', async () => {
    await fixture.account('b')
    await fixture.account('a')
    expect(fixture.identity.serviceAccounts.list().map((account) => account.name)).toEqual(['a', 'b'])
    expect(fixture.identity.serviceAccounts.get('a')).toMatchObject({ name: 'a', disabled: false })
    await expect(fixture.identity.serviceAccounts.disable('c', ADMIN)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })
})

describe('routes', () => {
  it('serves what the reviewed list names and nothing else', async () => {
    for (const { method, path } of OPEN_ROUTES) {
      const response = await fetch(`${fixture.url}${path.replace(':token', 'x'.repeat(43))}`, { method })
      expect([path, response.status]).not.toEqual([path, 404])
      expect([path, response.status]).not.toEqual([path, 405])
      expect(response.status).toBeLessThan(500)
    }
    for (const path of [
      '/',
      '/oauth',
      '/oauth/',
      '/oauth/auth',
      '/oauth/authorize/',
      '/oauth/TOKEN',
      '/oauth/token/',
      '/oauth/userinfo',
      '/oauth/end-session/confirm',
      '/sign-in/assets/sign-in.ts',
      '/oauth/reg',
      '/.well-known/',
      '/.well-known/webfinger',
      '/enrol',
      '/enrol/',
      '/enrol/assets/enrol.html',
      '/enrol/assets/..%2fenrol.ts',
      '/enrol/x/y/z',
      '/enrol/assets/begin',
    ]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
        expect([path, method, (await fetch(`${fixture.url}${path}`, { method })).status]).toEqual([path, method, 404])
      }
    }
    expect(methodsAt('/enrol/assets/enrol.js')).toEqual(['GET'])
  })

  it('answers another method with 405 and `allow`', async () => {
    for (const { method, path } of OPEN_ROUTES) {
      const response = await fetch(`${fixture.url}${path.replace(':token', 'x')}`, { method: method === 'GET' ? 'DELETE' : 'PUT' })
      expect(response.status).toBe(405)
      expect(response.headers.get('allow')?.split(', ')).toContain(method)
    }
  })

  it('publishes metadata and the public key, no private member (RFC 8414, RFC 7517)', async () => {
    const metadata = (await (await fetch(`${fixture.url}/.well-known/oauth-authorization-server`)).json()) as Record<string, unknown>
    expect(metadata).toMatchObject({
      issuer: ISSUER,
      token_endpoint: `${ISSUER}/oauth/token`,
      grant_types_supported: expect.arrayContaining([
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'authorization_code',
        'refresh_token',
      ]),
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'self_signed_tls_client_auth', 'none'],
      dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'Ed25519'],
      tls_client_certificate_bound_access_tokens: true,
    })
    expect(JSON.stringify(metadata)).not.toContain('implicit')
    const response = await fetch(`${fixture.url}/oauth/jwks`)
    const jwks = (await response.json()) as { keys: Record<string, unknown>[] }
    expect(jwks.keys).toHaveLength(1)
    expect(jwks.keys[0]).toMatchObject({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' })
    expect(jwks.keys[0]).not.toHaveProperty('d')
    const { crv, kty, x } = jwks.keys[0] as { crv: string; kty: string; x: string }
    expect(jwks.keys[0]?.['kid']).toBe(createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url'))
  })

  it('refuses a body over 16 KiB before reading it, declared or chunked', async () => {
    for (const path of ['/oauth/token', '/oauth/revoke', '/oauth/introspect', `/enrol/${'x'.repeat(43)}/begin`]) {
      expect((await fixture.post(path, 'a'.repeat(16 * 1024 + 1))).status).toBe(413)
      const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(8192)) })
      const answer = await fetch(`${fixture.url}${path}`, { method: 'POST', body: endless, duplex: 'half' }).catch(
        (error: unknown) => error,
      )
      expect(answer instanceof Response ? answer.status : 'broken off').toSatisfy((status) => status === 413 || status === 'broken off')
    }
  })

  it.each([
    ['JSON at the token endpoint', '/oauth/token', '{}', 'application/json'],
    ['JSON at revocation', '/oauth/revoke', '{}', 'application/json'],
    ['an empty form', '/oauth/token', '', 'application/x-www-form-urlencoded'],
    ['a broken escape', '/oauth/token', 'grant_type=%', 'application/x-www-form-urlencoded'],
    [
      'a grant type twice',
      '/oauth/token',
      'grant_type=client_credentials&grant_type=client_credentials',
      'application/x-www-form-urlencoded',
    ],
    ['a form at enrolment', `/enrol/${'x'.repeat(43)}/begin`, 'a=b', 'application/x-www-form-urlencoded'],
    ['no JSON at enrolment', `/enrol/${'x'.repeat(43)}/begin`, '{', 'application/json'],
    ['deep JSON at enrolment', `/enrol/${'x'.repeat(43)}/begin`, '['.repeat(50), 'application/json'],
    ['an unknown member at enrolment', `/enrol/${'x'.repeat(43)}/begin`, '{"displayName":"a","x":1}', 'application/json'],
  ])('answers %s with a 4xx in the shape of the surface', async (_what, path, body, type) => {
    const answer = await fixture.post(path, body, { 'content-type': type })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
    expect(await answer.json()).toHaveProperty(path.startsWith('/oauth') ? 'error' : 'code')
  })

  it('survives a sender that breaks off in mid-body', async () => {
    const { port } = new URL(fixture.url)
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write(
          'POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\ngrant',
        )
        setImmediate(() => socket.destroy())
      })
      socket.on('close', () => resolve())
    })
    expect((await fetch(`${fixture.url}/oauth/jwks`)).status).toBe(200)
  })
})

describe('opening', () => {
  it.each(['http://localhost:8443', 'https://localhost:8443/', 'https://localhost/oauth', 'https://LOCALHOST', 'localhost', 'https://a?b'])(
    'refuses the issuer %s',
    async (issuer) => {
      await expect(fixture.reopen({ issuer })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' })
    },
  )
})

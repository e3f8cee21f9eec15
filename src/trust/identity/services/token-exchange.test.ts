import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PrivateJwk } from '#trust/client'
import type { Principal } from '../authenticator.ts'
import { ADMIN, assertion, type Fixture, grantForm, ISSUER } from '../identity.fixtures.ts'
import { bearer, codeOf, makeProof, openSettled, personToken, proofKey, signIn, type SignedInPerson } from './services.fixtures.ts'
import { ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE } from './token-exchange.ts'

let fixture: Fixture
let key: PrivateJwk
let ada: SignedInPerson
beforeEach(async () => {
  fixture = await openSettled()
  ada = await signIn(fixture)
  key = (await fixture.account('assistant', { mayActFor: { roles: ['business-user', 'auditor'], purposes: ['credit-scoring'] } }))
    .privateKeyJwk
})
afterEach(() => fixture.close())

type Answer = Record<string, unknown>
async function exchange(
  subjectToken: string,
  more: Record<string, string> = {},
  as = 'assistant',
  privateKey = key,
  headers = {},
): Promise<Answer> {
  const form = grantForm(as, assertion(as, privateKey, fixture.clock.now()), {
    grant_type: TOKEN_EXCHANGE,
    subject_token: subjectToken,
    subject_token_type: ACCESS_TOKEN_TYPE,
    ...more,
  })
  const response = await fixture.post('/oauth/token', form, { 'content-type': 'application/x-www-form-urlencoded', ...headers })
  return { status: response.status, ...((await response.json()) as Answer) }
}
const use = (token: unknown) => fixture.identity.authenticate(bearer(String(token)))
const of = async (more: Record<string, string> = {}): Promise<string> =>
  String((await exchange(personToken(fixture, ada), more))['access_token'])

describe('a token by which a service acts for a user (RFC 8693)', () => {
  it('names both, keeps the user as principal, and is recorded as such (B4, B5, B8)', async () => {
    const subject = personToken(fixture, ada)
    const answer = await exchange(subject)
    expect(answer).toMatchObject({ status: 200, token_type: 'Bearer', issued_token_type: ACCESS_TOKEN_TYPE, expires_in: 600 })
    const claims = decodeJwt(String(answer['access_token']))
    expect(claims).toMatchObject({ sub: ada.id, client_id: 'assistant', act: { sub: 'assistant' }, sid: ada.sessionId, acr: '2' })
    const principal = use(answer['access_token']) as Principal
    expect(principal).toMatchObject({
      name: ada.id,
      onBehalfBy: 'assistant',
      purpose: 'credit-scoring',
      mfaLevel: 2,
      sessionId: ada.sessionId,
    })
    expect(fixture.audit.of('token.issue')).toMatchObject([
      {
        actor: { type: 'User', id: ada.id },
        purpose: 'credit-scoring',
        details: { onBehalfBy: 'assistant', subjectTokenId: decodeJwt(subject).jti },
      },
    ])
  })

  it('carries only what both have: roles of the user that the service may take over, no group', async () => {
    expect((use(personToken(fixture, ada)) as Principal).roles).toEqual(['business-user', 'deployer'])
    const principal = use(await of()) as Principal
    expect(principal.roles).toEqual(['business-user'])
    expect(principal.facts.parents).toEqual([{ type: 'Role', id: 'business-user' }])
  })

  it('ends with the token of the user at the latest', async () => {
    const soon = Math.floor(fixture.clock.now() / 1000) + 60
    const answer = await exchange(personToken(fixture, ada, { exp: soon }))
    expect(decodeJwt(String(answer['access_token'])).exp).toBe(soon)
    expect(answer['expires_in']).toBe(60)
  })

  it.each<[string, string, () => Promise<unknown>]>([
    ['the user’s session', 'ERR_SESSION_ENDED', () => fixture.identity.people.sessions.end(ada.sessionId, ADMIN)],
    ['the user’s account', 'ERR_ACCOUNT_DISABLED', () => fixture.identity.people.disable(ada.id, ADMIN)],
    ['the service’s account', 'ERR_ACCOUNT_DISABLED', () => fixture.identity.serviceAccounts.disable('assistant', ADMIN)],
    ['the service’s key', 'ERR_TOKEN_REVOKED', () => fixture.identity.serviceAccounts.replaceKey('assistant', ADMIN)],
  ])('dies with %s, in running streams too (O22)', async (_what, code, end) => {
    const token = await of()
    const principal = use(token) as Principal
    expect(fixture.identity.stillValid(principal)).toBeNull()
    await end()
    expect(codeOf(use(token))).toBe(code)
    expect(fixture.identity.stillValid(principal)).toBe(code)
    // Whoever goes on with it is the service, on record and for its conduct.
    expect(fixture.audit.of('authentication.refused')).toMatchObject([{ code, actor: { type: 'ServiceAccount', id: 'assistant' } }])
  })

  it('loses a role with the user', async () => {
    const token = await of()
    const principal = use(token) as Principal
    await fixture.identity.people.change(ada.id, { roles: ['deployer'] }, ADMIN)
    expect(codeOf(use(token))).toBe('ERR_ACCOUNT_CHANGED')
    expect(fixture.identity.stillValid(principal)).toBe('ERR_ACCOUNT_CHANGED')
  })

  it('dies with the token that it was exchanged for', async () => {
    // A token of the service’s own, revoked by it, stands for the user's: its identifier is what counts.
    const mine = await fixture.token('assistant', key)
    const token = personToken(fixture, ada, {
      client_id: 'assistant',
      act: { sub: 'assistant', epoch: 0, parent: decodeJwt(mine).jti },
    })
    const principal = use(token) as Principal
    expect(principal.onBehalfBy).toBe('assistant')
    const form = new URLSearchParams(grantForm('assistant', assertion('assistant', key, fixture.clock.now()), { token: mine }))
    expect((await fixture.post('/oauth/revoke', form.toString())).status).toBe(200)
    expect(codeOf(use(token))).toBe('ERR_TOKEN_REVOKED')
    expect(fixture.identity.stillValid(principal)).toBe('ERR_TOKEN_REVOKED')
  })

  it('may be revoked by the service, not by another', async () => {
    const token = await of()
    const revoke = (name: string, privateKey: PrivateJwk): Promise<Response> => {
      const form = new URLSearchParams(grantForm(name, assertion(name, privateKey, fixture.clock.now()), { token }))
      form.delete('grant_type')
      return fixture.post('/oauth/revoke', form.toString())
    }
    const other = await fixture.account('other')
    expect((await revoke('other', other.privateKeyJwk)).status).toBe(400)
    expect((await revoke('assistant', key)).status).toBe(200)
    expect(codeOf(use(token))).toBe('ERR_TOKEN_REVOKED')
  })

  const bound = (): string => personToken(fixture, ada, { cnf: { jkt: 'A'.repeat(43) } })
  it.each<[string, string, () => Promise<Answer>]>([
    [
      'by a service that may act for nobody',
      'ERR_EXCHANGE_DENIED',
      async () => {
        const other = await fixture.account('other')
        return exchange(personToken(fixture, ada), {}, 'other', other.privateKeyJwk)
      },
    ],
    [
      'for a user with none of the roles',
      'ERR_EXCHANGE_DENIED',
      async () => exchange(personToken(fixture, await signIn(fixture, { roles: ['administrator'] }))),
    ],
    [
      'for a user of another purpose',
      'ERR_EXCHANGE_PURPOSE',
      async () => exchange(personToken(fixture, await signIn(fixture, { purpose: 'marketing' }))),
    ],
    ['of a token that was exchanged', 'ERR_EXCHANGE_CHAINED', async () => exchange(await of())],
    ['of the service’s own token', 'ERR_EXCHANGE_SUBJECT', async () => exchange(await fixture.token('assistant', key))],
    [
      'of an expired token',
      'ERR_EXCHANGE_SUBJECT',
      () => {
        const token = personToken(fixture, ada)
        fixture.clock.advance(601_000)
        return exchange(token)
      },
    ],
    [
      'of a token of an ended session',
      'ERR_EXCHANGE_SUBJECT',
      async () => {
        await fixture.identity.people.sessions.end(ada.sessionId, ADMIN)
        return exchange(personToken(fixture, ada))
      },
    ],
    ['of nonsense', 'ERR_EXCHANGE_SUBJECT', () => exchange('x.y.z')],
    ['of a bound token for an unbound one', 'ERR_TOKEN_BINDING', () => exchange(bound())],
    [
      'of another type of token',
      'ERR_TOKEN_REQUEST',
      () => exchange(personToken(fixture, ada), { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
    ],
    [
      'for a refresh token',
      'ERR_TOKEN_REQUEST',
      () => exchange(personToken(fixture, ada), { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
    ],
    [
      'with an actor that is someone else',
      'ERR_TOKEN_REQUEST',
      () => exchange(personToken(fixture, ada), { actor_token: 'x', actor_token_type: ACCESS_TOKEN_TYPE }),
    ],
    ['for another audience', 'ERR_TOKEN_REQUEST', () => exchange(personToken(fixture, ada), { audience: 'https://other.example' })],
  ])('is refused %s as %s, on record', async (_what, code, ask) => {
    const answer = await ask()
    expect(answer).toMatchObject({ status: 400, code })
    expect(answer).not.toHaveProperty('access_token')
    expect(fixture.audit.of('authentication.refused').at(-1)).toMatchObject({ code, outcome: 'refused' })
  })

  it('is bound when the token of the user is, to a key of the service', async () => {
    const proof = makeProof(proofKey(), { method: 'POST', url: `${ISSUER}/oauth/token`, now: fixture.clock.now() })
    expect(await exchange(bound(), {}, 'assistant', key, { dpop: proof })).toMatchObject({ status: 200, token_type: 'DPoP' })
  })

  it('cannot be forged from a token of one kind: claims of a person and of a program do not mix', () => {
    const act = { sub: 'assistant', epoch: 0, parent: 'at_x' }
    for (const claims of [
      { act: { ...act, sub: 'someone' }, client_id: 'assistant' },
      { act: { sub: 'assistant' }, client_id: 'assistant' },
      { act: { ...act, act }, client_id: 'assistant' },
      { act },
      { sid: undefined },
      { acr: '4' },
      { amr: 'hwk' },
    ])
      expect(codeOf(use(personToken(fixture, ada, claims)))).toBe('ERR_TOKEN_CLAIMS')
  })

  it('is not made when the log is down (E3)', async () => {
    const subject = personToken(fixture, ada)
    fixture.audit.down = true
    expect(await exchange(subject)).toMatchObject({ status: 503 })
  })
})

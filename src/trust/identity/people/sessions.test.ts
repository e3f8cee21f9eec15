import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ErrorCode } from '#foundation/core'
import type { Principal } from '../authenticator.ts'
import { ADMIN, type Fixture, openFixture } from '../identity.fixtures.ts'
import { bearer, ELSEWHERE, HOME, personToken, personWithKey, signIn, succeeded, type WithKey } from './people.fixtures.ts'
import type { OpenedSession } from './people.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

let fixture: Fixture
let ada: WithKey
let opened: OpenedSession
beforeEach(async () => {
  fixture = await openFixture()
  ada = await personWithKey(fixture, 'ada')
  opened = await fixture.identity.people.sessions.open(succeeded(await signIn(fixture, ada)), HOME)
})
afterEach(() => fixture.close())

const authenticate = (token: string, identity = fixture.identity): Principal | { readonly code: ErrorCode } =>
  identity.authenticate(bearer(token))
const principal = (answer: ReturnType<typeof authenticate>): Principal => {
  if ('code' in answer) throw new Error(answer.code)
  return answer
}

describe('sessions (B5, B8)', () => {
  it('have a secret of 256 bits of which only the digest is kept, and an id that opens nothing', async () => {
    const { sessions } = fixture.identity.people
    expect(Buffer.from(opened.secret, 'base64url')).toHaveLength(32)
    expect(sessions.bySecret(opened.secret)).toMatchObject({ id: opened.session.id, userId: ada.person.id, mfaLevel: 3 })
    expect(sessions.bySecret(opened.session.id)).toBeNull()
    expect(sessions.get(opened.secret)).toBeNull()
    const stored = JSON.stringify(fixture.database.raw.prepare('SELECT * FROM identity_sessions').all())
    for (const planted of [opened.secret, HOME.sourceAddress, HOME.userAgent]) expect(stored).not.toContain(planted)
    expect(JSON.stringify(fixture.audit.events)).not.toContain(opened.secret)
  })

  it('are listed for their owner with what they were opened from, which can be erased', async () => {
    const { sessions } = fixture.identity.people
    fixture.clock.advance(MINUTE)
    const second = await sessions.open(succeeded(await signIn(fixture, ada)), { ...HOME, userAgent: 'phone' })
    expect(await sessions.list(ada.person.id)).toMatchObject([
      { id: second.session.id, userAgent: 'phone' },
      { id: opened.session.id, sourceAddress: HOME.sourceAddress, userAgent: HOME.userAgent },
    ])
    fixture.sealer.erase(ada.person.id)
    expect(await sessions.list(ada.person.id)).toMatchObject([{ sourceAddress: null }, { userAgent: null }])
  })

  it('begin with a new secret at sign-in and at step-up, so that one that was planted is worth nothing', async () => {
    const { sessions } = fixture.identity.people
    const signedIn = succeeded(await signIn(fixture, ada))
    const again = await sessions.open(signedIn, HOME)
    expect(again.secret).not.toBe(opened.secret)
    fixture.clock.advance(5 * MINUTE)
    const raised = await sessions.raise(opened.session.id, succeeded(await signIn(fixture, ada)))
    expect(raised.session).toMatchObject({ id: opened.session.id, authTime: fixture.clock.now() })
    expect(sessions.bySecret(opened.secret)).toBeNull()
    expect(sessions.bySecret(raised.secret)?.id).toBe(opened.session.id)
    const reopened = await fixture.reopen()
    expect(reopened.people.sessions.bySecret(opened.secret)).toBeNull()
    expect(reopened.people.sessions.bySecret(raised.secret)?.id).toBe(opened.session.id)
  })

  it('are raised by their own person alone, and never lowered', async () => {
    const { sessions } = fixture.identity.people
    const eve = await personWithKey(fixture, 'eve')
    await expect(sessions.raise(opened.session.id, succeeded(await signIn(fixture, eve)))).rejects.toMatchObject({ code: 'ERR_SIGN_IN' })
    const weaker = { ...succeeded(await signIn(fixture, ada)), mfaLevel: 1 as const, amr: ['otp'] }
    expect((await sessions.raise(opened.session.id, weaker)).session).toMatchObject({ mfaLevel: 3, amr: ['hwk', 'user', 'mfa', 'otp'] })
  })

  it('are freshened by a factor as strong as the strongest that was shown, and by no weaker one (B3, RFC 9470)', async () => {
    const { sessions } = fixture.identity.people
    const began = opened.session.authTime
    fixture.clock.advance(10 * MINUTE)
    const strong = succeeded(await signIn(fixture, ada))
    for (const mfaLevel of [1, 2] as const) {
      const raised = await sessions.raise(opened.session.id, { ...strong, mfaLevel })
      expect(raised.session).toMatchObject({ mfaLevel: 3, authTime: began })
      expect((await fixture.reopen()).people.sessions.get(opened.session.id)).toMatchObject({ mfaLevel: 3, authTime: began })
      expect(principal(authenticate(personToken(fixture, raised.session))).authTime).toBe(Math.floor(began / 1000) * 1000)
    }
    expect((await sessions.raise(opened.session.id, strong)).session).toMatchObject({ mfaLevel: 3, authTime: fixture.clock.now() })
  })

  it('of a device have the factors, the time and the end of the session that let it in', async () => {
    const { sessions } = fixture.identity.people
    for (let i = 0; i < 24; i++) {
      fixture.clock.advance(29 * MINUTE)
      sessions.bySecret(opened.secret)
    }
    const device = await sessions.openFrom(opened.session.id, { ...ELSEWHERE, userAgent: 'Redoubt command line' })
    const { createdAt, authTime, mfaLevel, amr } = opened.session
    expect(device.session).toMatchObject({ createdAt, authTime, mfaLevel, amr, expiresAt: createdAt + 12 * HOUR })
    for (const room of [sessions, (await fixture.reopen()).people.sessions]) expect(room.get(device.session.id)?.createdAt).toBe(createdAt)
    fixture.clock.advance(createdAt + 12 * HOUR - fixture.clock.now())
    expect([sessions.get(opened.session.id), sessions.get(device.session.id)]).toEqual([null, null])
    await expect(sessions.openFrom(opened.session.id, ELSEWHERE)).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' })
  })

  it('of a device do not begin when the session that let it in ends at that moment', async () => {
    const { sessions } = fixture.identity.people
    const opening = sessions.openFrom(opened.session.id, ELSEWHERE)
    await Promise.all([sessions.end(opened.session.id, ADMIN), expect(opening).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' })])
    expect(await sessions.list(ada.person.id)).toEqual([])
    expect((await fixture.reopen()).people.sessions.bySecret(opened.secret)).toBeNull()
  })

  it('end after 30 minutes without use and after 12 hours with it', async () => {
    const { sessions } = fixture.identity.people
    for (let i = 0; i < 24; i++) {
      fixture.clock.advance(29 * MINUTE)
      expect(sessions.bySecret(opened.secret)).not.toBeNull()
      await fixture.identity.maintain()
    }
    fixture.clock.advance(12 * HOUR - 24 * 29 * MINUTE)
    expect(sessions.bySecret(opened.secret)).toBeNull()
    const other = await sessions.open(succeeded(await signIn(fixture, ada)), HOME)
    fixture.clock.advance(30 * MINUTE - 1)
    expect(sessions.get(other.session.id)).not.toBeNull()
    fixture.clock.advance(1)
    expect(sessions.get(other.session.id)).toBeNull()
    await fixture.identity.maintain()
    expect(fixture.database.raw.prepare('SELECT count(*) AS n FROM identity_sessions').get()).toEqual({ n: 0 })
  })

  it('live on over a restart with their activity, and are dead after it when they ended before it', async () => {
    const { sessions } = fixture.identity.people
    fixture.clock.advance(20 * MINUTE)
    sessions.bySecret(opened.secret)
    await fixture.identity.maintain()
    fixture.clock.advance(20 * MINUTE)
    const again = await fixture.reopen()
    expect(again.people.sessions.bySecret(opened.secret)).toMatchObject({ id: opened.session.id, mfaLevel: 3, amr: ['hwk', 'user', 'mfa'] })
    await again.people.sessions.end(opened.session.id, ADMIN)
    expect((await fixture.reopen()).people.sessions.bySecret(opened.secret)).toBeNull()
  })

  it('are at most twenty a person: the oldest ends', async () => {
    const { sessions } = fixture.identity.people
    for (let i = 0; i < 20; i++) {
      fixture.clock.advance(1_000)
      await sessions.open(succeeded(await signIn(fixture, ada)), HOME)
    }
    expect(sessions.get(opened.session.id)).toBeNull()
    expect(await sessions.list(ada.person.id)).toHaveLength(20)
  })

  it('are recorded before they exist, and not at all for who was disabled in the meantime', async () => {
    const { people } = fixture.identity
    const signedIn = succeeded(await signIn(fixture, ada))
    fixture.audit.down = true
    await expect(people.sessions.open(signedIn, HOME)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    fixture.audit.down = false
    expect(await people.sessions.list(ada.person.id)).toHaveLength(1)
    await people.disable(ada.person.id, ADMIN)
    await people.enable(ada.person.id, ADMIN)
    await expect(people.sessions.open(signedIn, HOME)).rejects.toMatchObject({ code: 'ERR_SESSION_ENDED' })
    expect(fixture.audit.of('access.session.open')[0]).toMatchObject({
      details: { session: opened.session.id, mfaLevel: 3 },
      personal: [{ subject: ada.person.id, fields: { sourceAddress: HOME.sourceAddress } }],
    })
  })
})

describe('access tokens of people (B3, B4, B8)', () => {
  it('speak for the person: roles, groups, purpose, factors, session', () => {
    const me = principal(authenticate(personToken(fixture, opened.session)))
    expect(me).toMatchObject({
      facts: {
        type: 'User',
        id: ada.person.id,
        attributes: { purpose: 'credit-scoring', legalBasis: 'contract', mfaLevel: 3 },
        parents: [
          { type: 'Role', id: 'data-scientist' },
          { type: 'Group', id: 'analytics' },
        ],
      },
      roles: ['data-scientist'],
      mfaLevel: 3,
      authTime: Math.floor(opened.session.authTime / 1000) * 1000,
      sessionId: opened.session.id,
    })
    // The same object while nothing changes: engines cache by it.
    const token = personToken(fixture, opened.session)
    expect(authenticate(token)).toBe(authenticate(token))
  })

  it('claim no more factors than the session has, whatever they say', async () => {
    const { sessions } = fixture.identity.people
    const weak = await sessions.open({ ...succeeded(await signIn(fixture, ada)), mfaLevel: 1, amr: ['otp'] }, HOME)
    expect(principal(authenticate(personToken(fixture, weak.session, { acr: '3' }))).mfaLevel).toBe(1)
    // Nor does a token grow with its session: what was shown later is in a later token.
    const token = personToken(fixture, weak.session)
    const raised = await sessions.raise(weak.session.id, succeeded(await signIn(fixture, ada)))
    expect(principal(authenticate(token)).mfaLevel).toBe(1)
    expect(principal(authenticate(personToken(fixture, raised.session))).mfaLevel).toBe(3)
  })

  it('are refused on the next request, and cut what runs, when the session ends (B5)', async () => {
    const token = personToken(fixture, opened.session)
    const me = principal(authenticate(token))
    expect(fixture.identity.stillValid(me)).toBeNull()
    const announced: string[] = []
    fixture.identity.onRevocation((id) => announced.push(id))
    const ending = fixture.identity.people.sessions.end(opened.session.id, ADMIN)
    expect(announced).toEqual([opened.session.id])
    expect(fixture.identity.stillValid(me)).toBe('ERR_SESSION_ENDED')
    expect(authenticate(token)).toEqual({ code: 'ERR_SESSION_ENDED' })
    await ending
    expect(authenticate(token, await fixture.reopen())).toEqual({ code: 'ERR_SESSION_ENDED' })
    expect(fixture.audit.of('access.session.end')).toMatchObject([{ actor: ADMIN, resource: { id: ada.person.id } }])
  })

  it('end their session even when the log is down', async () => {
    fixture.audit.down = true
    await expect(fixture.identity.people.sessions.end(opened.session.id, ADMIN)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(authenticate(personToken(fixture, opened.session), await fixture.reopen())).toEqual({ code: 'ERR_SESSION_ENDED' })
  })

  it('are refused on the next request when the person is disabled, over a restart, and after being enabled again', async () => {
    const token = personToken(fixture, opened.session)
    const me = principal(authenticate(token))
    const disabling = fixture.identity.people.disable(ada.person.id, ADMIN)
    expect(fixture.identity.stillValid(me)).toBe('ERR_ACCOUNT_DISABLED')
    expect(authenticate(token)).toEqual({ code: 'ERR_ACCOUNT_DISABLED' })
    await disabling
    expect(authenticate(token, await fixture.reopen())).toEqual({ code: 'ERR_ACCOUNT_DISABLED' })
    await fixture.identity.people.enable(ada.person.id, ADMIN)
    expect(authenticate(token)).toEqual({ code: 'ERR_SESSION_ENDED' })
  })

  it('are refused when rights changed since; the session goes on with the new ones', async () => {
    const token = personToken(fixture, opened.session)
    const me = principal(authenticate(token))
    const changing = fixture.identity.people.change(ada.person.id, { roles: ['business-user'], groups: [] }, ADMIN)
    expect(fixture.identity.stillValid(me)).toBe('ERR_ACCOUNT_CHANGED')
    expect(authenticate(token)).toEqual({ code: 'ERR_ACCOUNT_CHANGED' })
    await changing
    expect(principal(authenticate(personToken(fixture, opened.session))).roles).toEqual(['business-user'])
  })

  it('end with their sessions, and every family of refresh tokens, when a powerful role is given', async () => {
    const token = personToken(fixture, opened.session)
    const changing = fixture.identity.people.change(ada.person.id, { roles: ['data-scientist', 'deployer'] }, ADMIN)
    await changing
    expect(authenticate(token)).toEqual({ code: 'ERR_SESSION_ENDED' })
    expect(fixture.identity.people.sessions.get(opened.session.id)).toBeNull()
    expect((await fixture.reopen()).people.sessions.bySecret(opened.secret)).toBeNull()
    // Another powerful role on top of one is more power; one that stays is not.
    const next = await fixture.identity.people.sessions.open(succeeded(await signIn(fixture, ada)), HOME)
    await fixture.identity.people.change(ada.person.id, { roles: ['deployer', 'auditor'] }, ADMIN)
    expect(fixture.identity.people.sessions.get(next.session.id)).not.toBeNull()
    await fixture.identity.people.change(ada.person.id, { roles: ['deployer', 'administrator'] }, ADMIN)
    expect(fixture.identity.people.sessions.get(next.session.id)).toBeNull()
  })

  it('do not serve another person, nor a session that never was', async () => {
    const eve = await personWithKey(fixture, 'eve')
    expect(authenticate(personToken(fixture, opened.session, { sub: eve.person.id }))).toEqual({ code: 'ERR_SESSION_ENDED' })
    expect(authenticate(personToken(fixture, opened.session, { sid: 'ses_AAAAAAAAAAAAAAAAAAAAAA' }))).toEqual({ code: 'ERR_SESSION_ENDED' })
    expect(authenticate(personToken(fixture, opened.session, { sub: 'user_AAAAAAAAAAAAAAAAAAAAAA' }))).toEqual({
      code: 'ERR_ACCOUNT_UNKNOWN',
    })
  })

  it('count as use of the session, and running requests do not', async () => {
    const token = personToken(fixture, opened.session)
    fixture.clock.advance(9 * MINUTE)
    const me = principal(authenticate(token))
    for (let i = 0; i < 3; i++) {
      fixture.clock.advance(9 * MINUTE)
      principal(authenticate(personToken(fixture, opened.session)))
    }
    fixture.clock.advance(29 * MINUTE)
    expect(fixture.identity.people.sessions.get(opened.session.id)).not.toBeNull()
    fixture.identity.stillValid({ ...me, token: { ...me.token, expiresAt: fixture.clock.now() + HOUR } })
    fixture.clock.advance(MINUTE)
    expect(fixture.identity.people.sessions.get(opened.session.id)).toBeNull()
  })

  it.each<[string, Readonly<Record<string, unknown>>]>([
    ['no session', { sid: undefined }],
    ['no time of authentication', { auth_time: undefined }],
    ['a time of authentication after its issue', { auth_time: 4_000_000_000 }],
    ['no level', { acr: undefined }],
    ['level 0', { acr: '0' }],
    ['a level that is a number', { acr: 3 }],
    ['a level of the prototype', { acr: 'constructor' }],
    ['no methods', { amr: [] }],
    ['methods that are no texts', { amr: [1] }],
    ['a program as its person', { sub: 'scorer' }],
    ['itself as its client', { client_id: 'SELF' }],
    ['none of the claims', { sid: undefined, auth_time: undefined, acr: undefined, amr: undefined }],
  ])('are refused with %s', (_what, change) => {
    const claims = change['client_id'] === 'SELF' ? { client_id: ada.person.id } : change
    expect(authenticate(personToken(fixture, opened.session, claims))).toEqual({ code: 'ERR_TOKEN_CLAIMS' })
  })
})

import { afterEach, describe, expect, it } from 'vitest'
import { ADMIN, type Fixture, ISSUER, openFixture } from './identity.fixtures.ts'
import { postFrom } from './in-process.fixtures.ts'
import { MAX_CHALLENGES, MAX_OF_SUBSCRIBER, PendingChallenges } from './people/pending-challenges.ts'
import { HOME, personWithKey, signIn, succeeded } from './people/people.fixtures.ts'
import type { AssertionResponse } from './people/verify-assertion.ts'

/** As many subscribers as an attacker with a /48 has. */
const stranger = (n: number): string => `2001:db8:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::1`

let fixture: Fixture
afterEach(() => fixture.close())

describe('what strangers do does not shut anyone out from where people sign in', () => {
  it('by asking for more sign-ins than there may be in a minute', async () => {
    fixture = await openFixture()
    const ada = await personWithKey(fixture, 'ada')
    succeeded(await signIn(fixture, ada))
    // Over a restart too.
    const again = await fixture.reopen()
    const begin = (address: string, client = 'redoubt-cli'): Promise<number> =>
      postFrom(address, again, '/oauth/device-authorization', `client_id=${client}&scope=openid`)
    // Nobody's client: refused by the library, and begun all the same.
    for (let i = 0; i < 3_000; i++) await begin(stranger(i), 'nobody')
    expect(await begin(stranger(70_000))).toBe(429)
    expect(await begin(HOME.sourceAddress)).toBe(200)
  })

  it('and one subscriber of IPv6 is one, whichever of its addresses it takes', async () => {
    fixture = await openFixture()
    const statuses = new Set<number>()
    for (let i = 0; i < 125; i++)
      statuses.add(await postFrom(`2001:db8::${i.toString(16)}`, fixture.identity, '/oauth/device-authorization', 'client_id=nobody'))
    expect(statuses).toContain(429)
    expect(await postFrom(stranger(1), fixture.identity, '/oauth/device-authorization', 'client_id=nobody')).not.toBe(429)
  })

  it('by asking for tokens from more addresses than are told apart', async () => {
    fixture = await openFixture({ config: { tokenRequestsPerMinute: 5 } })
    const ada = await personWithKey(fixture, 'ada')
    succeeded(await signIn(fixture, ada))
    const refresh = (address: string): Promise<number> =>
      postFrom(address, fixture.identity, '/oauth/token', 'client_id=redoubt-cli&grant_type=refresh_token&refresh_token=x')
    for (let i = 0; i < 10_006; i++) await postFrom(stranger(i), fixture.identity, '/oauth/token', 'client_id=redoubt-cli')
    expect(await refresh(stranger(70_000))).toBe(429)
    // The token is wrong; it was looked at.
    expect(await refresh(HOME.sourceAddress)).toBe(400)
  })

  it('by taking ten thousand challenges, while the person looks for their key', async () => {
    fixture = await openFixture()
    const ada = await personWithKey(fixture, 'ada')
    succeeded(await signIn(fixture, ada))
    const { assertion } = fixture.identity.people
    const { handle, options } = await assertion.begin({ userId: ada.person.id }, HOME)
    for (let i = 0; i <= MAX_CHALLENGES; i++) await assertion.begin(null, { sourceAddress: stranger(i), userAgent: '' })
    const response = ada.key.assert({ challenge: options.challenge, origin: ISSUER, userHandle: ada.person.id })
    succeeded(await assertion.complete(handle, response as unknown as AssertionResponse, HOME))
  })

  it('by taking all challenges of one address: it pushes out its own', async () => {
    fixture = await openFixture()
    const ada = await personWithKey(fixture, 'ada')
    const { assertion } = fixture.identity.people
    const office = { sourceAddress: '198.51.100.4', userAgent: '' }
    const waiting = await assertion.begin({ userId: ada.person.id }, office)
    const first = await assertion.begin({ userId: ada.person.id }, { sourceAddress: '2001:db8::1', userAgent: '' })
    for (let i = 2; i < MAX_CHALLENGES + 2; i++)
      await assertion.begin(null, { sourceAddress: `2001:db8::${i.toString(16)}`, userAgent: '' })
    const answer = (challenge: string): AssertionResponse =>
      ada.key.assert({ challenge, origin: ISSUER, userHandle: ada.person.id }) as unknown as AssertionResponse
    succeeded(await assertion.complete(waiting.handle, answer(waiting.options.challenge), office))
    expect(await assertion.complete(first.handle, answer(first.options.challenge), office)).toMatchObject({ code: 'ERR_SIGN_IN' })
  })

  it('and what is forgotten of a person at one place is no matter elsewhere', async () => {
    fixture = await openFixture()
    const ada = await personWithKey(fixture, 'ada')
    succeeded(await signIn(fixture, ada))
    await fixture.identity.people.disable(ada.person.id, ADMIN)
    fixture.clock.advance(91 * 24 * 3_600_000)
    for (let i = 0; i < 3_000; i++) await postFrom(stranger(i), fixture.identity, '/oauth/device-authorization', 'client_id=nobody')
    // Ninety days later it is a stranger like all others.
    expect(await postFrom(HOME.sourceAddress, fixture.identity, '/oauth/device-authorization', 'client_id=nobody')).toBe(429)
  })
})

describe('challenges that wait', () => {
  it('are at most so many of one subscriber, and of strangers and known places each; what is taken or too old is gone', async () => {
    fixture = await openFixture()
    const { clock } = fixture
    const pending = new PendingChallenges<{ readonly expiresAt: number }>(clock, (address) => address === HOME.sourceAddress)
    const expiresAt = clock.now() + 1_000
    for (let i = 0; i <= MAX_OF_SUBSCRIBER; i++) pending.add(`home ${i}`, { expiresAt }, HOME.sourceAddress)
    expect(pending.size).toBe(MAX_OF_SUBSCRIBER)
    for (let i = 0; i <= MAX_CHALLENGES; i++) pending.add(`stranger ${i}`, { expiresAt }, stranger(i))
    expect(pending.size).toBe(MAX_OF_SUBSCRIBER + MAX_CHALLENGES)
    expect(pending.take('home 0')).toBeUndefined()
    expect(pending.take('stranger 0')).toBeUndefined()
    expect(pending.take('home 1')).toEqual({ expiresAt })
    expect(pending.take('home 1')).toBeUndefined()
    clock.advance(1_000)
    expect(pending.take('home 2')).toBeUndefined()
    pending.purge()
    expect(pending.size).toBe(0)
  })
})

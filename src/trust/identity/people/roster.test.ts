import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Alert } from '#foundation/core'
import { ADMIN, type Fixture, ISSUER, openFixture } from '../identity.fixtures.ts'
import { SoftwareKey } from '../software-authenticator.fixtures.ts'
import { bearer, enrolKey, HOME, newPerson, personToken, personWithKey, post, signIn, succeeded } from './people.fixtures.ts'

const alerts: Alert[] = []
let fixture: Fixture
beforeEach(async () => {
  alerts.length = 0
  fixture = await openFixture({ alerts: { raise: (alert) => void alerts.push(alert) } })
})
afterEach(() => fixture.close())

describe('people (B3)', () => {
  it('are made with rights and a link of 15 minutes, recorded before they exist, and are there after a restart', async () => {
    const { person, link } = await newPerson(fixture, 'ada', ['deployer', 'auditor'])
    expect(person).toMatchObject({ roles: ['deployer', 'auditor'], groups: ['analytics'], powerful: true, disabled: false, epoch: 0 })
    expect(link.expiresAt).toBe(fixture.clock.now() + 15 * 60_000)
    expect((await fixture.reopen()).people.find(person.id)).toEqual(person)
    fixture.audit.down = true
    await expect(newPerson(fixture, 'eve')).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(fixture.identity.people.byLoginName('eve')).toBeNull()
  })

  it.each([
    { roles: ['bootstrap'] },
    { roles: [] },
    { roles: ['auditor', 'auditor'] },
    { groups: ['No Spaces'] },
    { purpose: 'a b' },
    { legalBasis: 'because' },
    { loginName: '  ' },
    { loginName: 'a\u202Eb' },
    { loginName: 'x'.repeat(129) },
    { extra: 1 },
  ])('are refused with %j', async (change) => {
    const ask = { loginName: 'ada', roles: ['auditor'], purpose: 'audit', legalBasis: 'contract', ...change }
    await expect(fixture.identity.people.create(ask as never, ADMIN)).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' })
    expect(fixture.identity.people.list()).toEqual([])
  })

  it('lose rights before it is recorded and win them after', async () => {
    const { person } = await personWithKey(fixture, 'ada', ['auditor', 'deployer'])
    const { people } = fixture.identity
    fixture.audit.down = true
    await expect(people.change(person.id, { roles: ['auditor'] }, ADMIN)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(people.find(person.id)?.roles).toEqual(['auditor'])
    await expect(people.change(person.id, { groups: ['analytics', 'admins'] }, ADMIN)).rejects.toMatchObject({
      code: 'ERR_AUDIT_UNAVAILABLE',
    })
    expect(people.find(person.id)?.groups).toEqual(['analytics'])
    // Both at once: what is taken is gone, what is given is not there.
    await expect(people.change(person.id, { roles: ['administrator'] }, ADMIN)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect((await fixture.reopen()).people.find(person.id)?.roles).toEqual([])
    fixture.audit.down = false
    expect((await people.change(person.id, { roles: ['administrator'] }, ADMIN)).roles).toEqual(['administrator'])
    expect((await fixture.reopen()).people.find(person.id)?.roles).toEqual(['administrator'])
    expect(fixture.audit.of('access.person.change').at(-1)).toMatchObject({
      actor: ADMIN,
      details: { roles: ['administrator'], before: { roles: [] } },
    })
  })

  it('change their own rights in no way', async () => {
    const { person } = await personWithKey(fixture, 'ada', ['security-officer'])
    const { people } = fixture.identity
    for (const change of [{ roles: ['administrator'] }, { groups: [] }] as const)
      await expect(people.change(person.id, change, { type: 'User', id: person.id })).rejects.toMatchObject({ code: 'ERR_ACCESS_SELF' })
    expect(people.find(person.id)).toMatchObject({ roles: ['security-officer'], groups: ['analytics'] })
  })

  it.each([
    ['a program', { type: 'ServiceAccount', id: 'automation' }],
    ['a program that acts for an administrator', { ...ADMIN, onBehalfBy: 'automation' }],
  ])('are the only ones who make or re-key powerful accounts of programs: not %s (B4)', async (_who, by) => {
    await fixture.account('automation', { roles: ['administrator'] })
    const { serviceAccounts } = fixture.identity
    const ask = { purpose: 'operations', legalBasis: 'contract' } as const
    const refused = { code: 'ERR_ACCESS_PROGRAM' }
    await expect(serviceAccounts.create({ ...ask, name: 'puppet', roles: ['deployer'] }, by)).rejects.toMatchObject(refused)
    const lent = { roles: ['administrator'], purposes: ['operations'] } as const
    await expect(serviceAccounts.create({ ...ask, name: 'puppet', roles: ['application'], mayActFor: lent }, by)).rejects.toMatchObject(
      refused,
    )
    await expect(serviceAccounts.replaceKey('automation', by)).rejects.toMatchObject(refused)
    expect(serviceAccounts.get('puppet')).toBeNull()
    expect((await serviceAccounts.create({ ...ask, name: 'plain', roles: ['application'] }, by)).account.name).toBe('plain')
  })

  it('are known by who made them (B1)', async () => {
    const { person } = await newPerson(fixture, 'ada', ['auditor'])
    const { people } = fixture.identity
    expect(people.isMadeBy(person.id, ADMIN)).toBe(true)
    expect(people.isMadeBy(person.id, { ...ADMIN, id: 'another' })).toBe(false)
    expect((await fixture.reopen()).people.isMadeBy(person.id, ADMIN)).toBe(true)
  })

  it('get back no right that was taken away while another was given', async () => {
    const { person } = await personWithKey(fixture, 'ada', ['auditor', 'deployer'])
    const { people } = fixture.identity
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const wider = people.change(person.id, { roles: ['auditor', 'deployer', 'data-scientist'] }, ADMIN)
    const narrower = people.change(person.id, { roles: ['auditor'] }, ADMIN)
    open()
    await Promise.all([wider, narrower])
    expect(people.find(person.id)?.roles).not.toContain('deployer')
    expect((await fixture.reopen()).people.find(person.id)?.roles).toEqual(people.find(person.id)?.roles)
  })

  it.each([
    ['a program', { type: 'ServiceAccount', id: 'automation' }],
    ['a program that acts for an administrator', { ...ADMIN, onBehalfBy: 'automation' }],
  ])('get no power from %s, nor a link when they have it', async (_who, by) => {
    await fixture.account('automation', { roles: ['administrator'] })
    const { people } = fixture.identity
    const ask = (loginName: string, role: 'administrator' | 'auditor') =>
      people.create({ loginName, roles: [role], purpose: 'audit', legalBasis: 'contract' }, by)
    const refused = { code: 'ERR_ACCESS_PROGRAM' }
    await expect(ask('puppet', 'administrator')).rejects.toMatchObject(refused)
    expect(people.byLoginName('puppet')).toBeNull()
    // What is not powerful a program makes, as identity systems do, and never more of it.
    const { person } = await ask('eve', 'auditor')
    await expect(people.change(person.id, { roles: ['auditor', 'security-officer'] }, by)).rejects.toMatchObject(refused)
    const officer = await newPerson(fixture, 'ada', ['security-officer'])
    await expect(people.change(officer.person.id, { roles: ['auditor'] }, by)).rejects.toMatchObject(refused)
    await expect(people.change(officer.person.id, { groups: [] }, by)).rejects.toMatchObject(refused)
    await expect(people.enrolment.createLink(officer.person.id, by)).rejects.toMatchObject(refused)
    await expect(fixture.identity.createEnrolmentLink(by)).rejects.toMatchObject(refused)
    // Taking everything away at once is for whoever sees an attack first; giving it back is not.
    await people.disable(officer.person.id, by)
    await expect(people.enable(officer.person.id, by)).rejects.toMatchObject(refused)
    expect(
      people
        .list()
        .map(({ roles }) => roles.join())
        .toSorted(),
    ).toEqual(['auditor', 'security-officer'])
  })

  it('get their power from the account of the command line where it acts in place of people: in development', async () => {
    const ask = { name: 'local-cli', roles: ['bootstrap'], purpose: 'set-up', legalBasis: 'contract' } as const
    await fixture.identity.createBootstrapAccount(ask, ADMIN)
    const by = { type: 'ServiceAccount', id: 'local-cli' }
    const person = { roles: ['administrator'], purpose: 'audit', legalBasis: 'contract' } as const
    expect((await fixture.identity.people.create({ ...person, loginName: 'ada' }, by)).person).toMatchObject({ powerful: true })
    const production = await fixture.reopen({ profile: 'production' })
    await expect(production.people.create({ ...person, loginName: 'eve' }, by)).rejects.toMatchObject({ code: 'ERR_ACCESS_PROGRAM' })
  })

  it('lose a factor, and with it every session and token', async () => {
    const ada = await personWithKey(fixture, 'ada')
    const { people } = fixture.identity
    const { session } = await people.sessions.open(succeeded(await signIn(fixture, ada)), HOME)
    const token = personToken(fixture, session)
    const [factor] = people.factorsOf(ada.person.id)
    expect(factor).toMatchObject({ kind: 'passkey', synced: false, lastUsedAt: fixture.clock.now() })
    await expect(people.removeFactor(ada.person.id, 'no-such', ADMIN)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await people.removeFactor(ada.person.id, factor!.id, ADMIN)
    expect(fixture.identity.authenticate(bearer(token))).toEqual({ code: 'ERR_SESSION_ENDED' })
    expect(fixture.audit.of('access.factor.remove')).toMatchObject([{ details: { factor: factor!.id } }])
  })
})

it('has an administrator while one can sign in: else the terminal of the server gives the next link', async () => {
  const { person } = await newPerson(fixture, 'eve', ['administrator'])
  expect(fixture.identity.administratorEnrolled()).toBe(false)
  const ada = await personWithKey(fixture, 'ada', ['administrator'])
  const { people } = fixture.identity
  expect(fixture.identity.administratorEnrolled()).toBe(true)
  await expect(people.disable(ada.person.id, ADMIN)).rejects.toMatchObject({ code: 'ERR_ACCESS_LAST_ADMINISTRATOR' })
  await people.disable(person.id, ADMIN)
  // Two others help whoever lost every key; until the link is used nobody can sign in.
  const officers = await Promise.all(['bob', 'carol'].map((name) => personWithKey(fixture, name, ['security-officer'])))
  const { id } = await people.lostKey.request(ada.person.id, { type: 'User', id: officers[0]!.person.id })
  for (const officer of officers) await people.lostKey.approve(id, { type: 'User', id: officer.person.id })
  expect(fixture.identity.administratorEnrolled()).toBe(false)
})

it('is described for questions to the policies with the best factors that each has', async () => {
  const { serviceAccounts } = fixture.identity
  const { person } = await newPerson(fixture, 'ada', ['auditor'])
  expect(serviceAccounts.principal(person.id)).toMatchObject({ facts: { type: 'User', id: person.id }, mfaLevel: 0 })
  const bob = await personWithKey(fixture, 'bob')
  const principal = serviceAccounts.principal(bob.person.id)
  expect(principal).toMatchObject({ mfaLevel: 3, roles: ['data-scientist'] })
  expect(fixture.identity.stillValid(principal!)).not.toBeNull()
  expect(serviceAccounts.principal('user_nobody')).toBeNull()
})

describe('enrolment links (B3)', () => {
  it('of the disabled do not work', async () => {
    const { person, link } = await newPerson(fixture, 'ada')
    await fixture.identity.people.disable(person.id, ADMIN)
    // Nor do those that are made for them while they are.
    for (const { url } of [link, await fixture.identity.people.enrolment.createLink(person.id, ADMIN)]) {
      const { options, body } = await enrolKey(fixture, url, new SoftwareKey())
      expect([options, body]).toMatchObject([{ code: 'ERR_ENROLMENT_INVALID' }, { code: 'ERR_ENROLMENT_INVALID' }])
    }
  })

  it('of one person leave those of others alone, and replace older ones of the same', async () => {
    const ada = await newPerson(fixture, 'ada')
    const bob = await newPerson(fixture, 'bob')
    const newer = await fixture.identity.people.enrolment.createLink(ada.person.id, ADMIN)
    expect((await enrolKey(fixture, ada.link.url, new SoftwareKey())).status).toBe(403)
    expect((await enrolKey(fixture, newer.url, new SoftwareKey())).status).toBe(200)
    expect((await enrolKey(fixture, newer.url, new SoftwareKey())).status).toBe(403)
    expect((await enrolKey(fixture, bob.link.url, new SoftwareKey())).status).toBe(200)
  })

  it('are not made by one administrator for someone who has enrolled before, not even when their keys were removed first', async () => {
    const { person } = await personWithKey(fixture, 'ada')
    const { people } = fixture.identity
    await expect(people.enrolment.createLink(person.id, ADMIN)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await people.removeFactor(person.id, people.factorsOf(person.id)[0]!.id, ADMIN)
    await expect(people.enrolment.createLink(person.id, ADMIN)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await expect((await fixture.reopen()).people.enrolment.createLink(person.id, ADMIN)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
  })

  const ends = {
    'another role': async (id) => void (await fixture.identity.people.change(id, { roles: ['administrator'] }, ADMIN)),
    'a role less': async (id) => void (await fixture.identity.people.change(id, { roles: ['auditor'] }, ADMIN)),
    'another group': async (id) => void (await fixture.identity.people.change(id, { groups: [] }, ADMIN)),
    'being disabled and enabled again': async (id) => {
      await fixture.identity.people.disable(id, ADMIN)
      await fixture.identity.people.enable(id, ADMIN)
    },
    'a key less': async (id) => void (await fixture.identity.people.removeFactor(id, fixture.identity.people.factorsOf(id)[0]!.id, ADMIN)),
  } satisfies Record<string, (userId: string) => Promise<void>>
  /** A link of their own of someone who has a key. */
  const ownLink = async (): Promise<{ readonly id: string; readonly path: string; readonly url: string }> => {
    const ada = await personWithKey(fixture, 'ada', ['auditor', 'data-scientist'])
    const { url } = await fixture.identity.people.enrolment.ownLink(succeeded(await signIn(fixture, ada)), ada.person.id)
    return { id: ada.person.id, url, path: new URL(url).pathname }
  }

  it.each(Object.entries(ends))('end with %s: made for who the person was, they are worth nothing after it', async (_what, change) => {
    const { id, path, url } = await ownLink()
    const key = new SoftwareKey()
    const { body: options } = await post(fixture, `${path}/begin`, {})
    await change(id)
    const begun = key.register({ challenge: String(options['challenge']), origin: ISSUER })
    const had = fixture.identity.people.find(id)?.factors.passkeys
    expect((await post(fixture, `${path}/complete`, { credential: begun })).body).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
    expect((await enrolKey(fixture, url, new SoftwareKey())).options).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
    expect((await post(fixture, `${path}/totp/begin`, {})).body).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
    expect((await fetch(fixture.url + path)).status).toBe(403)
    expect((await fixture.reopen()).people.find(id)?.factors.passkeys).toBe(had)
  })

  it.each(Object.entries(ends))('end with %s while the new key is being recorded', async (_what, change) => {
    const { id, path } = await ownLink()
    const key = new SoftwareKey()
    const { body: options } = await post(fixture, `${path}/begin`, {})
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const credential = key.register({ challenge: String(options['challenge']), origin: ISSUER })
    const events = fixture.audit.events.length
    const completing = post(fixture, `${path}/complete`, { credential })
    // The log is slow; the answer of the key is verified meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 100))
    const changing = change(id)
    await new Promise((resolve) => setImmediate(resolve))
    open()
    await changing
    expect((await completing).body).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
    expect(fixture.audit.events.slice(events).map(({ type, code }) => [type, code])).toContainEqual([
      'access.enrolment.complete',
      'ERR_ENROLMENT_INVALID',
    ])
    const kept = fixture.identity.people.find(id)?.factors
    expect((await fixture.reopen()).people.find(id)?.factors).toEqual(kept)
    expect(await signIn(fixture, { person: { id } as never, key })).toMatchObject({ code: 'ERR_SIGN_IN' })
  })

  it('are those of the person from before the change, also when it comes while the link is made', async () => {
    const { person } = await newPerson(fixture, 'ada')
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const making = fixture.identity.people.enrolment.createLink(person.id, ADMIN)
    const changing = fixture.identity.people.change(person.id, { groups: [] }, ADMIN)
    open()
    await changing
    expect((await enrolKey(fixture, (await making).url, new SoftwareKey())).status).toBe(403)
  })

  it('take a key once, whoever brings it', async () => {
    const { key } = await personWithKey(fixture, 'ada')
    const { link } = await newPerson(fixture, 'eve')
    expect((await enrolKey(fixture, link.url, key)).body).toMatchObject({ code: 'ERR_WEBAUTHN_CREDENTIAL' })
  })

  it('say what they are for, and nothing of whom', async () => {
    const { link } = await newPerson(fixture, 'ada@example.org')
    const page = await (await fetch(fixture.url + new URL(link.url).pathname)).text()
    expect(page).toContain('data-kind="person-with-totp"')
    expect(page).not.toContain('ada@')
    const powerful = await newPerson(fixture, 'eve', ['administrator'])
    expect(await (await fetch(fixture.url + new URL(powerful.link.url).pathname)).text()).toContain('data-kind="person"')
  })
})

describe('a lost key (B3)', () => {
  const people = async () => {
    const [ada, bob, carol] = await Promise.all(['ada', 'bob', 'carol'].map((name) => personWithKey(fixture, name, ['administrator'])))
    return { ada: ada!, bob: bob!, carol: carol! }
  }
  const uid = ({ person }: { person: { id: string } }) => ({ type: 'User', id: person.id })

  it('is replaced when two others agree: old factors and sessions end, an alert is raised, all is recorded', async () => {
    const { ada, bob, carol } = await people()
    const { lostKey, sessions } = fixture.identity.people
    const { session } = await sessions.open(succeeded(await signIn(fixture, ada)), HOME)
    const token = personToken(fixture, session)
    const { id } = await lostKey.request(ada.person.id, uid(bob))
    expect(await lostKey.request(ada.person.id, uid(carol))).toMatchObject({ id })
    expect((await lostKey.approve(id, uid(bob))).link).toBeNull()
    expect(fixture.identity.people.find(ada.person.id)?.factors.passkeys).toBe(1)
    // What was agreed to is there after a restart.
    const again = await fixture.reopen()
    expect(again.people.lostKey.list()).toMatchObject([{ id, approvals: [bob.person.id] }])
    const { link } = await lostKey.approve(id, uid(carol))
    expect(fixture.identity.people.find(ada.person.id)?.factors).toEqual({ passkeys: 0, totp: false, recoveryCodes: 0 })
    expect(fixture.identity.authenticate(bearer(token))).toEqual({ code: 'ERR_SESSION_ENDED' })
    expect(await signIn(fixture, ada)).toMatchObject({ code: 'ERR_SIGN_IN' })
    const key = new SoftwareKey()
    expect((await enrolKey(fixture, link!.url, key)).status).toBe(200)
    succeeded(await signIn(fixture, { person: ada.person, key }))
    expect(alerts.map(({ kind }) => kind)).toEqual(['access.recovery.request', 'access.recovery.grant'])
    expect(fixture.audit.of('access.recovery.grant')).toMatchObject([
      { actor: uid(carol), resource: { id: ada.person.id }, details: { approvals: [bob.person.id, carol.person.id] } },
    ])
    await expect(lostKey.approve(id, uid(carol))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('is not replaced by the person concerned, by a program, by one person twice, or two at once', async () => {
    const { ada, bob, carol } = await people()
    const { lostKey } = fixture.identity.people
    const { id } = await lostKey.request(ada.person.id, uid(ada))
    await expect(lostKey.approve(id, uid(ada))).rejects.toMatchObject({ code: 'ERR_RECOVERY_SELF' })
    await expect(lostKey.approve(id, { type: 'ServiceAccount', id: 'app' })).rejects.toMatchObject({ code: 'ERR_RECOVERY_SELF' })
    const twice = await Promise.allSettled([lostKey.approve(id, uid(bob)), lostKey.approve(id, uid(bob))])
    expect(twice.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(lostKey.approve(id, uid(bob))).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    expect(fixture.identity.people.find(ada.person.id)?.factors.passkeys).toBe(1)
    fixture.clock.advance(24 * 3_600_000)
    await expect(lostKey.approve(id, uid(carol))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await fixture.identity.maintain()
    expect(lostKey.list()).toEqual([])
  })

  it('is not replaced while the log is down, and an agreement that is not on record does not count', async () => {
    const { ada, bob, carol } = await people()
    const { lostKey } = fixture.identity.people
    fixture.audit.down = true
    await expect(lostKey.request(ada.person.id, uid(bob))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    fixture.audit.down = false
    expect(lostKey.list()).toEqual([])
    const { id } = await lostKey.request(ada.person.id, uid(bob))
    fixture.audit.down = true
    await expect(lostKey.approve(id, uid(bob))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    fixture.audit.down = false
    expect((await lostKey.approve(id, uid(carol))).link).toBeNull()
    expect(fixture.identity.people.find(ada.person.id)?.factors.passkeys).toBe(1)
  })
})

it('knows people of before: an administrator that an older version enrolled signs in without a name', async () => {
  const { url } = await fixture.identity.createEnrolmentLink(ADMIN)
  const path = new URL(url).pathname
  const key = new SoftwareKey()
  const { body } = await post(fixture, `${path}/begin`, { displayName: 'Ada' })
  const credential = key.register({ challenge: String(body['challenge']), origin: ISSUER })
  expect(await post(fixture, `${path}/complete`, { displayName: 'Ada', credential })).toMatchObject({ status: 200 })
  fixture.database.raw.exec('UPDATE identity_users SET login_digest = NULL, login_sealed = NULL')
  const again = await fixture.reopen()
  const [person] = again.people.list()
  expect(person).toMatchObject({ roles: ['administrator', 'security-officer'], powerful: true, factors: { passkeys: 1 } })
  const { handle, options } = await again.people.assertion.begin(null, HOME)
  const response = key.assert({ challenge: options.challenge, origin: ISSUER, userHandle: person!.id })
  expect(await again.people.assertion.complete(handle, response as never, HOME)).toMatchObject({ mfaLevel: 3 })
})

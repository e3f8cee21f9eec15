import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Alert, ErrorCode } from '#foundation/core'
import { ADMIN, type Fixture, ISSUER, openFixture } from '../identity.fixtures.ts'
import { AAGUID, type Asserting, makeMaker, SoftwareKey } from '../software-authenticator.fixtures.ts'
import type { AssertionResponse } from './verify-assertion.ts'
import { ELSEWHERE, enrolKey, HOME, newPerson, personWithKey, refusedCodes, signIn, succeeded } from './people.fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'redoubt-roots-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let fixture: Fixture
beforeEach(async () => {
  fixture = await openFixture()
})
afterEach(() => fixture.close())

const FAILED = { code: 'ERR_SIGN_IN', retryAfterSeconds: 0 }

describe('signing in with a passkey (B3)', () => {
  it('takes several keys of one person, by name, by id, or by nothing but the key', async () => {
    const ada = await personWithKey(fixture, 'ada@example.org')
    const { people } = fixture.identity
    const second = new SoftwareKey()
    const link = await people.enrolment.ownLink(succeeded(await signIn(fixture, ada)), ada.person.id)
    const { status, options } = await enrolKey(fixture, link.url, second)
    expect(status).toBe(200)
    expect(options).toMatchObject({
      attestation: 'none',
      excludeCredentials: [{ id: ada.key.credentialId }],
      user: { name: 'ada@example.org' },
    })
    expect(people.find(ada.person.id)?.factors).toMatchObject({ passkeys: 2, totp: false })
    for (const key of [ada.key, second])
      for (const claimant of [{ loginName: ' ADA@example.org' }, { userId: ada.person.id }, null]) {
        const { handle, options } = await people.assertion.begin(claimant, HOME)
        expect(options).toMatchObject({ rpId: 'gateway.example', userVerification: 'required' })
        expect(options.allowCredentials?.map(({ id }) => id)).toEqual(
          claimant === null ? undefined : [ada.key.credentialId, second.credentialId],
        )
        const response = key.assert({ challenge: options.challenge, origin: ISSUER, userHandle: ada.person.id })
        const signedIn = succeeded(await people.assertion.complete(handle, response as unknown as AssertionResponse, HOME))
        expect(signedIn).toMatchObject({ person: { id: ada.person.id }, amr: ['hwk', 'user', 'mfa'], mfaLevel: 3, recovered: false })
        expect(signedIn.authTime).toBe(fixture.clock.now())
      }
  })

  it('gives a synced key two factors and no more (W12)', async () => {
    const ada = await personWithKey(fixture, 'ada', ['deployer'], { backedUp: true })
    expect(succeeded(await signIn(fixture, ada, { backedUp: true }))).toMatchObject({ amr: ['swk', 'user', 'mfa'], mfaLevel: 2 })
  })

  it('keeps the counter over a restart', async () => {
    const ada = await personWithKey(fixture, 'ada')
    succeeded(await signIn(fixture, ada, { counter: 50 }))
    const again = await fixture.reopen()
    const { handle, options } = await again.people.assertion.begin(null, HOME)
    const response = ada.key.assert({ challenge: options.challenge, origin: ISSUER, userHandle: ada.person.id, counter: 50 })
    expect(await again.people.assertion.complete(handle, response as unknown as AssertionResponse, HOME)).toEqual(FAILED)
    expect(refusedCodes(fixture)).toEqual(['ERR_WEBAUTHN_COUNTER'])
  })

  it('takes keys that do not count, and never again zero from one that did', async () => {
    const ada = await personWithKey(fixture, 'ada')
    expect(await signIn(fixture, ada, { counter: 0 })).toEqual(FAILED)
    fixture.database.raw.exec('UPDATE identity_credentials SET counter = 0')
    const again = await fixture.reopen()
    for (let i = 0; i < 2; i++) {
      const { handle, options } = await again.people.assertion.begin(null, HOME)
      const response = ada.key.assert({ challenge: options.challenge, origin: ISSUER, userHandle: ada.person.id, counter: 0 })
      succeeded(await again.people.assertion.complete(handle, response as unknown as AssertionResponse, HOME))
    }
  })
})

describe('the rows of the credential table (B3), each with its own code in the log and one answer outside', () => {
  it.each<[string, string, ErrorCode, Partial<Asserting>]>([
    ['W01', 'an invented challenge', 'ERR_WEBAUTHN_CHALLENGE', { challenge: 'aW52ZW50ZWQ' }],
    ['W02', 'another origin', 'ERR_WEBAUTHN_ORIGIN', { origin: 'https://attacker.example', relyingParty: 'gateway.example' }],
    ['W02b', 'a frame of another site', 'ERR_WEBAUTHN_ORIGIN', { crossOrigin: true }],
    ['W03', 'another relying party', 'ERR_WEBAUTHN_RELYING_PARTY', { relyingParty: 'attacker.example' }],
    ['W04', 'a counter that went back', 'ERR_WEBAUTHN_COUNTER', { counter: 3 }],
    ['W04b', 'a counter that stands still', 'ERR_WEBAUTHN_COUNTER', { counter: 7 }],
    ['W05', 'no user verification', 'ERR_WEBAUTHN_USER_VERIFICATION', { userVerified: false }],
    ['W05b', 'no user presence', 'ERR_WEBAUTHN_USER_VERIFICATION', { userPresent: false }],
    ['W06', 'a tampered signature', 'ERR_WEBAUTHN_SIGNATURE', { tamper: 'signature' }],
    ['W06b', 'data changed after signing', 'ERR_WEBAUTHN_SIGNATURE', { tamper: 'data' }],
    ['W07', 'the signature of another key', 'ERR_WEBAUTHN_SIGNATURE', { tamper: 'key' }],
    ['W08', 'the answer of a registration', 'ERR_WEBAUTHN_TYPE', { type: 'webauthn.create' }],
    ['W09', 'the handle of another user', 'ERR_WEBAUTHN_CREDENTIAL', { userHandle: 'user_AAAAAAAAAAAAAAAAAAAAAA' }],
    ['W12', 'a key that says it became a synced one', 'ERR_WEBAUTHN_SYNCED', { backedUp: true }],
  ])('%s refuses %s', async (_id, _what, code, wrong) => {
    const ada = await personWithKey(fixture, 'ada')
    expect(await signIn(fixture, ada, wrong)).toEqual(FAILED)
    expect(refusedCodes(fixture)).toEqual([code])
    // What was refused changed nothing.
    succeeded(await signIn(fixture, ada, { counter: 8 }))
  })

  it('W09 refuses the key of another user, whose challenge it answers or whose name was typed', async () => {
    const ada = await personWithKey(fixture, 'ada')
    const eve = await personWithKey(fixture, 'eve')
    const { people } = fixture.identity
    expect(await signIn(fixture, { person: ada.person, key: eve.key })).toEqual(FAILED)
    for (const [claimant, userHandle] of [
      [{ loginName: 'ada' }, eve.person.id],
      [{ loginName: 'ada' }, undefined],
      [{ loginName: 'nobody' }, eve.person.id],
      [null, ada.person.id],
      [null, undefined],
    ] as const) {
      const { handle, options } = await people.assertion.begin(claimant, HOME)
      const response = eve.key.assert({ challenge: options.challenge, origin: ISSUER, ...(userHandle === undefined ? {} : { userHandle }) })
      expect(await people.assertion.complete(handle, response as unknown as AssertionResponse, HOME)).toEqual(FAILED)
    }
    expect(refusedCodes(fixture)).toEqual(Array(6).fill('ERR_WEBAUTHN_CREDENTIAL'))
  })

  it('W01, W10 refuses a replay: after success, after failure, under another handle, and after five minutes', async () => {
    const ada = await personWithKey(fixture, 'ada')
    const { assertion } = fixture.identity.people
    const first = await assertion.begin({ userId: ada.person.id }, HOME)
    const second = await assertion.begin({ userId: ada.person.id }, HOME)
    const response = ada.key.assert({
      challenge: first.options.challenge,
      origin: ISSUER,
      userHandle: ada.person.id,
    }) as unknown as AssertionResponse
    succeeded(await assertion.complete(first.handle, response, HOME))
    expect(await assertion.complete(first.handle, response, HOME)).toEqual(FAILED)
    expect(await assertion.complete(second.handle, response, HOME)).toEqual(FAILED)
    const good = ada.key.assert({
      challenge: second.options.challenge,
      origin: ISSUER,
      userHandle: ada.person.id,
    }) as unknown as AssertionResponse
    // The failure above has spent it.
    expect(await assertion.complete(second.handle, good, HOME)).toEqual(FAILED)
    const late = await assertion.begin({ userId: ada.person.id }, HOME)
    fixture.clock.advance(5 * 60 * 1000)
    const slow = ada.key.assert({
      challenge: late.options.challenge,
      origin: ISSUER,
      userHandle: ada.person.id,
    }) as unknown as AssertionResponse
    expect(await assertion.complete(late.handle, slow, HOME)).toEqual(FAILED)
    expect(refusedCodes(fixture)).toEqual(Array(4).fill('ERR_WEBAUTHN_CHALLENGE'))
  })

  it('W10 lets one of two simultaneous answers in', async () => {
    const ada = await personWithKey(fixture, 'ada')
    const { assertion } = fixture.identity.people
    const { handle, options } = await assertion.begin(null, HOME)
    const response = ada.key.assert({
      challenge: options.challenge,
      origin: ISSUER,
      userHandle: ada.person.id,
    }) as unknown as AssertionResponse
    const answers = await Promise.all([assertion.complete(handle, response, HOME), assertion.complete(handle, response, HOME)])
    expect(answers.filter((answer) => 'person' in answer)).toHaveLength(1)
  })

  it('refuses who is disabled, and says no more than to anyone else', async () => {
    const ada = await personWithKey(fixture, 'ada')
    await fixture.identity.people.disable(ada.person.id, ADMIN)
    expect(await signIn(fixture, ada)).toEqual(FAILED)
    expect(refusedCodes(fixture)).toEqual(['ERR_ACCOUNT_DISABLED'])
  })

  it('refuses a key that was removed, when it signs in and when it had begun to', async () => {
    const ada = await personWithKey(fixture, 'ada')
    const { people } = fixture.identity
    const { handle, options } = await people.assertion.begin({ userId: ada.person.id }, HOME)
    const [factor] = people.factorsOf(ada.person.id)
    await people.removeFactor(ada.person.id, factor!.id, ADMIN)
    const response = ada.key.assert({ challenge: options.challenge, origin: ISSUER, userHandle: ada.person.id })
    expect(await people.assertion.complete(handle, response as unknown as AssertionResponse, HOME)).toEqual(FAILED)
    expect(people.find(ada.person.id)?.factors.passkeys).toBe(0)
    expect((await fixture.reopen()).people.factorsOf(ada.person.id)).toEqual([])
  })

  it('never throws for what a browser may send', async () => {
    const ada = await personWithKey(fixture, 'ada')
    const { assertion } = fixture.identity.people
    const whole = ada.key.assert({ challenge: 'x', origin: ISSUER }) as unknown as AssertionResponse
    for (const response of [
      { ...whole.response, clientDataJSON: 'AAAA' },
      { ...whole.response, clientDataJSON: Buffer.from('null').toString('base64url') },
      { ...whole.response, authenticatorData: 'AAAA' },
      { ...whole.response, signature: 'AAAA' },
    ]) {
      const { handle } = await assertion.begin(null, HOME)
      expect(await assertion.complete(handle, { ...whole, response }, ELSEWHERE)).toEqual(FAILED)
    }
  })
})

it('raises an alert when a key that signs well counts backwards, and for nothing that strangers can send', async () => {
  await fixture.close()
  const alerts: Alert[] = []
  fixture = await openFixture({ alerts: { raise: (alert) => void alerts.push(alert) } })
  const ada = await personWithKey(fixture, 'ada')
  await signIn(fixture, ada, { counter: 3, tamper: 'signature' })
  expect(alerts).toEqual([])
  await signIn(fixture, ada, { counter: 3 })
  expect(alerts).toMatchObject([{ kind: 'access.key.copied', severity: 'critical', subject: { type: 'User', id: ada.person.id } }])
})

describe('keys for powerful roles (B3)', () => {
  const OTHER = 'ffffffff-0000-0000-0000-000000000000'

  it('asks for the model only when there is a list, and takes only keys on it that stay in their hardware (W11, W12)', async () => {
    await fixture.close()
    fixture = await openFixture({ config: { hardwareKeys: [AAGUID] } })
    const { person, link } = await newPerson(fixture, 'ada', ['security-officer'])
    const attempts = [
      ['ERR_WEBAUTHN_AUTHENTICATOR', { format: 'packed', aaguid: OTHER }],
      ['ERR_WEBAUTHN_AUTHENTICATOR', { format: 'none' }],
      ['ERR_WEBAUTHN_SYNCED', { format: 'packed', backedUp: true }],
    ] as const
    for (const [code, making] of attempts) {
      const answer = await enrolKey(fixture, link.url, new SoftwareKey(), making)
      expect(answer.options).toMatchObject({ attestation: 'direct' })
      expect(answer).toMatchObject({ status: 403, body: { code } })
    }
    expect(fixture.audit.of('authentication.refused').map(({ code }) => code)).toEqual(attempts.map(([code]) => code))
    const key = new SoftwareKey()
    expect((await enrolKey(fixture, link.url, key, { format: 'packed' })).status).toBe(200)
    // Its model is its own word: enough to be let in, not to count as hardware.
    expect(succeeded(await signIn(fixture, { person, key }))).toMatchObject({ mfaLevel: 2 })
    // Everyone else may bring what they have, and gets no third level for it.
    const bob = await personWithKey(fixture, 'bob', ['data-scientist'], { aaguid: OTHER })
    expect(succeeded(await signIn(fixture, bob))).toMatchObject({ mfaLevel: 2 })
  })

  it('W11 refuses an unlisted key that was enrolled before its owner became powerful', async () => {
    await fixture.close()
    fixture = await openFixture({ config: { hardwareKeys: [AAGUID.toUpperCase()] } })
    const bob = await personWithKey(fixture, 'bob', ['data-scientist'], { aaguid: OTHER })
    await fixture.identity.people.change(bob.person.id, { roles: ['deployer'] }, ADMIN)
    expect(await signIn(fixture, bob)).toEqual(FAILED)
    expect(refusedCodes(fixture)).toEqual(['ERR_WEBAUTHN_AUTHENTICATOR'])
  })

  it('W11 takes the word of the maker alone, when there are roots', async () => {
    await fixture.close()
    const [maker, stranger] = await Promise.all([makeMaker(Date.now()), makeMaker(Date.now())])
    const attestationRoots = join(mkdtempSync(join(folder, 'roots-')), 'roots.pem')
    writeFileSync(attestationRoots, maker.root)
    fixture = await openFixture({ config: { hardwareKeys: [AAGUID], attestationRoots } })
    const { person, link } = await newPerson(fixture, 'ada', ['administrator'])
    for (const other of [null, stranger])
      expect((await enrolKey(fixture, link.url, new SoftwareKey(), { format: 'packed' }, other)).body).toMatchObject({
        code: 'ERR_WEBAUTHN_AUTHENTICATOR',
      })
    const key = new SoftwareKey()
    expect((await enrolKey(fixture, link.url, key, {}, maker)).status).toBe(200)
    expect(succeeded(await signIn(fixture, { person, key }))).toMatchObject({ mfaLevel: 3 })
    const late = await newPerson(fixture, 'eve', ['administrator'])
    fixture.clock.advance(2 * 3_600_000)
    const after = await fixture.identity.people.enrolment.createLink(late.person.id, ADMIN)
    expect((await enrolKey(fixture, after.url, new SoftwareKey(), {}, maker)).body).toMatchObject({ code: 'ERR_WEBAUTHN_AUTHENTICATOR' })
  })

  it('W11 keeps the word of a key for nothing: enrolled without power, it is no listed key with it', async () => {
    await fixture.close()
    const [maker, stranger] = await Promise.all([makeMaker(Date.now()), makeMaker(Date.now())])
    const attestationRoots = join(mkdtempSync(join(folder, 'roots-')), 'roots.pem')
    writeFileSync(attestationRoots, maker.root)
    fixture = await openFixture({ config: { hardwareKeys: [AAGUID], attestationRoots } })
    const { people } = fixture.identity
    for (const [name, by] of [
      ['self', null],
      ['stranger', stranger],
    ] as const) {
      const { person, link } = await newPerson(fixture, name)
      const key = new SoftwareKey()
      expect((await enrolKey(fixture, link.url, key, { format: 'packed' }, by)).status).toBe(200)
      const stored = fixture.database.raw.prepare('SELECT aaguid, attestation FROM identity_credentials WHERE user_id = ?')
      expect(stored.get(person.id)).toEqual({ aaguid: AAGUID, attestation: 'none' })
      expect(succeeded(await signIn(fixture, { person, key }))).toMatchObject({ mfaLevel: 2 })
      await people.change(person.id, { roles: ['deployer'] }, ADMIN)
      expect(await signIn(fixture, { person, key })).toEqual(FAILED)
      expect(fixture.identity.serviceAccounts.principal(person.id)).toMatchObject({ mfaLevel: 0 })
    }
    expect(refusedCodes(fixture)).toEqual(['ERR_WEBAUTHN_AUTHENTICATOR', 'ERR_WEBAUTHN_AUTHENTICATOR'])
  })

  it('holds for the first administrator too', async () => {
    await fixture.close()
    fixture = await openFixture({ config: { hardwareKeys: [OTHER] } })
    const { url } = await fixture.identity.createEnrolmentLink(ADMIN)
    const path = new URL(url).pathname
    const begun = await fixture.post(`${path}/begin`, JSON.stringify({ displayName: 'Ada' }), { 'content-type': 'application/json' })
    const { challenge, attestation } = (await begun.json()) as { challenge: string; attestation: string }
    expect(attestation).toBe('direct')
    const credential = new SoftwareKey().register({ challenge, origin: ISSUER, format: 'packed' })
    const done = await fixture.post(`${path}/complete`, JSON.stringify({ displayName: 'Ada', credential }), {
      'content-type': 'application/json',
    })
    expect(await done.json()).toMatchObject({ code: 'ERR_WEBAUTHN_AUTHENTICATOR' })
    expect(fixture.identity.administratorEnrolled()).toBe(false)
  })
})

import { createHash, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ErrorCode } from '#foundation/core'
import { ADMIN, type Fixture, ISSUER, openFixture } from './identity.fixtures.ts'
import { makeAndroidKeyCredential, makeCredential as makeAt, type Making } from './software-authenticator.fixtures.ts'

const makeCredential = (making: Omit<Making, 'origin'> & { readonly origin?: string }): Record<string, unknown> =>
  makeAt({ relyingParty: new URL(ISSUER).hostname, origin: ISSUER, ...making })

let fixture: Fixture
let link: string
beforeEach(async () => {
  fixture = await openFixture()
  link = new URL((await fixture.identity.createEnrolmentLink(ADMIN)).url).pathname
})
afterEach(() => fixture.close())

const outbound = vi.fn()
let original: typeof fetch
beforeAll(() => {
  original = globalThis.fetch
  globalThis.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (url.hostname !== '127.0.0.1') outbound(url.href)
    return original(input, init)
  }
})
afterAll(() => {
  globalThis.fetch = original
  expect(outbound).not.toHaveBeenCalled()
})

const call = async (step: 'begin' | 'complete', body: unknown, path = link): Promise<{ status: number; body: Record<string, unknown> }> => {
  const response = await fixture.post(`${path}/${step}`, JSON.stringify(body), { 'content-type': 'application/json' })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const begin = async (path = link): Promise<string> => {
  const { status, body } = await call('begin', { displayName: 'Ada Lovelace' }, path)
  expect(status).toBe(200)
  return body['challenge'] as string
}
const complete = (credential: unknown, path = link): ReturnType<typeof call> =>
  call('complete', { displayName: 'Ada Lovelace', credential }, path)

describe('enrolment of the first administrator (B3)', () => {
  it('makes the owner of a new passkey administrator, once', async () => {
    expect(fixture.identity.administratorEnrolled()).toBe(false)
    const page = await fetch(fixture.url + link)
    expect(page.status).toBe(200)
    const { body: options } = await call('begin', { displayName: 'Ada Lovelace' })
    expect(options).toMatchObject({
      rp: { id: 'gateway.example' },
      attestation: 'none',
      authenticatorSelection: { userVerification: 'required' },
      user: { name: 'Ada Lovelace' },
    })
    expect(await complete(makeCredential({ challenge: options['challenge'] as string }))).toEqual({
      status: 200,
      body: { enrolled: true, recoveryCodes: [] },
    })
    expect(fixture.identity.administratorEnrolled()).toBe(true)
    expect((await fixture.reopen()).administratorEnrolled()).toBe(true)
    expect((await fetch(fixture.url + link)).status).toBe(403)
    expect((await call('begin', { displayName: 'Eve' })).body).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
  })

  it('stores public key, counter, AAGUID, transports and backup state', async () => {
    await complete(makeCredential({ challenge: await begin(), backedUp: true, format: 'packed' }))
    const row = fixture.database.raw.prepare('SELECT * FROM identity_credentials').get()
    expect(row).toMatchObject({
      counter: 7,
      aaguid: '00112233-4455-6677-8899-aabbccddeeff',
      transports: '["usb"]',
      // Nobody vouched for it.
      attestation: 'none',
      backup_eligible: 1,
      backed_up: 1,
    })
  })

  it('keeps the name out of the database and hands it to the log as a personal field of the person (E3)', async () => {
    await complete(makeCredential({ challenge: await begin() }))
    const [event] = fixture.audit.of('access.enrolment.complete')
    expect(event).toMatchObject({
      actor: { type: 'User' },
      outcome: 'success',
      personal: [{ subject: event?.actor.id, fields: { displayName: 'Ada Lovelace' } }],
    })
    expect(JSON.stringify({ ...event, personal: undefined })).not.toContain('Ada')
    const tables = fixture.database.raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[]
    expect(JSON.stringify(tables.map(({ name }) => fixture.database.raw.prepare(`SELECT * FROM ${name}`).all()))).not.toContain('Ada')
  })

  it('makes nobody administrator when the log is down', async () => {
    const challenge = await begin()
    fixture.audit.down = true
    expect((await complete(makeCredential({ challenge }))).status).toBe(503)
    expect(fixture.identity.administratorEnrolled()).toBe(false)
  })

  it('stores the digest of a link, not the link', async () => {
    const token = link.split('/').at(-1) ?? ''
    expect(Buffer.from(token, 'base64url')).toHaveLength(32)
    const rows = JSON.stringify(fixture.database.raw.prepare('SELECT * FROM identity_enrolment_links').all())
    expect(rows).not.toContain(token)
    expect(rows).toContain(createHash('sha256').update(token).digest('hex'))
    expect(JSON.stringify(fixture.audit.events)).not.toContain(token)
  })

  it('ends a link after 15 minutes, in the middle of a registration too', async () => {
    const challenge = await begin()
    fixture.clock.advance(15 * 60 * 1000)
    expect((await fetch(fixture.url + link)).status).toBe(403)
    expect((await complete(makeCredential({ challenge }))).body).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
    await fixture.identity.maintain()
    fixture.clock.advance(25 * 60 * 60 * 1000)
    await fixture.identity.maintain()
    expect(fixture.database.raw.prepare('SELECT count(*) AS n FROM identity_enrolment_links').get()).toEqual({ n: 0 })
  })

  it('ends older links when a new one is made', async () => {
    await begin()
    const next = new URL((await fixture.identity.createEnrolmentLink(ADMIN)).url).pathname
    expect((await fetch(fixture.url + link)).status).toBe(403)
    expect((await complete(makeCredential({ challenge: await begin(next) }), next)).status).toBe(200)
  })

  it('works only while there is no administrator: a link cannot be made afterwards, and one from before cannot be used', async () => {
    // As a replica has made it: a second link that ours did not replace.
    const other = '/enrol/' + randomBytes(32).toString('base64url')
    const store = () =>
      fixture.database.raw
        .prepare('INSERT INTO identity_enrolment_links (token_digest, expires_at) VALUES (?, ?)')
        .run(createHash('sha256').update(other.slice('/enrol/'.length)).digest('hex'), fixture.clock.now() + 600_000)
    store()
    const [mine, theirs] = [await begin(), await begin(other)]
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const both = [
      call('complete', { displayName: 'Ada', credential: makeCredential({ challenge: mine }) }),
      call('complete', { displayName: 'Eve', credential: makeCredential({ challenge: theirs }) }, other),
    ]
    // Both are verified and wait for the log.
    await new Promise((resolve) => setTimeout(resolve, 200))
    open()
    const answers = await Promise.all(both)
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
    expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'ERR_CONFLICT' })
    expect(fixture.identity.people.list()).toHaveLength(1)
    await expect(fixture.identity.createEnrolmentLink(ADMIN)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    fixture.database.raw.exec('DELETE FROM identity_enrolment_links')
    store()
    expect((await fetch(fixture.url + other)).status).toBe(403)
    expect((await call('begin', { displayName: 'Eve' }, other)).body).toMatchObject({ code: 'ERR_CONFLICT' })
    expect((await complete(makeCredential({ challenge: 'x' }), other)).body).toMatchObject({ code: 'ERR_CONFLICT' })
    expect(fixture.identity.people.list()).toHaveLength(1)
  })

  it('makes one administrator of two browsers on one link', async () => {
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const first = complete(makeCredential({ challenge: await begin() }))
    // The first is verified and waits for the log when the second begins.
    const second = begin().then((challenge) => complete(makeCredential({ challenge })))
    // One of them is refused at once; the other waits for the log until then.
    await Promise.race([first, second])
    open()
    const answers = await Promise.all([first, second])
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(fixture.database.raw.prepare('SELECT count(*) AS n FROM identity_users').get()).toEqual({ n: 1 })
    expect(fixture.audit.of('access.enrolment.complete')).toHaveLength(1)
  })

  it('refuses unknown links, and counts the attempts in the log', async () => {
    const unknown = `/enrol/${randomBytes(32).toString('base64url')}`
    expect((await fetch(fixture.url + unknown)).status).toBe(403)
    expect((await call('begin', { displayName: 'Eve' }, unknown)).body).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
    expect((await complete(makeCredential({ challenge: 'x' }), unknown)).body).toMatchObject({ code: 'ERR_ENROLMENT_INVALID' })
    expect(fixture.audit.of('authentication.refused')).toHaveLength(3)
  })
})

describe('registrations that are refused (WebAuthn Level 3 §7.1)', () => {
  it.each<[string, string, ErrorCode, Partial<Making>]>([
    ['W02', 'another origin', 'ERR_WEBAUTHN_ORIGIN', { origin: 'https://attacker.example' }],
    ['W02b', 'the origin with another port', 'ERR_WEBAUTHN_ORIGIN', { origin: 'https://gateway.example' }],
    ['W03', 'another relying party', 'ERR_WEBAUTHN_RELYING_PARTY', { relyingParty: 'attacker.example' }],
    ['W05', 'no user verification', 'ERR_WEBAUTHN_USER_VERIFICATION', { userVerified: false }],
    ['W05b', 'no user presence', 'ERR_WEBAUTHN_USER_VERIFICATION', { userPresent: false }],
    ['W06', 'a tampered signature', 'ERR_WEBAUTHN_SIGNATURE', { format: 'packed', tamper: 'signature' }],
    ['W07', 'the signature of another key', 'ERR_WEBAUTHN_SIGNATURE', { format: 'packed', tamper: 'key' }],
    ['W08', 'the answer of a sign-in', 'ERR_WEBAUTHN_TYPE', { type: 'webauthn.get' }],
    ['W13', 'another credential id than the signed one', 'ERR_WEBAUTHN_CREDENTIAL', { tamper: 'id' }],
  ])('%s refuses %s', async (_id, _what, code, making) => {
    const answer = await complete(makeCredential({ challenge: await begin(), ...making }))
    expect(answer).toMatchObject({ status: 403, body: { code } })
    expect(fixture.identity.administratorEnrolled()).toBe(false)
    expect(fixture.audit.of('authentication.refused')).toMatchObject([{ code }])
  })

  it('W14 refuses an attestation whose check would call an address of the sender', async () => {
    const making = { challenge: await begin(), origin: ISSUER }
    const answer = await complete(await makeAndroidKeyCredential(making, 'http://crl.attacker.example/list'))
    expect(outbound).not.toHaveBeenCalled()
    expect(answer.body).toMatchObject({ code: 'ERR_WEBAUTHN' })
  })

  it('W01 refuses a replayed challenge, after failure as after success (W10)', async () => {
    const challenge = await begin()
    expect((await complete(makeCredential({ challenge, origin: 'https://attacker.example' }))).status).toBe(403)
    expect((await complete(makeCredential({ challenge }))).body).toMatchObject({ code: 'ERR_WEBAUTHN_CHALLENGE' })
    expect(fixture.identity.administratorEnrolled()).toBe(false)
  })

  it('W01 refuses an invented challenge, one of another link, and one that is five minutes old', async () => {
    await begin()
    expect((await complete(makeCredential({ challenge: randomBytes(32).toString('base64url') }))).status).toBe(403)
    const challenge = await begin()
    fixture.clock.advance(5 * 60 * 1000)
    expect((await complete(makeCredential({ challenge }))).status).toBe(403)
    const older = await begin()
    const next = new URL((await fixture.identity.createEnrolmentLink(ADMIN)).url).pathname
    await begin(next)
    expect((await complete(makeCredential({ challenge: older }), next)).status).toBe(403)
    expect(fixture.identity.administratorEnrolled()).toBe(false)
  })

  it('refuses what is not a registration at all, without failing', async () => {
    for (const credential of [null, [], {}, { id: 'a' }, { ...makeCredential({ challenge: 'x' }), id: 'a b' }]) {
      expect((await complete(credential)).body).toMatchObject({ code: 'ERR_INPUT_INVALID' })
    }
    for (const attestationObject of ['AAAA', 'oA', '_____w', Buffer.alloc(6000, 0x81).toString('base64url')]) {
      const whole = makeCredential({ challenge: await begin() })
      const response = whole['response'] as Record<string, unknown>
      expect((await complete({ ...whole, response: { ...response, attestationObject } })).body).toMatchObject({ code: 'ERR_WEBAUTHN' })
    }
  })

  it.each(['', '   ', 'a'.repeat(65), 'a\u0000b', 'a\u202Eb', 7])('refuses the name %j', async (displayName) => {
    expect((await call('begin', { displayName })).body).toMatchObject({ code: 'ERR_INPUT_INVALID' })
  })
})

describe('the enrolment page', () => {
  it('loads nothing from elsewhere and runs nothing inline', async () => {
    const page = await fetch(fixture.url + link)
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(page.headers.get('cache-control')).toBe('no-store')
    const html = await page.text()
    expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:|https?:\/\//i)
    expect([...html.matchAll(/<script([^>]*)>([^<]*)</g)].map(([, , inline]) => inline)).toEqual([''])
    for (const [, file = ''] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
      expect((await fetch(fixture.url + file)).status).toBe(200)
    }
  })

  it('says in words what happened when the link does not work', async () => {
    const page = await fetch(`${fixture.url}/enrol/short`)
    expect(page.status).toBe(403)
    expect(await page.text()).toContain('This link no longer works')
  })
})

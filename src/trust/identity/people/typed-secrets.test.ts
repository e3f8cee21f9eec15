import { Secret, TOTP } from 'otpauth'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN, type Fixture, openFixture } from '../identity.fixtures.ts'
import { waitAfter } from './attempt-guard.ts'
import { ELSEWHERE, HOME, newPerson, personWithKey, post, refusedCodes, signIn, succeeded } from './people.fixtures.ts'
import type { Person, SignInSource } from './people.ts'

const MINUTE = 60_000
const FAILED = { code: 'ERR_SIGN_IN', retryAfterSeconds: 0 }

let fixture: Fixture
beforeEach(async () => {
  fixture = await openFixture()
})
afterEach(() => fixture.close())

interface WithTotp {
  readonly person: Person
  readonly secret: string
  readonly recoveryCodes: readonly string[]
  code(at?: number): string
}

async function personWithTotp(loginName: string): Promise<WithTotp> {
  const { person, link } = await newPerson(fixture, loginName)
  const path = new URL(link.url).pathname
  const { body } = await post(fixture, `${path}/totp/begin`, {})
  const secret = String(body['secret'])
  const code = (at = fixture.clock.now()): string => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: at })
  const done = await post(fixture, `${path}/totp/complete`, { code: code() })
  if (done.status !== 200) throw new Error(JSON.stringify(done.body))
  // The code of the enrolment is spent.
  fixture.clock.advance(30_000)
  return { person: fixture.identity.people.find(person.id)!, secret, recoveryCodes: done.body['recoveryCodes'] as string[], code }
}

const verify = (loginName: string, code: string, source: SignInSource = HOME) =>
  fixture.identity.people.totp.verify({ loginName }, code, source)
const wrong = (code: string): string => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

describe('codes of a generator (RFC 6238, B3)', () => {
  it('are one factor, and are offered to whoever is not powerful', async () => {
    const bob = await personWithTotp('bob')
    expect(bob.person.factors).toEqual({ passkeys: 0, totp: true, recoveryCodes: 10 })
    expect(succeeded(await verify('BOB', bob.code()))).toMatchObject({
      person: { id: bob.person.id },
      amr: ['otp'],
      mfaLevel: 1,
      recovered: false,
    })
    const { link } = await newPerson(fixture, 'ada', ['deployer'])
    expect((await post(fixture, `${new URL(link.url).pathname}/totp/begin`, {})).body).toMatchObject({ code: 'ERR_FACTOR_NOT_ALLOWED' })
  })

  it('sign nobody in who became powerful', async () => {
    const bob = await personWithTotp('bob')
    await fixture.identity.people.change(bob.person.id, { roles: ['privacy-officer'] }, ADMIN)
    expect(await verify('bob', bob.code())).toEqual(FAILED)
    expect(await fixture.identity.people.recovery.use({ loginName: 'bob' }, bob.recoveryCodes[0]!, HOME)).toEqual(FAILED)
    expect(refusedCodes(fixture)).toEqual(['ERR_FACTOR_NOT_ALLOWED', 'ERR_RECOVERY_CODE'])
  })

  it.each([
    ['other rights', (id: string) => fixture.identity.people.change(id, { groups: [] }, ADMIN)],
    ['the code generator gone', (id: string) => fixture.identity.people.removeFactor(id, 'totp', ADMIN)],
    [
      'being disabled and enabled',
      async (id: string) => {
        await fixture.identity.people.disable(id, ADMIN)
        await fixture.identity.people.enable(id, ADMIN)
      },
    ],
  ] as const)('sign nobody in who changed while the code was judged: %s; nor do recovery codes', async (_what, change) => {
    const bob = await personWithTotp('bob')
    const { people } = fixture.identity
    const judging = [verify('bob', bob.code()), people.recovery.use({ loginName: 'bob' }, bob.recoveryCodes[0]!, HOME)]
    // Both are found right and wait for the disk by then, or are about to be.
    await change(bob.person.id)
    expect(await Promise.all(judging)).toEqual([FAILED, FAILED])
    expect(refusedCodes(fixture)).toContain('ERR_ACCOUNT_CHANGED')
    expect(await people.sessions.list(bob.person.id)).toEqual([])
  })

  it('T01 are taken once, and none older than the last, over a restart and two at a time', async () => {
    const bob = await personWithTotp('bob')
    const code = bob.code()
    const [first, second] = await Promise.all([verify('bob', code), verify('bob', code)])
    expect([first, second].filter((answer) => 'person' in answer)).toHaveLength(1)
    expect(await verify('bob', bob.code(fixture.clock.now() - 30_000))).toEqual(FAILED)
    expect(refusedCodes(fixture)).toEqual(['ERR_TOTP_REUSED', 'ERR_TOTP_REUSED'])
    fixture.clock.advance(2 * MINUTE)
    const late = bob.code()
    succeeded(await verify('bob', late))
    const again = await fixture.reopen()
    expect(await again.people.totp.verify({ loginName: 'bob' }, late, HOME)).toEqual(FAILED)
  })

  it('are forgiven one step of clock difference and no more', async () => {
    const bob = await personWithTotp('bob')
    fixture.clock.advance(10 * MINUTE)
    expect(await verify('bob', bob.code(fixture.clock.now() - 60_000))).toEqual(FAILED)
    expect(await verify('bob', bob.code(fixture.clock.now() + 60_000))).toEqual(FAILED)
    succeeded(await verify('bob', bob.code(fixture.clock.now() - 30_000)))
  })

  it('leave no secret and no name in the database or in the log (E3)', async () => {
    const bob = await personWithTotp('bob@example.org')
    const tables = fixture.database.raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as { name: string }[]
    const stored = JSON.stringify(tables.map(({ name }) => fixture.database.raw.prepare(`SELECT * FROM ${name}`).all()))
    const raw = Buffer.from(Secret.fromBase32(bob.secret).bytes)
    for (const planted of [bob.secret, raw.toString('base64url'), raw.toString('hex'), 'bob@example.org', ...bob.recoveryCodes])
      expect(stored).not.toContain(planted)
    const clear = JSON.stringify(fixture.audit.events.map((event) => ({ ...event, personal: undefined })))
    for (const planted of [bob.secret, 'bob@example.org', ...bob.recoveryCodes]) expect(clear).not.toContain(planted)
    expect(fixture.audit.of('access.person.create')).toMatchObject([
      { personal: [{ subject: bob.person.id, fields: { loginName: 'bob@example.org' } }] },
    ])
    expect(await fixture.identity.people.loginNameOf(bob.person.id)).toBe('bob@example.org')
    fixture.sealer.erase(bob.person.id)
    expect(await fixture.identity.people.loginNameOf(bob.person.id)).toBeNull()
  })
})

describe('recovery codes (B3)', () => {
  it('are ten, shown once, each good once, however they are typed', async () => {
    const { person, recoveryCodes } = await personWithKey(fixture, 'carol')
    expect(new Set(recoveryCodes).size).toBe(10)
    for (const code of recoveryCodes) expect(code).toMatch(/^([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}$/)
    const { recovery } = fixture.identity.people
    const typed = recoveryCodes[0]!.toUpperCase().replaceAll('-', ' ').replaceAll('0', 'O')
    expect(succeeded(await recovery.use({ loginName: 'carol' }, typed, HOME))).toMatchObject({ amr: ['otp'], mfaLevel: 1, recovered: true })
    expect(await recovery.use({ loginName: 'carol' }, recoveryCodes[0]!, HOME)).toEqual(FAILED)
    expect(fixture.identity.people.find(person.id)?.factors.recoveryCodes).toBe(9)
    const again = await fixture.reopen()
    expect(await again.people.recovery.use({ loginName: 'carol' }, recoveryCodes[0]!, HOME)).toEqual(FAILED)
    const both = await Promise.all([1, 2].map(() => again.people.recovery.use({ loginName: 'carol' }, recoveryCodes[1]!, HOME)))
    expect(both.filter((answer) => 'person' in answer)).toHaveLength(1)
  })

  it('lead to a link for a new key, which two factors do too and one does not', async () => {
    const { people } = fixture.identity
    const carol = await personWithKey(fixture, 'carol')
    const recovered = succeeded(await people.recovery.use({ loginName: 'carol' }, carol.recoveryCodes[0]!, HOME))
    expect((await people.enrolment.ownLink(recovered, carol.person.id)).url).toContain('/enrol/')
    await expect(people.enrolment.ownLink({ ...recovered, recovered: false }, carol.person.id)).rejects.toMatchObject({
      code: 'ERR_MFA_REQUIRED',
    })
    const bob = await personWithTotp('bob')
    const one = succeeded(await verify('bob', bob.code()))
    await expect(people.enrolment.ownLink(one, bob.person.id)).rejects.toMatchObject({ code: 'ERR_MFA_REQUIRED' })
    const shown = succeeded(await signIn(fixture, carol))
    expect((await people.enrolment.ownLink(shown, carol.person.id)).url).toContain('/enrol/')
    fixture.clock.advance(5 * MINUTE)
    await expect(people.enrolment.ownLink(shown, carol.person.id)).rejects.toMatchObject({ code: 'ERR_MFA_REQUIRED' })
  })

  it('are not given to powerful people', async () => {
    expect((await personWithKey(fixture, 'ada', ['administrator'])).recoveryCodes).toEqual([])
  })
})

describe('guessing (B3)', () => {
  it('waits longer after each failure, and locks from the fifth', () => {
    const person = { free: 2, lockFrom: 5, lockMs: 15 * MINUTE, maxMs: 720 * MINUTE } as const
    expect([1, 2, 3, 4, 5, 6, 7, 20, 10_000].map((n) => waitAfter(n, person) / 1000)).toEqual([0, 0, 1, 2, 900, 1800, 3600, 43_200, 43_200])
  })

  const guess = async (loginName: string, times: number, source = ELSEWHERE): Promise<readonly string[]> => {
    const codes: string[] = []
    for (let i = 0; i < times; i++) {
      const answer = await verify(loginName, '000000', source)
      codes.push('code' in answer ? answer.code : 'in')
      // Past the slowdown, not past the lock.
      fixture.clock.advance(3_000)
    }
    return codes
  }

  it('T02 locks after five wrong codes, from anywhere, over a restart; a right code does not open it', async () => {
    const bob = await personWithTotp('bob')
    expect(await guess('bob', 7)).toEqual([...Array<string>(5).fill('ERR_SIGN_IN'), 'ERR_SIGN_IN_LOCKED', 'ERR_SIGN_IN_LOCKED'])
    const other = { ...ELSEWHERE, sourceAddress: '198.51.100.20' }
    expect(await verify('bob', bob.code(), other)).toMatchObject({ code: 'ERR_SIGN_IN_LOCKED', retryAfterSeconds: expect.any(Number) })
    const again = await fixture.reopen()
    expect(await again.people.totp.verify({ loginName: 'bob' }, bob.code(), other)).toMatchObject({ code: 'ERR_SIGN_IN_LOCKED' })
    expect(refusedCodes(fixture).slice(0, 6)).toEqual([...Array<string>(5).fill('ERR_TOTP_CODE'), 'ERR_SIGN_IN_LOCKED'])
    fixture.clock.advance(15 * MINUTE)
    succeeded(await verify('bob', bob.code(), other))
  })

  it('T02 counts a hundred guesses at once as a hundred', async () => {
    await personWithTotp('bob')
    const answers = await Promise.all(Array.from({ length: 100 }, () => verify('bob', '000000', ELSEWHERE)))
    expect(answers.filter((answer) => 'code' in answer && answer.code === 'ERR_SIGN_IN').length).toBeLessThanOrEqual(3)
  })

  it('counts wrong recovery codes with wrong codes of the generator', async () => {
    await personWithTotp('bob')
    const { recovery } = fixture.identity.people
    for (let i = 0; i < 5; i++) {
      await recovery.use({ loginName: 'bob' }, `0000-0000-0000-000${i}`, ELSEWHERE)
      fixture.clock.advance(3_000)
    }
    expect(await verify('bob', '000000', ELSEWHERE)).toMatchObject({ code: 'ERR_SIGN_IN_LOCKED' })
  })

  it('does not lock its victim out of a source that they have used, nor out of their passkey', async () => {
    const bob = await personWithTotp('bob')
    succeeded(await verify('bob', bob.code(), HOME))
    const carol = await personWithKey(fixture, 'carol')
    for (let i = 0; i < 12; i++) {
      const source = { ...ELSEWHERE, sourceAddress: `203.0.113.${i}` }
      await verify('bob', '000000', source)
      await verify('carol', '000000', source)
      fixture.clock.advance(16 * MINUTE)
    }
    expect(await verify('bob', bob.code(), ELSEWHERE)).toMatchObject({ code: 'ERR_SIGN_IN_LOCKED' })
    // A wrong code at home costs an attempt at home, and the right one is taken.
    expect(await verify('bob', wrong(bob.code()), HOME)).toEqual(FAILED)
    succeeded(await verify('bob', bob.code(), HOME))
    const again = await fixture.reopen()
    fixture.clock.advance(MINUTE)
    succeeded(await again.people.totp.verify({ loginName: 'bob' }, bob.code(), HOME))
    succeeded(await signIn(fixture, carol, {}, { ...HOME, sourceAddress: '198.51.100.77' }))
  })

  it('does not lend a known source to guesses at someone else, and locks it for guesses at its own person', async () => {
    const bob = await personWithTotp('bob')
    await personWithTotp('dora')
    succeeded(await verify('bob', bob.code(), HOME))
    expect((await guess('dora', 6, HOME)).at(-1)).toBe('ERR_SIGN_IN_LOCKED')
    fixture.clock.advance(16 * MINUTE)
    expect((await guess('bob', 6, HOME)).at(-1)).toBe('ERR_SIGN_IN_LOCKED')
  })

  it('slows a source that tries many names, and an own account in between does not wash it off', async () => {
    const eve = await personWithTotp('eve')
    let refused = 0
    for (let i = 0; i < 60; i++) {
      const answer = await verify(`victim-${i}`, '000000', ELSEWHERE)
      if ('code' in answer && answer.code === 'ERR_SIGN_IN_LOCKED') refused++
      if (i % 10 === 9) await verify('eve', eve.code(), ELSEWHERE)
    }
    expect(refused).toBeGreaterThan(30)
    // An IPv6 subscriber has 2^64 addresses and is one source.
    for (let i = 0; i < 30; i++) await verify(`other-${i}`, '000000', { ...ELSEWHERE, sourceAddress: `2001:db8:0:1::${i.toString(16)}` })
    expect(await verify('another', '000000', { ...ELSEWHERE, sourceAddress: '2001:db8:0:1:ffff::9' })).toMatchObject({
      code: 'ERR_SIGN_IN_LOCKED',
    })
  })
})

describe('names that nobody has', () => {
  const work = async (loginName: string): Promise<{ answers: unknown; sealer: readonly string[]; writes: number }> => {
    const before = fixture.sealer.calls.length
    const changes = fixture.database.raw.prepare('SELECT total_changes() AS n')
    const from = (changes.get() as { n: number }).n
    const { people } = fixture.identity
    const answers = []
    for (let i = 0; i < 6; i++) {
      answers.push(await people.totp.verify({ loginName }, '000000', { ...ELSEWHERE, sourceAddress: '203.0.113.50' }))
      answers.push(await people.recovery.use({ loginName }, '0000-0000-0000-0000', { ...ELSEWHERE, sourceAddress: '203.0.113.51' }))
      fixture.clock.advance(3_000)
    }
    const { options } = await people.assertion.begin({ loginName }, HOME)
    answers.push(
      Object.keys(options).sort(),
      options.allowCredentials?.map((one) => [Object.keys(one), one.id.length]),
    )
    return { answers, sealer: fixture.sealer.calls.slice(before), writes: (changes.get() as { n: number }).n - from }
  }

  it('are answered, slowed, locked and worked for like names that somebody has', async () => {
    await personWithKey(fixture, 'with-key')
    await personWithTotp('with-totp')
    await work('warm-up')
    fixture.clock.advance(24 * 60 * MINUTE + 1)
    await fixture.identity.maintain()
    const nobody = await work('nobody')
    for (const name of ['with-key', 'with-totp']) {
      fixture.clock.advance(24 * 60 * MINUTE + 1)
      await fixture.identity.maintain()
      expect(await work(name)).toEqual(nobody)
    }
  })

  it('get the same invented key each time, and each name its own', async () => {
    const ids = async (loginName: string) =>
      (await fixture.identity.people.assertion.begin({ loginName }, HOME)).options.allowCredentials?.map(({ id }) => id)
    expect(await ids('nobody')).toEqual(await ids('Nobody '))
    expect(await ids('nobody')).not.toEqual(await ids('no-one'))
  })

  it('are answered no sooner than anyone: not before the floor', async () => {
    const again = await fixture.reopen({ answerFloorMs: 60 })
    for (const loginName of ['nobody', 'x'.repeat(4_000), '\u0000']) {
      const from = performance.now()
      expect(await again.people.totp.verify({ loginName }, '000000', HOME)).toEqual(FAILED)
      expect(performance.now() - from).toBeGreaterThan(55)
    }
  })

  it('are equal in all spellings, and free only when nobody has one of them', async () => {
    await newPerson(fixture, 'ﬁona@Example.org')
    for (const taken of ['fiona@example.org', ' FIONA@EXAMPLE.ORG ']) {
      await expect(newPerson(fixture, taken)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      expect(fixture.identity.people.byLoginName(taken)).not.toBeNull()
    }
    const both = await Promise.allSettled([newPerson(fixture, 'gus'), newPerson(fixture, 'GUS')])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

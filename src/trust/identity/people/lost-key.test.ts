/** Who counts as another person when a key is lost: attacks by one hand with several names, and by time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Alert, EntityUid, Role } from '#foundation/core'
import { ADMIN, type Fixture, openFixture } from '../identity.fixtures.ts'
import { SoftwareKey } from '../software-authenticator.fixtures.ts'
import { enrolKey, personWithKey, signIn, succeeded, type WithKey } from './people.fixtures.ts'
import type { Person } from './people.ts'

const WEEK = 7 * 24 * 3_600_000
const alerts: Alert[] = []
let fixture: Fixture
let victim: WithKey
beforeEach(async () => {
  alerts.length = 0
  fixture = await openFixture({ alerts: { raise: (alert) => void alerts.push(alert) } })
  victim = await personWithKey(fixture, 'victim', ['administrator'])
})
afterEach(() => fixture.close())

const uid = ({ person }: Pick<WithKey, 'person'>): EntityUid => ({ type: 'User', id: person.id })
const people = () => fixture.identity.people
const made = async (
  loginName: string,
  by: EntityUid,
  linkBy: EntityUid = by,
  roles: readonly Role[] = ['administrator'],
): Promise<{ person: Person; key: SoftwareKey }> => {
  const { person } = await people().create({ loginName, roles, purpose: 'audit', legalBasis: 'contract' }, by)
  const { url } = await people().enrolment.createLink(person.id, linkBy)
  const key = new SoftwareKey()
  expect((await enrolKey(fixture, url, key)).status).toBe(200)
  return { person, key }
}
const holds = (): boolean => people().find(victim.person.id)?.factors.passkeys === 1
const INDEPENDENT = { code: 'ERR_RECOVERY_APPROVER' }

describe('people whom one hand made (B3)', () => {
  it('do not agree to what their maker asks for', async () => {
    const mallory = await personWithKey(fixture, 'mallory', ['administrator'])
    const puppets = [await made('one', uid(mallory)), await made('two', uid(mallory))]
    fixture.clock.advance(5 * WEEK)
    const { id } = await people().lostKey.request(victim.person.id, uid(mallory))
    for (const puppet of puppets) await expect(people().lostKey.approve(id, uid(puppet))).rejects.toMatchObject(INDEPENDENT)
    await people().lostKey.approve(id, uid(mallory))
    for (const puppet of puppets) await expect(people().lostKey.approve(id, uid(puppet))).rejects.toMatchObject(INDEPENDENT)
    expect(holds()).toBe(true)
    // After a restart it is known all the same, and someone of another hand is the second.
    const again = await fixture.reopen()
    await expect(again.people.lostKey.approve(id, uid(puppets[0]!))).rejects.toMatchObject(INDEPENDENT)
    const bob = await personWithKey(fixture, 'bob', ['administrator'])
    expect((await people().lostKey.approve(id, uid(bob))).link).not.toBeNull()
  })

  it('nor does whoever enrolled by a link that the one who asks has made and could have used', async () => {
    const mallory = await personWithKey(fixture, 'mallory', ['administrator'])
    const taken = await made('taken', ADMIN, uid(mallory))
    const { id } = await people().lostKey.request(victim.person.id, uid(mallory))
    await expect(people().lostKey.approve(id, uid(taken))).rejects.toMatchObject(INDEPENDENT)
    // A key that they add themselves does not make them someone else.
    const { url } = await people().enrolment.ownLink(succeeded(await signIn(fixture, taken)), taken.person.id)
    expect((await enrolKey(fixture, url, new SoftwareKey())).status).toBe(200)
    await expect(people().lostKey.approve(id, uid(taken))).rejects.toMatchObject(INDEPENDENT)
  })

  it('nor do those whom the person concerned made', async () => {
    const puppet = await made('puppet', uid(victim))
    const bob = await personWithKey(fixture, 'bob', ['administrator'])
    const { id } = await people().lostKey.request(victim.person.id, uid(bob))
    await expect(people().lostKey.approve(id, uid(puppet))).rejects.toMatchObject(INDEPENDENT)
  })

  it('nor, in their first week, beside the one who made them, in whatever order', async () => {
    const bob = await personWithKey(fixture, 'bob', ['administrator'])
    const mallory = await personWithKey(fixture, 'mallory', ['administrator'])
    const puppet = await made('puppet', uid(mallory))
    const { id } = await people().lostKey.request(victim.person.id, uid(bob))
    expect((await people().lostKey.approve(id, uid(puppet))).recovery.approvals).toEqual([puppet.person.id])
    expect(await people().lostKey.approve(id, uid(mallory))).toMatchObject({ recovery: { approvals: [mallory.person.id] }, link: null })
    await expect(people().lostKey.approve(id, uid(puppet))).rejects.toMatchObject(INDEPENDENT)
    expect(holds()).toBe(true)
    fixture.clock.advance(WEEK)
    const later = await people().lostKey.request(victim.person.id, uid(bob))
    await people().lostKey.approve(later.id, uid(mallory))
    expect((await people().lostKey.approve(later.id, uid(puppet))).link).not.toBeNull()
  })

  it('nor a program in someone’s name', async () => {
    const bob = await personWithKey(fixture, 'bob', ['administrator'])
    const { id } = await people().lostKey.request(victim.person.id, uid(bob))
    await expect(people().lostKey.approve(id, { ...uid(bob), onBehalfBy: 'automation' })).rejects.toMatchObject({
      code: 'ERR_RECOVERY_SELF',
    })
  })
})

describe('a yes (B3)', () => {
  const losing = {
    'the role': (whom: string) => people().change(whom, { roles: ['auditor'] }, ADMIN),
    'the key': (whom: string) => people().removeFactor(whom, people().factorsOf(whom)[0]!.id, ADMIN),
    'everything, by being disabled': (whom: string) => people().disable(whom, ADMIN),
    'it for a while': async (whom: string) => {
      await people().disable(whom, ADMIN)
      await people().enable(whom, ADMIN)
    },
  } as const

  it.each(Object.entries(losing))('is none any more when who gave it loses %s before the other agrees', async (_what, lose) => {
    const [bob, carol] = [await personWithKey(fixture, 'bob', ['administrator']), await personWithKey(fixture, 'carol', ['administrator'])]
    const { id } = await people().lostKey.request(victim.person.id, uid(carol))
    await people().lostKey.approve(id, uid(bob))
    await lose(bob.person.id)
    expect(people().lostKey.list()).toMatchObject([{ id, approvals: [] }])
    expect(await people().lostKey.approve(id, uid(carol))).toMatchObject({ recovery: { approvals: [carol.person.id] }, link: null })
    expect(holds()).toBe(true)
    expect((await fixture.reopen()).people.lostKey.list()).toMatchObject([{ approvals: [carol.person.id] }])
  })

  it('is none any more when it is lost while the grant is being recorded', async () => {
    const [bob, carol] = [await personWithKey(fixture, 'bob', ['administrator']), await personWithKey(fixture, 'carol', ['administrator'])]
    const { id } = await people().lostKey.request(victim.person.id, uid(carol))
    await people().lostKey.approve(id, uid(bob))
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const granting = people().lostKey.approve(id, uid(carol))
    const disabling = people().disable(bob.person.id, ADMIN)
    open()
    await expect(granting).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await disabling
    expect(holds()).toBe(true)
  })
})

describe('a request (B3)', () => {
  it('is one, however many ask at once', async () => {
    const bob = await personWithKey(fixture, 'bob', ['administrator'])
    const asked = await Promise.all(Array.from({ length: 5 }, () => people().lostKey.request(victim.person.id, uid(bob))))
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1)
    expect(fixture.database.raw.prepare('SELECT count(*) AS n FROM identity_recoveries').get()).toEqual({ n: 1 })
    expect(fixture.audit.of('access.recovery.request')).toHaveLength(1)
  })

  it('is refused for good by the person themselves or by who could agree, on record and with an alert', async () => {
    const [bob, carol] = [await personWithKey(fixture, 'bob', ['administrator']), await personWithKey(fixture, 'carol', ['administrator'])]
    for (const denier of [victim, carol]) {
      alerts.length = 0
      const { id } = await people().lostKey.request(victim.person.id, uid(bob))
      await people().lostKey.approve(id, uid(bob))
      await people().lostKey.deny(id, uid(denier))
      for (const room of [people(), (await fixture.reopen()).people]) {
        expect(room.lostKey.list()).toEqual([])
        await expect(room.lostKey.approve(id, uid(carol))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
        await expect(room.lostKey.deny(id, uid(carol))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
      }
      expect(alerts.map(({ kind }) => kind)).toEqual(['access.recovery.request', 'access.recovery.deny'])
      expect(fixture.audit.of('access.recovery.deny').at(-1)).toMatchObject({
        actor: uid(denier),
        resource: { id: victim.person.id },
        details: { recovery: id, approvals: [bob.person.id] },
      })
    }
    expect(holds()).toBe(true)
  })

  it('is refused also while the grant is being recorded, and while the log is down', async () => {
    const [bob, carol] = [await personWithKey(fixture, 'bob', ['administrator']), await personWithKey(fixture, 'carol', ['administrator'])]
    const { id } = await people().lostKey.request(victim.person.id, uid(bob))
    await people().lostKey.approve(id, uid(bob))
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const granting = people().lostKey.approve(id, uid(carol))
    const denying = people().lostKey.deny(id, uid(victim))
    open()
    await expect(granting).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await denying
    expect(holds()).toBe(true)
    fixture.audit.gate = null
    const second = await people().lostKey.request(victim.person.id, uid(bob))
    fixture.audit.down = true
    await expect(people().lostKey.deny(second.id, uid(victim))).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect((await fixture.reopen()).people.lostKey.list()).toEqual([])
  })
})

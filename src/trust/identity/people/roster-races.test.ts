/** Several people who change one person at the same moment. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newId, type Role } from '#foundation/core'
import { ADMIN, type Fixture, openFixture } from '../identity.fixtures.ts'
import { newPerson, personWithKey, type WithKey } from './people.fixtures.ts'
import { PersonChanges } from './person-changes.ts'
import type { PersonState } from './person-store.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await openFixture()
})
afterEach(() => fixture.close())

const uid = ({ person }: WithKey) => ({ type: 'User', id: person.id })
const outcomes = async (work: readonly Promise<unknown>[]): Promise<readonly string[]> =>
  (await Promise.allSettled(work)).map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as { code: string }).code))

describe('the last administrator (B3)', () => {
  const taking = {
    'are disabled': (whom: WithKey, by: WithKey) => fixture.identity.people.disable(whom.person.id, uid(by)),
    'lose the role': (whom: WithKey, by: WithKey) => fixture.identity.people.change(whom.person.id, { roles: ['auditor'] }, uid(by)),
    'lose their only key': (whom: WithKey, by: WithKey) =>
      fixture.identity.people.removeFactor(whom.person.id, fixture.identity.people.factorsOf(whom.person.id)[0]!.id, uid(by)),
  } as const

  it.each(Object.keys(taking) as (keyof typeof taking)[])('stays when two of them %s by each other at once', async (how) => {
    const [ada, bob] = [await personWithKey(fixture, 'ada', ['administrator']), await personWithKey(fixture, 'bob', ['administrator'])]
    // Whoever is administrator and has no key yet would be of no help.
    await newPerson(fixture, 'eve', ['administrator'])
    expect(await outcomes([taking[how](ada, bob), taking[how](bob, ada)])).toEqual(['done', 'ERR_ACCESS_LAST_ADMINISTRATOR'])
    expect(fixture.identity.administratorEnrolled()).toBe(true)
    expect((await fixture.reopen()).administratorEnrolled()).toBe(true)
  })

  it('stays when one is taken after the other, by whatever mixture of ways', async () => {
    const [ada, bob] = [await personWithKey(fixture, 'ada', ['administrator']), await personWithKey(fixture, 'bob', ['administrator'])]
    await taking['lose the role'](bob, ada)
    for (const how of Object.keys(taking) as (keyof typeof taking)[])
      expect(await outcomes([taking[how](ada, bob)])).toEqual(['ERR_ACCESS_LAST_ADMINISTRATOR'])
    expect(fixture.identity.people.find(ada.person.id)).toMatchObject({
      disabled: false,
      roles: ['administrator'],
      factors: { passkeys: 1 },
    })
  })
})

describe('changes at the same moment (B3)', () => {
  it('are all there in the end: what two give, each their own', async () => {
    const { person } = await personWithKey(fixture, 'ada', ['auditor'])
    const { people } = fixture.identity
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const both = outcomes([
      people.change(person.id, { roles: ['auditor', 'data-scientist'] }, ADMIN),
      people.change(person.id, { roles: ['auditor', 'ml-engineer'] }, ADMIN),
      people.change(person.id, { groups: ['analytics', 'night-shift'] }, ADMIN),
    ])
    open()
    expect(await both).toEqual(['done', 'done', 'done'])
    for (const one of [people, (await fixture.reopen()).people]) {
      expect(new Set(one.find(person.id)?.roles)).toEqual(new Set(['auditor', 'data-scientist', 'ml-engineer']))
      expect(one.find(person.id)?.groups).toEqual(['analytics', 'night-shift'])
    }
  })

  it('leave nobody enabled who is disabled while they are being enabled', async () => {
    const { person } = await personWithKey(fixture, 'ada')
    const { people } = fixture.identity
    await people.disable(person.id, ADMIN)
    let open = (): void => undefined
    fixture.audit.gate = new Promise((resolve) => {
      open = resolve
    })
    const enabling = outcomes([people.enable(person.id, ADMIN), people.enable(person.id, ADMIN)])
    const narrowing = people.change(person.id, { groups: [] }, ADMIN)
    open()
    expect(await enabling).toEqual(['ERR_CONFLICT', 'ERR_CONFLICT'])
    await narrowing
    expect(people.find(person.id)).toMatchObject({ disabled: true, groups: [] })
  })

  it('come to the same in memory and in storage, in any order, and who is disabled last is disabled', async () => {
    let seed = Number(process.env['REDOUBT_SEED'] ?? 20_261_127)
    console.log(`seed ${seed}`)
    const random = (below: number): number => {
      // mulberry32
      seed = (seed + 0x6d2b79f5) | 0
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
      return ((t ^ (t >>> 14)) >>> 0) % below
    }
    const { people } = fixture.identity
    const some: readonly Role[] = ['auditor', 'data-scientist', 'ml-engineer', 'business-user']
    for (let round = 0; round < 60; round++) {
      const { person } = await people.create(
        { loginName: newId('n'), roles: ['auditor', 'application'], purpose: 'audit', legalBasis: 'contract' },
        ADMIN,
      )
      const work: Promise<unknown>[] = []
      const begin = (one: Promise<unknown>): void => {
        one.catch(() => undefined)
        work.push(one)
      }
      for (let i = 0; i < 6; i++) {
        const act = random(4)
        if (act === 0) begin(people.disable(person.id, ADMIN))
        else if (act === 1) begin(people.enable(person.id, ADMIN))
        else begin(people.change(person.id, { roles: ['application', ...some.filter(() => random(2) === 0)] }, ADMIN))
        // Every stage of one meets every stage of another: turns of promises, of the event loop, and none at all.
        for (let turns = random(6); turns > 0; turns--) await Promise.resolve()
        if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      work.push(people.change(person.id, { roles: ['application'] }, ADMIN))
      const disabling = round % 2 === 0
      if (disabling) work.push(people.disable(person.id, ADMIN))
      await Promise.allSettled(work)
      const kept = people.find(person.id)!
      if (disabling) expect(kept.disabled).toBe(true)
      const stored = fixture.database.raw.prepare('SELECT roles, disabled, epoch FROM identity_users WHERE id = ?').get(person.id)
      expect(stored).toEqual({ roles: JSON.stringify(kept.roles), disabled: kept.disabled ? 1 : 0, epoch: kept.epoch })
    }
  })
})

it('makes a widening anew when the person was narrowed between its commit and its effect, and gives up in the end', async () => {
  let kept = { id: 'ada', roles: ['auditor', 'deployer'], epoch: 0 } as unknown as PersonState
  const saved: PersonState[] = []
  const people = {
    get: () => kept,
    keep: (state: PersonState) => (kept = state),
    save: (state: PersonState) => void saved.push(state),
  }
  let narrowings = 1
  const changes = new PersonChanges(
    people as never,
    {
      async write(run: () => unknown) {
        const value = run()
        if (narrowings-- > 0) changes.narrow({ ...kept, roles: ['auditor'], epoch: kept.epoch + 1 })
        return value
      },
    } as never,
    () => undefined,
  )
  const widen = () => changes.widen('ada', (present) => ({ ...present, groups: ['night-shift'] }))
  expect(await widen()).toMatchObject({ roles: ['auditor'], epoch: 1, groups: ['night-shift'] })
  expect(saved.at(-1)).toBe(kept)
  narrowings = Number.POSITIVE_INFINITY
  await expect(widen()).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
  narrowings = 0
  await changes.store('ada')
  expect(saved.at(-1)).toBe(kept)
})

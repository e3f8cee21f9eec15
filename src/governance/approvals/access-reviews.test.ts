import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { by, codeOf, HOUR_MS, openWorld, type World } from './approvals.fixtures.ts'

const DAY_MS = 24 * HOUR_MS

let world: World
beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.remove())

const begin = async (): Promise<string> => (await world.room.accessReviews.start(14, by('carol'))).id
const items = (id: string) => world.room.accessReviews.get(id).items.map(({ account, role, verdict }) => [account.id, role, verdict])

describe('an access review (B1)', () => {
  it('lists every account and role of one moment', async () => {
    const id = await begin()
    world.accounts.set('ServiceAccount::later', ['application'])
    expect(items(id)).toEqual([
      ['app', 'application', null],
      ['app', 'auditor', null],
      ['alice', 'security-officer', null],
    ])
    expect(world.room.accessReviews.list()).toMatchObject([{ id, items: 3, open: 3, overdue: false, startedBy: { id: 'carol' } }])
    expect(world.events.at(-1)).toMatchObject({ type: 'access.review.start', details: { review: id, items: 3 } })
  })

  it('attests, and revokes at once what is not needed', async () => {
    const id = await begin()
    await world.room.accessReviews.attest(id, 1, by('alice'))
    await world.room.accessReviews.revoke(id, 2, by('alice'))
    expect(world.accounts.get('ServiceAccount::app')).toEqual(['application'])
    world = await world.restart()
    expect(items(id)).toEqual([
      ['app', 'application', 'attested'],
      ['app', 'auditor', 'revoked'],
      ['alice', 'security-officer', null],
    ])
    expect(world.events.slice(-2)).toMatchObject([
      { type: 'access.review.attest', details: { account: 'ServiceAccount::app', role: 'application' }, actor: { id: 'alice' } },
      { type: 'access.review.revoke', details: { account: 'ServiceAccount::app', role: 'auditor' } },
    ])
  })

  it('is of others: nobody reviews himself', async () => {
    const id = await begin()
    for (const verdict of ['attest', 'revoke'] as const)
      expect(await codeOf(world.room.accessReviews[verdict](id, 3, by('alice')))).toBe('ERR_REVIEW_SELF')
    expect(items(id)[2]).toEqual(['alice', 'security-officer', null])
  })

  it('is decided once', async () => {
    const id = await begin()
    const twice = [codeOf(world.room.accessReviews.attest(id, 1, by('alice'))), codeOf(world.room.accessReviews.attest(id, 1, by('bob')))]
    expect((await Promise.all(twice)).toSorted()).toEqual(['ERR_CONFLICT', 'done'])
    expect(await codeOf(world.room.accessReviews.revoke(id, 1, by('bob')))).toBe('ERR_CONFLICT')
    expect(await codeOf(world.room.accessReviews.attest(id, 9, by('bob')))).toBe('ERR_NOT_FOUND')
    expect(await codeOf(world.room.accessReviews.attest('rev_x', 1, by('bob')))).toBe('ERR_NOT_FOUND')
  })

  it('that is overdue is told every day until it is through', async () => {
    const id = await begin()
    const told = () => world.alerts.filter(({ kind }) => kind === 'access.review-overdue')
    world.clock.advance(14 * DAY_MS)
    await world.room.settle()
    expect(told()).toEqual([])
    world.clock.advance(1)
    await world.room.settle()
    await world.room.settle()
    expect(told()).toMatchObject([{ key: `${id} day 1`, details: { open: 3 } }])
    expect(world.room.accessReviews.list()).toMatchObject([{ overdue: true }])
    world.clock.advance(DAY_MS)
    await world.room.settle()
    expect(told()).toHaveLength(2)
    for (const item of [1, 2, 3]) await world.room.accessReviews.attest(id, item, by('bob'))
    world.clock.advance(DAY_MS)
    await world.room.settle()
    expect(told()).toHaveLength(2)
  })

  it('log down: nothing begins and nothing is attested, and what is revoked is gone all the same', async () => {
    const id = await begin()
    world.down.log = true
    expect(await codeOf(begin())).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(await codeOf(world.room.accessReviews.attest(id, 1, by('alice')))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(await codeOf(world.room.accessReviews.revoke(id, 2, by('alice')))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(world.accounts.get('ServiceAccount::app')).toEqual(['application'])
    expect(items(id).map(([, , verdict]) => verdict)).toEqual([null, null, null])
    world.down.log = false
    expect(await codeOf(world.room.accessReviews.revoke(id, 2, by('alice')))).toBe('done')
  })

  it.each(['INSERT INTO access_reviews', 'INSERT INTO access_review_items'])('a disk that refuses %s begins nothing', async (statement) => {
    world.failing = statement
    expect(await codeOf(begin())).toBe('ERR_STORAGE_IO')
    world.failing = null
    expect(world.room.accessReviews.list()).toEqual([])
  })

  it('a disk that refuses the verdict leaves it open, and the role gone', async () => {
    const id = await begin()
    world.failing = 'UPDATE access_review_items'
    expect(await codeOf(world.room.accessReviews.revoke(id, 2, by('alice')))).toBe('ERR_STORAGE_IO')
    world.failing = null
    expect(world.accounts.get('ServiceAccount::app')).toEqual(['application'])
    expect(items(id)[1]).toEqual(['app', 'auditor', null])
  })
})

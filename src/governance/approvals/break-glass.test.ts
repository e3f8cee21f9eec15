import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { by, codeOf, HOUR_MS, MINUTE_MS, MODEL, NOW, openWorld, person, type World } from './approvals.fixtures.ts'

const DAY_MS = 24 * HOUR_MS

let world: World
beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.remove())

const start = (who = 'carol', change: object = {}) =>
  world.room.grants.start(
    { action: 'administer', resource: { type: 'Model', id: 'credit' }, reason: 'it burns', minutes: 30, ...change },
    by(who),
  )
const ask = (change: object = {}) => world.room.breakGlass({ principal: person('carol'), action: 'administer', resource: MODEL, ...change })

describe('break-glass (B1, B8)', () => {
  it('opens one action on one object to one person, at once, and tells of it first', async () => {
    const { id } = await start()
    expect(ask()).toBe(id)
    expect(world.alerts).toMatchObject([{ kind: 'break-glass.start', severity: 'critical', key: id }])
    expect(world.events).toMatchObject([{ type: 'break-glass.start', action: 'administer', details: { grant: id, minutes: 30 } }])
    expect(world.events[0]?.personal).toEqual([{ subject: 'carol', fields: { reason: 'it burns' } }])
    expect(JSON.stringify(world.alerts)).not.toContain('it burns')
  })

  it('opens nothing else, to nobody else', async () => {
    await start()
    expect(ask({ action: 'deploy' })).toBeNull()
    expect(ask({ resource: { ...MODEL, id: 'other' } })).toBeNull()
    expect(ask({ resource: { ...MODEL, type: 'Endpoint' } })).toBeNull()
    expect(ask({ principal: person('dave') })).toBeNull()
    expect(ask({ principal: { type: 'ServiceAccount', id: 'carol' } })).toBeNull()
  })

  it('ends by itself, and the log says so', async () => {
    const { id } = await start()
    world.clock.advance(30 * MINUTE_MS - 1)
    expect(ask()).toBe(id)
    world.clock.advance(1)
    expect(ask()).toBeNull()
    await world.room.settle()
    expect(world.events.at(-1)).toMatchObject({ type: 'break-glass.end', details: { grant: id, cause: 'time' } })
    await world.room.settle()
    expect(world.events.filter(({ type }) => type === 'break-glass.end')).toHaveLength(1)
  })

  it('ends at once when someone ends it, also while the log and the disk are down', async () => {
    const { id } = await start()
    world.down.log = true
    world.failing = 'UPDATE break_glass'
    expect(await codeOf(world.room.grants.end(id, by('alice')))).toBe('ERR_STORAGE_IO')
    expect(ask()).toBeNull()
    world.failing = null
    expect(await codeOf(world.room.grants.end(id, by('alice')))).toBe('ERR_AUDIT_UNAVAILABLE')
    world.down.log = false
    await world.room.settle()
    expect(world.events.at(-1)).toMatchObject({ type: 'break-glass.end', details: { cause: 'person' } })
  })

  it('ends when the clock is set back, and does not come back', async () => {
    const { id } = await start()
    world.clock.advance(20 * MINUTE_MS)
    world.clock.setNow(NOW + 5 * MINUTE_MS)
    expect(ask()).toBeNull()
    world.clock.setNow(NOW + 25 * MINUTE_MS)
    expect(ask()).toBeNull()
    expect(world.room.grants.list()).toMatchObject([{ id, active: false }])
    await world.room.settle()
    expect(world.room.grants.get(id).endCause).toBe('clock')
  })

  it('ends by the monotonic clock when the wall clock stands still', async () => {
    await start()
    for (let minute = 1; minute <= 30; minute++) {
      world.clock.advance(MINUTE_MS)
      world.clock.setNow(NOW)
    }
    expect(ask()).toBeNull()
  })

  it('is there for the next emergency although the clock was set back long ago', async () => {
    world.clock.advance(HOUR_MS)
    await world.room.settle()
    world.clock.setNow(NOW)
    const { id } = await start()
    expect(ask()).toBe(id)
    world.clock.advance(30 * MINUTE_MS)
    expect(ask()).toBeNull()
  })

  it('is not lengthened by a clock that is set back and asked every fraction of a millisecond', async () => {
    await start()
    // Within what a correction of the clock may be; from then on the monotonic clock counts, however often it is looked at.
    world.clock.setNow(NOW - 4_000)
    for (let step = 0; step < 4_000; step++) {
      world.clock.advance(0.5)
      ask()
    }
    world.clock.advance(30 * MINUTE_MS - 2_001)
    expect(ask()).not.toBeNull()
    world.clock.advance(1)
    expect(ask()).toBeNull()
  })

  it('is neither lengthened nor brought back by a clock that is set forward and back', async () => {
    const { id } = await start()
    world.clock.setNow(NOW + HOUR_MS)
    expect(ask()).toBeNull()
    world.clock.setNow(NOW + MINUTE_MS)
    expect(ask()).toBeNull()
    await world.room.settle()
    world = await world.restart()
    expect(ask()).toBeNull()
    expect(world.room.grants.get(id).endCause).toBe('time')
    // One that begins while the clock is ahead ends when the clock is put right.
    world.clock.setNow(NOW + 3 * HOUR_MS)
    await start('carol', { resource: { type: 'Model', id: 'ahead' } })
    const ahead = { resource: { ...MODEL, id: 'ahead' } }
    expect(ask(ahead)).not.toBeNull()
    world.clock.setNow(NOW + 2 * MINUTE_MS)
    expect(ask(ahead)).toBeNull()
    world.clock.setNow(NOW + 3 * HOUR_MS + MINUTE_MS)
    expect(ask(ahead)).toBeNull()
  })

  it('survives a restart until its end', async () => {
    const { id } = await start()
    world.clock.advance(10 * MINUTE_MS)
    world = await world.restart()
    expect(ask()).toBe(id)
    world.clock.advance(20 * MINUTE_MS)
    expect(ask()).toBeNull()
    world = await world.restart()
    expect(ask()).toBeNull()
    await world.room.settle()
    expect(world.events.at(-1)).toMatchObject({ type: 'break-glass.end', details: { grant: id, cause: 'time' } })
  })

  it('does not survive a restart with the clock set back', async () => {
    await start()
    world.clock.advance(25 * MINUTE_MS)
    await world.room.settle()
    world.clock.setNow(NOW - DAY_MS)
    world = await world.restart()
    expect(ask()).toBeNull()
    world.clock.setNow(NOW + 26 * MINUTE_MS)
    expect(ask()).toBeNull()
  })

  it('that was ended stays ended over a restart', async () => {
    const { id } = await start()
    await world.room.grants.end(id, by('carol'))
    world = await world.restart()
    expect(ask()).toBeNull()
  })

  it('lasts at most as long as is configured, and from a minute', async () => {
    for (const minutes of [0, -1, 61, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(await codeOf(start('carol', { minutes }))).toBe('ERR_INPUT_INVALID')
    await world.remove()
    world = await openWorld({ breakGlass: { maxMinutes: 5 } })
    expect(await codeOf(start('carol', { minutes: 6 }))).toBe('ERR_INPUT_INVALID')
    expect(await codeOf(start('carol', { minutes: 5 }))).toBe('done')
  })

  it('is given once for one thing, three times to one person, and not twice at one moment', async () => {
    expect((await Promise.all([codeOf(start()), codeOf(start())])).toSorted()).toEqual(['ERR_CONFLICT', 'done'])
    expect(await codeOf(start())).toBe('ERR_CONFLICT')
    for (const id of ['a', 'b']) expect(await codeOf(start('carol', { resource: { type: 'Model', id } }))).toBe('done')
    expect(await codeOf(start('carol', { resource: { type: 'Model', id: 'c' } }))).toBe('ERR_CONFLICT')
  })

  it('counts its uses', async () => {
    const { id } = await start()
    world.room.grants.noteUse(id)
    world.room.grants.noteUse(id)
    expect(world.room.grants.get(id).uses).toBe(2)
    world.failing = 'UPDATE break_glass'
    expect(() => world.room.grants.noteUse(id)).not.toThrow()
  })
})

describe('the review of break-glass', () => {
  it('is by another person, after the end, once', async () => {
    const { id } = await start()
    const review = (who: string) => codeOf(world.room.grants.review(id, 'justified', by(who)))
    expect(await review('alice')).toBe('ERR_CONFLICT')
    await world.room.grants.end(id, by('carol'))
    expect(await review('carol')).toBe('ERR_REVIEW_SELF')
    world.made.set('bob', 'carol')
    expect(await review('bob')).toBe('ERR_REVIEW_SELF')
    expect(await review('alice')).toBe('done')
    expect(await review('dave')).toBe('ERR_CONFLICT')
    expect(world.room.grants.get(id)).toMatchObject({ finding: 'justified', reviewedBy: person('alice') })
    expect(world.events.at(-1)).toMatchObject({ type: 'break-glass.review', details: { grant: id }, actor: person('alice') })
  })

  it('that is overdue is told every day, and keeps that person from another grant', async () => {
    const { id } = await start()
    const told = () => world.alerts.filter(({ kind }) => kind === 'break-glass.unreviewed')
    world.clock.advance(DAY_MS - 1)
    await world.room.settle()
    expect(told()).toEqual([])
    world.clock.advance(1)
    await world.room.settle()
    await world.room.settle()
    expect(told()).toMatchObject([{ severity: 'critical', key: `${id} day 1` }])
    world.clock.advance(DAY_MS)
    await world.room.settle()
    expect(told()).toHaveLength(2)
    expect(await codeOf(start())).toBe('ERR_BREAK_GLASS_REVIEW')
    expect(await codeOf(start('carol', { resource: { type: 'Model', id: 'other' } }))).toBe('ERR_BREAK_GLASS_REVIEW')
    expect(await codeOf(start('dave'))).toBe('done')
    await world.room.grants.review(id, 'justified', by('alice'))
    expect(await codeOf(start())).toBe('done')
    world.clock.advance(DAY_MS - 1)
    await world.room.settle()
    expect(told()).toHaveLength(2)
  })

  it('comes before a second grant of that person for the same object, whatever the act', async () => {
    const { id } = await start('carol', { minutes: 5 })
    world.clock.advance(5 * MINUTE_MS)
    expect(ask()).toBeNull()
    for (const change of [{}, { action: 'rollback' }]) expect(await codeOf(start('carol', change))).toBe('ERR_BREAK_GLASS_REVIEW')
    // Another emergency, and another person, are no renewal.
    expect(await codeOf(start('carol', { resource: { type: 'Model', id: 'other' } }))).toBe('done')
    expect(await codeOf(start('dave'))).toBe('done')
    world = await world.restart()
    expect(await codeOf(start())).toBe('ERR_BREAK_GLASS_REVIEW')
    await world.room.grants.review(id, 'justified', by('alice'))
    expect(await codeOf(start())).toBe('done')
  })

  it('that is overdue keeps nobody from another grant where that is configured', async () => {
    await world.remove()
    world = await openWorld({ breakGlass: { blockUnreviewed: false } })
    await start()
    world.clock.advance(2 * DAY_MS)
    expect(await codeOf(start())).toBe('done')
  })
})

describe('break-glass when something fails', () => {
  it('alert store down: no grant, and nothing in the log', async () => {
    world.down.alerts = true
    expect(await codeOf(start())).toBe('ERR_STORAGE_IO')
    expect([ask(), world.events, world.room.grants.list()]).toEqual([null, [], []])
    world.down.alerts = false
    expect(await codeOf(start())).toBe('done')
  })

  it('log down: no grant', async () => {
    world.down.log = true
    expect(await codeOf(start())).toBe('ERR_AUDIT_UNAVAILABLE')
    expect([ask(), world.room.grants.list()]).toEqual([null, []])
    world = await world.restart()
    expect(ask()).toBeNull()
  })

  it.each(['INSERT INTO break_glass', 'INSERT INTO room_time', 'SELECT'])('a disk that refuses %s: no grant', async (statement) => {
    world.failing = statement
    expect(await codeOf(start())).toBe('ERR_STORAGE_IO')
    expect(ask()).toBeNull()
    world.failing = null
    world = await world.restart()
    expect(ask()).toBeNull()
  })

  it('a review that the log or the disk does not take is none', async () => {
    const { id } = await start()
    await world.room.grants.end(id, by('carol'))
    world.down.log = true
    expect(await codeOf(world.room.grants.review(id, 'f', by('alice')))).toBe('ERR_AUDIT_UNAVAILABLE')
    world.down.log = false
    world.failing = 'UPDATE break_glass'
    expect(await codeOf(world.room.grants.review(id, 'f', by('alice')))).toBe('ERR_STORAGE_IO')
    world.failing = null
    expect(world.room.grants.get(id).reviewedAt).toBeNull()
  })

  it('an end that the log does not take is recorded later', async () => {
    const { id } = await start()
    world.clock.advance(HOUR_MS)
    world.down.log = true
    await world.room.settle()
    expect(ask()).toBeNull()
    world.down.log = false
    world = await world.restart()
    await world.room.settle()
    expect(world.events.at(-1)).toMatchObject({ type: 'break-glass.end', details: { grant: id } })
  })
})

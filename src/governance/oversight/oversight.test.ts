import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  app,
  anAsk,
  by,
  byApp,
  CANARY,
  codeOf,
  HOUR_MS,
  MINUTE_MS,
  openWorld,
  person,
  PREDICTION,
  type World,
} from './oversight.fixtures.ts'

const BINDING = 'b'.repeat(64)
const anyLeaves = (): void => undefined

let world: World
beforeEach(async () => {
  world = await openWorld({ waitSeconds: 30 })
})
afterEach(() => world.remove())

const types = (): readonly string[] => world.events.map(({ type }) => type)
const given = (id: string) => world.room.answer(id, byApp, anyLeaves)

describe('D10: the queue', () => {
  it('holds what it was asked to, on record before it is there, told of, with a clock', async () => {
    const { id, dueAt, expiresAt } = await world.room.ask(anAsk())
    expect(dueAt - world.clock.now()).toBe(HOUR_MS)
    expect(expiresAt - world.clock.now()).toBe(24 * HOUR_MS)
    expect(world.room.get(id)).toMatchObject({ state: 'waiting', caller: app, asker: app, findings: { EMAIL_ADDRESS: 2 }, reviewer: null })
    expect(types()).toEqual(['review.ask'])
    expect(world.events[0]).toMatchObject({ requestId: 'req_1', details: { review: id, findings: { EMAIL_ADDRESS: 2 } } })
    expect(world.alerts).toMatchObject([{ kind: 'review.waiting', key: 'Model::credit' }])
    expect(world.room.health()).toMatchObject({ waiting: 1, calls: 0 })
  })

  it('holds nothing when the log is down', async () => {
    world.down.log = true
    expect(await codeOf(world.room.ask(anAsk()))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(world.room.list(() => true)).toEqual([])
    world.down.log = false
    expect(await codeOf(world.room.ask(anAsk()))).toBe('done')
  })

  it('has no clear text of what is held or written on the disk or in the log', async () => {
    const { id } = await world.room.ask(anAsk({ subject: 'ann' }))
    await world.room.override(id, { text: 'in-its-place-4711' }, 'comment-4711', by('rita'))
    for (const file of [world.path, `${world.path}-wal`]) expect(readFileSync(file).includes('4711')).toBe(false)
    expect(JSON.stringify(world.events.map(({ personal: _personal, ...rest }) => rest))).not.toContain('4711')
  })

  it('refuses what finds no place, and lets go of nobody for it', async () => {
    const small = await openWorld({ maxItems: 3 })
    try {
      const other = (n: number) => anAsk({ caller: { type: 'ServiceAccount', id: `app-${n}` } })
      // One caller has half of the places, rounded up.
      expect(await codeOf(small.room.ask(anAsk()))).toBe('done')
      expect(await codeOf(small.room.ask(anAsk()))).toBe('done')
      expect(await codeOf(small.room.ask(anAsk()))).toBe('ERR_REVIEW_FULL')
      expect(await codeOf(small.room.ask(other(1)))).toBe('done')
      expect(await codeOf(small.room.ask(other(2)))).toBe('ERR_REVIEW_FULL')
      expect(small.room.list(() => true)).toHaveLength(3)
    } finally {
      await small.remove()
    }
  })

  it('gives no place twice to those who come at once', async () => {
    const small = await openWorld({ maxItems: 4 })
    try {
      const asks = Array.from({ length: 12 }, (_, n) =>
        codeOf(small.room.ask(anAsk({ caller: { type: 'ServiceAccount', id: `app-${n}` } }))),
      )
      const codes = await Promise.all(asks)
      expect(codes.filter((code) => code === 'done')).toHaveLength(4)
      expect(new Set(codes)).toEqual(new Set(['done', 'ERR_REVIEW_FULL']))
    } finally {
      await small.remove()
    }
  })

  it('is bounded in bytes, of one and of all', async () => {
    const small = await openWorld({ maxMegabytes: 1 })
    try {
      const half = 'x'.repeat(600 * 1024)
      expect(await codeOf(small.room.ask(anAsk({}, { answer: 'x'.repeat(1024 * 1024) })))).toBe('ERR_REVIEW_TOO_LARGE')
      expect(await codeOf(small.room.ask(anAsk({}, { answer: half })))).toBe('done')
      // Of another account too: there is one disk.
      const another = anAsk({ caller: { type: 'ServiceAccount', id: 'another' } }, { answer: half })
      expect(await codeOf(small.room.ask(another))).toBe('ERR_REVIEW_FULL')
    } finally {
      await small.remove()
    }
  })
})

describe('D10: room for everyone', () => {
  it('gives one account half of the bytes, or one review, at once as well', async () => {
    const small = await openWorld({ maxMegabytes: 1 })
    try {
      const third = (id: string) =>
        codeOf(small.room.ask(anAsk({ caller: { type: 'ServiceAccount', id } }, { answer: 'x'.repeat(300 * 1024) })))
      const greedy = await Promise.all([third('greedy'), third('greedy'), third('greedy')])
      expect(greedy.toSorted()).toEqual(['ERR_REVIEW_FULL', 'ERR_REVIEW_FULL', 'done'])
      expect(await third('greedy')).toBe('ERR_REVIEW_FULL')
      expect(await third('other')).toBe('done')
    } finally {
      await small.remove()
    }
  })

  it('lists what waits first, by when it is due, however many came and went since', async () => {
    const busy = await openWorld()
    try {
      const first = await busy.room.ask(anAsk())
      busy.clock.advance(MINUTE_MS)
      const second = await busy.room.ask(anAsk())
      for (let n = 0; n < 501; n++) {
        busy.clock.advance(1)
        const { id } = await busy.room.ask(anAsk({ caller: { type: 'ServiceAccount', id: `app-${n}` } }))
        await busy.room.reject(id, 'no', by('carol'))
      }
      const listed = busy.room.list(() => true)
      expect(listed.slice(0, 2).map(({ id }) => id)).toEqual([first.id, second.id])
      expect(listed).toHaveLength(502)
    } finally {
      await busy.remove()
    }
  })
})

describe('D10: who reviews', () => {
  it('shows a reviewer what is held, on record before it is shown', async () => {
    const { id } = await world.room.ask(anAsk({ subject: 'ann' }))
    expect((await world.room.open(id, by('rita'))).content).toMatchObject({ note: CANARY, subject: 'ann' })
    expect(world.events.at(-1)).toMatchObject({ type: 'review.open', actor: person('rita'), details: { review: id, content: true } })
    world.down.log = true
    expect(await codeOf(world.room.open(id, by('rita')))).toBe('ERR_AUDIT_UNAVAILABLE')
  })

  it('is nobody whose call it was, who asked, through whom it came, or who made one of them', async () => {
    const caller = person('carl')
    const through = { type: 'ServiceAccount', id: 'helper' }
    const { id } = await world.room.ask(anAsk({ caller, through, asker: person('olga') }))
    world.made.set('carl', 'mia').set('helper', 'max').set('ivan', 'olga')
    for (const who of ['carl', 'olga', 'mia', 'max', 'ivan'])
      for (const act of [
        world.room.open(id, by(who)),
        world.room.release(id, '', by(who)),
        world.room.reject(id, '', by(who)),
        world.room.override(id, { text: 'no' }, '', by(who)),
      ])
        expect(await codeOf(act)).toBe('ERR_REVIEW_SELF')
    expect(await codeOf(world.room.release(id, '', { uid: through, requestId: 'r' }))).toBe('ERR_REVIEW_SELF')
    expect(types()).toEqual(['review.ask'])
    expect(await codeOf(world.room.release(id, '', by('rita')))).toBe('done')
  })

  it('lets one of two who decide at once decide, and records one', async () => {
    const { id } = await world.room.ask(anAsk())
    const codes = await Promise.all([world.room.release(id, '', by('rita')), world.room.reject(id, 'no', by('rolf'))].map(codeOf))
    expect(codes.toSorted()).toEqual(['ERR_REVIEW_STATE', 'done'])
    expect(types().filter((type) => type !== 'review.ask')).toHaveLength(1)
    expect(await codeOf(world.room.reject(id, 'no', by('rolf')))).toBe('ERR_REVIEW_STATE')
  })

  it('decides nothing that is not on record', async () => {
    const { id } = await world.room.ask(anAsk())
    world.down.log = true
    for (const act of [world.room.release(id, '', by('rita')), world.room.override(id, { text: 'x' }, '', by('rita'))])
      expect(await codeOf(act)).toMatch(/ERR_AUDIT_UNAVAILABLE|ERR_REVIEW_STATE/)
    world.down.log = false
    expect(world.room.get(id)).toMatchObject({ state: 'waiting', reviewer: null })
  })
})

describe('D10: what comes of it', () => {
  it('gives a released answer as it was, to whoever asked and to nobody else, on record', async () => {
    const { id } = await world.room.ask(anAsk())
    expect(await codeOf(given(id))).toBe('ERR_REVIEW_PENDING')
    await world.room.release(id, 'fine', by('rita'))
    expect(await given(id)).toMatchObject({ answer: PREDICTION, reason: 'fine', review: { state: 'released', reviewer: person('rita') } })
    expect(world.events.at(-1)).toMatchObject({ type: 'review.answer', actor: app, details: { review: id } })
    for (const who of ['rita', 'eve']) expect(await codeOf(world.room.answer(id, by(who), anyLeaves))).toBe('ERR_NOT_FOUND')
    world.down.log = true
    expect(await codeOf(given(id))).toBe('ERR_AUDIT_UNAVAILABLE')
  })

  it('gives no released answer that the policies hold back now', async () => {
    const { id } = await world.room.ask(anAsk({}, { filterOutput: { EMAIL_ADDRESS: 'review' } }))
    await world.room.release(id, '', by('rita'))
    const stricter = (filter: object): void => {
      expect(filter).toEqual({ EMAIL_ADDRESS: 'review' })
      throw new Error('no')
    }
    expect(await codeOf(world.room.answer(id, byApp, stricter))).toBe('Error: no')
    expect(types()).not.toContain('review.answer')
  })

  it('gives a person’s decision in place of the model’s', async () => {
    const { id } = await world.room.ask(anAsk())
    for (const wrong of [{ label: [0, 0] }, { label: ['0'] }, { other: [0] }, {}])
      expect(await codeOf(world.room.override(id, { outputs: wrong }, 'why', by('rita')))).toBe('ERR_INPUT_INVALID')
    await world.room.override(id, { outputs: { label: [0] } }, 'income was misread', by('rita'))
    const { answer, reason } = await given(id)
    expect(answer).toEqual({ outputs: [{ name: 'label', datatype: 'INT64', shape: [1], data: [0] }] })
    expect(reason).toBe('income was misread')
  })

  it('holds what was rejected no longer, and gives it to nobody', async () => {
    const { id } = await world.room.ask(anAsk())
    await world.room.reject(id, 'a stranger’s address', by('rita'))
    expect(await codeOf(given(id))).toBe('ERR_REVIEW_REJECTED')
    expect(await world.room.open(id, by('rita'))).toMatchObject({ content: null, verdict: { comment: 'a stranger’s address' } })
    expect(world.room.health().bytes).toBe(0)
  })

  it('refuses by itself what nobody looked at, and tells once of what is overdue', async () => {
    const { id } = await world.room.ask(anAsk())
    world.clock.advance(HOUR_MS - 1)
    await world.room.settle()
    expect(world.alerts.filter(({ kind }) => kind === 'review.overdue')).toEqual([])
    world.clock.advance(1)
    await world.room.settle()
    await world.room.settle()
    expect(world.alerts.filter(({ kind }) => kind === 'review.overdue')).toMatchObject([{ key: id, severity: 'warning' }])
    world.clock.advance(23 * HOUR_MS)
    // Before anything has settled it.
    expect(await codeOf(world.room.release(id, '', by('rita')))).toBe('ERR_REVIEW_STATE')
    await world.room.settle()
    expect(world.room.get(id).state).toBe('expired')
    expect(types()).toEqual(['review.ask', 'review.expire'])
    expect(await codeOf(given(id))).toBe('ERR_REVIEW_EXPIRED')
    expect(world.room.health()).toMatchObject({ waiting: 0, bytes: 0 })
  })

  it('records one end of what runs out while somebody decides it', async () => {
    const { id } = await world.room.ask(anAsk())
    world.clock.advance(24 * HOUR_MS - 1)
    world.hooks.onRecord = async ({ type }) => {
      if (type !== 'review.release') return
      world.hooks.onRecord = null
      world.clock.advance(MINUTE_MS)
      await world.room.settle()
    }
    expect(await codeOf(world.room.release(id, '', by('rita')))).toBe('done')
    await world.room.settle()
    expect(types()).toEqual(['review.ask', 'review.release'])
    expect(world.room.get(id).state).toBe('released')
  })

  it('gives nothing more time because the clock was set back', async () => {
    const { id } = await world.room.ask(anAsk())
    world.clock.setNow(world.clock.now() - 48 * HOUR_MS)
    world.clock.advance(24 * HOUR_MS)
    expect(await codeOf(world.room.release(id, '', by('rita')))).toBe('ERR_REVIEW_STATE')
  })

  it('expires nothing that is not on record', async () => {
    const { id } = await world.room.ask(anAsk())
    world.clock.advance(24 * HOUR_MS)
    world.down.log = true
    await world.room.settle()
    world.down.log = false
    expect(types()).toEqual(['review.ask'])
    await world.room.settle()
    expect(types()).toEqual(['review.ask', 'review.expire'])
    expect(world.room.get(id).state).toBe('expired')
  })

  it('lets go of an answer that was not fetched in time', async () => {
    const { id } = await world.room.ask(anAsk())
    await world.room.release(id, '', by('rita'))
    world.clock.advance(72 * HOUR_MS)
    expect(await codeOf(given(id))).toBe('ERR_REVIEW_EXPIRED')
    await world.room.settle()
    expect(world.room.health().bytes).toBe(0)
  })

  it('holds nothing of a person whose key was destroyed, and vouches for none of it', async () => {
    const { id } = await world.room.ask(anAsk({ subject: 'ann' }))
    const other = await world.room.ask(anAsk({ subject: 'ann' }))
    await world.room.release(other.id, '', by('rita'))
    world.erased.add('ann')
    expect((await world.room.open(id, by('rita'))).content).toBeNull()
    expect(await codeOf(world.room.release(id, '', by('rita')))).toBe('ERR_KEYS_DESTROYED')
    expect(await codeOf(given(other.id))).toBe('ERR_KEYS_DESTROYED')
    expect(await codeOf(world.room.reject(id, 'gone', by('rita')))).toBe('done')
    expect((await world.room.open(id, by('rita'))).verdict).toEqual({ comment: 'gone', override: null })
  })
})

describe('D10: a released request', () => {
  const asked = async () => (await world.room.ask(anAsk({ kind: 'input' }))).id
  const use = (id: string, change: object = {}) =>
    codeOf(world.room.use(id, { caller: app, binding: BINDING, requestId: 'req_2', ...change }))

  it('passes once, for who asked, as it was looked at', async () => {
    const id = await asked()
    expect(await use(id)).toBe('ERR_REVIEW_PENDING')
    await world.room.release(id, '', by('rita'))
    expect(await use(id, { binding: 'c'.repeat(64) })).toBe('ERR_REVIEW_BINDING')
    expect(await use(id, { caller: person('eve') })).toBe('ERR_NOT_FOUND')
    expect((await Promise.all([use(id), use(id)])).toSorted()).toEqual(['ERR_REVIEW_STATE', 'done'])
    expect(await use(id)).toBe('ERR_REVIEW_STATE')
    expect(world.room.get(id)).toMatchObject({ state: 'used', usedByRequest: 'req_2' })
    expect(types()).toEqual(['review.ask', 'review.release', 'review.use'])
  })

  it('does not pass when the log is down, nor after a rejection, nor as an answer', async () => {
    const [id, rejected, output] = [await asked(), await asked(), (await world.room.ask(anAsk())).id]
    await world.room.release(id, '', by('rita'))
    await world.room.release(output, '', by('rita'))
    await world.room.reject(rejected, 'no', by('rita'))
    world.down.log = true
    expect(await use(id)).toBe('ERR_AUDIT_UNAVAILABLE')
    world.down.log = false
    expect(await use(rejected)).toBe('ERR_REVIEW_REJECTED')
    expect(await use(output)).toBe('ERR_REVIEW_STATE')
    expect(await codeOf(given(id))).toBe('ERR_REVIEW_STATE')
    expect(await codeOf(world.room.override(await asked(), { text: 'x' }, 'y', by('rita')))).toBe('ERR_INPUT_INVALID')
    expect(await use(id)).toBe('done')
  })
})

describe('D10: calls that wait', () => {
  const stays = (): void => undefined

  it('are answered by the decision', async () => {
    const { id } = await world.room.ask(anAsk())
    const waiting = world.room.decided(id, stays)
    expect(world.room.health().calls).toBe(1)
    await world.room.release(id, '', by('rita'))
    expect(await waiting).toBe('released')
    expect(world.room.health().calls).toBe(0)
    expect(await world.room.decided(id, stays)).toBe('released')
  })

  it('end when the client leaves, and when the room closes, without a decision', async () => {
    const { id } = await world.room.ask(anAsk())
    let leave = stays
    const left = world.room.decided(id, (gone) => (leave = gone))
    const stayed = world.room.decided(id, stays)
    leave()
    expect(await left).toBe('waiting')
    await world.room.close()
    expect(await stayed).toBe('waiting')
    expect(await world.room.decided(id, stays)).toBe('waiting')
  })

  it('leave their reviews behind when the process ends', async () => {
    const { id } = await world.room.ask(anAsk({ subject: 'ann' }))
    void world.room.decided(id, stays)
    world.clock.advance(MINUTE_MS)
    const after = await world.restart()
    expect(after.room.get(id).state).toBe('waiting')
    expect((await after.room.open(id, by('rita'))).content).toMatchObject({ note: CANARY })
    await after.room.release(id, '', by('rita'))
    expect((await after.room.answer(id, byApp, anyLeaves)).answer).toBe(PREDICTION)
    await world.room.close().catch(() => undefined)
    world = after
  })
})

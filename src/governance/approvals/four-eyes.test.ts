import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApprovalStore } from './approval-store.ts'
import {
  KEY,
  anOffer,
  asked,
  askOf,
  by,
  codeOf,
  CONTEXT,
  HOUR_MS,
  MODEL,
  NOW,
  openWorld,
  person,
  type World,
} from './approvals.fixtures.ts'
import { payloadDigest, payloadText } from './payload.ts'
import { sealingWith } from './sealing.ts'
import { Statements } from './statements.ts'

let world: World
beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.remove())

const DIGEST = anOffer().digest
const approve = (id: string, who: string, digest = DIGEST) => codeOf(world.room.fourEyes.approve(id, digest, '', by(who), CONTEXT))
const usable = () => world.room.approvals(askOf())

describe('a payload', () => {
  const payload = {
    method: 'POST',
    route: '/models/:name/deploy',
    params: { name: 'credit' },
    query: {},
    body: { version: 1 },
    meant: { digest: 'd' },
  }
  const digest = (change: object = {}, principal = person('p'), action = 'deploy', resource = MODEL) =>
    payloadDigest(payloadText(principal, action, resource, { ...payload, ...change }))

  it('has another digest when any part of it changes (B8)', () => {
    const others = [
      digest({ method: 'PUT' }),
      digest({ route: '/models/:name/erase' }),
      digest({ params: { name: 'credi' } }),
      digest({ query: { force: true } }),
      digest({ body: { version: 2 } }),
      digest({ body: { version: '1' } }),
      digest({ body: null }),
      digest({ meant: { digest: 'e' } }),
      digest({}, person('q')),
      digest({}, { type: 'ServiceAccount', id: 'p' }),
      digest({}, person('p'), 'rollback'),
      digest({}, person('p'), 'deploy', { ...MODEL, id: 'other' }),
      digest({}, person('p'), 'deploy', { ...MODEL, attributes: { signed: false } }),
    ]
    expect(new Set([digest(), ...others]).size).toBe(others.length + 1)
  })

  it('has the same digest for the same values in any order (RFC 8785)', () => {
    expect(digest({ body: { b: 1, a: [2] } })).toBe(digest({ body: { a: [2], b: 1.0 } }))
  })
})

describe('four eyes (B1, B8)', () => {
  it('let an act through that enough others agreed to, and count each of them once', async () => {
    const id = await asked(world)
    expect(usable()).toBeNull()
    expect(await approve(id, 'alice')).toBe('done')
    expect(usable()).toEqual({ id, count: 1 })
    expect(await approve(id, 'alice')).toBe('ERR_CONFLICT')
    expect(usable()).toEqual({ id, count: 1 })
    expect(await approve(id, 'bob')).toBe('done')
    expect(usable()).toEqual({ id, count: 2 })
    expect(world.events.map(({ type }) => type)).toEqual(['approval.request', 'approval.approve', 'approval.approve'])
  })

  it('do not count who asks, nor who made it', async () => {
    const id = await asked(world)
    expect(await approve(id, 'requester')).toBe('ERR_APPROVAL_SELF')
    expect(await approve(id, 'author')).toBe('ERR_APPROVAL_SELF')
    expect(await codeOf(world.room.fourEyes.deny(id, 'no', by('author'), CONTEXT))).toBe('ERR_APPROVAL_SELF')
    expect(usable()).toBeNull()
    expect(world.events.map(({ type }) => type)).toEqual(['approval.request'])
  })

  it('do not count whose work is in it: who wrote the pipeline that made a model, nor whom they made (B2)', async () => {
    const id = await asked(world)
    expect(world.room.fourEyes.get(id).contributors).toEqual([person('writer')])
    expect(await approve(id, 'writer')).toBe('ERR_APPROVAL_SELF')
    world.made.set('bob', 'writer')
    expect(await approve(id, 'bob')).toBe('ERR_APPROVAL_SELF')
    await approve(id, 'alice')
    world.database.raw.prepare("UPDATE approval_votes SET approver_id = 'writer'").run()
    expect(usable()).toBeNull()
  })

  it('do not count whom one of these made, also when that comes out later', async () => {
    const id = await asked(world)
    world.made.set('bob', 'requester').set('carol', 'author')
    expect(await approve(id, 'bob')).toBe('ERR_APPROVAL_SELF')
    expect(await codeOf(world.room.fourEyes.deny(id, 'no', by('carol'), CONTEXT))).toBe('ERR_APPROVAL_SELF')
    expect(await approve(id, 'alice')).toBe('done')
    expect(usable()).toEqual({ id, count: 1 })
    world.made.set('alice', 'author')
    expect(usable()).toBeNull()
    // Nor whoever made one of them.
    world.made.clear()
    world.made.set('requester', 'alice')
    expect(usable()).toBeNull()
  })

  it('do not count a vote of theirs even if it lies in the store', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    // Whoever writes to the disk can move a vote, and not make it open under another name.
    world.database.raw.prepare("UPDATE approval_votes SET approver_id = 'author'").run()
    expect(usable()).toBeNull()
  })

  it('count nobody who may not approve, and take no such approval', async () => {
    const id = await asked(world)
    expect(await approve(id, 'mallory')).toBe('ERR_POLICY_DENIED')
    expect(await codeOf(world.room.fourEyes.deny(id, 'no', by('mallory'), CONTEXT))).toBe('ERR_POLICY_DENIED')
    expect(usable()).toBeNull()
  })

  it('no longer count an approver who lost the role or was disabled meanwhile', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    await approve(id, 'bob')
    world.approvers.delete('alice')
    expect(usable()).toEqual({ id, count: 1 })
    expect(world.room.fourEyes.get(id)).toMatchObject({ counting: 1, votes: [{}, {}] })
    expect(world.room.stillApproved(id, MODEL)).toBe(1)
  })

  it('let go on what began under them while nobody took them back (B8)', async () => {
    const change = { action: 'view', payload: '{"act":3}' } as const
    const approved = async (): Promise<string> => {
      const id = await asked(world, change)
      expect(await approve(id, 'alice', anOffer(change).digest)).toBe('done')
      expect(world.room.stillApproved(id, MODEL)).toBe(1)
      return id
    }
    const denied = await approved()
    await world.room.fourEyes.deny(denied, 'no more', by('bob'), CONTEXT)
    expect(world.room.stillApproved(denied, MODEL)).toBe(0)
    const withdrawn = await approved()
    await world.room.fourEyes.withdraw(withdrawn, by('requester'))
    expect(world.room.stillApproved(withdrawn, MODEL)).toBe(0)
    const expired = await approved()
    world.clock.advance(24 * HOUR_MS)
    expect(world.room.stillApproved(expired, MODEL)).toBe(0)
    // What is approved once is spent by its beginning, and goes on.
    const once = await asked(world)
    await approve(once, 'alice')
    expect(world.room.spend(once, 'req_1')).toBe(true)
    expect(world.room.stillApproved(once, MODEL)).toBe(1)
    world.approvers.delete('alice')
    expect(world.room.stillApproved(once, MODEL)).toBe(0)
  })

  it('take no approval of another digest', async () => {
    const id = await asked(world)
    expect(await approve(id, 'alice', payloadDigest('{"act":2}'))).toBe('ERR_APPROVAL_DIGEST')
    expect(usable()).toBeNull()
  })

  it('do not approve another act, by another, on another object', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    const ask = askOf()
    expect(world.room.approvals({ ...ask, payloadDigest: payloadDigest('{"act":2}') })).toBeNull()
    expect(world.room.approvals({ ...ask, payloadDigest: null })).toBeNull()
    expect(world.room.approvals({ ...ask, principal: person('other') })).toBeNull()
    expect(world.room.approvals({ ...ask, action: 'erase' })).toBeNull()
    expect(world.room.approvals({ ...ask, resource: { ...MODEL, id: 'other' } })).toBeNull()
    expect(world.room.approvals(ask)).toEqual({ id, count: 1 })
  })

  it('expire, also when the clock is set back', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    world.clock.advance(24 * HOUR_MS - 1)
    expect(usable()).toEqual({ id, count: 1 })
    world.clock.advance(1)
    expect(usable()).toBeNull()
    expect(world.room.spend(id, 'req_1')).toBe(false)
    expect(await approve(id, 'bob')).toBe('ERR_APPROVAL_STATE')
    expect(world.room.fourEyes.get(id).state).toBe('expired')
    world.clock.setNow(NOW + HOUR_MS)
    expect(usable()).toBeNull()
    await world.room.settle()
    world = await world.restart()
    expect(usable()).toBeNull()
  })

  it('are used once, on the disk before the act, and not again after a restart', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    expect(world.room.spend(id, 'req_1')).toBe(true)
    expect(world.room.spend(id, 'req_2')).toBe(false)
    expect(usable()).toBeNull()
    world = await world.restart()
    expect(usable()).toBeNull()
    expect(world.room.spend(id, 'req_3')).toBe(false)
    expect(world.room.fourEyes.get(id)).toMatchObject({ state: 'used', usedByRequest: 'req_1' })
    expect(world.room.stillApproved(id, MODEL)).toBe(1)
  })

  it('let one of two concurrent uses through, also from two servers on one disk', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    const second = await world.second()
    const answers = [world.room.approvals(askOf()), second.room.approvals(askOf())]
    expect(answers).toEqual([
      { id, count: 1 },
      { id, count: 1 },
    ])
    expect([world.room.spend(id, 'req_1'), second.room.spend(id, 'req_2')]).toEqual([true, false])
    await second.database.close()
  })

  it('are taken by one of two who both read that it is open', async () => {
    const id = await asked(world)
    const store = new ApprovalStore(new Statements(world.database), sealingWith(KEY))
    expect([store.close(id, 'used', NOW, null, 'req_1'), store.close(id, 'used', NOW, null, 'req_2')]).toEqual([true, false])
    expect(store.close(id, 'withdrawn', NOW, null)).toBe(false)
    expect(store.get(id)).toMatchObject({ state: 'used', usedByRequest: 'req_1' })
  })

  it('hold for reading until they expire', async () => {
    const id = await asked(world, { action: 'view' })
    await codeOf(world.room.fourEyes.approve(id, DIGEST, '', by('alice'), CONTEXT))
    expect([world.room.spend(id, 'req_1'), world.room.spend(id, 'req_2')]).toEqual([true, true])
    world.clock.advance(24 * HOUR_MS)
    expect(world.room.spend(id, 'req_3')).toBe(false)
  })

  it('end with one no, and with the withdrawal of who asked', async () => {
    const denied = await asked(world)
    await approve(denied, 'alice')
    await world.room.fourEyes.deny(denied, 'not tonight', by('bob'), CONTEXT)
    expect(usable()).toBeNull()
    expect(await approve(denied, 'carol')).toBe('ERR_APPROVAL_STATE')
    const withdrawn = await asked(world)
    expect(withdrawn).not.toBe(denied)
    expect(await codeOf(world.room.fourEyes.withdraw(withdrawn, by('alice')))).toBe('ERR_NOT_FOUND')
    await world.room.fourEyes.withdraw(withdrawn, by('requester'))
    expect(await approve(withdrawn, 'carol')).toBe('ERR_APPROVAL_STATE')
  })

  it('show the approver all that is approved, and raise an alert that names the request', async () => {
    const id = await asked(world)
    expect(world.room.fourEyes.get(id)).toMatchObject({
      principal: person('requester'),
      author: person('author'),
      digest: DIGEST,
      payload: '{"act":1}',
      reason: 'it has to be',
      needed: 2,
    })
    expect(world.alerts).toMatchObject([{ kind: 'approval.requested', severity: 'warning', key: id, details: { approval: id } }])
    expect(JSON.stringify(world.alerts)).not.toContain('it has to be')
  })

  it('are asked for by who was refused alone, and once for one act', async () => {
    const offer = world.room.fourEyes.offer(anOffer())!
    expect(await codeOf(world.room.fourEyes.request(offer, 'r', by('mallory')))).toBe('ERR_NOT_FOUND')
    const { id } = await world.room.fourEyes.request(offer, 'r', by('requester'))
    expect((await world.room.fourEyes.request(offer, 'r', by('requester'))).id).toBe(id)
    world.clock.advance(HOUR_MS)
    expect(await codeOf(world.room.fourEyes.request(offer, 'r', by('requester')))).toBe('ERR_NOT_FOUND')
  })

  it('are bounded in number and size', async () => {
    for (let i = 0; i < 20; i++) await asked(world, { payload: `{"act":${i}}` })
    expect(await codeOf(asked(world, { payload: '{"act":99}' }))).toBe('ERR_CONFLICT')
    expect(world.room.fourEyes.offer(anOffer({ payload: 'x'.repeat(700 * 1024) }))).toBeNull()
  })

  it('write nothing in clear on the disk, and no words of people into the log in clear', async () => {
    const id = await asked(world, { payload: '{"subject":"patient-4711"}' })
    await world.room.fourEyes.approve(id, payloadDigest('{"subject":"patient-4711"}'), 'words of alice', by('alice'), CONTEXT)
    const rows = JSON.stringify([
      world.database.raw.prepare('SELECT * FROM approvals').all(),
      world.database.raw.prepare('SELECT * FROM approval_votes').all(),
    ])
    const bytes = world.database.raw.prepare('SELECT sealed FROM approvals UNION ALL SELECT sealed FROM approval_votes').all() as {
      sealed: Uint8Array
    }[]
    for (const secret of ['patient-4711', 'words of alice', 'it has to be']) {
      expect(rows).not.toContain(secret)
      for (const { sealed } of bytes) expect(Buffer.from(sealed).includes(secret)).toBe(false)
      expect(JSON.stringify(world.events.map(({ personal: _personal, ...event }) => event))).not.toContain(secret)
    }
    expect(world.events.flatMap(({ personal = [] }) => personal.map(({ fields }) => fields))).toEqual([
      { reason: 'it has to be' },
      { comment: 'words of alice' },
    ])
  })
})

describe('four eyes when something fails', () => {
  it('log down: nothing is asked for and nobody is counted', async () => {
    const id = await asked(world)
    world.down.log = true
    expect(await approve(id, 'alice')).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(usable()).toBeNull()
    expect(await codeOf(asked(world, { payload: '{"act":2}' }))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(world.room.fourEyes.list(() => true)).toHaveLength(1)
  })

  it('log down: a no counts all the same', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    world.down.log = true
    expect(await codeOf(world.room.fourEyes.deny(id, 'no', by('bob'), CONTEXT))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(usable()).toBeNull()
  })

  it.each([
    ['INSERT INTO approvals', () => asked(world, { payload: '{"act":2}' })],
    ['INSERT INTO approval_votes', () => world.room.fourEyes.approve(ID(), DIGEST, '', by('bob'), CONTEXT)],
    ['UPDATE approvals', () => world.room.fourEyes.deny(ID(), 'no', by('bob'), CONTEXT)],
    ['UPDATE approvals', () => world.room.spend(ID(), 'req_1')],
  ])('a disk that refuses %s leaves everything as it was', async (statement, work) => {
    const id = await asked(world)
    await approve(id, 'alice')
    world.failing = statement
    expect(await codeOf(async () => work())).toBe('ERR_STORAGE_IO')
    world.failing = null
    expect(usable()).toEqual({ id, count: 1 })
    expect(world.room.fourEyes.list(() => true)).toHaveLength(1)
  })

  it('a disk that cannot be read is no approval', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    world.failing = 'SELECT'
    expect(usable()).toBeNull()
    expect(world.room.stillApproved(id, MODEL)).toBe(0)
  })

  it('a payload that was moved under another digest is no approval', async () => {
    const id = await asked(world)
    await approve(id, 'alice')
    const other = payloadDigest('{"act":"worse"}')
    world.database.raw.prepare('UPDATE approvals SET digest = ? WHERE id = ?').run(other, id)
    expect(world.room.approvals({ ...askOf(), payloadDigest: other })).toBeNull()
  })
})

const ID = (): string => (world.database.raw.prepare('SELECT id FROM approvals').get() as { id: string }).id

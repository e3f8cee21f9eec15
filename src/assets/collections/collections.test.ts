import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { memorySealer } from '../../../test/evaluation/memory-datasets.ts'
import { MAX_UNDER_WAY_BYTES } from './back-pressure.ts'
import { visits, World } from './collections.fixtures.ts'
import { APP, COLUMNS, MAKER, USE, VISITS, visit } from './visits.fixtures.ts'
import { FOLDER } from './segment-files.ts'

let world: World
beforeEach(async () => {
  world = new World()
  await world.collections.create(VISITS)
})

const refusal = async (work: Promise<unknown>): Promise<RedoubtError> => {
  try {
    await work
  } catch (thrown) {
    return thrown as RedoubtError
  }
  throw new Error('it was accepted')
}
const segments = (): readonly string[] => world.objects.list(FOLDER)
const pending = async (): Promise<number> => (await world.collections.pending('visits', USE)).rows
const pendingOrNone = async (): Promise<number> => (world.collections.get('visits') === null ? 0 : pending())
const cut = () => world.collections.cut('visits', { by: MAKER })

describe('collecting rows', () => {
  it('adds batches, and makes immutable versions of them, each with all rows so far (A9)', async () => {
    await world.append(visits(3))
    await world.append(visits(2, 3))
    expect(await pending()).toBe(5)
    expect(world.datasets.get('visits')).toBeNull()
    const first = await cut()
    expect(first).toMatchObject({ version: 1, rows: 5, subject: 'patient', sensitivity: 'restricted', purposes: ['care'], legalBasis: 'contract' }) // prettier-ignore
    expect(first.columns).toEqual([
      { name: 'patient', type: 'text', nullable: false },
      { name: 'age', type: 'integer', nullable: false },
      { name: 'weight', type: 'real', nullable: false },
    ])
    expect(await pending()).toBe(0)
    expect(segments()).toEqual([])
    await world.append([{ patient: 'last', age: null }])
    const second = await cut()
    expect(second).toMatchObject({ version: 2, rows: 6 })
    expect(await world.rows(1)).toEqual(visits(5))
    expect(await world.rows(2)).toEqual([...visits(5), { patient: 'last', age: null, weight: null }])
    expect(world.collections.get('visits')).toMatchObject({ version: 2, state: 'open' })
  })

  it('makes versions whose rows came of what the rows before came of (A1, A9)', async () => {
    async function* made() {
      yield { rows: 1, columns: COLUMNS.map(({ name, type }) => (type === 'text' ? { name, type, values: ['ann'] } : { name, type, values: Float64Array.of(1) })) } // prettier-ignore
    }
    const sources = [{ name: 'stays', version: 1, digest: 'b'.repeat(64) }]
    const transform = { name: 't', version: 1, digest: 'a'.repeat(64) }
    const { name, subject, sensitivity, purposes, legalBasis } = VISITS
    await world.datasets.write(made(), {
      name,
      subject,
      sensitivity,
      purposes,
      legalBasis,
      columns: COLUMNS,
      by: MAKER,
      event: 'data.transform',
      details: () => ({}),
      bytes: () => 1,
      derivedFrom: { transform, sources, codeDigest: 'c'.repeat(64), person: MAKER },
    })
    await world.append(visits(1))
    expect(await cut()).toMatchObject({ version: 2, rows: 2 })
    expect(world.datasets.madeOf('visits', 2)).toEqual(['stays'])
  })

  it('finds the rows of a person by the subject index of a version (A9, D4)', async () => {
    await world.append([visit(1), visit(2), visit(1)])
    const version = await cut()
    expect(await world.datasets.rowsOf(version, 'patient-1', USE)).toEqual([0, 2])
  })

  it('records each batch with count and keyed digest, before it is written, and no row (A9, F1)', async () => {
    let writtenAtRecord = -1
    world.auditFails = (event) => {
      if (event.type === 'data.append') writtenAtRecord = segments().length
      return false
    }
    const { batch } = await world.append([{ patient: 'canary-person', age: 8097 }])
    const event = world.events.find(({ type }) => type === 'data.append')
    expect(event).toMatchObject({ actor: APP, action: 'append', resource: { type: 'Dataset', id: 'visits' }, outcome: 'success', purpose: 'care' }) // prettier-ignore
    expect(event?.details).toMatchObject({
      batch,
      rows: 1,
      process: { kind: 'server', spiffeId: 'spiffe://redoubt/server', pid: process.pid, codeDigest: 'c0de' },
    })
    expect(event?.details?.['digest']).toMatch(/^[0-9a-f]{64}$/)
    expect(writtenAtRecord).toBe(0)
    expect(JSON.stringify(world.events)).not.toMatch(/canary-person|8097/)
    await cut()
    expect(world.events.find(({ type }) => type === 'data.cut')?.details).toMatchObject({ rows: 1, collected: { rows: 1, batches: 1 }, process: { pid: process.pid, codeDigest: 'c0de' } }) // prettier-ignore
  })

  it('takes nothing that cannot be put on record', async () => {
    world.auditFails = ({ type }) => type === 'data.append'
    expect((await refusal(world.append(visits(2)))).code).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(await pending()).toBe(0)
    world.auditFails = () => false
    await world.append(visits(1))
    await cut()
    expect(await world.rows()).toEqual(visits(1))
  })

  it('keeps what is in no version over a restart, and counts it', async () => {
    await world.append(visits(3), 'one')
    await world.append(visits(4, 3))
    world.start()
    expect(await pending()).toBe(7)
    await world.append(visits(1, 7))
    world.start()
    await cut()
    expect(await world.rows()).toEqual(visits(8))
  })

  it('adds a batch that is sent again under its key once, over restarts and versions (A9)', async () => {
    const [first, again] = await Promise.all([world.append(visits(3), 'k'), world.append(visits(3), 'k')])
    expect([first.known, again.known]).toEqual([false, true])
    expect(again.batch).toBe(first.batch)
    world.start()
    expect(await world.append(visits(3), 'k')).toEqual({ batch: first.batch, rows: 3, known: true })
    await cut()
    expect((await world.append(visits(3), 'k')).known).toBe(true)
    world.start()
    expect((await world.append(visits(3), 'k')).known).toBe(true)
    expect(await pending()).toBe(0)
    expect((await refusal(world.append(visits(2), 'k'))).code).toBe('ERR_CONFLICT')
    expect((await world.append(visits(3), 'other')).known).toBe(false)
    expect((await world.append(visits(3))).known).toBe(false)
    await cut()
    expect(await world.rows()).toEqual([...visits(3), ...visits(3), ...visits(3)])
  })

  it('forgets a key after a day', async () => {
    await world.append(visits(1), 'k')
    await cut()
    world.clock.advance(25 * 3_600_000)
    await world.append(visits(1), 'other')
    await cut()
    expect((await world.append(visits(1), 'k')).known).toBe(false)
  })

  it('makes no version of nothing', async () => {
    expect((await refusal(cut())).code).toBe('ERR_CONFLICT')
    await world.append(visits(1))
    await cut()
    expect((await refusal(cut())).code).toBe('ERR_CONFLICT')
    expect(world.datasets.list()).toHaveLength(1)
  })

  it('takes no more rows once it is closed; what was collected is a version', async () => {
    await world.append(visits(2), 'k')
    expect(await world.collections.close('visits', { by: MAKER })).toMatchObject({ version: 1, rows: 2 })
    expect((await refusal(world.append(visits(1)))).code).toBe('ERR_CONFLICT')
    expect((await world.append(visits(2), 'k')).known).toBe(true)
    expect(await world.collections.close('visits', { by: MAKER })).toBeNull()
    world.start()
    expect((await refusal(world.append(visits(1)))).code).toBe('ERR_CONFLICT')
  })

  it('leaves nothing of a collection that is removed', async () => {
    await world.append(visits(2))
    await world.collections.remove('visits', USE)
    expect(segments()).toEqual([])
    expect(world.collections.list()).toEqual([])
    expect((await refusal(world.append(visits(1)))).code).toBe('ERR_NOT_FOUND')
    await world.collections.create(VISITS)
    expect(await pending()).toBe(0)
  })

  it.each([
    ['before the end is on record', 'data.uncollect', 1],
    ['after it was asked whether anybody is held', 'data.cut', 2],
  ])('keeps rows of a person under a hold that arrive %s, or does not take them (A9, D3)', async (_when, type, before) => {
    await world.append([visit(7)])
    const pseudonym = memorySealer.pseudonym('patient-1')
    // Held from the beginning, or from the moment at which the end is put on record.
    if (type === 'data.cut') world.held = [pseudonym]
    const meanwhile: Promise<unknown>[] = []
    world.meanwhile = async (event) => {
      if (event.type !== type || meanwhile.length > 0) return
      meanwhile.push(world.append([visit(1)]).catch((error: unknown) => error))
      world.held = [pseudonym]
      if (before === 1) await setImmediate()
    }
    const removed = await world.collections.remove('visits', USE).catch((error: unknown) => error)
    world.meanwhile = async () => undefined
    const [appended] = await Promise.all(meanwhile)
    const kept = [...(await world.rows()), ...((await pendingOrNone()) > 0 ? ['pending'] : [])]
    // Refused to whoever sent it, or there.
    if (appended instanceof RedoubtError) expect(appended.code).toMatch(/ERR_CONFLICT|ERR_NOT_FOUND/)
    else expect(kept).toContainEqual(visit(1))
    // Nobody is held in what is there: it went.
    expect(removed).toBeUndefined()
  })

  it('goes on where a hold is set while its end is put on record (A9, D3)', async () => {
    await world.append([visit(1)])
    world.meanwhile = async ({ type }) => {
      if (type === 'data.uncollect') world.held = [memorySealer.pseudonym('patient-1')]
    }
    expect((await refusal(world.collections.remove('visits', USE))).code).toBe('ERR_LEGAL_HOLD')
    expect(await world.rows()).toEqual([visit(1)])
    await world.append([visit(2)])
    expect(await pending()).toBe(1)
  })

  it('asks once more, with all rows in a version, before a collection goes, and collects on when one is held (A9, D3)', async () => {
    await world.append([visit(1)])
    const removing: Promise<unknown>[] = []
    // Under way already when the removal begins: it is on record and not written yet.
    world.meanwhile = async (event) => {
      if (event.type !== 'data.append' || removing.length > 0) return
      removing.push(world.collections.remove('visits', USE).catch((error: unknown) => error))
      world.held = [memorySealer.pseudonym('patient-2')]
      await setImmediate()
    }
    await world.append([visit(2)])
    expect(await Promise.all(removing)).toMatchObject([{ code: 'ERR_LEGAL_HOLD' }])
    expect(await world.rows()).toEqual([visit(1), visit(2)])
    await world.append([visit(3)])
    expect(await pending()).toBe(1)
    world.held = []
    await world.collections.remove('visits', USE)
    expect(world.collections.list()).toEqual([])
  })

  it('has a name of its own', async () => {
    expect((await refusal(world.collections.create(VISITS))).code).toBe('ERR_CONFLICT')
    await world.append(visits(1))
    await cut()
    await world.collections.remove('visits', USE)
    expect((await refusal(world.collections.create(VISITS))).code).toBe('ERR_CONFLICT')
  })

  it.each([
    ['a name that is a path', { name: '../x' }],
    ['a column twice', { columns: [...VISITS.columns, VISITS.columns[0]!] }],
    ['no columns', { columns: [] }],
    ['a column `__proto__`', { columns: [...VISITS.columns, { name: '__proto__', type: 'text' as const, nullable: true }] }],
    ['a subject that is no text', { subject: 'age' }],
    ['a subject that is not there', { subject: 'nobody' }],
    ['a label that may be missing', { label: 'age' }],
    ['no purpose', { purposes: [] }],
    ['versions every zero hours', { cutHours: 0 }],
    ['a collector twice', { collectors: ['app', 'app'] }],
  ])('is not made with %s', async (_what, change) => {
    const { code } = await refusal(world.collections.create({ ...VISITS, name: 'other', ...change }))
    expect(['ERR_INPUT_INVALID', 'ERR_DATA_COLUMN']).toContain(code)
    expect(world.collections.list()).toHaveLength(1)
  })

  it('tells policies who it was granted to, and keeps to the grant of now (B2)', async () => {
    const collector = (account: { type: string; id: string }): unknown => world.collections.facts(world.collections.get('visits')!, account).attributes['collector'] // prettier-ignore
    expect(collector(APP)).toBe(true)
    expect(collector({ type: 'User', id: 'app' })).toBe(false)
    expect(collector({ type: 'ServiceAccount', id: 'other' })).toBe(false)
    await world.collections.setCollectors('visits', ['other'], MAKER)
    expect(collector(APP)).toBe(false)
    expect(collector({ type: 'ServiceAccount', id: 'other' })).toBe(true)
    expect(world.events.at(-1)).toMatchObject({ type: 'data.collectors', details: { before: ['app'], after: ['other'] } })
  })

  it('makes versions by itself when they are due', async () => {
    await world.collections.create({ ...VISITS, name: 'hourly', cutHours: 1 })
    const failed: string[] = []
    const due = () => world.collections.cutDue(MAKER, (name) => failed.push(name))
    await world.append(visits(1))
    world.clock.advance(3_600_000)
    await due()
    expect(world.datasets.list()).toEqual([])
    const { collections } = world
    const rows = { rows: 1, columns: [{ name: 'patient', type: 'text', values: ['one'] }, { name: 'age', type: 'integer', values: Float64Array.of(1) }, { name: 'weight', type: 'real', values: Float64Array.of(1) }] } as const // prettier-ignore
    await collections.append('hourly', { rows, bytes: 10, by: APP, purpose: 'care' })
    await due()
    expect(world.datasets.list()).toMatchObject([{ name: 'hourly', rows: 1 }])
    await due()
    expect(world.datasets.list()).toHaveLength(1)
    await collections.append('hourly', { rows, bytes: 10, by: APP, purpose: 'care' })
    world.clock.advance(3_600_000)
    world.auditFails = ({ type }) => type === 'data.cut'
    await due()
    world.auditFails = () => false
    // Not again and again.
    await due()
    expect(failed).toEqual(['hourly'])
    expect(world.datasets.list()).toHaveLength(1)
    world.clock.advance(600_000)
    await due()
    expect(world.datasets.list()).toMatchObject([{ rows: 1 }, { rows: 2 }])
  })
})

describe('back-pressure', () => {
  it('takes no more than fits in memory, and says when to come back (A9)', async () => {
    const releases = [world.collections.admit(MAX_UNDER_WAY_BYTES)]
    const refused = await refusal(world.append(visits(1)))
    expect(refused).toMatchObject({ code: 'ERR_BUSY', evidence: { retryAfterMs: 1_000 } })
    expect(() => world.collections.admit(1)).toThrow(RedoubtError)
    for (const release of releases) release()
    await world.append(visits(1))
    // All that was taken is given back, whatever became of it.
    world.auditFails = () => true
    await refusal(world.append(visits(1)))
    world.auditFails = () => false
    world.collections.admit(MAX_UNDER_WAY_BYTES)()
  })

  it('shares one sync among the batches that come while another is under way', async () => {
    let syncs = 0
    world = new World(new MemoryFolder({ fault: (call, path) => (call === 'datasync' && path.startsWith(FOLDER) && syncs++ < 0 ? 'lost' : 'none') })) // prettier-ignore
    await world.collections.create(VISITS)
    await world.append(visits(1))
    syncs = 0
    await Promise.all(Array.from({ length: 200 }, (_, n) => world.append([visit(n)])))
    expect(syncs).toBeLessThanOrEqual(3)
    await cut()
    expect((await world.rows()).length).toBe(201)
  })
})

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { filesBelow, searchFiles } from '../../../test/house/search-canaries.ts'
import { memorySealer } from '../../../test/evaluation/memory-datasets.ts'
import { codeDigest, TRANSFORM_MODULES } from './code-digest.ts'
import { ADA, openWorld, type World } from './transforms.fixtures.ts'

const VISITS = 'patient,ward,age,weight\nann-canary,1,31,60.5\nbob,2,17,70\ncid,1,,80.25\ndot,3,64,\n'
const WARDS = 'id,title\n1,north\n2,south\n'
const ADULTS = {
  from: 'visits',
  steps: [{ filter: 'age >= 18' }, { derive: { heavy: 'if(weight > 60, 1, 0)' } }, { select: ['patient', 'heavy'] }],
  to: { dataset: 'adults' },
}
const JOINED = {
  from: 'visits',
  steps: [{ join: { with: 'wards', on: { ward: 'id' }, kind: 'left', take: [{ column: 'title', as: 'place' }] } }],
  to: { dataset: 'placed' },
}

let world: World
beforeEach(async () => {
  world = openWorld()
  await world.add('visits', VISITS, { subject: 'patient', sensitivity: 'confidential', purposes: ['care', 'research'] })
  await world.add('wards', WARDS)
})
afterEach(() => world.close())

const objects = (): readonly string[] => readdirSync(join(world.folder, 'objects/datasets'))
const code = (of: Promise<unknown>): Promise<string> => of.then(() => 'none', (error: RedoubtError) => error.code) // prettier-ignore

describe('a transform that is run (A9)', () => {
  it('goes from sealed group to sealed group: filter, derive, select', async () => {
    const made = await world.run(ADULTS)
    expect(await world.rows('adults')).toEqual([
      { patient: 'ann-canary', heavy: 1 },
      { patient: 'dot', heavy: null },
    ])
    expect(made).toMatchObject({ name: 'adults', version: 1, rows: 2, subject: 'patient', sensitivity: 'confidential', purposes: ['care', 'research'] }) // prettier-ignore
  })

  it('joins on equal columns; a missing key equals nothing', async () => {
    await world.run(JOINED)
    expect((await world.rows('placed')).map(({ patient, place }) => [patient, place])).toEqual([
      ['ann-canary', 'north'],
      ['bob', 'south'],
      ['cid', 'north'],
      ['dot', null],
    ])
    await world.run({ ...JOINED, steps: [{ join: { with: 'wards', on: { age: 'id' }, take: [] } }, { filter: 'true' }], to: { dataset: 'none' } }).catch(({ code }: RedoubtError) => expect(code).toBe('ERR_DATA_MALFORMED')) // prettier-ignore
    expect(world.datasets.get('none')).toBeNull()
  })

  it('reads nothing under a condition on rows that cannot go to its thread (B2)', async () => {
    const rows = { digest: 'd', columns: [], admits: () => true }
    const access = { visits: { action: 'transform' as const, rows, masks: {} } }
    expect(await code(world.run(ADULTS, access))).toBe('ERR_INTERNAL')
    expect(world.datasets.get('adults')).toBeNull()
    expect(objects().filter((name) => !world.datasets.list().some(({ id }) => name.includes(id)))).toEqual([])
  })

  it('leaves no value in clear on the disk, and none in the log (A1)', async () => {
    await world.run(ADULTS)
    const canaries = [{ name: 'patient', value: Buffer.from('ann-canary') }]
    expect(searchFiles(filesBelow(world.folder), canaries)).toEqual([])
    expect(JSON.stringify(world.events)).not.toContain('ann-canary')
  })

  it('is on record before a key is asked for, with the process that has rows in clear, and its end with what came of it (E3)', async () => {
    const made = await world.run(ADULTS)
    const types = world.events.map(({ type }) => type).filter((type) => type.startsWith('transform.') || type === 'data.read' || type === 'data.transform') // prettier-ignore
    expect(types).toEqual(['transform.edit', 'transform.run', 'data.read', 'data.transform', 'transform.end'])
    const run = world.events.find(({ type }) => type === 'transform.run')!
    const process_ = { kind: 'transform-thread', spiffeId: 'spiffe://redoubt/server', pid: process.pid, thread: expect.any(Number), host: expect.any(String), executable: process.execPath, codeDigest: codeDigest() } // prettier-ignore
    expect(run.details).toMatchObject({ process: process_, sources: [{ name: 'visits', version: 1 }] })
    expect((run.details as any).process.thread).toBeGreaterThan(0)
    expect(world.events.find(({ type }) => type === 'data.transform')!.details).toMatchObject({
      process: process_,
      transform: { name: 't1', version: 1 },
      steps: [
        { step: 'filter', rowsIn: 4, rowsOut: 2 },
        { step: 'derive', rowsIn: 2, rowsOut: 2 },
        { step: 'select', rowsIn: 2, rowsOut: 2 },
      ],
      rows: [{ read: 4, admitted: 4, failed: 0 }],
    })
    expect(world.events.at(-1)).toMatchObject({ type: 'transform.end', outcome: 'success', details: { made: { name: 'adults', version: 1, digest: made.digest } } }) // prettier-ignore
  })

  it('that cannot be recorded asks for no key and leaves nothing', async () => {
    world.refuses = ({ type }) => type === 'transform.run'
    const before = [objects(), world.keyLog.length]
    expect(await code(world.run(ADULTS))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect([objects(), world.keyLog.length]).toEqual(before)
    world.refuses = ({ type }) => type === 'data.read'
    expect(await code(world.run(ADULTS))).toBe('ERR_AUDIT_UNAVAILABLE')
    world.refuses = ({ type, outcome }) => type === 'data.transform' && outcome === 'success'
    expect(await code(world.run(ADULTS))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(objects()).toEqual(before[0])
    expect(world.datasets.get('adults')).toBeNull()
  })

  it('without keys does nothing (A1)', async () => {
    const before = objects()
    const denied = { ...world.ports.keys, unwrap: () => Promise.reject(new RedoubtError('ERR_KEYS_DESTROYED')) }
    expect(await code(world.run(ADULTS, {}, {}, { keys: denied }))).toBe('ERR_KEYS_DESTROYED')
    const late = { ...world.ports.keys, generateDataKey: () => Promise.reject(new RedoubtError('ERR_KEYS_DESTROYED')) }
    expect(await code(world.run(ADULTS, {}, {}, { keys: late }))).toBe('ERR_KEYS_DESTROYED')
    expect(objects()).toEqual(before)
  })

  it('has in its lineage what it was made of, in the sealed manifest and beside it', async () => {
    const made = await world.run(JOINED)
    const source = (name: string) => ({ name, version: 1, digest: world.datasets.get(name)!.digest })
    expect(world.datasets.derivedFrom(made)).toEqual({
      transform: { name: 't1', version: 1, digest: world.transforms.get('t1')!.digest },
      sources: [source('visits'), source('wards')],
      codeDigest: codeDigest(),
      person: ADA,
    })
    expect(world.datasets.derivedFrom(world.datasets.get('visits')!)).toBeNull()
  })

  it('is found by the person whose rows it holds, and is rid of them (B7)', async () => {
    await world.run(ADULTS)
    const pseudonym = memorySealer.pseudonym('ann-canary')
    const use = { principal: ADA, purpose: 'erase', resource: { type: 'Dataset', id: 'adults' } }
    expect(await world.datasets.withRowsOf(pseudonym, use)).toEqual(['adults', 'visits'])
    await world.datasets.eraseSubject('adults', { erasure: 'e1', pseudonym }, use)
    expect((await world.rows('adults')).map(({ patient }) => patient)).toEqual(['dot'])
    // What it was made of stays known.
    expect(world.datasets.derivedFrom(world.datasets.get('adults')!)).not.toBeNull()
  })

  it('makes nothing of rows that were erased while it ran', async () => {
    const pseudonym = memorySealer.pseudonym('bob')
    const use = { principal: ADA, purpose: 'erase', resource: { type: 'Dataset', id: 'visits' } }
    let erased = null as Promise<unknown> | null
    const progress = (): void => void (erased ??= world.datasets.eraseSubject('visits', { erasure: 'e1', pseudonym }, use))
    const before = world.datasets.get('visits')!.digest
    expect(await code(world.run(ADULTS, {}, { progress }))).toBe('ERR_CONFLICT')
    await erased
    expect(world.datasets.get('visits')!.digest).not.toBe(before)
    expect(world.datasets.get('adults')).toBeNull()
    expect(objects().filter((name) => !name.startsWith('ds_'))).toEqual([])
  })

  it('makes nothing of a source that was removed or shredded while it ran', async () => {
    for (const end of ['remove', 'shred'] as const) {
      await world.add('going', VISITS, { subject: 'patient' })
      const use = { principal: ADA, purpose: 'erase', resource: { type: 'Dataset', id: 'going' } }
      let ended = null as Promise<unknown> | null
      const progress = (): void => void (ended ??= end === 'remove' ? world.datasets.remove('going', use) : world.datasets.shred('going', 'e2', use)) // prettier-ignore
      expect(await code(world.run({ ...ADULTS, from: 'going' }, {}, { progress }))).toBe('ERR_CONFLICT')
      await ended
      expect(world.datasets.get('adults')).toBeNull()
    }
  })

  it('ends when it is cancelled, may not go on, or takes too long, and leaves nothing', async () => {
    const before = objects()
    const abort = new AbortController()
    const gone = new RedoubtError('ERR_CLIENT_GONE')
    expect(await code(world.run(ADULTS, {}, { signal: abort.signal, progress: () => abort.abort(gone) }))).toBe('ERR_CLIENT_GONE')
    expect(await code(world.run(ADULTS, {}, { mayGoOn: () => new RedoubtError('ERR_POLICY_DENIED') }))).toBe('ERR_POLICY_DENIED')
    expect(await code(world.run(ADULTS, {}, {}, { timeLimitMs: 1 }))).toBe('ERR_TRANSFORM_TIMEOUT')
    expect(objects()).toEqual(before)
    expect(world.events.at(-1)).toMatchObject({ type: 'transform.end', outcome: 'failed', code: 'ERR_TRANSFORM_TIMEOUT' })
  })

  it('whose disk takes nothing leaves nothing', async () => {
    const file = join(world.folder, 'objects-gone')
    expect(await code(world.run(ADULTS, {}, {}, { objectsPath: file }))).not.toBe('none')
    expect(world.datasets.get('adults')).toBeNull()
    expect(existsSync(join(file, 'datasets'))).toBe(false)
  })

  it('holds what is joined within bounds', async () => {
    expect(await code(world.run(JOINED, {}, {}, { bounds: { rows: 1, bytes: 1_000_000 } }))).toBe('ERR_TRANSFORM_LIMIT')
    expect(await code(world.run({ ...JOINED }, {}, {}, { bounds: { rows: 10, bytes: 60 } }))).toBe('ERR_TRANSFORM_LIMIT')
    expect(world.datasets.get('placed')).toBeNull()
  })

  it('keeps to the rows and masks of the decision (B1)', async () => {
    const access = { action: 'transform', rows: null, masks: { weight: 'coarse', age: 'hide' } } as const
    const chosen = { from: 'visits', steps: [{ select: ['patient', 'weight'] }], to: { dataset: 'masked' } }
    await world.run(chosen, { visits: access })
    expect((await world.rows('masked')).map(({ weight }) => weight)).toEqual([60, 70, 80, null])
    expect(await code(world.run(ADULTS, { visits: access }))).toBe('ERR_TRANSFORM_DEFINITION')
    expect(await code(world.run({ ...chosen, steps: [{ filter: 'weight > 60' }] }, { visits: access }))).toBe('ERR_TRANSFORM_DEFINITION')
    // A condition that did not come from the engine of policies does not come over, and no row is read without it.
    const rows = { digest: 'd', columns: [], admits: () => true }
    expect(await code(world.run(chosen, { visits: { ...access, rows } }))).toBe('ERR_INTERNAL')
  })

  it('names each module that decides what comes out in its digest', () => {
    const found = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/\.(test|fixtures|system|child)\.ts$/.test(name))
      .map((name) => name.slice(0, -3))
    const others = ['index', 'transform-runs', 'transform-version', 'transforms']
    expect([...TRANSFORM_MODULES].sort()).toEqual(found.filter((name) => !others.includes(name)).sort())
  })
})

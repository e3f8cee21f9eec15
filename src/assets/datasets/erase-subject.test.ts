import { beforeEach, describe, expect, it } from 'vitest'
import { type AuditEvent, type LegalHolds, ManualClock, RedoubtError } from '#foundation/core'
import { openObject, readHeaderSlots, readObjectHeader, rewrapBothSlots, sealObject } from '#foundation/crypto'
import { type Database, type Fault, MemoryFolder, openDatabase } from '#foundation/storage'
import { memoryKeys, memorySealer as sealer, noHolds, someone, someUse } from '../../../test/evaluation/memory-datasets.ts'
import { type Datasets, openDatasets } from './datasets.ts'
import type { DatasetVersion } from './dataset-version.ts'
import { EVERY_ROW_WHOLE } from './row-access.ts'

const NOW = 1_700_000_000_000
const ROWS = 20_000
const GROUP = 8192
/** RDBT1: two header slots of this length come first. */
const SLOT_BYTES = 4096

let database: Database
let objects: MemoryFolder
let events: AuditEvent[]
let auditFails: (event: AuditEvent) => boolean
let keys: ReturnType<typeof memoryKeys>
let holds: LegalHolds
let datasets: Datasets

function open(folder = objects): Datasets {
  const audit = {
    async record(event: AuditEvent) {
      if (auditFails(event)) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
      events.push(event)
      return { index: events.length - 1, leafHash: '' }
    },
  }
  const asked: LegalHolds = { demandNone: (about) => holds.demandNone(about), heldSubjects: () => holds.heldSubjects() }
  const clock = new ManualClock(NOW)
  return openDatasets({ database, objects: folder, keys, audit, clock, sealer, holds: asked, environment: 'development' })
}

beforeEach(() => {
  database = openDatabase(':memory:')
  objects = new MemoryFolder()
  events = []
  auditFails = () => false
  keys = memoryKeys()
  holds = noHolds
  datasets = open()
})

const IMPORT = { name: 'people', sensitivity: 'restricted', purposes: ['testing'], legalBasis: 'contract', by: someone } as const
async function* source(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
const load = (text: string, name = 'people', subject = true): Promise<DatasetVersion> =>
  datasets.import(source(text), { ...IMPORT, name, ...(subject ? { subject: 'who' } : {}) })

/** Cleo is in the first group twice and at the very end; Zoe fills a group of her own. */
const whoOf = (row: number): string => {
  if (row === 3 || row === 77 || row === ROWS - 1) return 'cleo'
  return row >= GROUP && row < 2 * GROUP ? 'zoe' : `p${row % 500}`
}
const TABLE = `who,amount,note\n${Array.from({ length: ROWS }, (_, i) => `${whoOf(i)},${i === 77 ? 999_999 : i},${i === 3 ? 'cleo-was-here' : 'n'}`).join('\n')}\n`
const SMALL = 'who,amount\nada,1\ncleo,2\nada,3\n'

const erase = (who: string, name = 'people') =>
  datasets.eraseSubject(name, { pseudonym: sealer.pseudonym(who), erasure: `er_${who}` }, someUse)

async function peopleIn(name = 'people', version?: number, from = datasets): Promise<string[]> {
  const people: string[] = []
  for await (const group of from.read(from.get(name, version)!, someUse, EVERY_ROW_WHOLE))
    people.push(...(group.columns[0]!.values as readonly string[]))
  return people
}

describe('erasing a person from a data set (A1)', () => {
  it('takes their rows out of groups, index, statistics and counts, and leaves the others as they were', async () => {
    const before = await load(TABLE)
    const names = objects.list('datasets')
    expect(await erase('cleo')).toMatchObject([{ name: 'people', version: 1, rows: 3, groups: 2, before: before.digest }])
    const after = datasets.get('people')!
    expect(after).toMatchObject({ id: before.id, version: 1, rows: ROWS - 3, groups: 3, erasures: 1 })
    expect(after.digest).not.toBe(before.digest)
    expect(await peopleIn()).toEqual(Array.from({ length: ROWS }, (_, i) => whoOf(i)).filter((who) => who !== 'cleo'))
    expect(await datasets.rowsOf(after, 'cleo', someUse)).toEqual([])
    // Every other person is found where their rows are now.
    expect(await datasets.rowsOf(after, 'p4', someUse)).toEqual(
      [...(await peopleIn()).entries()].flatMap(([row, who]) => (who === 'p4' ? [row] : [])),
    )
    const [, amount, note] = await datasets.profile(after, someUse)
    expect([amount?.maximum, JSON.stringify(note).includes('cleo')]).toEqual([ROWS - 2, false])
    // One group was not touched; of the rest nothing old is left.
    expect(objects.list('datasets').filter((name) => names.includes(name))).toHaveLength(1)
    expect(objects.list('datasets')).toHaveLength(5)
    expect(events.find(({ type }) => type === 'data.erase')?.details).toMatchObject({
      erasure: 'er_cleo',
      erasedRows: 3,
      newDigest: after.digest,
    })
    const told = events.filter(({ type }) => type !== 'data.import')
    expect(JSON.stringify(told).replaceAll('er_cleo', '')).not.toContain('cleo')
  })

  it('finds in which data sets there are rows of theirs, in any version', async () => {
    await load(SMALL)
    await load(SMALL.replaceAll('cleo', 'bob'))
    await load(SMALL, 'other')
    await load('who\nbob\n', 'third')
    await load(SMALL, 'unnamed', false)
    expect(await datasets.withRowsOf(sealer.pseudonym('cleo'), someUse)).toEqual(['other', 'people'])
    await erase('cleo')
    expect(await datasets.withRowsOf(sealer.pseudonym('cleo'), someUse)).toEqual(['other'])
  })

  it('ends what is read at that moment, and says that it can be asked again; what was lost is not taken for it', async () => {
    const before = await load(TABLE)
    const reading = datasets.read(before, someUse, EVERY_ROW_WHOLE)[Symbol.asyncIterator]()
    await reading.next()
    await erase('cleo')
    await expect(
      (async () => {
        while ((await reading.next()).done !== true);
      })(),
    ).rejects.toMatchObject({ code: 'ERR_DATA_CHANGED' })
    expect(await peopleIn()).toHaveLength(ROWS - 3)
    objects.remove(`datasets/${objects.list('datasets').find((name) => name.includes('-group-'))!}`)
    await expect(peopleIn()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('drops a group that is left without a row, and is done again on what was erased before', async () => {
    await load(TABLE)
    await erase('cleo')
    expect(await erase('zoe')).toMatchObject([{ rows: GROUP, groups: 1 }])
    expect(datasets.get('people')).toMatchObject({ rows: ROWS - 3 - GROUP, groups: 2, erasures: 2 })
    expect((await peopleIn()).some((who) => who === 'zoe' || who === 'cleo')).toBe(false)
    expect(await erase('zoe')).toMatchObject([{ rows: GROUP, groups: 1 }])
    expect(datasets.get('people')?.erasures).toBe(2)
    expect(await peopleIn('people', 1, open())).toHaveLength(ROWS - 3 - GROUP)
  })

  it('is of every version that is kept, also of one of which nothing is left', async () => {
    await load(SMALL)
    await load('who,amount\ncleo,1\n')
    await load(SMALL.replaceAll('cleo', 'bob'))
    await load(SMALL, 'unnamed', false)
    expect((await erase('cleo')).map(({ version }) => version)).toEqual([1, 2])
    expect([await peopleIn('people', 1), await peopleIn('people', 2)]).toEqual([['ada', 'ada'], []])
    expect(datasets.get('people', 2)).toMatchObject({ rows: 0, groups: 0 })
    expect(await erase('cleo', 'unnamed')).toEqual([])
  })

  it('says of what was learned before that rows are gone since, and of what was learned after that all are there', async () => {
    const before = await load(SMALL)
    expect(datasets.erasedSince('people', 1, before.digest)).toBeNull()
    await erase('cleo')
    expect(datasets.erasedSince('people', 1, before.digest)).toEqual({ state: 'rows', at: NOW })
    expect(datasets.erasedSince('people', 1, datasets.get('people')!.digest)).toBeNull()
    await datasets.shred('people', 'er_2', someUse)
    expect(datasets.erasedSince('people', 1, before.digest)?.state).toBe('shredded')
  })

  it('is not done when it cannot be recorded (E3)', async () => {
    const before = await load(SMALL)
    auditFails = ({ type }) => type === 'data.erase'
    await expect(erase('cleo')).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect(datasets.get('people')).toEqual(before)
    expect(await peopleIn()).toEqual(['ada', 'cleo', 'ada'])
    auditFails = () => false
    // What the failed one wrote goes at the next start.
    expect(objects.list('datasets').some((name) => name.endsWith('.1.rdbt'))).toBe(true)
    datasets = open()
    expect(objects.list('datasets').some((name) => name.endsWith('.1.rdbt'))).toBe(false)
    expect(await erase('cleo')).toHaveLength(1)
  })

  it('is whole or has not begun after a failure at any step, and is finished by the next call', async () => {
    for (let at = 0; at < 120; at++) {
      let call = 0
      let armed = false
      const fault = (): Fault => (armed && call++ === at ? (at % 2 === 0 ? 'lost' : 'done-but-reported-lost') : 'none')
      database = openDatabase(':memory:')
      objects = new MemoryFolder({ fault })
      datasets = open()
      await load(SMALL)
      armed = true
      const outcome = await erase('cleo').catch((error: RedoubtError) => error.code)
      armed = false
      const people = await peopleIn()
      expect([at, people.join()]).toEqual([at, datasets.get('people')!.erasures === 0 ? 'ada,cleo,ada' : 'ada,ada'])
      if (typeof outcome !== 'string') {
        if (at >= call) break
        continue
      }
      expect(outcome).toMatch(/^ERR_STORAGE_/)
      datasets = open()
      await erase('cleo')
      expect([at, (await peopleIn()).join(), datasets.get('people')!.erasures]).toEqual([at, 'ada,ada', 1])
      expect([at, objects.list('datasets').filter((name) => !name.endsWith('.1.rdbt'))]).toEqual([at, []])
      expect(at).toBeLessThan(100)
    }
  })

  it('survives a power cut after it was acknowledged, and one at any step leaves the old or the new', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      let state = seed
      const random = (): number => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
      let call = 0
      let cut = Infinity
      const fault = (): Fault => (call++ >= cut ? 'lost' : 'none')
      database = openDatabase(':memory:')
      objects = new MemoryFolder({ fault })
      datasets = open()
      await load(SMALL)
      call = 0
      cut = seed % 3 === 0 ? Infinity : Math.floor(random() * 40)
      const done = await erase('cleo').then(
        () => true,
        () => false,
      )
      objects = objects.powerCut(random)
      datasets = open()
      const people = (await peopleIn()).join()
      expect([seed, ['ada,cleo,ada', 'ada,ada'].includes(people)]).toEqual([seed, true])
      if (done) expect([seed, people]).toEqual([seed, 'ada,ada'])
      await erase('cleo')
      expect([seed, (await peopleIn()).join()]).toEqual([seed, 'ada,ada'])
      expect([seed, objects.list('datasets').filter((name) => !name.endsWith('.1.rdbt'))]).toEqual([seed, []])
    }
  })
})

describe('what lies in a backup from before (A1)', () => {
  /** Today's keys over yesterday's objects and catalogue. */
  async function restored(copy: ReadonlyMap<string, Uint8Array>, was: DatasetVersion, part: string): Promise<string> {
    const folder = new MemoryFolder()
    for (const [name, bytes] of copy) {
      const file = folder.open(`datasets/${name}`, { create: true })!
      file.writeAt(bytes, 0)
      file.close()
    }
    return openObject(folder, `datasets/${was.id}-${part}.rdbt`, (wrapped) => keys.unwrap(wrapped, someUse)).then(
      async (object) => String((await object.readAll()).byteLength > 0),
      (error: RedoubtError) => error.code,
    )
  }
  const copied = () => new Map(objects.list('datasets').map((name) => [name, objects.read(`datasets/${name}`)!]))

  it('does not open with the keys of after, in whichever header slot', async () => {
    const was = await load(TABLE)
    const backup = copied()
    const parts = ['group-0', 'group-1', 'group-2', 'subjects', 'manifest']
    for (const part of parts) expect(await restored(backup, was, part)).toBe('true')
    await erase('cleo')
    for (const part of parts) expect([part, await restored(backup, was, part)]).toEqual([part, 'ERR_KEYS_DESTROYED'])
    // What is there today opens, from either slot.
    const today = copied()
    for (const name of today.keys()) {
      for (const slot of [0, 1]) {
        const bytes = today.get(name)!.slice()
        bytes.fill(0, slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)
        expect(await restored(new Map([[name, bytes]]), was, name.slice(was.id.length + 1, -'.rdbt'.length))).toBe('true')
      }
    }
  })

  it('leaves what others do to an object meanwhile as whole as it found it', async () => {
    const was = await load(TABLE)
    const paths = ['group-1', 'manifest.1'].map((part) => `datasets/${was.id}-${part}.rdbt`)
    const rewrap = keys.rewrap.bind(keys)
    const before = readObjectHeader(objects, paths[0]!)
    let calls = 0
    keys.rewrap = async (wrapped, use, owner) => {
      const moved = await rewrap(wrapped, use, owner)
      calls++
      // Someone seals this very object anew while its old key is being moved.
      if (wrapped.binding.resource.endsWith('/manifest.1') && calls < 50) {
        calls = 50
        const content = await (await openObject(objects, paths[1]!, (key) => keys.unwrap(key, someUse))).readAll()
        await sealObject(objects, paths[1]!, await keys.generateDataKey(owner!, wrapped.binding.resource, someUse), [content])
        // And someone puts a key from before back.
        await rewrapBothSlots(objects, [{ path: paths[0]!, change: (header) => ({ ...header, keys: before.keys }) }])
      }
      return moved
    }
    await erase('cleo')
    expect(calls).toBeGreaterThanOrEqual(50)
    expect(await peopleIn()).toHaveLength(ROWS - 3)
  })

  it('destroys nothing under which an object comes to lie at the last moment, and looks again', async () => {
    const was = await load(TABLE)
    const path = `datasets/${was.id}-group-1.rdbt`
    const before = readObjectHeader(objects, path)
    const destroyRetired = keys.destroyRetired.bind(keys)
    let calls = 0
    keys.destroyRetired = async (owner, use, unreferenced) => {
      // Everything was looked at, and the end is being recorded.
      if (++calls === 1) await rewrapBothSlots(objects, [{ path, change: (header) => ({ ...header, keys: before.keys }) }])
      return destroyRetired(owner, use, unreferenced)
    }
    await erase('cleo')
    expect(calls).toBe(2)
    expect(await peopleIn()).toHaveLength(ROWS - 3)
  })

  it('does not open when the data set was shredded', async () => {
    const was = await load(SMALL)
    const backup = copied()
    await datasets.shred('people', 'er_5', someUse)
    expect(await restored(backup, was, 'manifest')).toBe('ERR_KEYS_DESTROYED')
  })

  it('and an import that was under way when keys were renewed is refused, not lost later', async () => {
    await load(SMALL)
    const { promise: waiting, resolve: release } = Promise.withResolvers<void>()
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
    const generate = keys.generateDataKey.bind(keys)
    // Its groups are sealed, its subject index is not.
    keys.generateDataKey = async (owner, resource, use) => {
      if (!resource.endsWith('/subjects')) return generate(owner, resource, use)
      reach()
      await waiting
      return generate(owner, resource, use)
    }
    const slow = datasets.import(source(SMALL), { ...IMPORT, subject: 'who' })
    await reached
    keys.generateDataKey = generate
    await erase('cleo')
    release()
    await expect(slow).rejects.toMatchObject({ code: 'ERR_KEYS_DESTROYED' })
    expect(datasets.list()).toHaveLength(1)
  })
})

describe('shredding a data set whose objects lie under the class of the tenant, from before there were chains (A1)', () => {
  /** As `rewrap` without an owner names it. */
  const CLASS = 'kek-none'
  async function underClass(): Promise<{ ended: string[][]; rotated: unknown[]; paths: string[] }> {
    const { id } = await load(SMALL)
    const paths = objects.list('datasets').flatMap((file) => (file.startsWith(id) ? [`datasets/${file}`] : []))
    for (const path of paths) {
      const [key] = readObjectHeader(objects, path).keys
      const old = await keys.rewrap(key!, someUse)
      expect(await rewrapBothSlots(objects, [{ path, change: (header) => ({ ...header, keys: [old] }) }])).toEqual([null])
      expect(readObjectHeader(objects, path).keys[0]!.keyId).toBe(CLASS)
    }
    const [ended, rotated]: [string[][], unknown[]] = [[], []]
    const real = { ...keys }
    Object.assign(keys, {
      list: () => [...real.list(), { keyId: CLASS, keyClass: 'dataset', version: 1, state: 'primary', createdAt: 0, uses: 1 }],
      rotate: (of: Parameters<typeof real.rotate>[0], use: typeof someUse) => (rotated.push(of), real.rotate(of, use)),
      destroyOwner(owner: Parameters<typeof real.destroyOwner>[0], use: typeof someUse) {
        ended.push(
          paths.flatMap((path) => readHeaderSlots(objects, path).headers.flatMap((header) => header.keys.map(({ keyId }) => keyId))),
        )
        return real.destroyOwner(owner, use)
      },
    })
    return { ended, rotated, paths }
  }

  it('brings them under its chain first, in both slots, and rotates the version that copies open with', async () => {
    const { ended, rotated, paths } = await underClass()
    await datasets.shred('people', 'er_6', someUse)
    expect(ended).toEqual([Array(paths.length * 2).fill('kek-people')])
    expect(rotated).toEqual(['dataset'])
  })

  it('ends nothing, and is not done, while one of them cannot be moved', async () => {
    const { ended } = await underClass()
    const real = { ...keys }
    let calls = 0
    Object.assign(keys, {
      rewrap: async (...args: Parameters<typeof real.rewrap>) => {
        if (++calls === 2) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
        return real.rewrap(...args)
      },
    })
    await expect(datasets.shred('people', 'er_7', someUse)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' })
    expect([ended, events.some(({ type }) => type === 'data.shred'), datasets.get('people') === null]).toEqual([[], false, false])
    await datasets.shred('people', 'er_7', someUse)
    expect(new Set(ended.flat())).toEqual(new Set(['kek-people']))
  })
})

describe('shredding a data set (A1)', () => {
  it('removes every object and never gives the name again', async () => {
    await load(TABLE)
    await load(SMALL)
    await load(SMALL, 'other')
    expect(await datasets.shred('people', 'er_3', someUse)).toMatchObject({ versions: 2, objects: 8 })
    expect([datasets.get('people'), objects.list('datasets').length]).toEqual([null, 3])
    await expect(load(SMALL)).rejects.toMatchObject({ code: 'ERR_DATA_SHREDDED' })
    expect(objects.list('datasets')).toHaveLength(3)
    expect(await datasets.shred('people', 'er_3', someUse)).toMatchObject({ versions: 0, objects: 0 })
    expect(events.find(({ type }) => type === 'data.shred')?.details).toEqual({ erasure: 'er_3', versions: [1, 2], objects: 8 })
  })
})

describe('a legal hold', () => {
  const held = (what: { pseudonym?: string; dataset?: string }): LegalHolds => ({
    demandNone(about) {
      if (
        (what.pseudonym !== undefined && about.pseudonym === what.pseudonym) ||
        (what.dataset !== undefined && about.dataset === what.dataset)
      )
        throw new RedoubtError('ERR_LEGAL_HOLD')
    },
    heldSubjects: () => (what.pseudonym === undefined ? [] : [what.pseudonym]),
  })
  const outcomes = async () =>
    Promise.all(
      [erase('cleo'), datasets.remove('people', someUse), datasets.shred('people', 'er_4', someUse)].map((ended) =>
        ended.then(
          () => 'done',
          (error: RedoubtError) => error.code,
        ),
      ),
    )

  it.each([
    ['of the data set', { dataset: 'people' }],
    ['of a person of whom it holds rows', { pseudonym: sealer.pseudonym('cleo') }],
  ])('%s refuses to erase, remove and shred', async (_name, what) => {
    await load(SMALL)
    const other = await load(SMALL.replaceAll('cleo', 'bob'))
    holds = held(what)
    expect(await outcomes()).toEqual(['ERR_LEGAL_HOLD', 'ERR_LEGAL_HOLD', 'ERR_LEGAL_HOLD'])
    expect([await peopleIn('people', 1), datasets.get('people')]).toEqual([['ada', 'cleo', 'ada'], other])
    expect(events.filter(({ type }) => ['data.erase', 'data.remove', 'data.shred'].includes(type))).toEqual([])
  })

  it('of somebody else refuses nothing', async () => {
    await load(SMALL)
    holds = held({ pseudonym: sealer.pseudonym('bob'), dataset: 'other' })
    expect(await outcomes()).toEqual([expect.anything(), 'done', 'done'])
  })
})

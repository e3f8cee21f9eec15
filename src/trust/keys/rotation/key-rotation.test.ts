import { describe, expect, it } from 'vitest'
import { type Alert, ManualClock } from '#foundation/core'
import { openObject, readHeaderSlots, readObjectHeader, sealObject, type WrappedKey } from '#foundation/crypto'
import { type Database, type Fault, MemoryFolder, openDatabase } from '#foundation/storage'
import { DEFAULT_ROTATION } from '../config.ts'
import { KEY_LIMITS } from '../key-limits.ts'
import { ADULT, CREDIT, failure, MemoryAudit, NOW, PASSPHRASE, QUICK_KDF, seeded, USE } from '../keys.fixtures.ts'
import type { AuditedKeys, KeyOwner, Keyring } from '../keys.ts'
import { openKeyring, type OpenKeyringOptions } from '../open-keyring.ts'
import { openSealedFileProvider } from '../sealed-file/sealed-file-provider.ts'
import { type KeyRotation, SETTLE_MS } from './key-rotation.ts'
import type { SealedObjects } from './wrapped-places.ts'

const DAY_MS = 86_400_000
const HEADERS = 8_192

/** A house with objects, over which processes come and go. */
class House {
  readonly clock = new ManualClock(NOW)
  readonly keyFolder = new MemoryFolder()
  readonly database: Database = openDatabase(':memory:')
  readonly audit = new MemoryAudit()
  readonly alerts: Alert[] = []
  readonly slept: number[] = []
  objects = new MemoryFolder()
  keyring!: Keyring
  keys!: AuditedKeys
  rotation!: KeyRotation
  /** Called when the rotation waits. */
  waiting: () => void = () => undefined
  /** Wrapped keys of things that are not moved. */
  pinned: readonly WrappedKey[] = []

  /** A new process; the one before was killed. */
  async start(options: Partial<OpenKeyringOptions> = {}, config = DEFAULT_ROTATION): Promise<this> {
    const { keyFolder: folder, database, clock } = this
    this.keyring = await openKeyring({ folder, database, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF, ...options })
    this.keys = this.keyring.keys(this.audit)
    this.rotation = this.keyring.rotation({
      audit: this.audit,
      alerts: { raise: (alert) => void this.alerts.push(alert) },
      folder: this.objects,
      objects: (['dataset', 'model', 'configuration'] as const).map((keyClass) => this.#objectsOf(keyClass)),
      wrapped: [],
      pinned: () => this.pinned,
      config,
      sleep: async (ms) => {
        this.slept.push(ms)
        this.clock.advance(Math.ceil(ms))
        this.waiting()
      },
    })
    return this
  }

  /** `CLASS-OWNER-NUMBER`; without an owner where it says `none`. */
  #objectsOf(keyClass: SealedObjects['keyClass']): SealedObjects {
    const list = () =>
      this.objects.list('').flatMap((path) => {
        const [of, owner] = path.split('-')
        return of === keyClass && !path.endsWith('.sealing') ? [{ path, owner: owner === 'none' ? null : owner! }] : []
      })
    return { name: `objects of class ${keyClass}`, keyClass, list }
  }

  async seal({ keyClass, name }: KeyOwner, number: number): Promise<string> {
    const path = `${keyClass}-${name}-${number}`
    const key = await this.keys.generateDataKey({ keyClass, name }, `resource/${path}`, USE)
    await sealObject(this.objects, path, key, Buffer.from(`content of ${path}`))
    return path
  }

  /** As objects were sealed before owners had chains. */
  async sealUnderTheClass(keyClass: 'dataset' | 'configuration', path: string): Promise<string> {
    const { keyFolder: folder, clock } = this
    const provider = await openSealedFileProvider({ folder, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF })
    const key = await provider.generateDataKey(keyClass, { tenant: 'default', resource: `resource/${path}`, purpose: keyClass })
    await sealObject(this.objects, path, key, Buffer.from(`content of ${path}`))
    return path
  }

  async read(path: string): Promise<string> {
    const object = await openObject(this.objects, path, (wrapped) => this.keys.unwrap(wrapped, USE), { resource: `resource/${path}` })
    return Buffer.from(await object.readAll()).toString()
  }

  async reads(paths: readonly string[]): Promise<boolean> {
    for (const path of paths) if ((await this.read(path)) !== `content of ${path}`) return false
    return true
  }

  /** Versions named by the headers of an object, newest slot first. */
  versions(path: string): number[] {
    return readHeaderSlots(this.objects, path).headers.map(({ keys }) => keys[0]!.version)
  }

  states({ keyClass, name }: KeyOwner): string[] {
    return this.keys.list().flatMap((key) => (key.keyClass === keyClass && key.owner === name ? [key.state] : []))
  }

  /** Rounds, one an hour. */
  async hours(count: number): Promise<void> {
    for (let hour = 0; hour < count; hour++) {
      this.clock.advance(3_600_000)
      await this.rotation.run()
    }
  }

  async days(count: number): Promise<void> {
    for (let day = 0; day < count; day++) {
      this.clock.advance(DAY_MS)
      await this.rotation.run()
    }
  }

  events(...types: string[]): unknown[] {
    return this.audit.events.filter(({ type, actor }) => types.includes(type) && actor.id === 'keys').map(({ type }) => type)
  }
}

const body = (house: House, path: string): string => Buffer.from(house.objects.read(path)!.subarray(HEADERS)).toString('base64')

describe('a rotation', () => {
  it('moves every header in both slots and no body, retires what nothing names, destroys it after its grace (A5)', async () => {
    const house = await new House().start()
    const paths = [await house.seal(ADULT, 1), await house.seal(ADULT, 2), await house.seal(CREDIT, 1)]
    const bodies = paths.map((path) => body(house, path))
    const old = readObjectHeader(house.objects, paths[0]!).keys[0]!.wrapped
    await house.keys.rotate(ADULT, USE)
    await house.rotation.run()
    expect(paths.map((path) => house.versions(path))).toEqual([[2, 2], [2, 2], [1]])
    expect(paths.map((path) => body(house, path))).toEqual(bodies)
    expect(Buffer.from(house.objects.read(paths[0]!)!).includes(old)).toBe(false)
    expect(house.rotation.progress()).toMatchObject({ doing: 'idle', error: null, objects: { seen: 3, moved: 2, resealed: 0, failed: 0 } })
    expect(house.audit.events.filter(({ type }) => type === 'key.rewrap')).toMatchObject([
      {
        actor: { id: 'keys' },
        outcome: 'success',
        details: { keyClass: 'dataset', owner: 'adult', keys: 2, newVersion: 2, from: [{ version: 1 }] },
      },
    ])
    await house.hours(1)
    expect(house.events('key.retire', 'key.destroy')).toEqual(['key.retire'])
    expect(house.states(ADULT)).toEqual(['retired', 'primary'])
    await house.days(29)
    await house.hours(23)
    expect(house.states(ADULT)).toEqual(['retired', 'primary'])
    await house.hours(1)
    expect(house.states(ADULT)).toEqual(['destroyed', 'primary'])
    expect(house.events('key.retire', 'key.destroy')).toEqual(['key.retire', 'key.destroy'])
    expect(house.rotation.progress().retirements).toEqual([])
    expect(await house.reads(paths)).toBe(true)
    const again = await house.start()
    expect(await again.reads(paths)).toBe(true)
    expect(again.states(ADULT)).toEqual(['destroyed', 'primary'])
  })

  it('comes by itself after 90 days for every owner and every class, used or not, and takes along all that they wrapped (A5)', async () => {
    const house = await new House().start()
    const paths = [await house.seal(ADULT, 1), await house.seal(CREDIT, 1)]
    const sealed = await house.keyring.sealer.seal('ann', Buffer.from('x'), 'c')
    house.keyring.close()
    paths.push(
      await house.sealUnderTheClass('dataset', 'dataset-old-1'),
      await house.sealUnderTheClass('configuration', 'configuration-none-1'),
    )
    await house.start()
    house.clock.advance(90 * DAY_MS)
    await house.hours(2)
    await house.days(30)
    const keys = house.keys.list().filter(({ keyClass }) => keyClass !== 'signing')
    expect(keys.filter(({ state }) => state === 'primary').every(({ version, owner }) => version === (owner === 'old' ? 1 : 2))).toBe(true)
    expect(keys.filter(({ version, owner }) => version === 1 && owner !== 'old').map(({ state }) => state)).toEqual(
      Array(6).fill('destroyed'),
    )
    for (const process of ['this', 'next']) {
      if (process === 'next') await house.start()
      expect([process, await house.reads(paths)]).toEqual([process, true])
      expect(Buffer.from(await house.keyring.sealer.open(sealed, 'c')).toString()).toBe('x')
      expect(house.keyring.sealer.pseudonym('ann')).toBe(sealed.pseudonym)
    }
  })

  it('brings what lies under the class from before under its owner at the first round, so that it can be destroyed with it (A6)', async () => {
    const house = await new House().start()
    house.keyring.close()
    const path = await house.sealUnderTheClass('dataset', 'dataset-adult-1')
    await house.start()
    await house.rotation.run()
    expect(house.states(ADULT)).toEqual(['primary'])
    expect(await house.reads([path])).toBe(true)
    await house.keys.destroyOwner(ADULT, USE)
    expect(await failure(house.read(path))).toBe('ERR_KEYS_DESTROYED')
    await house.hours(1)
    expect(house.rotation.progress()).toMatchObject({ error: null })
  })

  it('destroys nothing early when the clock is set, forwards or back, and counts its grace over restarts', async () => {
    const house = await new House().start()
    await house.seal(ADULT, 1)
    await house.keys.rotate(ADULT, USE)
    await house.hours(2)
    for (const years of [10, -20]) {
      house.clock.setNow(house.clock.now() + years * 365 * DAY_MS)
      await house.rotation.run()
      expect([years, house.states(ADULT)[0]]).toEqual([years, 'retired'])
    }
    await house.days(15)
    await house.start()
    await house.days(14)
    expect(house.states(ADULT)[0]).toBe('retired')
    await house.days(1)
    expect(house.states(ADULT)[0]).toBe('destroyed')
  })

  it('does not end what came back: an object of a backup is moved first', async () => {
    const house = await new House().start()
    const path = await house.seal(ADULT, 1)
    const backup = house.objects.read(path)!
    await house.keys.rotate(ADULT, USE)
    await house.days(29)
    house.objects.open(path)!.writeAt(backup, 0)
    house.objects.open('dataset-adult-2', { create: true })!.writeAt(backup, 0)
    await house.days(3)
    expect(await house.reads([path])).toBe(true)
    expect([house.versions('dataset-adult-2'), house.states(ADULT)[0]]).toEqual([[2, 2], 'destroyed'])
  })

  it('waits for objects on their way to the disk: their data keys were wrapped before the rotation', async () => {
    const house = await new House().start()
    await house.seal(ADULT, 1)
    const key = await house.keys.generateDataKey(ADULT, 'resource/dataset-adult-2', USE)
    await house.keys.rotate(ADULT, USE, { compromised: true })
    await house.rotation.run()
    house.clock.advance(SETTLE_MS - 1_000)
    await house.rotation.run()
    expect(house.events('key.retire', 'key.destroy')).toEqual([])
    await sealObject(house.objects, 'dataset-adult-2', key, Buffer.from('content of dataset-adult-2'))
    await house.hours(1)
    expect(house.states(ADULT)).toEqual(['destroyed', 'primary'])
    expect(await house.reads(['dataset-adult-1', 'dataset-adult-2'])).toBe(true)
  })

  it('does not retire what an object names that cannot be moved, and tells of it', async () => {
    const house = await new House().start()
    const [moved, stuck] = [await house.seal(ADULT, 1), 'dataset-adult-2']
    const [wrapped] = readObjectHeader(house.objects, moved).keys
    // Whole, and the wrapped key was another object's.
    const binding = { ...wrapped!.binding, resource: 'elsewhere' }
    await sealObject(
      house.objects,
      stuck,
      { key: await house.keys.unwrap(wrapped!, USE), wrapped: { ...wrapped!, binding } },
      Buffer.from('x'),
    )
    await house.keys.rotate(ADULT, USE)
    await house.hours(3)
    expect(house.rotation.progress()).toMatchObject({ objects: { failed: 1 }, retirements: [{ phase: 'move', version: 1 }] })
    expect(house.states(ADULT)).toEqual(['retired', 'primary'])
    house.objects.remove(stuck)
    await house.hours(1)
    expect(house.rotation.progress()).toMatchObject({ retirements: [{ phase: 'grace' }] })
  })

  it('does not retire what a key names that is never moved, as of rows that are in no version yet (A5)', async () => {
    const house = await new House().start()
    const { key, wrapped } = await house.keys.generateDataKey(ADULT, 'segment', USE)
    house.pinned = [wrapped]
    await house.keys.rotate(ADULT, USE)
    await house.days(40)
    expect(house.states(ADULT)).toEqual(['retired', 'primary'])
    expect((await house.keys.unwrap(wrapped, USE)).equals(key)).toBe(true)
    house.pinned = []
    await house.days(40)
    expect(house.states(ADULT)).toEqual(['destroyed', 'primary'])
  })

  it('keeps to its pace, and lets others in between (A5)', async () => {
    const house = await new House().start({}, { ...DEFAULT_ROTATION, objectsPerSecond: 100 })
    const paths: string[] = []
    for (let i = 0; i < 150; i++) paths.push(await house.seal(ADULT, i))
    await house.keys.rotate(ADULT, USE)
    let served = 0
    house.waiting = () => void house.read(paths[served]!).then(() => served++)
    const before = house.clock.monotonic()
    await house.rotation.run()
    expect(house.clock.monotonic() - before).toBeGreaterThanOrEqual(1_490)
    expect(house.slept.length).toBeGreaterThanOrEqual(3)
    expect(served).toBeGreaterThanOrEqual(2)
    expect(await house.reads(paths)).toBe(true)
  })

  it('raises an alert at 2^31 uses (NIST SP 800-38D §8.3)', async () => {
    const limits = { ...KEY_LIMITS, rotateAt: 100, warnAt: 4, block: 2 }
    const house = await new House().start({ limits })
    for (let i = 0; i < 3; i++) await house.seal(ADULT, i)
    await house.rotation.run()
    expect(house.alerts).toEqual([])
    await house.seal(ADULT, 3)
    await house.rotation.run()
    expect(house.alerts).toMatchObject([{ kind: 'key.overused', severity: 'critical', details: { owner: 'adult', version: 1, uses: 4 } }])
    expect(KEY_LIMITS.warnAt).toBe(2 ** 31)
  })
})

describe('a compromise', () => {
  it('seals everything anew under fresh data keys, and ends the version without grace (A5)', async () => {
    const house = await new House().start()
    const paths = [await house.seal(ADULT, 1), await house.seal(ADULT, 2)]
    await house.keys.rotate(ADULT, USE)
    paths.push(await house.seal(ADULT, 3), await house.seal(CREDIT, 1))
    const before = paths.map((path) => [readObjectHeader(house.objects, path).commitment, body(house, path)])
    await house.keys.rotate(ADULT, USE, { compromised: true })
    await house.hours(2)
    const after = paths.map((path) => [readObjectHeader(house.objects, path).commitment, body(house, path)])
    for (const i of [0, 1, 2]) expect([after[i]![0] === before[i]![0], after[i]![1] === before[i]![1]]).toEqual([false, false])
    expect(after[3]).toEqual(before[3])
    expect(paths.map((path) => house.versions(path))).toEqual([[3], [3], [3], [1]])
    expect(house.states(ADULT)).toEqual(['retired', 'destroyed', 'primary'])
    expect(await house.reads(paths)).toBe(true)
    expect(house.audit.events.filter(({ type }) => type === 'key.rotate').at(-1)).toMatchObject({
      details: { owner: 'adult', compromised: true },
    })
  })

  it('of a class is one of every owner under it', async () => {
    const house = await new House().start()
    const paths = [await house.seal(ADULT, 1), await house.seal({ ...ADULT, name: 'loans' }, 1), await house.seal(CREDIT, 1)]
    const commitments = paths.map((path) => readObjectHeader(house.objects, path).commitment)
    await house.keys.rotate('dataset', USE, { compromised: true })
    await house.hours(2)
    expect(paths.map((path, i) => readObjectHeader(house.objects, path).commitment === commitments[i])).toEqual([false, false, true])
    expect(
      house.keys
        .list()
        .filter(({ keyClass }) => keyClass === 'dataset')
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['destroyed', 'destroyed', 'destroyed', 'primary', 'primary', 'primary'])
    expect(await house.reads(paths)).toBe(true)
    for (const keyClass of ['subject', 'configuration'] as const)
      expect(await failure(house.keys.rotate(keyClass, USE, { compromised: true }))).toBe('ERR_INPUT_INVALID')
  })

  it('whose rotation failed seals nothing anew and destroys nothing', async () => {
    const house = await new House().start()
    const path = await house.seal(ADULT, 1)
    const before = body(house, path)
    house.audit.down = true
    expect(await failure(house.keys.rotate(ADULT, USE, { compromised: true }))).toBe('ERR_AUDIT_UNAVAILABLE')
    house.audit.down = false
    await house.hours(3)
    expect(body(house, path)).toBe(before)
    expect(house.states(ADULT)).toEqual(['primary'])
    expect(await house.reads([path])).toBe(true)
  })
})

/** `dead`: from that step on nothing takes effect, as when the power goes. */
const KINDS: readonly (Fault | 'dead')[] = ['lost', 'done-but-reported-lost', 'disk-full', 'dead']

describe('a rotation under faults', () => {
  it('loses nothing and goes on to its end after a failing call or a power cut at each step (A1, A5)', async () => {
    const seed = 31_337
    const random = seeded(seed)
    for (const compromised of [false, true])
      for (let failAt = 0; failAt < (compromised ? 18 : 9); failAt += compromised ? 2 : 1) {
        const kind = KINDS[(compromised ? failAt / 2 : failAt) % KINDS.length]!
        let step = 0
        let armed = false
        const house = new House()
        house.objects = new MemoryFolder({
          fault: (): Fault => {
            if (!armed || step++ < failAt) return 'none'
            return kind === 'dead' ? 'lost' : step === failAt + 1 ? kind : 'none'
          },
        })
        await house.start()
        const paths = [await house.seal(ADULT, 1), await house.seal(ADULT, 2), await house.seal(CREDIT, 1)]
        await house.keys.rotate(ADULT, USE, { compromised })
        armed = true
        await house.rotation.run()
        armed = false
        house.objects = house.objects.powerCut(random)
        await house.start()
        const survived = await house.reads(paths)
        await house.hours(1)
        const ends = {
          versions: paths.map((path) => [...new Set(house.versions(path))]),
          states: house.states(ADULT),
          reads: await house.reads(paths),
        }
        const states = compromised ? ['destroyed', 'primary'] : ['retired', 'primary']
        expect({ seed, kind, failAt, compromised, survived, ...ends }).toEqual({
          seed,
          kind,
          failAt,
          compromised,
          survived: true,
          versions: [[2], [2], [1]],
          states,
          reads: true,
        })
      }
  })

  it('goes on where it was when it is ended in the middle, and moves nothing twice', async () => {
    const house = await new House().start({}, { ...DEFAULT_ROTATION, objectsPerSecond: 100 })
    const paths: string[] = []
    for (let i = 0; i < 150; i++) paths.push(await house.seal(ADULT, i))
    await house.keys.rotate(ADULT, USE)
    const closing: Promise<void>[] = []
    house.waiting = () => void closing.push(house.rotation.close())
    await house.rotation.run()
    await Promise.all(closing)
    expect(house.rotation.progress().objects).toMatchObject({ moved: 64 })
    house.waiting = () => undefined
    await house.start()
    await house.rotation.run()
    expect(house.rotation.progress().objects).toMatchObject({ seen: 150, moved: 86, failed: 0 })
    expect(await house.reads(paths)).toBe(true)
  })

  it('moves nothing while the log is down, and destroys nothing (A7)', async () => {
    const house = await new House().start()
    const path = await house.seal(ADULT, 1)
    await house.keys.rotate(ADULT, USE)
    house.audit.down = true
    await house.hours(2)
    expect(house.versions(path)).toEqual([1])
    expect(house.rotation.progress()).toMatchObject({ error: 'ERR_AUDIT_UNAVAILABLE', objects: { moved: 0 } })
    house.audit.down = false
    await house.days(29)
    house.audit.down = true
    await house.days(5)
    expect(house.states(ADULT)).toEqual(['retired', 'primary'])
    house.audit.down = false
    await house.hours(1)
    expect(house.states(ADULT)).toEqual(['destroyed', 'primary'])
  })

  it('leaves every key whole when the key database fails in the middle, and goes on', async () => {
    for (const table of ['owner_keys', 'subject_keys', 'key_secrets', 'key_retirements']) {
      const house = await new House().start()
      const path = await house.seal(ADULT, 1)
      const sealed = await house.keyring.sealer.seal('ann', Buffer.from('x'), 'c')
      for (const keyClass of ['dataset', 'subject', 'configuration'] as const) await house.keys.rotate(keyClass, USE)
      for (const when of ['INSERT', 'UPDATE'])
        house.database.raw.exec(`CREATE TRIGGER broken_${when} BEFORE ${when} ON ${table} BEGIN SELECT RAISE(ABORT, 'broken'); END`)
      await house.hours(2)
      expect([table, house.rotation.progress().error]).toEqual([table, 'ERR_STORAGE_IO'])
      expect(house.events('key.destroy')).toEqual([])
      for (const when of ['INSERT', 'UPDATE']) house.database.raw.exec(`DROP TRIGGER broken_${when}`)
      await house.start()
      expect([table, await house.reads([path])]).toEqual([table, true])
      await house.days(32)
      await house.start()
      expect([table, await house.reads([path])]).toEqual([table, true])
      expect(Buffer.from(await house.keyring.sealer.open(sealed, 'c')).toString()).toBe('x')
      expect(house.keys.list().filter(({ state }) => state === 'destroyed')).toHaveLength(3)
    }
  })
})

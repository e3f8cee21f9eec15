import { afterEach, describe, expect, it } from 'vitest'
import { type DurableFolder, type Fault, MemoryFolder } from '#foundation/storage'
import { sealObject } from '#foundation/crypto'
import { ADULT, failure, MemoryAudit, newWorld, seeded, USE } from '../keys.fixtures.ts'
import type { Keyring } from '../keys.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import type { ProviderConfig } from '../provider-config.ts'
import { KEYRING_PATH } from '../sealed-file/sealed-file-provider.ts'
import { startFakeServices } from './fake-services.fixtures.ts'
import type { MoveFrom } from './open-providers.ts'
import { PLACES_PATH } from './provider-places.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const SEALED: ProviderConfig = { kind: 'sealed-file' }
const OBJECTS = 6
type World = ReturnType<typeof newWorld>

async function services() {
  const started = await startFakeServices()
  closing.push(started.stop)
  return started
}

/** Seals what there is to move. @returns a look that throws unless all of it opens. */
async function filled(keyring: Keyring, objects: DurableFolder) {
  const keys = keyring.keys(new MemoryAudit())
  for (let i = 0; i < OBJECTS; i++)
    await sealObject(objects, `${i}.rdbt`, await keys.generateDataKey(ADULT, `object/${i}`, USE), Buffer.from(`content ${i}`))
  const room = await keys.generateDataKey('configuration', 'room', USE)
  const sealed = await keyring.sealer.seal('ann', Buffer.from('a name'), 'c')
  const { keyId, publicKey } = keyring.checkpointSigner
  return {
    room,
    expectWhole: async (now: Keyring, roomKey = room.wrapped): Promise<void> => {
      const { openObject } = await import('#foundation/crypto')
      const reading = now.keys(new MemoryAudit())
      for (let i = 0; i < OBJECTS; i++) {
        const object = await openObject(objects, `${i}.rdbt`, (wrapped) => reading.unwrap(wrapped, USE), { resource: `object/${i}` })
        expect(Buffer.from(await object.readAll()).toString()).toBe(`content ${i}`)
      }
      expect((await reading.unwrap(roomKey, USE)).equals(room.key)).toBe(true)
      expect(Buffer.from(await now.sealer.open(sealed, 'c')).toString()).toBe('a name')
      expect(now.sealer.pseudonym('ann')).toBe(sealed.pseudonym)
      expect(now.checkpointSigner.keyId).toBe(keyId)
      expect(now.checkpointSigner.publicKey.equals(publicKey)).toBe(true)
    },
  }
}

function rotationOf(keyring: Keyring, objects: DurableFolder, { graceDays = 0, audit = new MemoryAudit() } = {}) {
  return keyring.rotation({
    audit,
    alerts: { raise: () => undefined },
    folder: objects,
    objects: [
      {
        name: 'objects of data sets',
        keyClass: 'dataset',
        list: () => objects.list('').flatMap((path) => (path.endsWith('.rdbt') ? [{ path, owner: ADULT.name }] : [])),
      },
    ],
    wrapped: [],
    config: { graceDays, objectsPerSecond: 100_000 },
    sleep: async () => undefined,
  })
}

async function opened(
  world: World,
  provider: ProviderConfig,
  moveFrom?: MoveFrom,
  more: Parameters<World['open']>[0] = {},
): Promise<Keyring> {
  const keyring = await world.open({ provider, moveFrom, ...more })
  closing.push(() => keyring.close())
  return keyring
}

describe('moving from one provider to another while the server serves (A4, A6)', () => {
  it.each([
    ['transit', 'aws-kms'],
    ['aws-kms', 'transit'],
    ['transit', 'sealed-file'],
    ['aws-kms', 'sealed-file'],
  ] as const)('from %s to %s: opens through both, moves, proves, destroys, and needs the former one no more', async (from, to) => {
    const { bao, kms, transit, awsKms } = await services()
    const configs = { transit, 'aws-kms': awsKms, 'sealed-file': SEALED }
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, configs[from])
    const { expectWhole, room } = await filled(before, objects)
    before.close()

    const moving = await opened(world, configs[to], configs[from])
    await expectWhole(moving)
    const audit = new MemoryAudit()
    expect(await moving.finishMove(audit)).toBe(false)
    expect(audit.last()).toMatchObject({ type: 'key.move', details: { from, to, phase: 'begun', versions: 4 } })
    // Nothing new is wrapped by the former one, and the chains go on.
    const next = await moving.keys(audit).generateDataKey('configuration', 'next', USE)
    expect([next.wrapped.keyId, next.wrapped.version]).toEqual([room.wrapped.keyId, 2])
    const roomMoved = await moving.keys(audit).rewrap(room.wrapped, USE)
    moving.close()

    // Before it is proved, the house does not stand without the former one, and says what is there still.
    await expect(world.open({ provider: configs[to] })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringContaining(from),
    })
    const again = await opened(world, configs[to], configs[from])
    const rotation = rotationOf(again, objects, { audit })
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: { from, to, proved: true, left: [] } })
    expect(audit.types()).toContain('key.move')
    // The grace is nil here: the next rounds end the former versions, at the service too, and then its records.
    for (let i = 0; i < 3; i++) await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: null })
    expect(audit.events.filter(({ type }) => type === 'key.move').map(({ details }) => details?.['phase'])).toEqual([
      'begun',
      'proved',
      'ended',
    ])
    if (from === 'transit') {
      const [first, ...others] = [...bao.keys.values()].map(({ versions }) => versions[0])
      expect([first, ...others]).toEqual([null, null, null, null])
    } else expect([...kms.keys.values()].filter(({ state }) => state === 'Enabled')).toEqual([])
    await expectWhole(again, roomMoved)
    expect(await failure(again.keys(audit).unwrap(room.wrapped, { ...USE, purpose: 'other' }))).toMatch(/^ERR_KEYS_(DESTROYED|UNKNOWN)$/)
    again.close()
    const alone = await opened(world, configs[to])
    await expectWhole(alone, roomMoved)
    expect(await failure(alone.keys(audit).unwrap(room.wrapped, USE))).toBe('ERR_KEYS_UNKNOWN')
    expect(alone.move()).toBeNull()
  })

  it('goes on from sealed file to KMS, Transit and back to a sealed file, all open at each stage', async () => {
    const { transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const first = await opened(world, SEALED)
    const { expectWhole, room } = await filled(first, objects)
    first.close()
    let roomKey = room.wrapped
    const stages: readonly (readonly [ProviderConfig, ProviderConfig])[] = [
      [SEALED, awsKms],
      [awsKms, transit],
      [transit, SEALED],
      [SEALED, transit],
    ]
    for (const [from, to] of stages) {
      const keyring = await opened(world, to, from)
      await expectWhole(keyring, roomKey)
      await keyring.finishMove(new MemoryAudit())
      const rotation = rotationOf(keyring, objects, { graceDays: 30 })
      roomKey = await keyring.keys(new MemoryAudit()).rewrap(roomKey, USE)
      await rotation.run()
      expect([from.kind, to.kind, rotation.progress().error, rotation.progress().move?.proved ?? true]).toEqual([
        from.kind,
        to.kind,
        null,
        true,
      ])
      await expectWhole(keyring, roomKey)
      keyring.close()
      const alone = await opened(world, to)
      await alone.finishMove(new MemoryAudit())
      await expectWhole(alone, roomKey)
      alone.close()
    }
  })

  it('goes back in the middle, and names the third provider that it refuses meanwhile', async () => {
    const { transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, transit)
    const { expectWhole, room } = await filled(before, objects)
    before.close()
    const moving = await opened(world, awsKms, transit)
    const there = await moving.keys(new MemoryAudit()).generateDataKey('configuration', 'there', USE)
    moving.close()
    expect(await failure(world.open({ provider: SEALED, moveFrom: awsKms }))).toBe('ERR_CONFIG_INVALID')
    expect(await failure(world.open({ provider: transit }))).toBe('ERR_CONFIG_INVALID')
    const back = await opened(world, transit, awsKms)
    await expectWhole(back)
    expect((await back.keys(new MemoryAudit()).unwrap(there.wrapped, USE)).equals(there.key)).toBe(true)
    const moved = await back.keys(new MemoryAudit()).rewrap(there.wrapped, USE)
    expect([moved.keyId, moved.version]).toEqual([room.wrapped.keyId, 3])
    const rotation = rotationOf(back, objects)
    for (let i = 0; i < 4; i++) await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: null })
    back.close()
    const alone = await opened(world, transit)
    expect((await alone.keys(new MemoryAudit()).unwrap(moved, USE)).equals(there.key)).toBe(true)
  })

  it('names what keeps the former provider, and is not proved by a walk that could not look at everything', async () => {
    const { transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, transit)
    await filled(before, objects)
    const pinned = await before.keys(new MemoryAudit()).generateDataKey('configuration', 'pinned', USE)
    before.close()
    const moving = await opened(world, awsKms, transit)
    const rotation = moving.rotation({
      audit: new MemoryAudit(),
      alerts: { raise: () => undefined },
      folder: objects,
      objects: [],
      wrapped: [],
      pinned: () => [pinned.wrapped],
      config: { graceDays: 0, objectsPerSecond: 100_000 },
      sleep: async () => undefined,
    })
    await rotation.run()
    expect(rotation.progress().move).toMatchObject({ proved: false, left: [{ what: 'rows that are in no version yet', keys: 1 }] })
    moving.close()
    await expect(world.open({ provider: awsKms })).rejects.toMatchObject({
      message: expect.stringContaining('1 key of rows that are in no version yet'),
    })
  })

  it.each([
    ['throttled', 'ERR_KEYS_PROVIDER_BUSY'],
    ['broken', 'ERR_KEYS_PROVIDER_UNAVAILABLE'],
  ] as const)('waits for a former provider that is %s in the middle, and goes on', async (fault, code) => {
    const { kms, transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, awsKms)
    const { expectWhole, room } = await filled(before, objects)
    before.close()
    const moving = await opened(world, transit, awsKms)
    const rotation = rotationOf(moving, objects, { graceDays: 30 })
    kms.server.faults.push(...Array<typeof fault>(5).fill(fault))
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: code, move: { proved: false } })
    kms.server.faults.splice(0)
    await expectWhole(moving)
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: { proved: true } })
    await expectWhole(moving, await moving.keys(new MemoryAudit()).rewrap(room.wrapped, USE))
  })

  it('waits for a new provider that is sealed in the middle, and goes on', async () => {
    const { bao, transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, awsKms)
    const { expectWhole } = await filled(before, objects)
    before.close()
    const moving = await opened(world, transit, awsKms)
    const rotation = rotationOf(moving, objects, { graceDays: 30 })
    bao.sealed = true
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: 'ERR_KEYS_PROVIDER_UNAVAILABLE', move: { proved: false } })
    bao.sealed = false
    await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: { proved: true } })
    await expectWhole(moving)
  })

  it('once proved, starts without the former provider, also when that is named and out of reach', async () => {
    const { kms, transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, awsKms)
    const { expectWhole, room } = await filled(before, objects)
    before.close()
    const moving = await opened(world, transit, awsKms)
    const roomKey = await moving.keys(new MemoryAudit()).rewrap(room.wrapped, USE)
    await rotationOf(moving, objects, { graceDays: 30 }).run()
    moving.close()
    kms.denied.add('Decrypt')
    await kms.server.stop()
    const named = await opened(world, transit, awsKms)
    await expectWhole(named, roomKey)
    named.close()
    const alone = await opened(world, transit)
    const audit = new MemoryAudit()
    await alone.finishMove(audit)
    expect(audit.last()).toMatchObject({ type: 'key.move', details: { from: 'aws-kms', to: 'transit', phase: 'left' } })
    await expectWhole(alone, roomKey)
  })

  it('is whole after a failing write or a power cut at each step of its beginning, and then goes on or back', async () => {
    const seed = 47
    const random = seeded(seed)
    for (let failAt = 0; failAt < 26; failAt++) {
      let [step, armed] = [0, false]
      const dead = failAt % 2 === 0
      const fault = (): Fault => {
        if (!armed || step++ < failAt) return 'none'
        return dead || step === failAt + 1 ? 'lost' : 'none'
      }
      const { transit, awsKms } = await services()
      const [world, objects] = [newWorld(fault), new MemoryFolder()]
      const before = await opened(world, transit)
      const { expectWhole, room } = await filled(before, objects)
      before.close()
      armed = true
      const outcome = await failure(world.open({ provider: awsKms, moveFrom: transit }).then((keyring) => keyring.close()))
      armed = false
      const folder = world.folder.powerCut(random)
      const begun = folder.exists(PLACES_PATH)
      // Forwards, or where nothing had begun back: the old configuration serves as if nothing had been.
      const goesBack = !begun && failAt % 3 === 0
      const keyring = await opened(world, goesBack ? transit : awsKms, goesBack ? undefined : transit, { folder })
      await expectWhole(keyring)
      const rotation = rotationOf(keyring, objects)
      const roomKey = await keyring.keys(new MemoryAudit()).rewrap(room.wrapped, USE)
      for (let i = 0; i < 4; i++) await rotation.run()
      expect({ seed, failAt, outcome, ...rotation.progress() }).toMatchObject({ error: null, move: null })
      await expectWhole(keyring, roomKey)
      for (const close of closing.splice(0).reverse()) await close()
    }
  }, 60_000)

  it('does not begin anew beside records that are gone', async () => {
    const { transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, transit)
    await filled(before, objects)
    before.close()
    ;(await opened(world, awsKms, transit)).close()
    const folder = world.folder.powerCut(seeded(3))
    folder.remove(KEY_RECORDS_PATH)
    expect(await failure(world.open({ provider: awsKms, moveFrom: transit, folder }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
    expect(folder.exists(KEYRING_PATH)).toBe(false)
  })

  it('refuses the file that says who holds the keys when it was changed', async () => {
    const { transit, awsKms } = await services()
    const [world, objects] = [newWorld(), new MemoryFolder()]
    const before = await opened(world, transit)
    await filled(before, objects)
    before.close()
    ;(await opened(world, awsKms, transit)).close()
    const bytes = world.folder.read(PLACES_PATH)!
    const file = world.folder.open(PLACES_PATH)!
    const random = seeded(12)
    for (let i = 0; i < 60; i++) {
      const at = Math.floor(random() * (bytes.length - 1))
      const changed = bytes.slice()
      changed[at]! ^= 1 << Math.floor(random() * 8)
      file.writeAt(changed, 0)
      expect([at, await failure(world.open({ provider: awsKms, moveFrom: transit }))]).toEqual([at, 'ERR_KEYS_KEYRING_CORRUPT'])
    }
  })
})

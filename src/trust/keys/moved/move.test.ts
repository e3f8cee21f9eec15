import { afterEach, describe, expect, it } from 'vitest'
import { type Fault } from '#foundation/storage'
import { failure, MemoryAudit, newWorld, PASSPHRASE, seeded, USE } from '../keys.fixtures.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import { KEYRING_PATH } from '../sealed-file/sealed-file-provider.ts'
import { transitSchema } from '../transit/config.ts'
import { FakeTransit } from '../transit/fake-transit.fixtures.ts'
import { IMPORTED_KEYS_PATH } from './imported-keys.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  delete process.env['REDOUBT_TEST_TOKEN']
  for (const close of closing.splice(0).reverse()) await close()
})

/** A keyring in a sealed file, in use and rotated once; and a fake of Transit to move to. */
async function movingWorld(fault?: () => Fault) {
  const fake = await FakeTransit.start()
  closing.push(() => fake.server.stop())
  process.env['REDOUBT_TEST_TOKEN'] = 'fake-token'
  const provider = transitSchema.parse({
    kind: 'transit',
    url: fake.server.origin,
    ca: fake.server.caFile,
    token: 'env:REDOUBT_TEST_TOKEN',
  })
  const world = newWorld(fault)
  const before = await world.open()
  const keys = before.keys(new MemoryAudit())
  const made = [await keys.generateDataKey('configuration', 'd', USE)]
  await keys.rotate('configuration', USE)
  made.push(await keys.generateDataKey('configuration', 'd', USE), await keys.generateDataKey('configuration', 'm', USE))
  const sealed = await before.sealer.seal('ann', Buffer.from('x'), 'c')
  const signs = before.checkpointSigner
  const token = await keys.release('token-signing', USE)
  before.close()
  const moved = (more: Parameters<typeof world.open>[0] = {}) =>
    world.open({ provider, moveFrom: 'sealed-file', ...more }).then((keyring) => {
      closing.push(() => keyring.close())
      return keyring
    })
  const expectWhole = async (keyring: Awaited<ReturnType<typeof moved>>): Promise<void> => {
    const keys = keyring.keys(new MemoryAudit())
    for (const { key, wrapped } of made) expect((await keys.unwrap(wrapped, USE)).equals(key)).toBe(true)
    expect(Buffer.from(await keyring.sealer.open(sealed, 'c')).toString()).toBe('x')
    expect(keyring.sealer.pseudonym('ann')).toBe(sealed.pseudonym)
    expect(keyring.checkpointSigner.keyId).toBe(signs.keyId)
    expect(keyring.checkpointSigner.publicKey.equals(signs.publicKey)).toBe(true)
    expect((await keys.release('token-signing', USE)).equals(token)).toBe(true)
  }
  return { fake, world, provider, made, moved, expectWhole }
}

describe('moving from a sealed file to a key service (A4)', () => {
  it('keeps every key, goes on in the same chains, is recorded, and needs the file and the passphrase no more', async () => {
    const { world, provider, made, moved, expectWhole } = await movingWorld()
    const keyring = await moved()
    await expectWhole(keyring)
    const audit = new MemoryAudit()
    expect(await keyring.finishMove(audit)).toBe(true)
    expect(audit.last()).toMatchObject({
      type: 'key.move',
      action: 'rotateKey',
      details: { from: 'sealed-file', to: 'transit', versions: 5 },
    })
    expect(world.folder.exists(KEYRING_PATH)).toBe(false)
    const keys = keyring.keys(audit)
    const after = await keys.generateDataKey('configuration', 'd', USE)
    expect([after.wrapped.keyId, after.wrapped.version]).toEqual([made[0]!.wrapped.keyId, 3])
    // What was wrapped before is taken over by the service's own version, as after any rotation.
    const rewrapped = await keys.rewrap(made[0]!.wrapped, USE)
    expect([rewrapped.keyId, rewrapped.version]).toEqual([after.wrapped.keyId, 3])
    const chain = keys.list().filter(({ keyClass }) => keyClass === 'configuration')
    expect(chain.map(({ version, state }) => [version, state])).toEqual([
      [1, 'retired'],
      [2, 'retired'],
      [3, 'primary'],
    ])
    keyring.close()
    // The former provider is closed and gone: neither its file nor its passphrase is there.
    const again = await world.open({ provider, passphrase: new Uint8Array() })
    closing.push(() => again.close())
    await expectWhole(again)
    expect((await again.keys(audit).unwrap(rewrapped, USE)).equals(made[0]!.key)).toBe(true)
    expect(await again.finishMove(audit)).toBe(false)
  })

  it('keeps the file while the log takes nothing, and finishes with the next start', async () => {
    const { world, provider, moved, expectWhole } = await movingWorld()
    const keyring = await moved()
    const audit = new MemoryAudit()
    audit.down = true
    expect(await failure(keyring.finishMove(audit))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(world.folder.exists(KEYRING_PATH)).toBe(true)
    keyring.close()
    audit.down = false
    const again = await world.open({ provider })
    closing.push(() => again.close())
    await expectWhole(again)
    expect([await again.finishMove(audit), world.folder.exists(KEYRING_PATH)]).toEqual([true, false])
  })

  it('is refused with another passphrase, and not begun unless it is asked for', async () => {
    const { world, moved } = await movingWorld()
    expect(await failure(moved({ passphrase: Buffer.from('another') }))).toBe('ERR_KEYS_PASSPHRASE')
    expect(await failure(moved({ moveFrom: undefined }))).toBe('ERR_CONFIG_INVALID')
    expect(world.folder.exists(KEY_RECORDS_PATH)).toBe(false)
    expect(await failure(world.open())).toBe('done')
  })

  it('does not go back to the file, which would begin anew beside the keys', async () => {
    const { world, moved } = await movingWorld()
    await moved()
    expect(await failure(world.open())).toBe('ERR_CONFIG_INVALID')
  })

  it('refuses imported keys that were changed, exchanged or lost', async () => {
    const { world, provider, moved } = await movingWorld()
    ;(await moved()).close()
    const file = world.folder.open(IMPORTED_KEYS_PATH)!
    const bytes = world.folder.read(IMPORTED_KEYS_PATH)!
    const random = seeded(8)
    for (let i = 0; i < 60; i++) {
      const at = Math.floor(random() * (bytes.length - 1))
      const changed = bytes.slice()
      changed[at]! ^= 1 << Math.floor(random() * 8)
      file.writeAt(changed, 0)
      expect([at, await failure(world.open({ provider }))]).toEqual([at, 'ERR_KEYS_KEYRING_CORRUPT'])
    }
    world.folder.remove(IMPORTED_KEYS_PATH)
    expect(await failure(world.open({ provider }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
  })

  it('is whole before or after, and finished by the next start, after a failing write or a power cut at each step', async () => {
    const seed = 31
    const random = seeded(seed)
    // Three files, five steps each.
    for (let failAt = 0; failAt < 15; failAt++) {
      let step = 0
      let armed = false
      const dead = failAt % 2 === 0
      const fault = (): Fault => {
        if (!armed || step++ < failAt) return 'none'
        return dead || step === failAt + 1 ? 'lost' : 'none'
      }
      const { world, moved, expectWhole } = await movingWorld(fault)
      armed = true
      const outcome = await failure(moved())
      armed = false
      const folder = world.folder.powerCut(random)
      const keyring = await moved({ folder, passphrase: PASSPHRASE })
      await expectWhole(keyring)
      await keyring.finishMove(new MemoryAudit())
      expect({ seed, failAt, outcome, left: folder.exists(KEYRING_PATH) }).toEqual({
        seed,
        failAt,
        outcome: expect.any(String),
        left: false,
      })
      keyring.close()
      await closing.splice(0)[0]!()
    }
  })
})

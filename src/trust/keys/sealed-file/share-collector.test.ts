import { describe, expect, it } from 'vitest'
import { type Fault, MemoryFolder } from '#foundation/storage'
import { failure, MemoryAudit, newWorld, PASSPHRASE, seeded, USE } from '../keys.fixtures.ts'
import { makeShares, readShare, writeShare } from '../shares/share-text.ts'
import { ShareCollector } from './share-collector.ts'

const size = { threshold: 2, of: 3 }

async function sharedWorld(fault?: (call: string, path: string) => Fault) {
  const world = newWorld(fault)
  const keyring = await world.open()
  const audit = new MemoryAudit()
  const keys = keyring.keys(audit)
  const made = await keys.generateDataKey('dataset', 'd', USE)
  const shares = makeShares(size)
  return { world, keyring, audit, keys, made, shares, reseal: () => keys.reseal(shares.secret, shares.set, USE) }
}

describe('a keyring that shares open (A5)', () => {
  it('opens with any k of them and holds the same keys; what opened it before does not', async () => {
    const { world, keyring, keys, made, shares, reseal } = await sharedWorld()
    await reseal()
    // It still serves, and what it writes from here on is under the new seal.
    await keys.rotate('dataset', USE)
    keyring.close()
    expect(await failure(world.open())).toBe('ERR_KEYS_PASSPHRASE')
    for (const [a, b] of [
      [0, 1],
      [2, 0],
      [1, 2],
    ] as const) {
      const collector = ShareCollector.open(world.folder)
      expect(await collector.add(shares.texts[a]!)).toBeNull()
      expect(collector.state()).toEqual({ given: 1, threshold: 2 })
      const secret = await collector.add(shares.texts[b]!)
      const again = await world.open({ passphrase: secret! })
      expect((await again.keys(new MemoryAudit()).unwrap(made.wrapped, USE)).equals(made.key)).toBe(true)
      again.close()
    }
  })

  it('takes no share of another set, none twice, and forgets all when together they open nothing', async () => {
    const { world, shares, reseal } = await sharedWorld()
    await reseal()
    const collector = ShareCollector.open(world.folder)
    const foreign = makeShares(size)
    expect(await failure(collector.add(foreign.texts[0]!))).toBe('ERR_KEYS_SHARE')
    expect(await collector.add(shares.texts[0]!)).toBeNull()
    expect(await failure(collector.add(shares.texts[0]!))).toBe('ERR_KEYS_SHARE')
    expect(collector.state().given).toBe(1)
    // A holder who lies: of the right set, with another point.
    const lie = writeShare({ ...readShare(shares.texts[1]!), bytes: readShare(foreign.texts[1]!).bytes })
    await expect(collector.add(lie)).rejects.toMatchObject({
      code: 'ERR_KEYS_SHARE',
      message: expect.stringContaining('one of them is wrong'),
    })
    expect(collector.state().given).toBe(0)
    expect(await collector.add(shares.texts[0]!)).toBeNull()
    expect(await collector.add(shares.texts[2]!)).not.toBeNull()
  })

  it('opens once for two who come at the same moment', async () => {
    const { world, shares, reseal } = await sharedWorld()
    await reseal()
    const collector = ShareCollector.open(world.folder)
    const given = await Promise.all(shares.texts.map((text) => collector.add(text)))
    expect(given.filter((secret) => secret !== null)).toHaveLength(1)
  })

  it('is not asked for where a passphrase opens the keyring, or there is none', async () => {
    const { world } = await sharedWorld()
    for (const folder of [world.folder, new MemoryFolder()]) expect(() => ShareCollector.open(folder)).toThrow(/keys\.unseal/)
  })

  it('is in the log before it is done, and not done when the log takes nothing (A7)', async () => {
    const { world, audit, keyring, reseal, shares } = await sharedWorld()
    audit.down = true
    expect(await failure(reseal())).toBe('ERR_AUDIT_UNAVAILABLE')
    keyring.close()
    ;(await world.open()).close()
    expect(JSON.stringify(audit.events)).not.toContain(Buffer.from(shares.secret).toString('base64url'))
  })

  it('opens by the old secret or the new one, and by one of them only, after a failing write or a power cut at each step', async () => {
    const seed = 77
    const random = seeded(seed)
    // Create, write, sync, rename, sync of the folder. A lost write and a full disk differ in their code alone, so they take turns.
    const steps = [0, 1, 2, 3, 4]
    const faults = [
      ...steps.map((failAt) => [failAt % 2 === 0 ? 'lost' : 'disk-full', failAt] as const),
      ...steps.map((failAt) => ['dead', failAt] as const),
      ...[3, 4].map((failAt) => ['done-but-reported-lost', failAt] as const),
    ]
    for (const [kind, failAt] of faults) {
      let step = 0
      let armed = false
      const { world, shares, reseal } = await sharedWorld((): Fault => {
        if (!armed || step++ < failAt) return 'none'
        return kind === 'dead' ? 'lost' : step === failAt + 1 ? kind : 'none'
      })
      armed = true
      const outcome = await failure(reseal())
      armed = false
      const folder = world.folder.powerCut(random)
      const opens: string[] = []
      for (const [name, passphrase] of [
        ['old', PASSPHRASE],
        ['new', shares.secret],
      ] as const)
        if ((await failure(world.open({ folder, passphrase }))) === 'done') opens.push(name)
      expect({ seed, kind, failAt, opens: opens.length }).toEqual({ seed, kind, failAt, opens: 1 })
      if (outcome === 'done') expect({ seed, kind, failAt, opens }).toEqual({ seed, kind, failAt, opens: ['new'] })
    }
  })

  it('goes on under the old seal when the new one could not be written', async () => {
    let full = false
    const { world, keyring, keys, reseal } = await sharedWorld(() => (full ? 'disk-full' : 'none'))
    full = true
    expect(await failure(reseal())).toBe('ERR_STORAGE_FULL')
    full = false
    await keys.rotate('dataset', USE)
    keyring.close()
    expect(await failure(world.open())).toBe('done')
  })
})

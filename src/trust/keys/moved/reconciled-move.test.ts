import { afterEach, expect, it } from 'vitest'
import { MemoryFolder } from '#foundation/storage'
import { ADULT, newWorld, USE } from '../keys.fixtures.ts'
import { logOf } from '../log-of-keyring.fixtures.ts'
import { startFakeServices } from './fake-services.fixtures.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function services() {
  const { transit, awsKms, stop } = await startFakeServices()
  closing.push(stop)
  return { transit, 'aws-kms': awsKms, 'sealed-file': { kind: 'sealed-file' } } as const
}

it.each([
  ['transit', 'aws-kms', 4],
  ['aws-kms', 'transit', 4],
  ['aws-kms', 'sealed-file', 4],
  ['sealed-file', 'transit', 4],
] as const)(
  'counts of a whole move from %s to %s, with a rotation and the end of versions, agree with the log (A4, A7)',
  async (from, to, versions) => {
    const configs = await services()
    const world = newWorld()
    const before = await world.open({ provider: configs[from] })
    const discarded = { record: async () => ({ index: 0, leafHash: '' }) }
    const made = await before.keys(discarded).generateDataKey(ADULT, 'd', USE)
    await before.sealer.seal('ann', Buffer.from('a name'), 'c')
    before.close()

    const keyring = await world.open({ provider: configs[to], moveFrom: configs[from] })
    closing.push(() => keyring.close())
    const log = await logOf(keyring, world.clock)
    closing.push(() => log.close())
    const reconciliation = keyring.reconciliation({ audit: log, log })
    const keys = keyring.keys(log)
    await keyring.finishMove(log)
    await keys.unwrap(made.wrapped, USE)
    expect((await reconciliation.run()).agrees).toBe(true)
    const rotation = keyring.rotation({
      audit: log,
      alerts: { raise: () => undefined },
      folder: new MemoryFolder(),
      objects: [],
      wrapped: [],
      config: { graceDays: 0, objectsPerSecond: 100_000 },
      sleep: async () => undefined,
    })
    for (let i = 0; i < 4; i++) await rotation.run()
    expect(rotation.progress()).toMatchObject({ error: null, move: null })
    await keys.rotate('configuration', USE)
    for (let i = 0; i < 4; i++) {
      world.clock.advance(3_600_000)
      await rotation.run()
    }
    const { rows, agrees } = await reconciliation.run()
    const differing = rows.filter(({ finding }) => finding !== 'agrees')
    expect([agrees, differing]).toEqual([true, []])
    const of = (operation: string) => rows.find((row) => row.operation === operation)
    expect(of('make')).toMatchObject({ key: 'all', log: 1 })
    // Of each class the one at the former provider, and the one that was rotated out; each was on record first.
    expect(of('destroy')).toMatchObject({ key: 'all', provider: versions + 1, log: versions + 1, withheld: 0 })
  },
)

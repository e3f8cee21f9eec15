import { afterEach, expect, it } from 'vitest'
import { MemoryFolder } from '#foundation/storage'
import { openAuditLog } from '#trust/audit'
import { awsKmsSchema } from '../aws-kms/config.ts'
import { FAKE_CREDENTIALS, FakeKms } from '../aws-kms/fake-kms.fixtures.ts'
import { ADULT, newWorld, USE } from '../keys.fixtures.ts'
import { transitSchema } from '../transit/config.ts'
import { FakeTransit } from '../transit/fake-transit.fixtures.ts'

const SECRETS = {
  REDOUBT_TEST_TOKEN: 'fake-token',
  REDOUBT_TEST_ID: FAKE_CREDENTIALS.accessKeyId,
  REDOUBT_TEST_SECRET: FAKE_CREDENTIALS.secretAccessKey,
}
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  for (const name of Object.keys(SECRETS)) delete process.env[name]
})

async function services() {
  const [bao, kms] = [await FakeTransit.start(), await FakeKms.start()]
  closing.push(
    () => bao.server.stop(),
    () => kms.server.stop(),
  )
  Object.assign(process.env, SECRETS)
  const transit = transitSchema.parse({ kind: 'transit', url: bao.server.origin, ca: bao.server.caFile, token: 'env:REDOUBT_TEST_TOKEN' })
  const credentials = { accessKeyId: 'env:REDOUBT_TEST_ID', secretAccessKey: 'env:REDOUBT_TEST_SECRET' }
  const { origin: endpoint, caFile: ca } = kms.server
  const awsKms = awsKmsSchema.parse({ kind: 'aws-kms', region: 'eu-central-1', endpoint, ca, credentials })
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
    const log = await openAuditLog({
      folder: new MemoryFolder(),
      signer: keyring.checkpointSigner,
      sealer: keyring.sealer,
      searchKey: keyring.searchKey,
      indexPath: ':memory:',
      origin: 'redoubt.test/log',
      clock: world.clock,
      instance: 'test',
      checkpointIntervalMs: 3_600_000,
      segmentBytes: 65_536,
    })
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

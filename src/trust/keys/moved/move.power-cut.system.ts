import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fault, MemoryFolder } from '#foundation/storage'
import { failure, MemoryAudit, newWorld, seeded, USE } from '../keys.fixtures.ts'
import type { Keyring } from '../keys.ts'
import { parseKeyRecords } from '../outside/key-records-file.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import type { ProviderConfig } from '../provider-config.ts'
import { KEYRING_PATH } from '../sealed-file/sealed-file-provider.ts'
import { transitSchema } from '../transit/config.ts'
import { FakeTransit } from '../transit/fake-transit.fixtures.ts'
import { readPlaces } from './provider-places.ts'

/** The provider that is left alone is opened by itself after each so many cuts: it takes a while. */
const ALONE_EVERY = 5
const SEALED: ProviderConfig = { kind: 'sealed-file' }
let bao: FakeTransit
let transit: ProviderConfig
beforeAll(async () => {
  bao = await FakeTransit.start()
  process.env['REDOUBT_TEST_TOKEN'] = 'fake-token'
  transit = transitSchema.parse({ kind: 'transit', url: bao.server.origin, ca: bao.server.caFile, token: 'env:REDOUBT_TEST_TOKEN' })
})
afterAll(async () => {
  await bao.server.stop()
  delete process.env['REDOUBT_TEST_TOKEN']
})

const rotationOf = (keyring: Keyring, audit: MemoryAudit) =>
  keyring.rotation({
    audit,
    alerts: { raise: () => undefined },
    folder: new MemoryFolder(),
    objects: [],
    wrapped: [],
    config: { graceDays: 0, objectsPerSecond: 100_000 },
    sleep: async () => undefined,
  })

/** Records the begin, moves, proves, destroys, ends: all that follows the first start. */
async function goOn(keyring: Keyring, audit: MemoryAudit): Promise<ReturnType<ReturnType<typeof rotationOf>['progress']>> {
  await keyring.finishMove(audit)
  const rotation = rotationOf(keyring, audit)
  for (let i = 0; i < 3; i++) await rotation.run()
  return rotation.progress()
}

/** A move that has begun, with a fault at one of the steps of writing that follow. @param failAt null for none. @returns how many steps there were. */
async function cutAt(from: ProviderConfig, to: ProviderConfig, failAt: number | null, random: () => number): Promise<number> {
  let [step, armed] = [0, false]
  // Every other time all that follows is lost too: the power was cut; else one write fails and the process goes on.
  const fault = (call: string, path: string): Fault => {
    // A file that is only made says nothing yet; the counts in the sealed file are cut elsewhere.
    if (!armed || call === 'create' || path.startsWith(`${KEYRING_PATH}.`) || step++ < (failAt ?? Number.POSITIVE_INFINITY)) return 'none'
    return failAt! % 2 === 0 || step === failAt! + 1 ? 'lost' : 'none'
  }
  const world = newWorld(fault)
  const before = await world.open({ provider: from })
  const { wrapped, key } = await before.keys(new MemoryAudit()).generateDataKey({ keyClass: 'model', name: 'm' }, 'object', USE)
  const sealed = await before.sealer.seal('ann', Buffer.from('a name'), 'c')
  before.close()
  const providers = { provider: to, moveFrom: from }
  const moving = await world.open(providers)
  const audit = new MemoryAudit()
  armed = true
  const outcome = await failure(goOn(moving, audit))
  armed = false
  const folder = world.folder.powerCut(random)
  moving.close()

  const after = await world.open({ ...providers, folder })
  const { error, move } = await goOn(after, audit)
  const expectWhole = async (keyring: Keyring): Promise<void> => {
    expect((await keyring.keys(audit).unwrap(wrapped, USE)).equals(key), `step ${failAt}`).toBe(true)
    expect(Buffer.from(await keyring.sealer.open(sealed, 'c')).toString()).toBe('a name')
  }
  await expectWhole(after)
  // A cut between the end and the removal of the former records leaves them there; nothing in them opens anything.
  const left = to.kind === 'sealed-file' ? folder.read(KEY_RECORDS_PATH) : null
  const living = left === null ? [] : parseKeyRecords(left).encryption.filter(({ state }) => state !== 'destroyed')
  const found = { failAt, outcome, error, move, living, file: folder.exists(KEYRING_PATH), former: readPlaces(folder)!.former }
  const file = to.kind === 'sealed-file'
  expect(found).toEqual({ failAt, outcome, error: null, move: null, living: [], file, former: null })
  after.close()
  if (failAt !== null && failAt % ALONE_EVERY !== 0) return step
  const alone = await world.open({ provider: to, folder })
  await expectWhole(alone)
  alone.close()
  return step
}

describe('a move that has begun, with a failing write or a power cut at each step after (A4, A6)', () => {
  it.each([
    ['transit', 'sealed-file'],
    ['sealed-file', 'transit'],
  ] as const)('from %s to %s, is finished by the next start', async (from, to) => {
    const configs = { transit, 'sealed-file': SEALED }
    const random = seeded(83)
    const steps = await cutAt(configs[from], configs[to], null, random)
    // Else nothing of it was tried.
    expect(steps).toBeGreaterThan(4)
    for (let failAt = 0; failAt < steps; failAt++) await cutAt(configs[from], configs[to], failAt, random)
  })
})

import { expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { failure, MemoryAudit, newWorld, NOW } from '../keys.fixtures.ts'
import { transitSchema } from '../transit/config.ts'
import { FakeTransit } from '../transit/fake-transit.fixtures.ts'
import { transitService } from '../transit/transit-service.ts'
import { openServiceProvider } from './outside-provider.ts'

async function service(fake: FakeTransit) {
  const config = transitSchema.parse({ kind: 'transit', url: fake.server.origin, ca: fake.server.caFile, token: 'env:REDOUBT_TEST_TOKEN' })
  return { config, service: await transitService(config, { resolveSecret: () => 'fake-token', clock: new ManualClock(NOW) }) }
}

it('is refused while a signing key is wrapped under it, and not before an older one has ended where they end in order (A6)', async () => {
  const fake = await FakeTransit.start()
  const provider = await openServiceProvider((await service(fake)).service, { folder: new MemoryFolder(), clock: new ManualClock(NOW) })
  await provider.rotate('configuration')
  expect([provider.mayEnd('configuration', 1), await failure(provider.destroyVersion('configuration', 1))]).toEqual([false, 'ERR_CONFLICT'])
  await provider.rotate('dataset')
  await provider.rotate('dataset')
  expect([provider.mayEnd('dataset', 2), await failure(provider.destroyVersion('dataset', 2))]).toEqual([false, 'ERR_CONFLICT'])
  await provider.destroyVersion('dataset', 1)
  await provider.destroyVersion('dataset', 2)
  expect(fake.keys.get('redoubt-dataset')!.versions).toEqual([null, null, expect.any(Buffer)])
  provider.close()
  await fake.server.stop()
})

it('of the class that wraps signing keys ends in a rotation, which moves them first, and they open after a restart (A6)', async () => {
  process.env['REDOUBT_TEST_TOKEN'] = 'fake-token'
  const fake = await FakeTransit.start()
  const { config } = await service(fake)
  const world = newWorld()
  let keyring = await world.open({ provider: config })
  const { keyId } = keyring.checkpointSigner
  const use = { principal: { type: 'User', id: 'u' }, purpose: 'p', resource: { type: 'Key', id: 'k' } }
  await keyring.keys(new MemoryAudit()).rotate('configuration', use)
  keyring.close()
  keyring = await world.open({ provider: config })
  const rotation = keyring.rotation({
    audit: new MemoryAudit(),
    alerts: { raise: () => undefined },
    folder: new MemoryFolder(),
    objects: [],
    wrapped: [],
    config: { graceDays: 0, objectsPerSecond: 1_000 },
    sleep: async () => undefined,
  })
  for (let i = 0; i < 3; i++) await rotation.run()
  expect(rotation.progress()).toMatchObject({ error: null, retirements: [] })
  expect(fake.keys.get('redoubt-configuration')!.versions).toEqual([null, expect.any(Buffer)])
  keyring.close()
  keyring = await world.open({ provider: config })
  expect(keyring.checkpointSigner.keyId).toBe(keyId)
  keyring.close()
  delete process.env['REDOUBT_TEST_TOKEN']
  await fake.server.stop()
})

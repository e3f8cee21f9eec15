import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import type { KeyBinding } from '#foundation/crypto'
import { MemoryFolder } from '#foundation/storage'
import { failure, NOW } from '../keys.fixtures.ts'
import { keyProviderContract } from '../key-provider-contract.ts'
import type { KeyProvider } from '../key-provider.ts'
import { openServiceProvider } from '../outside/outside-provider.ts'
import { MAX_TRIES } from '../outside/retried.ts'
import { type TransitConfig, transitSchema } from './config.ts'
import { FakeTransit } from './fake-transit.fixtures.ts'
import { transitService } from './transit-service.ts'

const binding: KeyBinding = { tenant: 'default', resource: 'dataset/one', purpose: 'dataset' }
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function world(tls?: Parameters<typeof FakeTransit.start>[0]) {
  const fake = await FakeTransit.start(tls)
  closing.push(() => fake.server.stop())
  const folder = new MemoryFolder()
  const clock = new ManualClock(NOW)
  const secret = { token: 'fake-token' }
  const open = async (more: Partial<TransitConfig> = {}): Promise<KeyProvider> => {
    const config = transitSchema.parse({ kind: 'transit', url: fake.server.origin, ca: fake.server.caFile, token: 'file:/token', ...more })
    const service = await transitService(config, { resolveSecret: () => secret.token, clock, pause: async () => undefined })
    closing.push(() => service.close())
    const provider = await openServiceProvider(service, { folder, clock })
    closing.push(() => provider.close())
    return provider
  }
  return { fake, folder, clock, secret, open }
}

describe('Transit, by a fake on the wire, passes the contract of key providers', () => {
  for (const contract of keyProviderContract)
    it(contract.name, async () => {
      const { open } = await world()
      await contract.run(() => open())
    })
})

describe('Transit, by a fake on the wire', () => {
  it('binds the place as associated data, and each version to the one of the engine (A4)', async () => {
    const { open } = await world()
    const provider = await open()
    const { wrapped, key } = await provider.generateDataKey('dataset', binding)
    await provider.rotate('dataset')
    expect(await failure(provider.unwrap({ ...wrapped, binding: { ...binding, resource: 'dataset/two' } }))).toBe(
      'ERR_CRYPTO_AUTHENTICATION',
    )
    expect(await failure(provider.unwrap({ ...wrapped, version: 2 }))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect((await provider.unwrap(wrapped)).equals(key)).toBe(true)
  })

  it('is not confused by a rotation that someone else made', async () => {
    const { fake, open } = await world()
    const provider = await open()
    const first = await provider.generateDataKey('dataset', binding)
    fake.keys.get('redoubt-dataset')!.versions.push(Buffer.alloc(32, 7))
    const second = await provider.generateDataKey('dataset', binding)
    expect([first.wrapped.version, second.wrapped.version]).toEqual([1, 1])
    expect((await provider.rotate('dataset')).version).toBe(2)
    const third = await provider.generateDataKey('dataset', binding)
    expect(Buffer.from(third.wrapped.wrapped, 'base64url').toString()).toMatch(/^vault:v3:/)
    for (const { wrapped, key } of [first, second, third]) expect((await provider.unwrap(wrapped)).equals(key)).toBe(true)
  })

  it('says which setting holds a version back', async () => {
    const { fake, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    fake.keys.get('redoubt-dataset')!.minDecryptionVersion = 2
    await expect(provider.unwrap(wrapped)).rejects.toMatchObject({
      code: 'ERR_KEYS_DISABLED',
      message: expect.stringContaining('min_decryption_version'),
    })
  })

  it('renews its token at two thirds of its life, and takes the next one from the reference when it is refused (A5)', async () => {
    const { fake, clock, secret, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    clock.advance(2_399_000)
    expect([await failure(provider.unwrap(wrapped)), fake.renewals]).toEqual(['done', 0])
    clock.advance(2_000)
    expect([await failure(provider.unwrap(wrapped)), fake.renewals]).toEqual(['done', 1])
    fake.tokens = new Set(['next-token'])
    expect(await failure(provider.unwrap(wrapped))).toBe('ERR_KEYS_PROVIDER_DENIED')
    secret.token = 'next-token'
    expect(await failure(provider.unwrap(wrapped))).toBe('done')
  })

  it('names its namespace, and no token that could break a header', async () => {
    const { fake, secret, open } = await world()
    fake.namespace = 'teams/ml'
    expect(await failure(open())).toBe('ERR_KEYS_UNKNOWN')
    expect(await failure(open({ namespace: 'teams/ml' }))).toBe('done')
    secret.token = 'fake-token\r\nx-vault-namespace: root'
    expect(await failure(open({ namespace: 'teams/ml' }))).toBe('ERR_CONFIG_SECRET')
  })

  it('says that the service is sealed, and goes on when it is not any more', async () => {
    const { fake, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    fake.sealed = true
    expect(await failure(provider.unwrap(wrapped))).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    expect(await provider.health()).toMatchObject({ provider: 'transit', ok: false, detail: expect.stringContaining('sealed') })
    fake.sealed = false
    expect(await failure(provider.unwrap(wrapped))).toBe('done')
    fake.keys.delete('redoubt-dataset')
    expect(await failure(provider.unwrap(wrapped))).toBe('ERR_KEYS_UNKNOWN')
  })

  it.each([
    ['throttled', 'ERR_KEYS_PROVIDER_BUSY', MAX_TRIES],
    ['broken', 'ERR_KEYS_PROVIDER_UNAVAILABLE', MAX_TRIES],
    ['cut', 'ERR_KEYS_PROVIDER_UNAVAILABLE', MAX_TRIES],
    ['oversized', 'ERR_KEYS_PROVIDER_PROTOCOL', 1],
    ['garbage', 'ERR_KEYS_PROVIDER_PROTOCOL', 1],
  ] as const)('takes a service that is %s for what it is: %s after %i', async (fault, code, tries) => {
    const { fake, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    fake.server.faults.push(...Array<typeof fault>(10).fill(fault))
    const before = fake.server.requests
    expect(await failure(provider.unwrap(wrapped))).toBe(code)
    expect(fake.server.requests - before).toBe(tries)
    fake.server.faults.splice(0)
    expect(await failure(provider.unwrap(wrapped))).toBe('done')
  })

  it.each([
    ['TLS 1.2', { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }],
    ['classical groups alone', { minVersion: 'TLSv1.3', ecdhCurve: 'X25519:P-256' }],
  ] as const)('does not talk to a service with %s (A2)', async (_name, tls) => {
    const { fake, open } = await world(tls)
    expect(await failure(open())).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    expect(fake.server.requests).toBe(0)
  })
})

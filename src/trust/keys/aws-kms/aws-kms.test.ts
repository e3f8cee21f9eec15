import { randomBytes, verify } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock } from '#foundation/core'
import type { KeyBinding } from '#foundation/crypto'
import { MemoryFolder } from '#foundation/storage'
import { failure, NOW } from '../keys.fixtures.ts'
import { keyProviderContract } from '../key-provider-contract.ts'
import type { KeyProvider } from '../key-provider.ts'
import { openServiceProvider } from '../outside/outside-provider.ts'
import { MAX_TRIES } from '../outside/retried.ts'
import { awsKmsService } from './aws-kms-service.ts'
import { type AwsKmsConfig, awsKmsSchema } from './config.ts'
import { FAKE_CREDENTIALS, FakeKms } from './fake-kms.fixtures.ts'

const SECRETS: Readonly<Record<string, string>> = {
  'env:ID': FAKE_CREDENTIALS.accessKeyId,
  'env:SECRET': FAKE_CREDENTIALS.secretAccessKey,
  'env:OTHER': 'another',
}
const binding: KeyBinding = { tenant: 'default', resource: 'dataset/one', purpose: 'dataset' }
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function world(tls?: Parameters<typeof FakeKms.start>[0]) {
  const fake = await FakeKms.start(tls)
  closing.push(() => fake.server.stop())
  const folder = new MemoryFolder()
  const pauses: number[] = []
  const open = async (more: Partial<AwsKmsConfig> = {}): Promise<KeyProvider> => {
    const config = awsKmsSchema.parse({
      kind: 'aws-kms',
      region: 'eu-central-1',
      endpoint: fake.server.origin,
      ca: fake.server.caFile,
      credentials: { accessKeyId: 'env:ID', secretAccessKey: 'env:SECRET' },
      ...more,
    })
    const service = await awsKmsService(config, {
      resolveSecret: (reference) => SECRETS[reference]!,
      pause: async (ms) => void pauses.push(ms),
    })
    closing.push(() => service.close())
    const provider = await openServiceProvider(service, { folder, clock: new ManualClock(NOW) })
    closing.push(() => provider.close())
    return provider
  }
  return { fake, folder, pauses, open }
}

describe('AWS KMS, by a fake on the wire, passes the contract of key providers', () => {
  for (const contract of keyProviderContract)
    it(contract.name, async () => {
      const { open } = await world()
      await contract.run(() => open())
    })
})

describe('AWS KMS, by a fake on the wire', () => {
  it('has one KMS key a version, and binds place and version as encryption context (A4)', async () => {
    const { fake, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    await provider.rotate('dataset')
    expect(fake.keys.size).toBe(5)
    expect(await failure(provider.unwrap({ ...wrapped, binding: { ...binding, resource: 'dataset/two' } }))).toBe(
      'ERR_CRYPTO_AUTHENTICATION',
    )
    expect(await failure(provider.unwrap({ ...wrapped, version: 2 }))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(await failure(provider.unwrap(wrapped))).toBe('done')
  })

  it('signs models with a key that KMS does not let out (A4)', async () => {
    const { fake, open } = await world()
    const modelSigningKey = fake.addSigningKey()
    let provider = await open({ modelSigningKey })
    const { publicKey, keyId } = provider.publicKey('model-signing')
    const message = randomBytes(10_000)
    for (let i = 0; i < 4; i++) expect(verify('sha256', message, publicKey, await provider.sign('model-signing', message))).toBe(true)
    expect(await failure(provider.release!('model-signing'))).toBe('ERR_KEYS_UNKNOWN')
    expect(provider.describe().filter(({ name }) => name === 'model-signing')).toMatchObject([{ keyId, uses: 4 }])
    provider = await open({ modelSigningKey })
    expect(provider.publicKey('model-signing').publicKey.equals(publicKey)).toBe(true)
    expect(await failure(open({ modelSigningKey: fake.addSigningKey() }))).toBe('ERR_CONFIG_INVALID')
    expect(await failure(open())).toBe('ERR_CONFIG_INVALID')
  })

  it('refuses to sign models with a key that is for something else', async () => {
    const { fake, open } = await world()
    await open()
    expect(await failure(open({ modelSigningKey: [...fake.keys.keys()][0]! }))).toBe('ERR_CONFIG_INVALID')
  })

  it('repeats what is throttled, broken or cut, with growing pauses, and answers', async () => {
    const { fake, pauses, open } = await world()
    const provider = await open()
    const { wrapped, key } = await provider.generateDataKey('dataset', binding)
    fake.server.faults.push('throttled', 'broken', 'cut')
    expect((await provider.unwrap(wrapped)).equals(key)).toBe(true)
    expect(pauses).toHaveLength(3)
    for (const [at, whole] of [100, 200, 400].entries()) expect(pauses[at]! >= whole / 2 && pauses[at]! <= whole).toBe(true)
  })

  it.each([
    ['throttled', 'ERR_KEYS_PROVIDER_BUSY'],
    ['broken', 'ERR_KEYS_PROVIDER_UNAVAILABLE'],
    ['cut', 'ERR_KEYS_PROVIDER_UNAVAILABLE'],
  ] as const)('gives up on a service that is %s after %s tries', async (fault, code) => {
    const { fake, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    fake.server.faults.push(...Array<typeof fault>(50).fill(fault))
    const before = fake.server.requests
    expect(await failure(provider.unwrap(wrapped))).toBe(code)
    expect(fake.server.requests - before).toBe(MAX_TRIES)
  })

  it.each([['oversized'], ['garbage']] as const)('takes no answer that is %s, once', async (fault) => {
    const { fake, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    fake.server.faults.push(fault)
    const before = fake.server.requests
    expect(await failure(provider.unwrap(wrapped))).toBe('ERR_KEYS_PROVIDER_PROTOCOL')
    expect(fake.server.requests - before).toBe(1)
  })

  it('waits no longer than it was told for a service that is silent', async () => {
    const { fake, open } = await world()
    const provider = await open({ timeoutMs: 100 })
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    fake.server.faults.push(...Array<'silent'>(50).fill('silent'))
    expect(await failure(provider.unwrap(wrapped))).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
  })

  it('says that a key is disabled, gone or forbidden, without trying again', async () => {
    const { fake, open } = await world()
    const provider = await open()
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    const told = async (): Promise<string> => {
      const before = fake.server.requests
      const code = await failure(provider.unwrap(wrapped))
      expect(fake.server.requests - before).toBe(1)
      return code
    }
    for (const state of ['Disabled', 'PendingDeletion'] as const) {
      fake.setState(state)
      expect(await told()).toBe('ERR_KEYS_DISABLED')
      expect(await provider.health()).toMatchObject({ provider: 'aws-kms', ok: false })
    }
    fake.setState('Enabled')
    fake.denied.add('Decrypt')
    expect(await told()).toBe('ERR_KEYS_PROVIDER_DENIED')
    fake.denied.clear()
    fake.keys.clear()
    expect(await told()).toBe('ERR_KEYS_UNKNOWN')
  })

  it('is refused with another secret access key: signatures are checked', async () => {
    const { open } = await world()
    expect(await failure(open({ credentials: { accessKeyId: 'env:ID', secretAccessKey: 'env:OTHER' } }))).toBe('ERR_KEYS_PROVIDER_DENIED')
  })

  it('goes on by the clock of the service when that of this host is wrong', async () => {
    const { fake, open } = await world()
    fake.skewMs = 3_600_000
    const provider = await open()
    const { wrapped, key } = await provider.generateDataKey('dataset', binding)
    expect((await provider.unwrap(wrapped)).equals(key)).toBe(true)
    expect(fake.server.requests - fake.asked.length).toBe(1)
  })

  it.each([
    ['TLS 1.2', { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' }],
    ['classical groups alone', { minVersion: 'TLSv1.3', ecdhCurve: 'X25519:P-256' }],
  ] as const)('does not talk to a service with %s (A2)', async (_name, tls) => {
    const { fake, open } = await world(tls)
    expect(await failure(open())).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    expect(fake.server.requests).toBe(0)
    expect(await failure(open({ hybridGroup: 'preferred' }))).toBe('maxVersion' in tls ? 'ERR_KEYS_PROVIDER_UNAVAILABLE' : 'done')
  })

  it('does not talk to a service that another authority vouches for (A2)', async () => {
    const [{ fake }, { open }] = [await world(), await world()]
    expect(await failure(open({ ca: fake.server.caFile }))).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
  })
})

import assert from 'node:assert/strict'
import { type KeyObject, randomBytes, verify } from 'node:crypto'
import type { KeyBinding, WrappedKey } from '#foundation/crypto'
import type { KeyProvider } from './key-provider.ts'
import { KEY_CLASSES } from './keys.ts'

export interface ContractCase {
  readonly name: string
  /** @param open gives a provider over the same store each time; the one before it was closed. */
  run(open: () => Promise<KeyProvider>): Promise<void>
}

const binding: KeyBinding = { tenant: 'default', resource: 'dataset/one', purpose: 'dataset' }
const sameKey = (a: KeyObject, b: KeyObject): boolean => a.equals(b)
const code = (expected: string) => (error: unknown) => (error as { code?: unknown }).code === expected

/** What every adapter of `KeyProvider` must pass, each case on a fresh store, with any test runner. */
export const keyProviderContract: readonly ContractCase[] = [
  {
    name: 'unwraps what it wrapped, in this process and the next',
    async run(open) {
      let provider = await open()
      const made = []
      for (const keyClass of KEY_CLASSES) made.push(await provider.generateDataKey(keyClass, binding))
      for (const { key, wrapped } of made) assert.ok(sameKey(await provider.unwrap(wrapped), key))
      provider.close()
      provider = await open()
      for (const { key, wrapped } of made) assert.ok(sameKey(await provider.unwrap(wrapped), key))
    },
  },
  {
    name: 'wraps given key material',
    async run(open) {
      const provider = await open()
      const material = randomBytes(32)
      const wrapped = await provider.wrap('model', material, binding)
      assert.ok((await provider.unwrap(wrapped)).export().equals(material))
    },
  },
  {
    name: 'makes another data key each time, and wraps the same material differently each time',
    async run(open) {
      const provider = await open()
      const [a, b] = [await provider.generateDataKey('model', binding), await provider.generateDataKey('model', binding)]
      assert.ok(!sameKey(a.key, b.key))
      const material = randomBytes(32)
      assert.notEqual((await provider.wrap('model', material, binding)).wrapped, (await provider.wrap('model', material, binding)).wrapped)
    },
  },
  {
    name: 'refuses a wrapped key in another place, of another version, class or content',
    async run(open) {
      const provider = await open()
      const { wrapped } = await provider.generateDataKey('dataset', binding)
      const other = await provider.generateDataKey('model', binding)
      const bytes = Buffer.from(wrapped.wrapped, 'base64url')
      bytes[20]! ^= 1
      const forged: WrappedKey[] = [
        { ...wrapped, binding: { ...binding, resource: 'dataset/two' } },
        { ...wrapped, binding: { ...binding, purpose: 'model' } },
        { ...wrapped, keyId: other.wrapped.keyId },
        { ...wrapped, wrapped: bytes.toString('base64url') },
        { ...wrapped, wrapped: '' },
      ]
      for (const one of forged) await assert.rejects(provider.unwrap(one), code('ERR_CRYPTO_AUTHENTICATION'))
    },
  },
  {
    name: 'refuses a key or version that it does not have',
    async run(open) {
      const provider = await open()
      const { wrapped } = await provider.generateDataKey('dataset', binding)
      await assert.rejects(provider.unwrap({ ...wrapped, keyId: 'kek_unknown' }), code('ERR_KEYS_UNKNOWN'))
      await assert.rejects(provider.unwrap({ ...wrapped, version: 2 }), code('ERR_KEYS_UNKNOWN'))
    },
  },
  {
    name: 'rotates: wraps under the new version, unwraps the old one, keeps a record of each',
    async run(open) {
      let provider = await open()
      const before = await provider.generateDataKey('dataset', binding)
      const { keyId, version } = await provider.rotate('dataset')
      assert.equal(version, before.wrapped.version + 1)
      const after = await provider.generateDataKey('dataset', binding)
      assert.deepEqual([after.wrapped.keyId, after.wrapped.version], [keyId, version])
      provider.close()
      provider = await open()
      assert.ok(sameKey(await provider.unwrap(before.wrapped), before.key))
      assert.ok(sameKey(await provider.unwrap(after.wrapped), after.key))
      const states = provider.describe().filter((key) => key.keyClass === 'dataset')
      assert.deepEqual(
        states.map((key) => [key.version, key.state]),
        [
          [1, 'retired'],
          [2, 'primary'],
        ],
      )
      assert.equal((await provider.generateDataKey('model', binding)).wrapped.version, 1)
    },
  },
  {
    name: 'destroys a version that is primary no more for ever, and never the primary one',
    async run(open) {
      let provider = await open()
      const before = await provider.generateDataKey('dataset', binding)
      await assert.rejects(provider.destroyVersion('dataset', 1), code('ERR_CONFLICT'))
      await assert.rejects(provider.destroyVersion('dataset', 2), code('ERR_KEYS_UNKNOWN'))
      await provider.rotate('dataset')
      const after = await provider.generateDataKey('dataset', binding)
      for (let i = 0; i < 2; i++) await provider.destroyVersion('dataset', 1)
      for (const reopened of [false, true]) {
        // Not closed: what is destroyed must not wait for an orderly end.
        if (reopened) provider = await open()
        await assert.rejects(provider.unwrap(before.wrapped), code('ERR_KEYS_DESTROYED'))
        assert.ok(sameKey(await provider.unwrap(after.wrapped), after.key))
        const states = provider.describe().flatMap((key) => (key.keyClass === 'dataset' ? [key.state] : []))
        assert.deepEqual(states, ['destroyed', 'primary'])
      }
    },
  },
  {
    name: 'signs with Ed25519 and ES256 (DER), the keys staying the same',
    async run(open) {
      let provider = await open()
      const message = randomBytes(100)
      const ed25519 = provider.publicKey('checkpoint')
      const es256 = provider.publicKey('model-signing')
      assert.deepEqual([ed25519.algorithm, es256.algorithm], ['Ed25519', 'ES256'])
      provider.close()
      provider = await open()
      assert.ok(verify(null, message, ed25519.publicKey, await provider.sign('checkpoint', message)))
      assert.ok(verify('sha256', message, es256.publicKey, await provider.sign('model-signing', message)))
      assert.equal(provider.publicKey('token-signing').publicKey.equals(ed25519.publicKey), false)
    },
  },
  {
    name: 'counts the uses of a version, never too few after it was opened again',
    async run(open) {
      let provider = await open()
      for (let i = 0; i < 5; i++) await provider.generateDataKey('dataset', binding)
      const uses = (): number => provider.describe().find((key) => key.keyClass === 'dataset')!.uses
      assert.equal(uses(), 5)
      provider = await open()
      assert.ok(uses() >= 5)
    },
  },
  {
    name: 'counts what it did since it was opened, once each, and not what it refused',
    async run(open) {
      const provider = await open()
      const counts = async (): Promise<Record<string, number>> => {
        const { counts: done, inferred } = await provider.operations()
        assert.equal(inferred, 0)
        return Object.fromEntries(done.map(({ operation, key, count }) => [`${operation} ${key}`, count]))
      }
      const before = await counts()
      const made = await provider.generateDataKey('dataset', binding)
      await provider.wrap('model', randomBytes(32), binding)
      for (let i = 0; i < 3; i++) await provider.unwrap(made.wrapped)
      await provider.sign('checkpoint', randomBytes(10))
      await provider.release?.('token-signing')
      await provider.rotate('dataset')
      for (let i = 0; i < 2; i++) await provider.destroyVersion('dataset', made.wrapped.version)
      await assert.rejects(provider.destroyVersion('dataset', made.wrapped.version + 1))
      await assert.rejects(provider.unwrap({ ...made.wrapped, binding: { ...binding, resource: 'dataset/two' } }))
      await assert.rejects(provider.unwrap({ ...made.wrapped, keyId: 'kek_unknown' }))
      await assert.rejects(provider.wrap('model', new Uint8Array(), binding))
      const after = await counts()
      const grown = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      const expected = {
        'wrap dataset': 1,
        'wrap model': 1,
        'unwrap dataset': 3,
        'sign checkpoint': 1,
        ...(provider.release === undefined ? {} : { 'release token-signing': 1 }),
        'make dataset': 1,
        'destroy dataset': 1,
      }
      assert.deepEqual(Object.fromEntries(grown.filter(([, count]) => count !== 0)), expected)
    },
  },
  {
    name: 'is healthy, and gives nothing any more once closed',
    async run(open) {
      const provider = await open()
      const { wrapped } = await provider.generateDataKey('dataset', binding)
      assert.equal((await provider.health()).ok, true)
      provider.close()
      await assert.rejects(provider.unwrap(wrapped), code('ERR_KEYS_UNKNOWN'))
      await assert.rejects(provider.generateDataKey('dataset', binding), code('ERR_KEYS_UNKNOWN'))
    },
  },
]

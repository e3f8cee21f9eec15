import { randomBytes, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ADULT, codeOf, CREDIT, failure, MemoryAudit, newWorld, USE, type World } from './keys.fixtures.ts'
import type { AuditedKeys, Keyring } from './keys.ts'

async function setUp(
  options: Parameters<World['open']>[0] = {},
): Promise<World & { keyring: Keyring; audit: MemoryAudit; keys: AuditedKeys }> {
  const world = newWorld()
  const keyring = await world.open(options)
  const audit = new MemoryAudit()
  return { ...world, keyring, audit, keys: keyring.keys(audit) }
}

describe('recorded keys', () => {
  it('records each generation and unwrap with key, version, class and binding before it gives the key (A7)', async () => {
    const { keys, audit } = await setUp()
    const { key, wrapped } = await keys.generateDataKey(ADULT, 'dataset/adult/1', USE)
    const binding = { tenant: 'default', resource: 'dataset/adult/1', purpose: 'dataset' }
    expect(wrapped.binding).toEqual(binding)
    const fact = { keyId: wrapped.keyId, version: 1, keyClass: 'dataset', owner: 'adult', binding }
    expect(audit.last()).toEqual({
      type: 'key.generate',
      actor: USE.principal,
      action: 'useKey',
      resource: USE.resource,
      outcome: 'success',
      purpose: USE.purpose,
      requestId: 'req_1',
      details: fact,
    })
    expect((await keys.unwrap(wrapped, USE)).equals(key)).toBe(true)
    expect(audit.last()).toMatchObject({ type: 'key.unwrap', outcome: 'success', details: fact })
  })

  it('gives no key, signature or release while the log is down (A7)', async () => {
    const { keys, audit } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    const signer = await keys.signer('model-signing', USE)
    audit.down = true
    const attempts = [
      keys.generateDataKey(ADULT, 'd', USE),
      keys.unwrap(wrapped, USE),
      keys.rewrap(wrapped, USE),
      signer.sign(Buffer.from('x')),
      keys.release('token-signing', USE),
      keys.rotate('dataset', USE),
      keys.rotate(ADULT, USE),
      keys.destroySubject('someone', USE),
      keys.destroyOwner(ADULT, USE),
    ]
    for (const attempt of attempts) expect(await failure(attempt)).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(
      keys
        .list()
        .filter((key) => key.keyClass === 'dataset')
        .map(({ owner, version }) => [owner, version]),
    ).toEqual([
      [undefined, 1],
      ['adult', 1],
    ])
  })

  it('does not destroy or rotate what it could not record first', async () => {
    const { keys, audit, keyring } = await setUp()
    const sealed = await keyring.sealer.seal('ann', Buffer.from('x'), 'c')
    audit.down = true
    expect(await failure(keys.destroySubject('ann', USE))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(Buffer.from(await keyring.sealer.open(sealed, 'c')).toString()).toBe('x')
  })

  it('records a refused unwrap with its code', async () => {
    const { keys, audit } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    const moved = { ...wrapped, binding: { ...wrapped.binding, resource: 'elsewhere' } }
    expect(await failure(keys.unwrap(moved, USE))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(audit.last()).toMatchObject({ type: 'key.unwrap', outcome: 'failed', code: 'ERR_CRYPTO_AUTHENTICATION' })
    expect(await failure(keys.unwrap({ ...wrapped, keyId: 'other' }, USE))).toBe('ERR_KEYS_UNKNOWN')
  })

  it.each([
    ['opens', 'up', 'done', ['success']],
    ['opens', 'down', 'ERR_AUDIT_UNAVAILABLE', []],
    ['fails', 'up', 'ERR_CRYPTO_AUTHENTICATION', ['failed']],
    ['fails', 'down', 'ERR_CRYPTO_AUTHENTICATION', []],
  ] as const)(
    'calls no unwrap a success that was none, and gives no key without an entry: it %s, the log is %s (A7)',
    async (opens, log, told, outcomes) => {
      const { keys, audit } = await setUp()
      const { wrapped } = await keys.generateDataKey('configuration', 'room', USE)
      const asked = opens === 'opens' ? wrapped : { ...wrapped, binding: { ...wrapped.binding, purpose: 'another' } }
      audit.down = log === 'down'
      expect(await failure(keys.unwrap(asked, USE))).toBe(told)
      audit.down = false
      const unwraps = () => audit.events.filter(({ type }) => type === 'key.unwrap')
      expect(unwraps().map(({ outcome }) => outcome)).toEqual(outcomes)
      // What could not be told of is in no cache either: the next one is opened and told of anew.
      if (told === 'done') return
      await keys.unwrap(wrapped, USE)
      expect(unwraps().length).toBe(outcomes.length + 1)
      expect(unwraps().at(-1)).toMatchObject({ outcome: 'success', details: { provider: [{ operation: 'unwrap', count: 1 }] } })
    },
  )

  it('records every signature, with the digest of what was signed', async () => {
    const { keys, audit } = await setUp()
    const message = Buffer.from('a model file')
    for (const [name, hash] of [
      ['model-signing', 'sha256'],
      ['certificate-authority', 'sha256'],
      ['token-signing', null],
    ] as const) {
      const signer = await keys.signer(name, USE)
      expect(verify(hash, message, signer.publicKey, await signer.sign(message))).toBe(true)
      expect(audit.last()).toMatchObject({ type: 'key.sign', details: { key: name, keyId: signer.keyId, version: 1 } })
    }
    expect(audit.types()).toEqual(['key.sign', 'key.sign', 'key.sign'])
  })

  it('records a release', async () => {
    const { keys, audit } = await setUp()
    const key = await keys.release('certificate-authority', USE)
    expect([key.type, key.asymmetricKeyType]).toEqual(['private', 'ec'])
    expect(audit.last()).toMatchObject({ type: 'key.release', details: { key: 'certificate-authority', version: 1 } })
  })

  it('rewraps under the primary version after a rotation', async () => {
    const { keys, audit } = await setUp()
    const { key, wrapped } = await keys.generateDataKey(CREDIT, 'm', USE)
    expect((await keys.rotate(CREDIT, USE)).version).toBe(2)
    const rewrapped = await keys.rewrap(wrapped, USE)
    expect([rewrapped.version, rewrapped.binding]).toEqual([2, wrapped.binding])
    expect((await keys.unwrap(rewrapped, USE)).equals(key)).toBe(true)
    expect((await keys.unwrap(wrapped, USE)).equals(key)).toBe(true)
    expect(audit.types()).toEqual(['key.generate', 'key.generate', 'key.rotate', 'key.generate', 'key.rewrap', 'key.unwrap', 'key.unwrap'])
  })

  it('rotates by itself after 90 days, recorded, before the next key is made', async () => {
    const { keys, audit, clock } = await setUp()
    await keys.generateDataKey(ADULT, 'd', USE)
    clock.advance(90 * 86_400_000 - 1)
    expect((await keys.generateDataKey(ADULT, 'd', USE)).wrapped.version).toBe(1)
    clock.advance(1)
    expect((await keys.generateDataKey(ADULT, 'd', USE)).wrapped.version).toBe(2)
    const rotations = audit.events.filter(({ type, details }) => type === 'key.rotate' && details?.['keyClass'] === 'dataset')
    expect(rotations.map(({ details }) => details?.['owner'])).toEqual([undefined, 'adult'])
    for (const rotation of rotations)
      expect(rotation).toMatchObject({ actor: { type: 'System', id: 'keys' }, details: { automatic: true, oldVersion: 1, version: 2 } })
  })

  it('lists a record for each key version', async () => {
    const { keys } = await setUp()
    await keys.rotate('dataset', USE)
    const versions = keys.list().filter((key) => key.keyClass === 'dataset')
    expect(versions.map(({ version, state }) => [version, state])).toEqual([
      [1, 'retired'],
      [2, 'primary'],
    ])
  })
})

describe('the cache of unwrapped keys', () => {
  it('counts its hits in the next event of that key (A7)', async () => {
    const { keys, audit, clock, keyring } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    for (let i = 0; i < 4; i++) await keys.unwrap(wrapped, USE)
    expect(audit.types()).toEqual(['key.generate', 'key.generate', 'key.unwrap'])
    clock.advance(300_000)
    await keys.unwrap(wrapped, USE)
    expect(audit.last()).toMatchObject({ type: 'key.unwrap', details: { cacheHits: 3 } })
    expect([keyring.usage.unwraps, keyring.usage.unwrapCacheHits]).toEqual([2, 3])
  })

  it('serves a key for at most five minutes and so many uses', async () => {
    const { keys, audit, clock } = await setUp({ unwrapCache: { ttlMs: 300_000, uses: 2 } })
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    for (let i = 0; i < 6; i++) await keys.unwrap(wrapped, USE)
    expect(audit.types().filter((type) => type === 'key.unwrap')).toHaveLength(2)
    clock.advance(299_999)
    clock.setNow(0)
    await keys.unwrap(wrapped, USE)
    clock.advance(300_000)
    const before = audit.events.length
    await keys.unwrap(wrapped, USE)
    expect(audit.events.length).toBe(before + 1)
  })

  it('serves no other principal, purpose or resource than the recorded one', async () => {
    const { keys, audit } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    await keys.unwrap(wrapped, USE)
    const others = [
      { ...USE, purpose: 'marketing' },
      { ...USE, principal: { type: 'User', id: 'scorer' } },
      { ...USE, resource: { type: 'Dataset', id: 'other' } },
    ]
    for (const other of others) {
      await keys.unwrap(wrapped, other)
      expect(audit.last()).toMatchObject({ purpose: other.purpose, actor: other.principal, resource: other.resource })
    }
    expect(audit.types().filter((type) => type === 'key.unwrap')).toHaveLength(4)
  })

  it('records the hits of keys that left it with the next event, and all of them on flush and close', async () => {
    const { keys, audit, clock } = await setUp()
    const a = await keys.generateDataKey(ADULT, 'a', USE)
    const b = await keys.generateDataKey(ADULT, 'b', USE)
    for (let i = 0; i < 3; i++) await keys.unwrap(a.wrapped, USE)
    clock.advance(300_000)
    for (let i = 0; i < 2; i++) await keys.unwrap(b.wrapped, USE)
    const hits = (): unknown[] =>
      audit.events.filter(({ details }) => details?.['cached'] === true).map(({ details }) => details?.['cacheHits'])
    expect(hits()).toEqual([2])
    await keys.flush()
    expect(hits()).toEqual([2, 1])
    await keys.unwrap(b.wrapped, USE)
    await keys.close()
    expect(hits()).toEqual([2, 1, 1])
    expect(await failure(keys.unwrap(b.wrapped, USE))).toBe('ERR_AUDIT_UNAVAILABLE')
  })

  it('loses no hit when the log is down for a while, and forgets its keys then', async () => {
    const { keys, audit } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    const other = await keys.generateDataKey(ADULT, 'e', USE)
    for (let i = 0; i < 3; i++) await keys.unwrap(wrapped, USE)
    audit.down = true
    expect(await failure(keys.unwrap(other.wrapped, USE))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(await failure(keys.unwrap(wrapped, USE))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(await failure(keys.flush())).toBe('ERR_AUDIT_UNAVAILABLE')
    audit.down = false
    await keys.unwrap(wrapped, USE)
    expect(audit.last()).toMatchObject({ details: { cacheHits: 2 } })
  })
})

describe('the keyring', () => {
  it('signs checkpoints and seals fields without an event, counted', async () => {
    const { keyring, audit } = await setUp()
    const message = randomBytes(20)
    expect(verify(null, message, keyring.checkpointSigner.publicKey, await keyring.checkpointSigner.sign(message))).toBe(true)
    const sealed = await keyring.sealer.seal('ann', message, 'c')
    await keyring.sealer.open(sealed, 'c')
    expect(keyring.usage).toMatchObject({ checkpointSigns: 1, seals: 1, opens: 1, subjectKeysMade: 1 })
    expect(audit.events).toEqual([])
  })

  it('destroys a subject once, and says so', async () => {
    const { keyring, keys, audit } = await setUp()
    const sealed = await keyring.sealer.seal('ann', Buffer.from('x'), 'c')
    const { pseudonym } = sealed
    const fingerprints = [expect.stringMatching(/^[0-9a-f]{64}$/)]
    expect(await keys.destroySubject('ann', USE)).toEqual({ pseudonym, destroyed: true, fingerprints })
    expect(await keys.destroySubject('ann', USE)).toEqual({ pseudonym, destroyed: false, fingerprints: [] })
    expect(audit.last()).toMatchObject({ type: 'key.destroy', action: 'destroyKey', details: { pseudonym: sealed.pseudonym } })
    expect(await failure(keyring.sealer.open(sealed, 'c'))).toBe('ERR_KEYS_DESTROYED')
  })

  it('destroys a subject by pseudonym too, in every cache', async () => {
    const { keyring, keys } = await setUp()
    const sealed = await keyring.sealer.seal('ann', Buffer.from('x'), 'c')
    const { pseudonym } = sealed
    expect(await keys.destroySubject({ pseudonym }, USE)).toMatchObject({ pseudonym, destroyed: true })
    expect(await failure(keyring.sealer.open(sealed, 'c'))).toBe('ERR_KEYS_DESTROYED')
    const later = await keyring.sealer.seal('ann', Buffer.from('y'), 'c')
    expect(Buffer.from(await keyring.sealer.open(later, 'c')).toString()).toBe('y')
  })

  it('destroys the versions of an owner that are primary no more, and those alone', async () => {
    const { keyring, keys, audit } = await setUp()
    const { wrapped: first } = await keys.generateDataKey(ADULT, 'd', USE)
    await keys.unwrap(first, USE)
    await keys.rotate(ADULT, USE)
    const second = await keys.rewrap(first, USE, ADULT)
    // Something names the old one at the last moment.
    expect(await failure(keys.destroyRetired(ADULT, USE, () => false))).toBe('ERR_CONFLICT')
    expect(audit.last()).toMatchObject({ type: 'key.destroy', outcome: 'failed', code: 'ERR_CONFLICT' })
    expect((await keys.unwrap(first, USE)).symmetricKeySize).toBe(32)
    expect(() => keys.requireAlive(first)).not.toThrow()
    expect(await keys.destroyRetired(ADULT, USE, () => true)).toEqual({ destroyed: 1 })
    expect(() => keys.requireAlive(first)).toThrow(expect.objectContaining({ code: 'ERR_KEYS_DESTROYED' }))
    expect(audit.last()).toMatchObject({ type: 'key.destroy', details: { owner: 'adult', versions: [{ version: 1 }] } })
    // The cache had the old one.
    expect(await failure(keys.unwrap(first, USE))).toBe('ERR_KEYS_DESTROYED')
    expect((await keys.unwrap(second, USE)).symmetricKeySize).toBe(32)
    expect(await keys.destroyRetired(ADULT, USE)).toEqual({ destroyed: 0 })
    keyring.close()
  })

  it('gives nothing once closed', async () => {
    const { keyring, keys } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    await keys.unwrap(wrapped, USE)
    keyring.close()
    expect(await failure(keys.unwrap(wrapped, USE))).toBe('ERR_KEYS_UNKNOWN')
    expect(await failure(keyring.checkpointSigner.sign(Buffer.of(1)))).toBe('ERR_KEYS_UNKNOWN')
    expect(() => keys.list()).not.toThrow()
    expect(codeOf(await keys.rotate('dataset', USE).catch((error: unknown) => error))).toBe('ERR_KEYS_UNKNOWN')
  })
})

import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type AuditEvent, type AuditSink, RedoubtError } from '#foundation/core'
import { migrate } from '#foundation/storage'
import { ADULT, failure, NOW, PASSPHRASE, QUICK_KDF, newWorld, USE, seeded } from '../keys.fixtures.ts'
import { logOf } from '../log-of-keyring.fixtures.ts'
import { KEY_LIMITS, type KeyLimits } from '../key-limits.ts'
import type { KeyProvider } from '../key-provider.ts'
import { KEY_MIGRATIONS } from '../subject-store.ts'
import { keyringOver } from '../open-keyring.ts'
import { openSealedFileProvider } from '../sealed-file/sealed-file-provider.ts'
import type { Reconciled } from './reconcile-keys.ts'

/** A keyring over a sealed file with a real log, and the provider itself in the hands of whoever goes past the record. */
async function house(over: (provider: KeyProvider) => KeyProvider = (provider) => provider, limits: KeyLimits = KEY_LIMITS) {
  const { folder, database, clock } = newWorld()
  migrate(database, 'trust/keys', KEY_MIGRATIONS)
  const provider = over(await openSealedFileProvider({ folder, passphrase: PASSPHRASE, clock, kdf: QUICK_KDF, limits }))
  const opened = { provider, move: null, signedBefore: [] }
  const keyring = await keyringOver(opened, { folder, database, clock, kind: 'sealed-file', id: null, marker: null })
  const log = await logOf(keyring, clock)
  let down = false
  const audit: AuditSink = {
    record: (event) => (down ? Promise.reject(new RedoubtError('ERR_AUDIT_UNAVAILABLE')) : log.record(event)),
  }
  const reconciliation = keyring.reconciliation({ audit, log })
  const keys = keyring.keys(audit)
  return { keyring, provider, log, audit, keys, reconciliation, clock, setDown: (to: boolean) => void (down = to) }
}

const told = ({ rows }: Reconciled): Record<string, string> =>
  Object.fromEntries(
    rows.map(({ operation, key, provider, log, own, withheld, finding }) => [
      `${operation} ${key}`,
      `${provider} = ${log} + ${own} + ${withheld}: ${finding}`,
    ]),
  )
const findings = ({ rows }: Reconciled): string[] =>
  rows.flatMap(({ operation, key, finding }) => (finding === 'agrees' ? [] : [`${operation} ${key}: ${finding}`]))

describe('the count of the key provider against the log (A7)', () => {
  it('is what entries tell and what the log needed itself, by operation and key', async () => {
    const { keys, keyring, log, reconciliation } = await house()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    await keys.unwrap(wrapped, USE)
    // Answered by the cache and by the chain in memory: the provider has nothing to do.
    await keys.unwrap(wrapped, USE)
    const configuration = await keys.generateDataKey('configuration', 'room', USE)
    await keys.unwrap(configuration.wrapped, USE)
    await keys.rewrap(configuration.wrapped, USE)
    await (await keys.signer('model-signing', USE)).sign(Buffer.from('m'))
    await keys.release('token-signing', USE)
    await keys.rotate('model', USE)
    await keys.rotate(ADULT, USE)
    await keyring.sealer.seal('ann', Buffer.from('x'), 'c')
    await log.publish()
    const reconciled = await reconciliation.run()
    expect(told(reconciled)).toEqual({
      'wrap configuration': '4 = 2 + 2 + 0: agrees',
      'wrap dataset': '2 = 2 + 0 + 0: agrees',
      'wrap subject': '1 = 0 + 1 + 0: agrees',
      'unwrap configuration': '4 = 2 + 2 + 0: agrees',
      'sign checkpoint': expect.stringMatching(/^(\d+) = 0 \+ \1 \+ 0: agrees$/),
      'sign model-signing': '1 = 1 + 0 + 0: agrees',
      'release token-signing': '1 = 1 + 0 + 0: agrees',
      'make all': '1 = 1 + 0 + 0: agrees',
    })
    expect(reconciled).toMatchObject({ agrees: true, at: NOW, inferred: 0 })
    const [entry] = log.search({ type: 'key.reconcile' }).entries
    expect(entry!.event).toMatchObject({ outcome: 'success', purpose: 'key-reconciliation', details: { inferred: 0 } })
    await log.close()
  })

  it('finds one key that was opened past the record, says so in the log, and goes on saying it', async () => {
    const { keys, provider, log, reconciliation } = await house()
    const { wrapped } = await keys.generateDataKey('configuration', 'room', USE)
    expect((await reconciliation.run()).agrees).toBe(true)
    await provider.unwrap(wrapped)
    for (let asked = 0; asked < 2; asked++) {
      const reconciled = await reconciliation.run()
      expect(findings(reconciled)).toEqual(['unwrap configuration: more than recorded'])
      expect(reconciled.agrees).toBe(false)
    }
    const entries = log.search({ type: 'key.reconcile', outcome: 'failed' }).entries
    expect(entries.map(({ event }) => event['code'])).toEqual(['ERR_KEYS_UNACCOUNTED', 'ERR_KEYS_UNACCOUNTED'])
    await log.close()
  })

  it.each([
    ['wrap dataset', (provider: KeyProvider) => provider.wrap('dataset', Buffer.alloc(32, 1), BINDING)],
    ['wrap model', (provider: KeyProvider) => provider.generateDataKey('model', BINDING)],
    ['sign token-signing', (provider: KeyProvider) => provider.sign('token-signing', Buffer.from('a token'))],
    ['sign checkpoint', (provider: KeyProvider) => provider.sign('checkpoint', Buffer.from('another log'))],
    ['release token-signing', (provider: KeyProvider) => provider.release!('token-signing')],
    ['make all', (provider: KeyProvider) => provider.rotate('dataset')],
  ])('finds %s past the record', async (what, act) => {
    const { provider, log, reconciliation } = await house()
    await act(provider)
    expect(findings(await reconciliation.run())).toEqual([`${what}: more than recorded`])
    await log.close()
  })

  it('counts what was done while the log took nothing, whose results nobody got, apart', async () => {
    const { keys, log, reconciliation, setDown } = await house()
    const { wrapped } = await keys.generateDataKey('configuration', 'room', USE)
    setDown(true)
    expect(await failure(keys.unwrap(wrapped, USE))).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(await failure(keys.rotate('dataset', USE))).toBe('ERR_AUDIT_UNAVAILABLE')
    // It cannot say what it found, and says that.
    expect(await failure(reconciliation.run())).toBe('ERR_AUDIT_UNAVAILABLE')
    setDown(false)
    const reconciled = await reconciliation.run()
    expect(told(reconciled)).toMatchObject({ 'unwrap configuration': '3 = 0 + 2 + 1: agrees' })
    expect(told(reconciled)).not.toHaveProperty('make all')
    await log.close()
  })

  it('tells of what failed half-way by the event of the failure', async () => {
    const { keys, log, reconciliation } = await house((provider) => provider, { ...KEY_LIMITS, refuseAt: 3 })
    const { wrapped } = await keys.generateDataKey('configuration', 'room', USE)
    // Unwrapped, and then there is no wrapping it again.
    expect(await failure(keys.rewrap(wrapped, USE))).toBe('ERR_KEYS_EXHAUSTED')
    expect(log.search({ type: 'key.rewrap' }).entries[0]!.event).toMatchObject({
      outcome: 'failed',
      details: { provider: [{ operation: 'unwrap', key: 'configuration', count: 1 }] },
    })
    expect(await failure(keys.unwrap({ ...wrapped, binding: { ...wrapped.binding, resource: 'elsewhere' } }, USE))).toBe(
      'ERR_CRYPTO_AUTHENTICATION',
    )
    expect(told(await reconciliation.run())).toMatchObject({ 'unwrap configuration': '3 = 1 + 2 + 0: agrees' })
    await log.close()
  })

  it('finds an entry that this process did not write, and one that is not there', async () => {
    const { keys, log, reconciliation } = await house()
    await keys.generateDataKey('configuration', 'room', USE)
    const forged: AuditEvent = {
      type: 'key.unwrap',
      actor: USE.principal,
      action: 'useKey',
      resource: USE.resource,
      outcome: 'success',
      details: { provider: [{ operation: 'unwrap', key: 'dataset', count: 1 }] },
    }
    await log.record(forged)
    expect(findings(await reconciliation.run())).toEqual(['unwrap dataset: log differs'])
    await log.close()

    const losing = await house()
    const lossy = losing.keyring.keys({ record: async () => ({ index: 0, leafHash: '' }) })
    await lossy.generateDataKey('configuration', 'room', USE)
    expect(findings(await losing.reconciliation.run())).toEqual(['wrap configuration: log differs'])
    await losing.log.close()
  })

  it('finds a provider that did less than entries tell', async () => {
    const { keys, log, reconciliation } = await house((provider) =>
      Object.assign(Object.create(provider) as KeyProvider, {
        wrap: (...call: Parameters<KeyProvider['wrap']>) => provider.wrap(...call),
        unwrap: (...call: Parameters<KeyProvider['unwrap']>) => provider.unwrap(...call),
        generateDataKey: (...call: Parameters<KeyProvider['generateDataKey']>) => provider.generateDataKey(...call),
        sign: (...call: Parameters<KeyProvider['sign']>) => provider.sign(...call),
        publicKey: (...call: Parameters<KeyProvider['publicKey']>) => provider.publicKey(...call),
        describe: () => provider.describe(),
        rotationDue: () => provider.rotationDue(),
        async operations() {
          const { counts, inferred } = await provider.operations()
          return { counts: counts.map((one) => (one.operation === 'unwrap' ? { ...one, count: one.count - 1 } : one)), inferred }
        },
      }),
    )
    const { wrapped } = await keys.generateDataKey('configuration', 'room', USE)
    await keys.unwrap(wrapped, USE)
    expect(findings(await reconciliation.run())).toEqual(['unwrap configuration: less than recorded'])
    await log.close()
  })

  it('cuts through work under way without a false alarm, and finds one act past the record among it', async () => {
    const seed = Number(process.env['REDOUBT_SEED'] ?? 134_701)
    const random = seeded(seed)
    const { keys, keyring, provider, log, reconciliation } = await house()
    const { wrapped } = await keys.generateDataKey('configuration', 'room', USE)
    const running = { stop: false }
    let uses = 0
    const work = async (name: number): Promise<void> => {
      while (!running.stop) {
        const use = { ...USE, purpose: `p${uses++}` }
        if (random() < 0.2) await keyring.sealer.seal(`person ${name} ${uses}`, Buffer.from('x'), 'c')
        else await keys.unwrap(wrapped, use)
        if (random() < 0.3) await setImmediate()
      }
    }
    const working = Array.from({ length: 8 }, (_, name) => work(name))
    for (let i = 0; i < 2; i++) {
      const reconciled = await reconciliation.run()
      expect({ seed, findings: findings(reconciled) }).toEqual({ seed, findings: [] })
    }
    await provider.unwrap(wrapped)
    running.stop = true
    await Promise.all(working)
    expect({ seed, findings: findings(await reconciliation.run()) }).toEqual({
      seed,
      findings: ['unwrap configuration: more than recorded'],
    })
    await log.close()
  })

  it('says when the provider cannot be asked', async () => {
    let broken = false
    const { log, reconciliation } = await house((provider) => {
      const operations = provider.operations.bind(provider)
      return Object.assign(provider, {
        operations: () => (broken ? Promise.reject(new RedoubtError('ERR_KEYS_PROVIDER_UNAVAILABLE')) : operations()),
      })
    })
    broken = true
    expect(await failure(reconciliation.run())).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    expect(reconciliation.problem()).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
    expect(log.search({ type: 'key.reconcile' }).entries[0]!.event).toMatchObject({
      outcome: 'failed',
      code: 'ERR_KEYS_PROVIDER_UNAVAILABLE',
    })
    broken = false
    expect((await reconciliation.run()).agrees).toBe(true)
    expect(reconciliation.problem()).toBe(null)
    await log.close()
  })

  it('gives who asks while one is made the same', async () => {
    const { log, reconciliation } = await house()
    const [one, other] = await Promise.all([reconciliation.run(), reconciliation.run()])
    expect(one).toBe(other)
    expect(log.search({ type: 'key.reconcile' }).entries).toHaveLength(1)
    await log.close()
  })
})

const BINDING = { tenant: 'default', resource: 'past the record', purpose: 'dataset' } as const

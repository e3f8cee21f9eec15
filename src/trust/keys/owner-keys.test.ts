import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type AuditEvent, type AuditReceipt, ManualClock } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import { MemoryFolder, openDatabase } from '#foundation/storage'
import { KEY_LIMITS } from './key-limits.ts'
import { ADULT, CREDIT, failure, MemoryAudit, newWorld, NOW, PASSPHRASE, QUICK_KDF, USE, type World } from './keys.fixtures.ts'
import type { AuditedKeys, Keyring, KeyOwner } from './keys.ts'
import { openKeyring } from './open-keyring.ts'
import { openSealedFileProvider } from './sealed-file/sealed-file-provider.ts'

const LOANS: KeyOwner = { keyClass: 'dataset', name: 'loans' }

interface Opened extends World {
  readonly keyring: Keyring
  readonly audit: MemoryAudit
  readonly keys: AuditedKeys
}

async function setUp(options: Parameters<World['open']>[0] = {}, world = newWorld(), audit = new MemoryAudit()): Promise<Opened> {
  const keyring = await world.open(options)
  return { ...world, keyring, audit, keys: keyring.keys(audit) }
}

const ofOwner = (keys: AuditedKeys, { keyClass, name }: KeyOwner) =>
  keys.list().filter((key) => key.owner === name && key.keyClass === keyClass)

/** As an object was wrapped before owners had keys: under the tenant's class. */
async function wrappedUnderTheClass(world: World, resource: string): Promise<WrappedKey> {
  const provider = await openSealedFileProvider({ folder: world.folder, clock: world.clock, passphrase: PASSPHRASE, kdf: QUICK_KDF })
  return (await provider.generateDataKey('dataset', { tenant: 'default', resource, purpose: 'dataset' })).wrapped
}

describe('keys of owners', () => {
  it('gives each data set and each model a chain of its own, and keeps it (A4)', async () => {
    const { keys, keyring, ...world } = await setUp()
    const first = await keys.generateDataKey(ADULT, 'dataset/1', USE)
    const second = await keys.generateDataKey(ADULT, 'dataset/2', USE)
    const others = [await keys.generateDataKey(LOANS, 'dataset/3', USE), await keys.generateDataKey(CREDIT, 'model/1', USE)]
    expect(second.wrapped.keyId).toBe(first.wrapped.keyId)
    const ids = [first, ...others].map(({ wrapped }) => wrapped.keyId)
    expect(new Set(ids).size).toBe(3)
    for (const id of ids) expect(keys.list().filter((key) => key.keyId === id)).toMatchObject([{ version: 1, state: 'primary' }])
    keyring.close()
    const again = (await world.open()).keys(new MemoryAudit())
    for (const { key, wrapped } of [first, second, ...others]) expect((await again.unwrap(wrapped, USE)).equals(key)).toBe(true)
    expect((await again.generateDataKey(ADULT, 'dataset/4', USE)).wrapped.keyId).toBe(first.wrapped.keyId)
  })

  it('tells the names of a data set and a model of one name apart, and makes one chain for many first uses at once', async () => {
    const { keys } = await setUp()
    const same: KeyOwner[] = [
      { keyClass: 'dataset', name: 'x' },
      { keyClass: 'model', name: 'x' },
    ]
    const made = await Promise.all([...same, ...same, ...same].map((owner) => keys.generateDataKey(owner, 'r', USE)))
    expect(new Set(made.map(({ wrapped }) => wrapped.keyId)).size).toBe(2)
  })

  it('records what the provider does for the chain as events of their own, before anything is wrapped (A7)', async () => {
    const { keys, audit, ...world } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    const [made] = ofOwner(keys, ADULT)
    const binding = { tenant: 'default', resource: `dataset/adult/${made!.keyId}/1`, purpose: 'key-encryption' }
    const details = { keyClass: 'dataset', owner: 'adult', keyId: made!.keyId, version: 1, binding }
    expect(audit.events[0]).toMatchObject({ type: 'key.generate', actor: USE.principal, purpose: USE.purpose, outcome: 'success', details })
    const second = await setUp({}, world)
    await second.keys.unwrap(wrapped, USE)
    expect(second.audit.types()).toEqual(['key.unwrap', 'key.unwrap'])
    expect(second.audit.events[0]).toMatchObject({ actor: USE.principal, details })
    await second.keys.generateDataKey(ADULT, 'e', USE)
    expect(second.audit.types().slice(2)).toEqual(['key.generate'])
  })

  it('refuses a data key that was moved to another place, version or owner, and a chain that was moved to another owner (A4)', async () => {
    const { keys, database, ...world } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'd', USE)
    const other = await keys.generateDataKey(LOANS, 'd', USE)
    await keys.rotate(ADULT, USE)
    const forged: WrappedKey[] = [
      { ...wrapped, binding: { ...wrapped.binding, resource: 'e' } },
      { ...wrapped, binding: { ...wrapped.binding, purpose: 'model' } },
      { ...wrapped, version: 2 },
      { ...wrapped, keyId: other.wrapped.keyId },
      { ...wrapped, wrapped: '' },
    ]
    for (const one of forged) expect(await failure(keys.unwrap(one, USE))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(await failure(keys.unwrap({ ...wrapped, version: 3 }, USE))).toBe('ERR_KEYS_UNKNOWN')
    database.raw.prepare(`UPDATE owner_keys SET owner = 'mine' WHERE owner = 'adult'`).run()
    const reopened = await setUp({}, { ...world, database })
    expect(await failure(reopened.keys.unwrap(wrapped, USE))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('opens what was wrapped under the class before there were owners, and moves it under its owner (A4)', async () => {
    const world = newWorld()
    const before = await setUp({}, world)
    before.keyring.close()
    const wrapped = await wrappedUnderTheClass(world, 'dataset/old')
    const { keys, audit } = await setUp({}, world)
    const key = await keys.unwrap(wrapped, USE)
    const moved = await keys.rewrap(wrapped, USE, ADULT)
    expect(ofOwner(keys, ADULT).map(({ keyId }) => keyId)).toEqual([moved.keyId])
    expect(audit.last()).toMatchObject({ type: 'key.rewrap', details: { keyId: wrapped.keyId, newKeyId: moved.keyId, newVersion: 1 } })
    expect((await keys.unwrap(moved, USE)).equals(key)).toBe(true)
    expect(await failure(keys.rewrap(wrapped, USE, CREDIT))).toBe('ERR_CRYPTO_PARAMETER')
  })

  it('refuses an owner without a name, and to rotate one without keys', async () => {
    const { keys } = await setUp()
    for (const name of ['', 'x'.repeat(257), '\ud800'])
      expect(await failure(keys.generateDataKey({ keyClass: 'dataset', name }, 'd', USE))).toBe('ERR_INPUT_INVALID')
    expect(await failure(keys.rotate(ADULT, USE))).toBe('ERR_KEYS_UNKNOWN')
  })
})

describe('destroying the keys of an owner', () => {
  it('ends every version at once, in every cache and after a restart, and nobody else’s (A6)', async () => {
    const { keys, audit, ...world } = await setUp()
    const sealed = [await keys.generateDataKey(ADULT, 'a', USE)]
    await keys.rotate(ADULT, USE)
    sealed.push(await keys.generateDataKey(ADULT, 'b', USE))
    const others = [await keys.generateDataKey(LOANS, 'c', USE), await keys.generateDataKey({ ...ADULT, keyClass: 'model' }, 'd', USE)]
    for (const { wrapped } of [...sealed, ...others]) await keys.unwrap(wrapped, USE)
    expect(await keys.destroyOwner(ADULT, USE)).toEqual({ destroyed: 2 })
    const versions = sealed.map(({ wrapped: { keyId, version } }) => ({ keyId, version }))
    expect(audit.last()).toMatchObject({
      type: 'key.destroy',
      action: 'destroyKey',
      details: { keyClass: 'dataset', owner: 'adult', versions },
    })
    const restarted = (await setUp({}, world)).keys
    for (const one of [keys, restarted]) {
      for (const { wrapped } of sealed) expect(await failure(one.unwrap(wrapped, USE))).toBe('ERR_KEYS_DESTROYED')
      for (const { wrapped } of sealed) expect(await failure(one.rewrap(wrapped, USE))).toBe('ERR_KEYS_DESTROYED')
      for (const { key, wrapped } of others) expect((await one.unwrap(wrapped, USE)).equals(key)).toBe(true)
      expect(ofOwner(one, ADULT).map(({ state }) => state)).toEqual(['destroyed', 'destroyed'])
    }
    expect(await keys.destroyOwner(ADULT, USE)).toEqual({ destroyed: 0 })
  })

  it('is on record before it is done, and not done while the log is down (A6, A7)', async () => {
    const { keys, audit } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'a', USE)
    audit.down = true
    expect(await failure(keys.destroyOwner(ADULT, USE))).toBe('ERR_AUDIT_UNAVAILABLE')
    audit.down = false
    expect(await failure(keys.unwrap(wrapped, USE))).toBe('done')
  })

  it('gives no key that was under way when its owner ended (A6)', async () => {
    let ending: (() => Promise<unknown>) | null = null
    /** Destroys at the very moment when the use of the key has become durable. */
    class Meanwhile extends MemoryAudit {
      override async record(event: AuditEvent): Promise<AuditReceipt> {
        const receipt = await super.record(event)
        const end = event.type === 'key.destroy' ? null : ending
        if (end) ending = null
        await end?.()
        return receipt
      }
    }
    const { keys } = await setUp({}, newWorld(), new Meanwhile())
    const { wrapped } = await keys.generateDataKey(ADULT, 'a', USE)
    const end = (): Promise<unknown> => keys.destroyOwner(ADULT, USE)
    ending = end
    expect(await failure(keys.unwrap(wrapped, USE))).toBe('ERR_KEYS_DESTROYED')
    expect(await failure(keys.unwrap(wrapped, USE))).toBe('ERR_KEYS_DESTROYED')
    ending = end
    expect(await failure(keys.generateDataKey(ADULT, 'b', USE))).toBe('ERR_KEYS_DESTROYED')
    const made = await keys.generateDataKey(ADULT, 'c', USE)
    ending = end
    expect(await failure(keys.generateDataKey(ADULT, 'd', USE))).toBe('ERR_KEYS_DESTROYED')
    expect(await failure(keys.unwrap(made.wrapped, USE))).toBe('ERR_KEYS_DESTROYED')
  })

  it('seals for the owner under a new chain afterwards, which opens nothing from before (A6)', async () => {
    const { keys } = await setUp()
    const before = await keys.generateDataKey(ADULT, 'a', USE)
    await keys.destroyOwner(ADULT, USE)
    const after = await keys.generateDataKey(ADULT, 'a', USE)
    expect(after.wrapped.keyId).not.toBe(before.wrapped.keyId)
    expect(await failure(keys.unwrap({ ...before.wrapped, keyId: after.wrapped.keyId }, USE))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect((await keys.unwrap(after.wrapped, USE)).equals(after.key)).toBe(true)
  })

  it('ends the key in memory even when the database fails, tells so, and is repeated (A6)', async () => {
    const { keys, database, audit } = await setUp()
    const { wrapped } = await keys.generateDataKey(ADULT, 'a', USE)
    await keys.unwrap(wrapped, USE)
    database.raw.exec(`CREATE TRIGGER broken BEFORE UPDATE ON owner_keys BEGIN SELECT RAISE(ABORT, 'broken'); END`)
    expect(await failure(keys.destroyOwner(ADULT, USE))).toBe('ERR_STORAGE_IO')
    expect(audit.last()).toMatchObject({ type: 'key.destroy', outcome: 'failed', code: 'ERR_STORAGE_IO' })
    const before = audit.events.length
    await keys.unwrap(wrapped, USE)
    expect(audit.types().slice(before)).toEqual(['key.unwrap', 'key.unwrap'])
    database.raw.exec('DROP TRIGGER broken')
    expect(await keys.destroyOwner(ADULT, USE)).toEqual({ destroyed: 1 })
    expect(await failure(keys.unwrap(wrapped, USE))).toBe('ERR_KEYS_DESTROYED')
  })

  it('leaves no copy of the wrapped key in the files of the database (A6)', async () => {
    const root = mkdtempSync(join(tmpdir(), 'redoubt-owner-keys-'))
    const database = openDatabase(join(root, 'keys.db'))
    try {
      const clock = new ManualClock(NOW)
      const keyring = await openKeyring({ folder: new MemoryFolder(), database, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF })
      const keys = keyring.keys(new MemoryAudit())
      for (const owner of [LOANS, ADULT, CREDIT]) await keys.generateDataKey(owner, 'a', USE)
      const stored = database.raw.prepare(`SELECT wrapped FROM owner_keys WHERE owner = 'adult'`).get() as { wrapped: string }
      const { wrapped } = JSON.parse(stored.wrapped) as WrappedKey
      const found = (): boolean => readdirSync(root).some((name) => readFileSync(join(root, name)).includes(wrapped))
      expect(found()).toBe(true)
      await keys.destroyOwner(ADULT, USE)
      expect(found()).toBe(false)
    } finally {
      await database.close()
      rmSync(root, { recursive: true })
    }
  })
})

describe('counting the uses of an owner’s key version', () => {
  const limits = { ...KEY_LIMITS, block: 4, rotateAt: 10, refuseAt: 12 }
  const usesOf = (keys: AuditedKeys): number[] => ofOwner(keys, ADULT).map(({ uses }) => uses)

  it('never counts too few after a crash, and is exact after an orderly close', async () => {
    for (const wraps of [1, 4, 5, 8, 9]) {
      const { keys, keyring, ...world } = await setUp({ limits })
      for (let i = 0; i < wraps; i++) await keys.generateDataKey(ADULT, 'a', USE)
      expect(usesOf(keys)).toEqual([wraps])
      const [crashed = 0] = usesOf((await setUp({ limits }, world)).keys)
      expect([wraps, crashed >= wraps && crashed <= wraps + limits.block]).toEqual([wraps, true])
      keyring.close()
      expect(usesOf((await setUp({ limits }, world)).keys)).toEqual([wraps])
    }
  })

  it('does not wrap when the count cannot be written ahead', async () => {
    const { keys, database } = await setUp({ limits })
    for (let i = 0; i < 4; i++) await keys.generateDataKey(ADULT, 'a', USE)
    database.raw.exec(`CREATE TRIGGER broken BEFORE UPDATE ON owner_keys BEGIN SELECT RAISE(ABORT, 'broken'); END`)
    expect(await failure(keys.generateDataKey(ADULT, 'a', USE))).toBe('ERR_STORAGE_IO')
    database.raw.exec('DROP TRIGGER broken')
    expect(await failure(keys.generateDataKey(ADULT, 'a', USE))).toBe('done')
  })

  it('rotates by itself when so many uses are reached, and refuses at the limit when it cannot (NIST SP 800-38D §8.3)', async () => {
    const { keys } = await setUp({ limits })
    const versions: number[] = []
    for (let i = 0; i < 25; i++) versions.push((await keys.generateDataKey(ADULT, 'd', USE)).wrapped.version)
    expect([1, 2, 3].map((version) => versions.filter((found) => found === version).length)).toEqual([10, 10, 5])
    const stuck = (await setUp({ limits: { ...limits, rotateAt: 100 } })).keys
    for (let i = 0; i < 12; i++) await stuck.generateDataKey(ADULT, 'd', USE)
    expect(await failure(stuck.generateDataKey(ADULT, 'd', USE))).toBe('ERR_KEYS_EXHAUSTED')
    await stuck.rotate(ADULT, USE)
    expect(await failure(stuck.generateDataKey(ADULT, 'd', USE))).toBe('done')
  })

  it('is not due before its time when the clock was set back', async () => {
    const { keys, clock } = await setUp()
    await keys.generateDataKey(ADULT, 'a', USE)
    clock.setNow(NOW - 1_000_000)
    expect((await keys.generateDataKey(ADULT, 'a', USE)).wrapped.version).toBe(1)
  })
})

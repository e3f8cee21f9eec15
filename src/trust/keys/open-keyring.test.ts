import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Fault, MemoryFolder, openDatabase } from '#foundation/storage'
import { ADULT, failure, MemoryAudit, newWorld, NOW, PASSPHRASE, QUICK_KDF, seeded, USE } from './keys.fixtures.ts'
import { keyProviderContract } from './key-provider-contract.ts'
import { KEY_LIMITS } from './key-limits.ts'
import { DATABASE_MARKER_PATH } from './open-keyring.ts'
import { KEYRING_PATH, openSealedFileProvider } from './sealed-file/sealed-file-provider.ts'

describe('the sealed-file provider passes the contract of key providers', () => {
  for (const contract of keyProviderContract)
    it(contract.name, async () => {
      const { folder, clock } = newWorld()
      await contract.run(() => openSealedFileProvider({ folder, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF }))
    })
})

describe('opening a keyring', () => {
  it('gives the same keys again', async () => {
    const world = newWorld()
    const first = await world.open()
    const sealed = await first.sealer.seal('ann', Buffer.from('x'), 'c')
    const { key, wrapped } = await first.keys(new MemoryAudit()).generateDataKey(ADULT, 'd', USE)
    first.close()
    const second = await world.open()
    expect(Buffer.from(await second.sealer.open(sealed, 'c')).toString()).toBe('x')
    expect(second.sealer.pseudonym('ann')).toBe(sealed.pseudonym)
    expect(second.searchKey.equals(first.searchKey)).toBe(true)
    expect(second.checkpointSigner.publicKey.equals(first.checkpointSigner.publicKey)).toBe(true)
    expect((await second.keys(new MemoryAudit()).unwrap(wrapped, USE)).equals(key)).toBe(true)
  })

  it('refuses a wrong or an empty passphrase (A1)', async () => {
    const world = newWorld()
    await world.open()
    expect(await failure(world.open({ passphrase: Buffer.from('correct horse battery stable') }))).toBe('ERR_KEYS_PASSPHRASE')
    expect(await failure(world.open({ passphrase: new Uint8Array() }))).toBe('ERR_KEYS_PASSPHRASE')
  })

  it('refuses a keyring with any flipped bit', async () => {
    const world = newWorld()
    await world.open()
    const bytes = world.folder.read(KEYRING_PATH)!
    const file = world.folder.open(KEYRING_PATH)!
    const random = seeded(5)
    const positions = [...Array(230).keys()].concat(Array.from({ length: 120 }, () => Math.floor(random() * (bytes.length - 1))))
    for (const at of positions) {
      const changed = bytes.slice()
      changed[at]! ^= 1 << Math.floor(random() * 8)
      file.writeAt(changed, 0)
      expect([at, await failure(world.open())]).toEqual([at, 'ERR_KEYS_KEYRING_CORRUPT'])
    }
  })

  it('refuses a cut keyring and what is not a keyring at all', async () => {
    const world = newWorld()
    await world.open()
    const bytes = world.folder.read(KEYRING_PATH)!
    for (const garbage of [
      bytes.subarray(0, 100),
      new Uint8Array(),
      Buffer.from('{}'),
      Buffer.from('[[[[[[[[[[]]]]]]]]]]'),
      randomBytes(500),
    ]) {
      const folder = new MemoryFolder()
      folder.open(KEYRING_PATH, { create: true })!.writeAt(garbage, 0)
      expect(await failure(world.open({ folder, database: openDatabase(':memory:') }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
    }
  })

  it('refuses a cost of argon2id below the floor', async () => {
    const low = { ...QUICK_KDF, memoryKiB: 19_455 }
    expect(await failure(newWorld().open({ kdf: low }))).toBe('ERR_CRYPTO_PARAMETER')
  })

  it('refuses a keyring whose key database is gone or another, and a database whose keyring is gone', async () => {
    const world = newWorld()
    const other = newWorld()
    await world.open()
    await other.open()
    expect(await failure(world.open({ database: openDatabase(':memory:') }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
    expect(await failure(world.open({ database: other.database }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
    const empty = new MemoryFolder()
    expect(await failure(world.open({ folder: empty }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
    expect(empty.list('')).toEqual([])
    world.folder.remove(DATABASE_MARKER_PATH)
    expect(await failure(world.open({ database: other.database }))).toBe('ERR_KEYS_KEYRING_CORRUPT')
  })

  it('writes neither passphrase nor key in clear (canary)', async () => {
    const world = newWorld()
    const keyring = await world.open()
    const keys = keyring.keys(new MemoryAudit())
    const { key } = await keys.generateDataKey(ADULT, 'd', USE)
    const token = await keys.release('token-signing', USE)
    await keyring.sealer.seal('canary-subject-42', Buffer.from('canary-field-42'), 'c')
    const secrets: Buffer[] = [
      PASSPHRASE,
      key.export(),
      keyring.searchKey.export(),
      Buffer.from('canary-subject-42'),
      Buffer.from('canary-field-42'),
    ]
    secrets.push(token.export({ format: 'der', type: 'pkcs8' }).subarray(-32))
    const rows = JSON.stringify([
      world.database.raw.prepare('SELECT * FROM subject_keys').all(),
      world.database.raw.prepare('SELECT * FROM key_secrets').all(),
      world.database.raw.prepare('SELECT * FROM owner_keys').all(),
    ])
    const files = world.folder.list('').map((name) => Buffer.from(world.folder.read(name)!))
    const found = (haystack: Buffer, secret: Buffer): boolean =>
      [secret, ...(['hex', 'base64', 'base64url'] as const).map((encoding) => secret.toString(encoding).replace(/=+$/, ''))].some(
        (needle) => haystack.includes(needle),
      )
    expect(found(Buffer.from(`{"k":"${key.export().toString('base64url')}"}`), key.export())).toBe(true)
    for (const haystack of [Buffer.from(rows), ...files]) for (const secret of secrets) expect(found(haystack, secret)).toBe(false)
  })
})

/** `dead`: from that step on nothing takes effect, as when the power goes. A lost write and a full disk differ in their code alone, so they take turns. */
const KINDS: readonly (readonly [name: string, kinds: readonly (Fault | 'dead')[]])[] = [
  ['a write that fails', ['lost', 'disk-full']],
  ['a write that is done and reported as failed', ['done-but-reported-lost']],
  ['a power cut', ['dead']],
]
/** One more than there are, so that a run without a fault is the last. */
const [STEPS_OF_ROTATION, STEPS_OF_START] = [11, 16]

/** Fails at one step of those that are taken while `armed`. */
function failingAt(failAt: number, kinds: readonly (Fault | 'dead')[]) {
  const kind = kinds[failAt % kinds.length]!
  const state = { kind, armed: true, taken: 0 }
  const fault = (): Fault => {
    if (!state.armed || state.taken++ < failAt) return 'none'
    return kind === 'dead' ? 'lost' : state.taken === failAt + 1 ? kind : 'none'
  }
  return { state, fault }
}

// Each opening costs a derivation of argon2id: a test a kind, so that none takes long on a busy machine.
describe('a keyring under faults', () => {
  it.each(KINDS)('opens, with every key it gave out, after a fault at each step of a rotation (A1): %s', async (_, kinds) => {
    const seed = 4242
    const random = seeded(seed)
    for (let failAt = 0; failAt < STEPS_OF_ROTATION; failAt++) {
      const { state, fault } = failingAt(failAt, kinds)
      const { kind } = state
      state.armed = false
      const { folder, clock } = newWorld(fault)
      const options = { clock, passphrase: PASSPHRASE, kdf: QUICK_KDF }
      const provider = await openSealedFileProvider({ folder, ...options })
      const binding = { tenant: 'default', resource: 'd', purpose: 'p' } as const
      const given = [await provider.generateDataKey('dataset', binding)]
      state.armed = true
      const rotation = await failure(provider.rotate('dataset'))
      given.push(
        ...(await provider.generateDataKey('dataset', binding).then(
          (key) => [key],
          () => [],
        )),
      )
      state.armed = false
      const survivor = folder.powerCut(random)
      const reopened = await openSealedFileProvider({ folder: survivor, ...options })
      for (const { key, wrapped } of given) {
        const same = (await reopened.unwrap(wrapped)).equals(key)
        expect({ seed, kind, failAt, same }).toEqual({ seed, kind, failAt, same: true })
      }
      const versions = reopened.describe().filter((key) => key.keyClass === 'dataset').length
      expect({ kind, failAt, enough: rotation === 'done' ? versions === 2 : versions >= 1 }).toEqual({ kind, failAt, enough: true })
      if (failAt === STEPS_OF_ROTATION - 1) expect([rotation, state.taken <= failAt]).toEqual(['done', true])
    }
  })

  it.each(KINDS)('is made anew or opens after a first start that failed at any step: %s', async (_, kinds) => {
    const seed = 99
    const random = seeded(seed)
    for (let failAt = 0; failAt < STEPS_OF_START; failAt++) {
      const { state, fault } = failingAt(failAt, kinds)
      const world = newWorld(fault)
      const first = await failure(world.open())
      if (failAt === STEPS_OF_START - 1) expect([first, state.taken <= failAt]).toEqual(['done', true])
      const folder = world.folder.powerCut(random)
      const outcome = await failure(world.open({ folder }))
      expect({ seed, kind: state.kind, failAt, outcome }).toEqual({ seed, kind: state.kind, failAt, outcome: 'done' })
    }
  })
})

describe('counting the uses of a key version', () => {
  const limits = { ...KEY_LIMITS, block: 4, rotateAt: 10, refuseAt: 12 }
  const binding = { tenant: 'default', resource: 'd', purpose: 'p' } as const

  it('never counts too few after a crash at any step', async () => {
    for (const wraps of [0, 1, 4, 5, 8, 9]) {
      const { folder, clock } = newWorld()
      const options = { clock, passphrase: PASSPHRASE, kdf: QUICK_KDF, limits }
      const provider = await openSealedFileProvider({ folder, ...options })
      for (let i = 0; i < wraps; i++) await provider.generateDataKey('dataset', binding)
      const reopened = await openSealedFileProvider({ folder: folder.powerCut(seeded(wraps)), ...options })
      const uses = reopened.describe().find((key) => key.keyClass === 'dataset')!.uses
      expect([wraps, uses >= wraps && uses <= wraps + limits.block]).toEqual([wraps, true])
    }
  })

  it('does not wrap when the count cannot be written ahead', async () => {
    let full = false
    const { folder, clock } = newWorld(() => (full ? 'disk-full' : 'none'))
    const provider = await openSealedFileProvider({ folder, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF, limits })
    full = true
    expect(await failure(provider.generateDataKey('dataset', binding))).toBe('ERR_STORAGE_FULL')
    full = false
    expect(await failure(provider.generateDataKey('dataset', binding))).toBe('done')
  })

  it('is exact after an orderly close', async () => {
    const { folder, clock } = newWorld()
    const options = { folder, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF }
    const provider = await openSealedFileProvider(options)
    await provider.generateDataKey('dataset', binding)
    provider.close()
    const reopened = await openSealedFileProvider(options)
    expect(reopened.describe().find((key) => key.keyClass === 'dataset')!.uses).toBe(1)
  })

  it('says that rotation is due, and refuses at the limit (NIST SP 800-38D §8.3)', async () => {
    const { folder, clock } = newWorld()
    const provider = await openSealedFileProvider({ folder, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF, limits })
    for (let i = 0; i < 10; i++) await provider.generateDataKey('dataset', binding)
    expect(provider.rotationDue()).toEqual(['dataset'])
    for (let i = 0; i < 2; i++) await provider.generateDataKey('dataset', binding)
    expect(await failure(provider.generateDataKey('dataset', binding))).toBe('ERR_KEYS_EXHAUSTED')
    await provider.rotate('dataset')
    expect(await failure(provider.generateDataKey('dataset', binding))).toBe('done')
    expect([KEY_LIMITS.rotateAt, KEY_LIMITS.refuseAt]).toEqual([2 ** 30, 2 ** 32])
  })

  it('rotates by itself when so many uses are reached', async () => {
    const world = newWorld()
    const keys = (await world.open({ limits })).keys(new MemoryAudit())
    const versions = []
    for (let i = 0; i < 25; i++) versions.push((await keys.generateDataKey(ADULT, 'd', USE)).wrapped.version)
    expect(versions.filter((version) => version === 1)).toHaveLength(10)
    expect(versions.at(-1)).toBe(3)
  })

  it('is not due before its time when the clock was set back', async () => {
    const { folder, clock } = newWorld()
    const provider = await openSealedFileProvider({ folder, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF })
    clock.setNow(NOW - 1_000_000)
    expect(provider.rotationDue()).toEqual([])
  })
})

import type { KeyObject } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { AuditEvent, SealedFields } from '#foundation/core'
import type { WrappedKey } from '#foundation/crypto'
import { MemoryFolder, migrate } from '#foundation/storage'
import { ADULT, CREDIT, failure, MemoryAudit, newWorld, PASSPHRASE, QUICK_KDF, USE } from './keys.fixtures.ts'
import type { AuditedKeys, Keyring, KeyUse } from './keys.ts'
import { keyringOver } from './open-keyring.ts'
import { SETTLE_MS } from './rotation/key-rotation.ts'
import { openSealedFileProvider } from './sealed-file/sealed-file-provider.ts'
import { KEY_MIGRATIONS } from './subject-store.ts'

/** From the return of what ends a key: no copy of it may serve later than this. */
const EFFECTIVE_MS = 1_000
const closing: (() => unknown)[] = []
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close()
})

/** Holds whoever passes until it is opened. */
class Gate {
  #open: () => void = () => undefined
  #closed: Promise<void> | null = null

  close(): void {
    this.#closed = new Promise((resolve) => (this.#open = resolve))
  }

  open(): void {
    this.#closed = null
    this.#open()
  }

  async pass(): Promise<void> {
    await this.#closed
  }
}

/** A log that can take its time. */
class SlowAudit extends MemoryAudit {
  readonly gate = new Gate()

  override async record(event: AuditEvent): ReturnType<MemoryAudit['record']> {
    await this.gate.pass()
    return super.record(event)
  }
}

/** A keyring whose provider can take its time to end a version. */
async function house() {
  const { folder, database, clock } = newWorld()
  migrate(database, 'trust/keys', KEY_MIGRATIONS)
  const provider = await openSealedFileProvider({ folder, passphrase: PASSPHRASE, clock, kdf: QUICK_KDF })
  const ending = new Gate()
  const destroyVersion = provider.destroyVersion.bind(provider)
  Object.assign(provider, {
    async destroyVersion(...of: Parameters<typeof destroyVersion>) {
      await ending.pass()
      await destroyVersion(...of)
    },
  })
  const opened = { provider, move: null, signedBefore: [] }
  const keyring = await keyringOver(opened, { folder, database, clock, kind: 'sealed-file', id: null, marker: null })
  closing.push(() => keyring.close())
  const rotation = keyring.rotation({
    audit: new MemoryAudit(),
    alerts: { raise: () => undefined },
    folder: new MemoryFolder(),
    objects: [],
    wrapped: [],
    config: { graceDays: 0, objectsPerSecond: 100_000 },
    sleep: async () => undefined,
  })
  return { keyring, clock, rotation, ending, anew: () => newWorldOver({ folder, database, clock }) }
}

const newWorldOver = async ({ folder, database, clock }: Pick<ReturnType<typeof newWorld>, 'folder' | 'database' | 'clock'>) => {
  const provider = await openSealedFileProvider({ folder, passphrase: PASSPHRASE, clock, kdf: QUICK_KDF })
  const opened = { provider, move: null, signedBefore: [] }
  return keyringOver(opened, { folder, database, clock, kind: 'sealed-file', id: 'known', marker: 'known' })
}

const as = (id: string): KeyUse => ({ ...USE, principal: { type: 'ServiceAccount', id } })

/** Opens a key in everything that caches it: for two callers through two faces of the keyring, twice each. @returns what asks all of them again. */
async function cachedEverywhere(keyring: Keyring, wrapped: WrappedKey, key: KeyObject) {
  const faces: readonly AuditedKeys[] = [keyring.keys(new MemoryAudit()), keyring.keys(new MemoryAudit())]
  const ask = () => faces.flatMap((keys) => ['one', 'other'].map((id) => keys.unwrap(wrapped, as(id))))
  for (let i = 0; i < 2; i++) for (const opened of await Promise.all(ask())) expect(opened.equals(key)).toBe(true)
  expect(keyring.usage.unwrapCacheHits).toBeGreaterThan(0)
  return () => Promise.all([...ask(), ...faces.map((keys) => keys.unwrap(wrapped, as('who never asked before')))].map(failure))
}

describe('what ends a key is effective in every cache within a second of its return (A6)', () => {
  it.each([
    ['all keys of a data set', ADULT],
    ['all keys of a model', CREDIT],
  ] as const)('%s', async (_name, owner) => {
    const { keyring, clock, anew } = await house()
    const keys = keyring.keys(new MemoryAudit())
    const { wrapped, key } = await keys.generateDataKey(owner, 'object', USE)
    const again = await cachedEverywhere(keyring, wrapped, key)
    await keys.destroyOwner(owner, USE)
    for (const after of [0, EFFECTIVE_MS]) {
      clock.advance(after)
      expect(new Set(await again())).toEqual(new Set(['ERR_KEYS_DESTROYED']))
    }
    // What is sealed for the name later has nothing of what was.
    expect((await keys.generateDataKey(owner, 'object', USE)).wrapped.keyId).not.toBe(wrapped.keyId)
    keyring.close()
    const next = await anew()
    closing.push(() => next.close())
    expect(await failure(next.keys(new MemoryAudit()).unwrap(wrapped, USE))).toBe('ERR_KEYS_DESTROYED')
  })

  it('versions of a data set that are primary no more', async () => {
    const { keyring, clock } = await house()
    const keys = keyring.keys(new MemoryAudit())
    const { wrapped, key } = await keys.generateDataKey(ADULT, 'object', USE)
    await keys.rotate(ADULT, USE)
    const kept = await keys.generateDataKey(ADULT, 'object', USE)
    const again = await cachedEverywhere(keyring, wrapped, key)
    await keys.destroyRetired(ADULT, USE)
    clock.advance(EFFECTIVE_MS)
    expect(new Set(await again())).toEqual(new Set(['ERR_KEYS_DESTROYED']))
    expect((await keys.unwrap(kept.wrapped, USE)).equals(kept.key)).toBe(true)
  })

  it.each(['by name', 'by pseudonym'])('the keys of a person, %s, for sealing and for opening', async (how) => {
    const { keyring, clock } = await house()
    const { sealer } = keyring
    const keys = keyring.keys(new MemoryAudit())
    const sealed: SealedFields[] = []
    for (let i = 0; i < 3; i++) sealed.push(await sealer.seal('ann', Buffer.from(`field ${i}`), 'c'))
    const ben = await sealer.seal('ben', Buffer.from('another'), 'c')
    for (const one of [...sealed, ben]) await sealer.open(one, 'c')
    await keys.destroySubject(how === 'by name' ? 'ann' : { pseudonym: sealer.pseudonym('ann') }, USE)
    for (const after of [0, EFFECTIVE_MS]) {
      clock.advance(after)
      for (const one of sealed) expect(await failure(sealer.open(one, 'c'))).toBe('ERR_KEYS_DESTROYED')
    }
    // Nothing is sealed under the key that was in memory.
    const later = await sealer.seal('ann', Buffer.from('later'), 'c')
    expect(Buffer.from(later.ciphertext).readUInt32BE(1)).toBe(2)
    expect(Buffer.from(await sealer.open(later, 'c')).toString()).toBe('later')
    expect(Buffer.from(await sealer.open(ben, 'c')).toString()).toBe('another')
  })

  /** A key of the house under a version that is rotated out and about to end, and a round of rotation that ends it. */
  async function outgoing() {
    const { keyring, clock, rotation, ending } = await house()
    const keys = keyring.keys(new MemoryAudit())
    const { wrapped, key } = await keys.generateDataKey('configuration', 'room', USE)
    await keys.rotate('configuration', USE)
    await rotation.run()
    clock.advance(SETTLE_MS)
    await rotation.run()
    expect(rotation.progress().retirements).toMatchObject([{ version: wrapped.version, phase: 'grace' }])
    return { keyring, clock, rotation, ending, keys, wrapped, key }
  }

  it('a version that a rotation ends', async () => {
    const { keyring, clock, rotation, wrapped, key } = await outgoing()
    const again = await cachedEverywhere(keyring, wrapped, key)
    await rotation.run()
    clock.advance(EFFECTIVE_MS)
    expect(new Set(await again())).toEqual(new Set(['ERR_KEYS_DESTROYED']))
  })

  it('also for what was unwrapped while a slow provider ended it', async () => {
    const { keyring, clock, rotation, ending, wrapped, key } = await outgoing()
    ending.close()
    const round = rotation.run()
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    const again = await cachedEverywhere(keyring, wrapped, key)
    ending.open()
    await round
    clock.advance(EFFECTIVE_MS)
    expect(new Set(await again())).toEqual(new Set(['ERR_KEYS_DESTROYED']))
  })

  it.each(['of the house', 'of a data set'])('also for who asked before and was not answered yet, a key %s', async (whose) => {
    const { keyring, rotation, keys, wrapped: ofHouse } = await outgoing()
    const ofAdult = (await keys.generateDataKey(ADULT, 'object', USE)).wrapped
    const wrapped = whose === 'of the house' ? ofHouse : ofAdult
    const audit = new SlowAudit()
    const slow = keyring.keys(audit)
    audit.gate.close()
    const asked = failure(slow.unwrap(wrapped, as('slow')))
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
    if (whose === 'of the house') await rotation.run()
    else await keys.destroyOwner(ADULT, USE)
    audit.gate.open()
    expect(await asked).toBe('ERR_KEYS_DESTROYED')
    expect(await failure(slow.unwrap(wrapped, as('slow')))).toBe('ERR_KEYS_DESTROYED')
  })
})

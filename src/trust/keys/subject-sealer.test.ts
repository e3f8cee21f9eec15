import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { failure, MemoryAudit, newWorld, PASSPHRASE, QUICK_KDF, USE } from './keys.fixtures.ts'
import type { KeyProvider } from './key-provider.ts'
import { openSealedFileProvider } from './sealed-file/sealed-file-provider.ts'
import { KeyedSubjectSealer } from './subject-sealer.ts'
import { SubjectStore } from './subject-store.ts'
import { TwoGenerations } from './two-generations.ts'

const field = Buffer.from('{"name":"Ann"}')

describe('the subject sealer', () => {
  it('opens what it sealed, in this process and the next, under the same context only (E3)', async () => {
    const world = newWorld()
    const keyring = await world.open()
    const sealed = await keyring.sealer.seal('ann', field, 'event/1')
    expect(Buffer.from(await keyring.sealer.open(sealed, 'event/1')).equals(field)).toBe(true)
    expect(await failure(keyring.sealer.open(sealed, 'event/2'))).toBe('ERR_CRYPTO_AUTHENTICATION')
    keyring.close()
    const again = await world.open()
    expect(Buffer.from(await again.sealer.open(sealed, 'event/1')).equals(field)).toBe(true)
  })

  it('refuses a field with any flipped byte, cut or extended, or under another pseudonym', async () => {
    const { sealer } = await newWorld().open()
    const sealed = await sealer.seal('ann', field, 'c')
    const other = await sealer.seal('bob', field, 'c')
    for (let at = 0; at < sealed.ciphertext.length; at++) {
      const ciphertext = sealed.ciphertext.slice()
      ciphertext[at]! ^= 1
      const code = await failure(sealer.open({ ...sealed, ciphertext }, 'c'))
      expect([at, code]).toEqual([at, at >= 1 && at < 5 ? 'ERR_KEYS_UNKNOWN' : 'ERR_CRYPTO_AUTHENTICATION'])
    }
    for (const ciphertext of [
      sealed.ciphertext.subarray(0, -1),
      Buffer.concat([sealed.ciphertext, Buffer.of(0)]),
      new Uint8Array(),
      new Uint8Array(5),
    ])
      expect(await failure(sealer.open({ ...sealed, ciphertext }, 'c'))).not.toBe('done')
    expect(await failure(sealer.open({ ...sealed, pseudonym: other.pseudonym }, 'c'))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(await failure(sealer.open({ ...sealed, pseudonym: 'unknown' }, 'c'))).toBe('ERR_KEYS_UNKNOWN')
  })

  it('keeps a wrapped key that was moved to another subject from opening', async () => {
    const world = newWorld()
    const keyring = await world.open()
    const ann = await keyring.sealer.seal('ann', field, 'c')
    const bob = await keyring.sealer.seal('bob', field, 'c')
    keyring.close()
    world.database.raw
      .prepare('UPDATE subject_keys SET wrapped = (SELECT wrapped FROM subject_keys WHERE pseudonym = ?) WHERE pseudonym = ?')
      .run(bob.pseudonym, ann.pseudonym)
    const again = await world.open()
    expect(await failure(again.sealer.open(ann, 'c'))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(await failure(again.sealer.seal('ann', field, 'c'))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('makes a destroyed subject unreadable for ever and seals later fields under a new key (E3)', async () => {
    const world = newWorld()
    const keyring = await world.open()
    const keys = keyring.keys(new MemoryAudit())
    const before = await keyring.sealer.seal('ann', field, 'c')
    await keys.destroySubject('ann', USE)
    const after = await keyring.sealer.seal('ann', field, 'c')
    expect(after.pseudonym).toBe(before.pseudonym)
    expect(await failure(keyring.sealer.open(before, 'c'))).toBe('ERR_KEYS_DESTROYED')
    expect(Buffer.from(await keyring.sealer.open(after, 'c')).equals(field)).toBe(true)
    keyring.close()
    const again = await world.open()
    expect(await failure(again.sealer.open(before, 'c'))).toBe('ERR_KEYS_DESTROYED')
    expect(Buffer.from(await again.sealer.open(after, 'c')).equals(field)).toBe(true)
    const rows = world.database.raw.prepare('SELECT generation, wrapped IS NULL AS gone FROM subject_keys ORDER BY generation').all()
    expect(rows.map((row) => ({ ...row }))).toEqual([
      { generation: 1, gone: 1 },
      { generation: 2, gone: 0 },
    ])
  })

  it('has no use for a key that was destroyed while it was being loaded', async () => {
    const { sealer, provider, destroyDuring } = await slowSealer()
    const first = await sealer.seal('ann', field, 'c')
    const fresh = new KeyedSubjectSealer(provider, sealer.store, sealer.pseudonymKey, sealer.clock)
    destroyDuring(() => fresh.destroy('ann'))
    const sealed = await fresh.seal('ann', field, 'c')
    expect(sealed.ciphertext[4]).toBe(2)
    expect(await failure(fresh.open(first, 'c'))).toBe('ERR_KEYS_DESTROYED')
    const second = new KeyedSubjectSealer(provider, sealer.store, sealer.pseudonymKey, sealer.clock)
    destroyDuring(() => second.destroy('ann'))
    expect(await failure(second.open(sealed, 'c'))).toBe('ERR_KEYS_DESTROYED')
  })

  it('makes one key for a subject that many ask for at once, and one transaction for many subjects', async () => {
    const world = newWorld()
    const keyring = await world.open()
    const commits = countCommits(world.database.raw)
    const sealed = await Promise.all(Array.from({ length: 300 }, (_, i) => keyring.sealer.seal(`subject-${i % 100}`, field, 'c')))
    expect(new Set(sealed.map(({ pseudonym }) => pseudonym)).size).toBe(100)
    expect(keyring.usage.subjectKeysMade).toBe(100)
    expect(commits()).toBe(1)
  })

  it('has the key of a new subject in the database before it resolves', async () => {
    const world = newWorld()
    const { sealer } = await world.open()
    const sealed = await sealer.seal('ann', field, 'c')
    expect(
      world.database.raw
        .prepare('SELECT pseudonym FROM subject_keys')
        .all()
        .map((row) => row['pseudonym']),
    ).toEqual([sealed.pseudonym])
  })

  it('seals nothing for a new subject when its key cannot be stored, and recovers', async () => {
    const world = newWorld()
    const { sealer } = await world.open()
    world.database.raw.exec("CREATE TRIGGER no BEFORE INSERT ON subject_keys BEGIN SELECT RAISE(ABORT, 'no'); END")
    expect(await failure(sealer.seal('ann', field, 'c'))).toBe('ERR_STORAGE_IO')
    world.database.raw.exec('DROP TRIGGER no')
    expect(await failure(sealer.seal('ann', field, 'c'))).toBe('done')
  })

  it('gives a subject its next key after so many seals, and opens both', async () => {
    const { sealer, provider } = await slowSealer()
    const few = new KeyedSubjectSealer(provider, sealer.store, sealer.pseudonymKey, sealer.clock, 3)
    const sealed = []
    for (let i = 0; i < 7; i++) sealed.push(await few.seal('ann', field, 'c'))
    expect(sealed.map(({ ciphertext }) => ciphertext[4])).toEqual([1, 1, 1, 2, 2, 2, 3])
    for (const one of sealed) expect(await failure(few.open(one, 'c'))).toBe('done')
    few.destroy('ann')
    for (const one of sealed) expect(await failure(few.open(one, 'c'))).toBe('ERR_KEYS_DESTROYED')
  })

  it('derives a keyed pseudonym and refuses subjects that have none of their own', async () => {
    const [a, b] = [await newWorld().open(), await newWorld().open()]
    expect(a.sealer.pseudonym('ann')).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(a.sealer.pseudonym('ann')).toBe(a.sealer.pseudonym('ann'))
    expect(a.sealer.pseudonym('ann')).not.toBe(a.sealer.pseudonym('bob'))
    expect(a.sealer.pseudonym('ann')).not.toBe(b.sealer.pseudonym('ann'))
    for (const subject of ['', '\ud800', 'x'.repeat(1025)]) {
      expect(() => a.sealer.pseudonym(subject)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }))
      expect(await failure(a.sealer.seal(subject, field, 'c'))).toBe('ERR_INPUT_INVALID')
    }
  })
})

describe('the key database on disk', () => {
  it('holds no copy of a destroyed key, in the file or its write-ahead log (E3)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-keys-'))
    const database = openDatabase(join(folder, 'keys.db'))
    try {
      const keyring = await newWorld().open({ database, folder: nodeFolder(folder) })
      for (let i = 0; i < 40; i++) await keyring.sealer.seal(`other-${i}`, field, 'c')
      const { pseudonym } = await keyring.sealer.seal('ann', field, 'c')
      const row = database.raw.prepare('SELECT wrapped FROM subject_keys WHERE pseudonym = ?').get(pseudonym)
      const { wrapped } = JSON.parse(String(row?.['wrapped'])) as { wrapped: string }
      const found = (): boolean => readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(wrapped))
      expect(found()).toBe(true)
      await keyring.keys(new MemoryAudit()).destroySubject('ann', USE)
      expect(found()).toBe(false)
      expect(await failure(keyring.sealer.seal('other-7', field, 'c'))).toBe('done')
    } finally {
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('the cache of two generations', () => {
  it('stays within its capacity and keeps what is used', () => {
    const cache = new TwoGenerations<number, number>(10)
    for (let i = 0; i < 1000; i++) {
      cache.set(i, i)
      cache.get(0)
      expect(cache.size).toBeLessThanOrEqual(10)
    }
    expect(cache.get(0)).toBe(0)
    expect(cache.get(500)).toBeUndefined()
    cache.delete(0)
    expect(cache.get(0)).toBeUndefined()
  })
})

function countCommits(raw: { exec(sql: string): void }): () => number {
  const exec = raw.exec.bind(raw)
  let commits = 0
  raw.exec = (sql) => {
    if (sql === 'COMMIT') commits++
    exec(sql)
  }
  return () => commits
}

/** A provider that does something between the read of a row and the key it leads to. */
async function slowSealer() {
  const world = newWorld()
  const keyring = await world.open()
  const inner = await openSealedFileProvider({ folder: world.folder, clock: world.clock, passphrase: PASSPHRASE, kdf: QUICK_KDF })
  let during: (() => void) | null = null
  const provider: KeyProvider = Object.assign(Object.create(inner) as KeyProvider, {
    async unwrap(wrapped: Parameters<KeyProvider['unwrap']>[0]) {
      const key = await inner.unwrap(wrapped)
      const call = during
      during = null
      call?.()
      return key
    },
    generateDataKey: inner.generateDataKey.bind(inner),
  })
  const store = new SubjectStore(world.database.raw)
  const own = Object.assign(new KeyedSubjectSealer(provider, store, keyring.searchKey, world.clock), {
    store,
    pseudonymKey: keyring.searchKey,
    clock: world.clock,
  })
  return { sealer: own, provider, destroyDuring: (call: () => void) => void (during = call) }
}

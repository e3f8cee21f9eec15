import { createSecretKey, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { SealedFields } from '#foundation/core'
import { newRecipient, openRecipientKey, type RecipientKey, recipientText, type WrappedKey } from '#foundation/crypto'
import { type Database, MemoryFolder, openDatabase } from '#foundation/storage'
import { DEFAULT_ROTATION, keysConfigSchema } from '../config.ts'
import { failure, MemoryAudit, newWorld, PASSPHRASE, QUICK_KDF, USE } from '../keys.fixtures.ts'
import type { Keyring } from '../keys.ts'
import type { Recorder } from '../key-events.ts'
import { openKeyring } from '../open-keyring.ts'
import { escrowedFields } from './open-escrow.ts'
import { SubjectEscrow } from './subject-escrow.ts'

const CONTEXT = 'a test'
const secretOf = (who: string): Buffer => Buffer.from(`what is said of ${who}`)
let folder: string
let database: Database
let ada: RecipientKey
let bob: RecipientKey
let audit: MemoryAudit
let made: ReturnType<typeof newWorld>
beforeAll(async () => {
  const key = async (): Promise<RecipientKey> => openRecipientKey(Buffer.from((await newRecipient(null)).keyFile), null)
  ;[ada, bob] = [await key(), await key()]
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-people-'))
  database = openDatabase(join(folder, 'keys.db'))
  audit = new MemoryAudit()
  made = newWorld()
})
afterEach(async () => {
  await database.close()
  rmSync(folder, { recursive: true, force: true })
})

const names = (...keys: readonly RecipientKey[]): string[] => keys.map(({ recipient }) => `recipient:${recipient.fingerprint}`)
const open = (recipients: readonly RecipientKey[], escrowPeople = true): Promise<Keyring> => {
  const escrow = recipients.map(({ recipient }) => recipientText(recipient))
  return openKeyring({ folder: made.folder, database, passphrase: PASSPHRASE, clock: made.clock, kdf: QUICK_KDF, escrow, escrowPeople })
}
const settle = (keyring: Keyring): Promise<void> =>
  keyring
    .rotation({ audit, alerts: { raise: () => undefined }, folder: new MemoryFolder(), objects: [], wrapped: [], config: DEFAULT_ROTATION })
    .run()
const seal = (keyring: Keyring, who: string): Promise<SealedFields> => keyring.sealer.seal(who, secretOf(who), CONTEXT)
/** Without keyring, provider and passphrase. */
const rescue = async (key: RecipientKey, sealed: SealedFields): Promise<string> =>
  Buffer.from(await escrowedFields(database.raw, { recipients: [key], passphrase: null }).open(sealed, CONTEXT)).toString()
const copies = (): number => Number(database.raw.prepare('SELECT count(*) AS n FROM subject_key_escrow').get()?.['n'])
const escrowed = () => audit.events.filter(({ type }) => type === 'key.escrow')

describe('escrow of people’s keys (A4, A6)', () => {
  it('opens what is said of a person by the private key of a recipient, without the provider; nobody else’s does', async () => {
    const keyring = await open([ada])
    const before = await seal(keyring, 'ann')
    // Nobody has a copy before it is on record that they are to.
    expect(copies()).toBe(0)
    expect(await failure(rescue(ada, before))).toBe('ERR_CRYPTO_NO_KEY')
    await settle(keyring)
    expect(escrowed()).toMatchObject([
      {
        actor: { type: 'System', id: 'keys' },
        details: { of: 'people', recipients: names(ada), added: names(ada), removed: [], people: 1 },
      },
    ])
    const after = await seal(keyring, 'ben')
    keyring.close()
    expect([await rescue(ada, before), await rescue(ada, after)]).toEqual(['what is said of ann', 'what is said of ben'])
    expect(await failure(rescue(bob, after))).toBe('ERR_CRYPTO_NO_KEY')
    expect(JSON.stringify(escrowed())).not.toContain(before.pseudonym)
  })

  it('is of nobody unless the house says so, whoever has the keys of data sets', async () => {
    const keyring = await open([ada], false)
    const sealed = await seal(keyring, 'ann')
    await settle(keyring)
    await seal(keyring, 'ben')
    expect([copies(), escrowed().filter(({ details }) => details?.['of'] === 'people')]).toEqual([0, []])
    expect(await failure(rescue(ada, sealed))).toBe('ERR_CRYPTO_NO_KEY')
    expect(keysConfigSchema.safeParse({ escrowPeople: true }).success).toBe(false)
    expect(keysConfigSchema.parse({ escrow: [recipientText(ada.recipient)] }).escrowPeople).toBe(false)
  })

  it('is given to a recipient who is added, and taken from one who is removed, on record before it is done', async () => {
    const first = await open([ada])
    const sealed = await seal(first, 'ann')
    await settle(first)
    first.close()

    const both = await open([ada, bob])
    audit.down = true
    await settle(both)
    expect([copies(), await failure(rescue(bob, sealed))]).toEqual([1, 'ERR_CRYPTO_NO_KEY'])
    audit.down = false
    await settle(both)
    expect(await rescue(bob, sealed)).toBe('what is said of ann')
    const events = audit.events.length
    await settle(both)
    expect(audit.events.slice(events)).toEqual([])
    both.close()

    const one = await open([bob])
    audit.down = true
    await settle(one)
    expect(await rescue(ada, sealed)).toBe('what is said of ann')
    audit.down = false
    await settle(one)
    expect(escrowed().at(-1)?.details).toMatchObject({ of: 'people', recipients: names(bob), added: [], removed: names(ada) })
    expect(await failure(rescue(ada, sealed))).toBe('ERR_CRYPTO_NO_KEY')
    expect(await rescue(bob, sealed)).toBe('what is said of ann')
    one.close()

    // The house thinks better of it.
    const none = await open([bob], false)
    await settle(none)
    expect([copies(), await failure(rescue(bob, sealed))]).toEqual([0, 'ERR_CRYPTO_NO_KEY'])
    none.close()
  })

  it('ends with the key of the person: what was destroyed is opened by no escrow key, and its bytes are gone from the disk', async () => {
    const keyring = await open([ada])
    await settle(keyring)
    const [ann, ben] = [await seal(keyring, 'ann'), await seal(keyring, 'ben')]
    const read = database.raw.prepare('SELECT * FROM subject_key_escrow WHERE pseudonym = ?')
    const copy = read.get(ann.pseudonym) as Record<string, string | number>
    const onDisk = (): boolean =>
      ['keys.db', 'keys.db-wal'].some((name) => readFileSync(join(folder, name)).includes(String(copy['wrapped'])))
    expect(onDisk()).toBe(true)
    await keyring.keys(audit).destroySubject('ann', USE)
    expect([await failure(rescue(ada, ann)), await rescue(ada, ben), copies(), onDisk()]).toEqual([
      'ERR_KEYS_DESTROYED',
      'what is said of ben',
      1,
      false,
    ])
    // A copy that is put back is one of a destroyed key.
    database.raw
      .prepare('INSERT INTO subject_key_escrow VALUES (?, ?, ?, ?)')
      .run(...(Object.values(copy) as [string, number, string, string]))
    expect(await failure(rescue(ada, ann))).toBe('ERR_KEYS_DESTROYED')
    // What is said of them later lies under another key.
    const later = await seal(keyring, 'ann')
    expect([await rescue(ada, later), await failure(rescue(ada, ann))]).toEqual(['what is said of ann', 'ERR_KEYS_DESTROYED'])
  })

  it('gives no copy of a key that is destroyed while copies are made', async () => {
    const keyring = await open([ada])
    const [ann] = [await seal(keyring, 'ann'), await seal(keyring, 'ben')]
    const keys = keyring.keys(audit)
    const unwrap = async ({ binding }: WrappedKey): Promise<KeyObject> => {
      if (binding.resource.includes(ann.pseudonym)) await keys.destroySubject('ann', USE)
      return createSecretKey(Buffer.alloc(32, 1))
    }
    const recorder = { record: async () => undefined } as unknown as Recorder
    await new SubjectEscrow([recipientText(ada.recipient)], database.raw).settle({ unwrap, recorder })
    expect([copies(), audit.types().filter((type) => type === 'key.destroy')]).toEqual([1, ['key.destroy']])
  })

  it('goes on where it was cut off, for as many as there are', async () => {
    const before = await open([])
    const sealed = await Promise.all(Array.from({ length: 70 }, (_, n) => seal(before, `person ${n}`)))
    before.close()
    const keyring = await open([ada, bob])
    // Power fails in the second turn.
    database.raw.exec(`CREATE TRIGGER cut BEFORE INSERT ON subject_key_escrow WHEN (SELECT count(*) FROM subject_key_escrow) >= 81
      BEGIN SELECT RAISE(FAIL, 'cut'); END`)
    await settle(keyring)
    expect(copies()).toBe(80)
    database.raw.exec('DROP TRIGGER cut')
    await settle(keyring)
    expect(copies()).toBe(140)
    for (const one of sealed) expect(await rescue(bob, one)).toMatch(/^what is said of person \d+$/)
    expect(escrowed().at(-1)?.details).toMatchObject({ added: [], removed: [], people: 30 })
  })

  it('does not open a copy that was moved to another person or generation', async () => {
    const keyring = await open([ada])
    await settle(keyring)
    const [ann, ben] = [await seal(keyring, 'ann'), await seal(keyring, 'ben')]
    database.raw
      .prepare('UPDATE subject_key_escrow SET wrapped = (SELECT wrapped FROM subject_key_escrow WHERE pseudonym = ?) WHERE pseudonym = ?')
      .run(ben.pseudonym, ann.pseudonym)
    expect(await failure(rescue(ada, ann))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(await failure(rescue(ada, { ...ben, pseudonym: ann.pseudonym }))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })
})

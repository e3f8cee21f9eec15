import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  newRecipient,
  openObject,
  openRecipientKey,
  type RecipientKey,
  recipientText,
  sealObject,
  unwrapForPeople,
} from '#foundation/crypto'
import { type Database, MemoryFolder, openDatabase } from '#foundation/storage'
import { DEFAULT_ROTATION, keysConfigSchema } from '../config.ts'
import { ADULT, CREDIT, failure, MemoryAudit, newWorld, PASSPHRASE, QUICK_KDF, USE } from '../keys.fixtures.ts'
import type { Keyring } from '../keys.ts'
import { openKeyring } from '../open-keyring.ts'
import { escrowBinding } from './escrow.ts'
import { EscrowStore } from './escrow-store.ts'
import { escrowOpener } from './open-escrow.ts'

const PLAINTEXT = Buffer.from('rows that nobody else has')
const folders: string[] = []
let ada: RecipientKey
let bob: RecipientKey
beforeAll(async () => {
  const made = async (): Promise<RecipientKey> => openRecipientKey(Buffer.from((await newRecipient(null)).keyFile), null)
  ;[ada, bob] = [await made(), await made()]
})
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const lines = (...keys: readonly RecipientKey[]): string[] => keys.map(({ recipient }) => recipientText(recipient))
const names = (...keys: readonly RecipientKey[]): string[] => keys.map(({ recipient }) => `recipient:${recipient.fingerprint}`)
const held = (...recipients: readonly RecipientKey[]) => ({ recipients, passphrase: null })

async function world(escrow: readonly string[], database?: Database) {
  const made = newWorld()
  const keyDatabase = database ?? made.database
  const audit = new MemoryAudit()
  const objects = new MemoryFolder()
  const open = (recipients: readonly string[]): Promise<Keyring> =>
    openKeyring({
      folder: made.folder,
      database: keyDatabase,
      passphrase: PASSPHRASE,
      clock: made.clock,
      kdf: QUICK_KDF,
      escrow: recipients,
    })
  const keyring = await open(escrow)
  const keys = keyring.keys(audit)
  const seal = async (path = 'object'): Promise<void> => {
    await sealObject(objects, path, await keys.generateDataKey(ADULT, path, USE), [PLAINTEXT], {})
  }
  const settle = (of: Keyring): Promise<void> =>
    of.rotation({ audit, alerts: { raise: () => undefined }, folder: objects, objects: [], wrapped: [], config: DEFAULT_ROTATION }).run()
  /** Without keyring, provider and passphrase. */
  const rescue = async (key: RecipientKey, path = 'object'): Promise<string> => {
    const object = await openObject(objects, path, escrowOpener(keyDatabase.raw, held(key)))
    return Buffer.from(await object.readAll()).toString()
  }
  return {
    ...made,
    database: keyDatabase,
    audit,
    objects,
    open,
    keyring,
    keys,
    seal,
    settle,
    rescue,
    store: new EscrowStore(keyDatabase.raw),
  }
}

describe('escrow of the keys of data sets and models (A4, A6)', () => {
  it('opens an object by the private key of a recipient, without the provider; nobody else’s does', async () => {
    const { keyring, seal, rescue, audit } = await world(lines(ada))
    await seal()
    keyring.close()
    expect(await rescue(ada)).toBe(PLAINTEXT.toString())
    expect(await failure(rescue(bob))).toBe('ERR_CRYPTO_NO_KEY')
    const made = audit.events.find(({ type, details }) => type === 'key.generate' && details?.['escrow'] !== undefined)
    expect(made?.details).toMatchObject({ owner: 'adult', escrow: names(ada) })
  })

  it('goes with a rotation: what lies under the new version opens, and under the old one as long as it is there', async () => {
    const { keys, seal, rescue, store } = await world(lines(ada, bob))
    await seal('old')
    await keys.rotate(ADULT, USE)
    await seal('new')
    for (const path of ['old', 'new']) for (const key of [ada, bob]) expect(await rescue(key, path)).toBe(PLAINTEXT.toString())
    expect(store.list()).toHaveLength(4)
  })

  it('is given to a recipient who is added, and taken from one who is removed, on record before it is done', async () => {
    const { keys, seal, settle, open, rescue, store, audit, keyring } = await world([])
    await seal()
    await settle(keyring)
    expect(audit.types()).not.toContain('key.escrow')
    expect(await failure(rescue(ada))).toBe('ERR_CRYPTO_NO_KEY')
    void keys

    const added = await open(lines(ada, bob))
    audit.down = true
    await settle(added)
    expect(store.list()).toEqual([])
    audit.down = false
    await settle(added)
    expect(audit.events.find(({ type }) => type === 'key.escrow')).toMatchObject({
      actor: { type: 'System', id: 'keys' },
      outcome: 'success',
      details: { recipients: names(ada, bob), added: names(ada, bob), removed: [], versions: 1 },
    })
    expect(await rescue(bob)).toBe(PLAINTEXT.toString())
    const before = audit.events.length
    await settle(added)
    expect(audit.events.slice(before)).toEqual([])

    const removed = await open(lines(bob))
    audit.down = true
    await settle(removed)
    expect(await rescue(ada)).toBe(PLAINTEXT.toString())
    audit.down = false
    await settle(removed)
    expect(audit.events.filter(({ type }) => type === 'key.escrow').at(-1)?.details).toMatchObject({ added: [], removed: names(ada) })
    expect(await failure(rescue(ada))).toBe('ERR_CRYPTO_NO_KEY')
    expect(await rescue(bob)).toBe(PLAINTEXT.toString())
  })

  it('ends with the chain of its owner: what was destroyed is not opened by an escrow key either, and its bytes are gone from the disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-escrow-'))
    folders.push(folder)
    const database = openDatabase(join(folder, 'keys.db'))
    const { keys, seal, rescue, store } = await world(lines(ada), database)
    await seal()
    await keys.generateDataKey(CREDIT, 'other', USE)
    const [copy] = store.of(store.list().find(({ keyId }) => keyId === keys.list().find(({ owner }) => owner === 'adult')?.keyId)!)
    const onDisk = (): boolean => ['keys.db', 'keys.db-wal'].some((name) => readFileSync(join(folder, name)).includes(copy!.wrapped))
    expect(onDisk()).toBe(true)
    await keys.destroyOwner(ADULT, USE)
    expect(await failure(rescue(ada))).toBe('ERR_KEYS_DESTROYED')
    expect(store.list()).toHaveLength(1)
    expect(onDisk()).toBe(false)
    // A copy that is put back is one of a destroyed version.
    store.add([copy!])
    expect(store.list()).toHaveLength(1)
    await database.close()
  })

  it('ends with one retired version of a chain, and only with that', async () => {
    const { keys, seal, rescue, store } = await world(lines(ada))
    await seal('old')
    await keys.rotate(ADULT, USE)
    await seal('new')
    await keys.destroyRetired(ADULT, USE)
    expect(await failure(rescue(ada, 'old'))).toBe('ERR_KEYS_DESTROYED')
    expect(await rescue(ada, 'new')).toBe(PLAINTEXT.toString())
    expect(store.list().map(({ version }) => version)).toEqual([2])
  })

  it('ends with a version that rotation destroys after a compromise, by itself', async () => {
    const { keys, seal, settle, keyring, store, clock } = await world(lines(ada))
    await seal()
    await keys.rotate(ADULT, USE, { compromised: true })
    await settle(keyring)
    clock.advance(1_000_000)
    // It has moved nothing that lies here: what named the version before is named by nothing that it is told of.
    await settle(keyring)
    expect(store.list().map(({ version }) => version)).toEqual([2])
  })

  it('does not open a copy that was moved to another version or owner', async () => {
    const { keys, seal, rescue, database, store } = await world(lines(ada))
    await seal()
    await keys.generateDataKey(CREDIT, 'other', USE)
    database.raw.exec(
      `UPDATE owner_key_escrow SET wrapped = (SELECT e.wrapped FROM owner_key_escrow e JOIN owner_keys o ON o.key_id = e.key_id WHERE o.owner = 'credit')`,
    )
    expect(await failure(rescue(ada))).toBe('ERR_CRYPTO_AUTHENTICATION')
    // Nor is the key of another taken for this one's before anything is tried with it.
    const [adult] = keys.list().filter(({ owner }) => owner === 'adult')
    const [copy] = store.of(adult!)
    const asked = { keyId: copy!.recipient, version: 1, wrapped: copy!.wrapped, binding: escrowBinding(ADULT, adult!) }
    expect(await failure(unwrapForPeople([asked], held(ada)))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('is configured by whole and valid lines alone, each once, four at most', () => {
    const escrow = (value: unknown): boolean => keysConfigSchema.safeParse({ escrow: value }).success
    const [line] = lines(ada)
    expect(escrow([line])).toBe(true)
    expect(escrow([])).toBe(true)
    for (const wrong of [
      [line, line],
      [line!.slice(0, -1)],
      [line!.replace('.', ' ')],
      ['ada'],
      [42],
      line,
      Array.from({ length: 5 }, () => line),
    ])
      expect(escrow(wrong)).toBe(false)
  })
})

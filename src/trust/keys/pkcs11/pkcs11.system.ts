import { createSecretKey, randomBytes, verify } from 'node:crypto'
import { readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { resolveSecret } from '#foundation/config'
import { systemClock } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { keyProviderContract } from '../key-provider-contract.ts'
import type { KeyProvider } from '../key-provider.ts'
import { failure, MemoryAudit, newWorld, USE } from '../keys.fixtures.ts'
import { parseKeyRecords } from '../outside/key-records-file.ts'
import { KEY_RECORDS_PATH } from '../outside/key-records.ts'
import type { Pkcs11Config } from './config.ts'
import { CK, type Cryptoki } from './cryptoki.ts'
import { openPkcs11Provider } from './pkcs11-service.ts'
import { newSoftHsm, PIN } from './softhsm.fixtures.ts'
import { spawnWorker } from './spawn-worker.ts'

// SoftHSM is no HSM: it shows that the protocol is spoken, not that a key is safe.
const soft = newSoftHsm()
const binding = { tenant: 'default', resource: 'dataset/one', purpose: 'dataset' } as const
const opened: KeyProvider[] = []
const pids: number[] = []

async function open(folder: MemoryFolder, config: Pkcs11Config = soft.config): Promise<KeyProvider> {
  const start = () => {
    const worker = spawnWorker(config)
    pids.push(worker.pid!)
    return worker
  }
  const provider = await openPkcs11Provider(config, { folder, clock: systemClock, resolveSecret, start })
  opened.push(provider)
  return provider
}

const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(holds()).toBe(true)
}

afterEach(() => {
  for (const provider of opened.splice(0)) provider.close()
  pids.length = 0
})
afterAll(() => soft.dispose())

describe('the PKCS#11 provider passes the contract of key providers, on SoftHSM (A4)', () => {
  for (const contract of keyProviderContract)
    it(contract.name, async () => {
      const folder = new MemoryFolder()
      await contract.run(() => open(folder))
    })
})

describe('keys in a token', () => {
  it('cannot be read or wrapped, and say so of themselves (A4)', async () => {
    const folder = new MemoryFolder()
    await open(folder)
    const { encryption, signing } = parseKeyRecords(folder.read(KEY_RECORDS_PATH)!)
    expect(signing.map(({ name }) => name)).toEqual(['checkpoint', 'model-signing'])
    const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as { PKCS11: new () => Cryptoki & { C_Finalize(): void } }
    const cryptoki = new PKCS11()
    cryptoki.load(soft.config.library)
    cryptoki.C_Initialize()
    try {
      const slot = cryptoki.C_GetSlotList(true).find((one) => cryptoki.C_GetTokenInfo(one).label.trim() === 'rehearsal')!
      const session = cryptoki.C_OpenSession(slot, CK.F_SERIAL_SESSION | CK.F_RW_SESSION)
      cryptoki.C_Login(session, CK.U_USER, PIN)
      const wrapping = await cryptoki.C_GenerateKeyAsync(session, { mechanism: CK.M_AES_KEY_GEN, parameter: undefined! }, [
        { type: CK.A_TOKEN, value: false },
        { type: CK.A_VALUE_LEN, value: 32 },
        { type: CK.A_WRAP, value: true },
      ])
      for (const { reference } of [...encryption, ...signing]) {
        cryptoki.C_FindObjectsInit(session, [{ type: CK.A_ID, value: Buffer.from(reference, 'hex') }])
        const found = cryptoki.C_FindObjects(session, 4)
        cryptoki.C_FindObjectsFinal(session)
        const classes: readonly number[] = [CK.O_SECRET_KEY, CK.O_PRIVATE_KEY]
        const secret = found.find((key) =>
          classes.includes(cryptoki.C_GetAttributeValue(session, key, [{ type: CK.A_CLASS }])[0]!.value.readUInt8()),
        )!
        expect(() => cryptoki.C_GetAttributeValue(session, secret, [{ type: CK.A_VALUE }])).toThrow('CKR_ATTRIBUTE_SENSITIVE')
        expect(() =>
          cryptoki.C_WrapKey(session, { mechanism: CK.M_AES_KEY_WRAP_PAD, parameter: undefined! }, wrapping, secret, Buffer.alloc(512)),
        ).toThrow('CKR_KEY_UNEXTRACTABLE')
      }
    } finally {
      cryptoki.C_Finalize()
    }
  })

  it('sign checkpoints and models inside; what has to be released is wrapped (A4)', async () => {
    const provider = await open(new MemoryFolder())
    const message = randomBytes(200)
    for (const name of ['checkpoint', 'token-signing'] as const)
      expect(verify(null, message, provider.publicKey(name).publicKey, await provider.sign(name, message))).toBe(true)
    for (let i = 0; i < 20; i++)
      expect(verify('sha256', message, provider.publicKey('model-signing').publicKey, await provider.sign('model-signing', message))).toBe(
        true,
      )
    for (const name of ['checkpoint', 'model-signing'] as const) expect(await failure(provider.release!(name))).toBe('ERR_KEYS_UNKNOWN')
    expect((await provider.release!('certificate-authority')).asymmetricKeyType).toBe('ec')
    expect(await failure(provider.sign('checkpoint', new Uint8Array(70_000)))).toBe('ERR_CRYPTO_PARAMETER')
  })

  it('are refused where another key of the token, one that was brought in, has their name (A4)', async () => {
    const folder = new MemoryFolder()
    const provider = await open(folder)
    const { wrapped } = await provider.generateDataKey('dataset', binding)
    provider.close()
    const record = parseKeyRecords(folder.read(KEY_RECORDS_PATH)!).encryption.find(({ keyClass }) => keyClass === 'dataset')!
    const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as { PKCS11: new () => any }
    const cryptoki = new PKCS11()
    cryptoki.load(soft.config.library)
    cryptoki.C_Initialize()
    try {
      const slot = cryptoki.C_GetSlotList(true).find((one: Buffer) => cryptoki.C_GetTokenInfo(one).label.trim() === 'rehearsal')
      const session = cryptoki.C_OpenSession(slot, CK.F_SERIAL_SESSION | CK.F_RW_SESSION)
      cryptoki.C_Login(session, CK.U_USER, PIN)
      cryptoki.C_FindObjectsInit(session, [{ type: CK.A_ID, value: Buffer.from(record.reference, 'hex') }])
      const [key] = cryptoki.C_FindObjects(session, 1)
      cryptoki.C_FindObjectsFinal(session)
      cryptoki.C_DestroyObject(session, key)
      cryptoki.C_CreateObject(session, [
        { type: CK.A_CLASS, value: CK.O_SECRET_KEY },
        { type: CK.A_KEY_TYPE, value: CK.K_AES },
        { type: CK.A_TOKEN, value: true },
        { type: CK.A_ID, value: Buffer.from(record.reference, 'hex') },
        { type: CK.A_VALUE, value: randomBytes(32) },
        { type: CK.A_SENSITIVE, value: true },
        { type: CK.A_EXTRACTABLE, value: false },
        { type: CK.A_ENCRYPT, value: true },
        { type: CK.A_DECRYPT, value: true },
      ])
    } finally {
      cryptoki.C_Finalize()
    }
    const again = await open(folder)
    expect(await failure(again.unwrap(wrapped))).toBe('ERR_KEYS_EXTRACTABLE')
    expect(await failure(again.generateDataKey('dataset', binding))).toBe('ERR_KEYS_EXTRACTABLE')
    expect((await again.health()).ok).toBe(false)
    expect(await failure(again.generateDataKey('model', binding))).toBe('done')
  })
})

describe('moving from a sealed file into a token (A4)', () => {
  it('keeps every key, the signing ones wrapped, and makes the next versions in the token', async () => {
    const world = newWorld()
    const before = await world.open()
    const { key, wrapped } = await before.keys(new MemoryAudit()).generateDataKey('configuration', 'd', USE)
    const { keyId } = before.checkpointSigner
    before.close()
    const open = () => world.open({ provider: soft.config, moveFrom: 'sealed-file' })
    const moved = await open()
    expect(await moved.finishMove(new MemoryAudit())).toBe(true)
    moved.close()
    const after = await open()
    const keys = after.keys(new MemoryAudit())
    expect((await keys.unwrap(wrapped, USE)).equals(key)).toBe(true)
    expect(after.checkpointSigner.keyId).toBe(keyId)
    const next = await keys.generateDataKey('configuration', 'd', USE)
    expect([next.wrapped.keyId, next.wrapped.version]).toEqual([wrapped.keyId, 2])
    expect(world.folder.list('')).not.toContain('keyring.json')
    after.close()
  })
})

describe('a token that fails (A4)', () => {
  it('unwraps on, through kill -9 of its process in the middle of 64 unwraps at the same time', async () => {
    const provider = await open(new MemoryFolder())
    const made = await Promise.all(Array.from({ length: 64 }, () => provider.generateDataKey('dataset', binding)))
    const all = Promise.all(made.map(({ wrapped }) => provider.unwrap(wrapped)))
    process.kill(pids[0]!, 'SIGKILL')
    const keys = await all
    for (const [i, { key }] of made.entries()) expect(keys[i]!.equals(key)).toBe(true)
    expect(pids).toHaveLength(2)
    for (let round = 0; round < 5; round++) {
      const again = await Promise.all(made.map(({ wrapped }) => provider.unwrap(wrapped)))
      for (const [i, { key }] of made.entries()) expect(again[i]!.equals(key)).toBe(true)
    }
    expect(pids).toHaveLength(2)
  })

  it('is started again when its process hangs', async () => {
    const provider = await open(new MemoryFolder(), { ...soft.config, callTimeoutMs: 500 })
    const { key, wrapped } = await provider.generateDataKey('dataset', binding)
    process.kill(pids[0]!, 'SIGSTOP')
    expect((await provider.unwrap(wrapped)).equals(key)).toBe(true)
    expect(pids).toHaveLength(2)
  })

  it('is not asked twice with a wrong PIN, which is in no argument, variable or message', async () => {
    const folder = new MemoryFolder()
    const provider = await open(folder)
    const [pid] = pids
    for (const file of ['cmdline', 'environ']) expect(readFileSync(`/proc/${pid}/${file}`, 'latin1')).not.toContain(PIN)
    provider.close()
    pids.length = 0
    writeFileSync(soft.pinFile, '11112222')
    try {
      const refused = await open(folder).catch((error: unknown) => error as Error & { code: string })
      expect(refused).toMatchObject({ code: 'ERR_KEYS_PROVIDER_DENIED' })
      expect((refused as Error).message).toContain('CKR_PIN_INCORRECT')
      expect(JSON.stringify([refused, (refused as Error).message])).not.toContain('11112222')
      expect(pids).toHaveLength(1)
    } finally {
      writeFileSync(soft.pinFile, PIN)
    }
    expect((await (await open(folder)).health()).ok).toBe(true)
  })

  it('says that the token is gone, and serves again when it is back', async () => {
    const provider = await open(new MemoryFolder())
    const { key, wrapped } = await provider.generateDataKey('dataset', binding)
    const [token] = readdirSync(soft.tokens)
    const away = join(soft.tokens, '../away')
    renameSync(join(soft.tokens, token!), away)
    try {
      const gone = await provider.unwrap(wrapped).catch((error: unknown) => error as Error & { code: string })
      expect(gone).toMatchObject({ code: 'ERR_KEYS_PROVIDER_UNAVAILABLE' })
      expect((gone as Error).message).toContain('the token `rehearsal` is not there')
      expect(await failure(provider.rotate('dataset'))).toBe('ERR_KEYS_PROVIDER_UNAVAILABLE')
      expect(await provider.health()).toMatchObject({ provider: 'pkcs11', ok: false })
    } finally {
      renameSync(away, join(soft.tokens, token!))
    }
    const back = Date.now()
    for (;;) {
      const opened = await provider.unwrap(wrapped).catch(() => null)
      if (opened !== null) {
        expect(opened.equals(key)).toBe(true)
        break
      }
      expect(Date.now() - back).toBeLessThan(10_000)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect((await provider.rotate('dataset')).version).toBe(2)
  })

  it('keeps nothing in its folder that opens without it, and its process ends with it', async () => {
    const folder = new MemoryFolder()
    const provider = await open(folder)
    const { key } = await provider.generateDataKey('configuration', binding)
    const files = Buffer.concat(folder.list('').map((name) => folder.read(name)!))
    const secret = (await provider.release!('token-signing')).export({ type: 'pkcs8', format: 'der' }).subarray(-32)
    for (const one of [key.export(), secret, Buffer.from(PIN)])
      for (const encoding of ['latin1', 'hex', 'base64url'] as const) expect(files.includes(one.toString(encoding))).toBe(false)
    expect(createSecretKey(secret).symmetricKeySize).toBe(32)
    const [pid] = pids
    provider.close()
    await until(() => !readdirSync('/proc').includes(String(pid)))
  })
})

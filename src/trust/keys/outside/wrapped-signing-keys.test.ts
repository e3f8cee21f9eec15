import { createHash, randomBytes, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { canonicalJson, type JsonObject } from '#foundation/core'
import { MemoryFolder } from '#foundation/storage'
import { codeOf, failure, newWorld, PASSPHRASE, QUICK_KDF, seeded } from '../keys.fixtures.ts'
import { openSealedFileProvider } from '../sealed-file/sealed-file-provider.ts'
import { WRAPPED_SIGNING_KEYS_PATH, WrappedSigningKeys } from './wrapped-signing-keys.ts'

const names = ['token-signing', 'certificate-authority'] as const

/** Signing keys wrapped by a sealed file, so that the wrap is a real one. */
async function created(folder = new MemoryFolder()) {
  const { folder: under, clock } = newWorld()
  const provider = await openSealedFileProvider({ folder: under, clock, passphrase: PASSPHRASE, kdf: QUICK_KDF })
  const keys = await WrappedSigningKeys.create({ folder, clock, names }, (material, binding) =>
    provider.wrap('configuration', material, binding),
  )
  const open = (from = folder) => WrappedSigningKeys.open({ folder: from, names }, (wrapped) => provider.unwrap(wrapped))
  return { folder, keys, open }
}

function written(folder: MemoryFolder): Record<string, unknown> & { keys: Record<string, unknown>[] } {
  return JSON.parse(Buffer.from(folder.read(WRAPPED_SIGNING_KEYS_PATH)!).toString()) as never
}

function write(folder: MemoryFolder, bytes: Uint8Array): void {
  const file = folder.open(WRAPPED_SIGNING_KEYS_PATH, { create: true })!
  file.truncate(0)
  file.writeAt(bytes, 0)
}

describe('signing keys wrapped by a provider', () => {
  it('are the same keys when opened again, sign, and are released', async () => {
    const { folder, keys, open } = await created()
    const again = await open(folder.powerCut(seeded(7)))
    const message = randomBytes(50)
    expect(keys.publicKey('token-signing')).toMatchObject({ algorithm: 'Ed25519', version: 1 })
    expect(verify(null, message, keys.publicKey('token-signing').publicKey, again.sign('token-signing', message))).toBe(true)
    const authority = keys.publicKey('certificate-authority')
    expect(verify('sha256', message, authority.publicKey, again.sign('certificate-authority', message))).toBe(true)
    expect(again.release('certificate-authority').equals(keys.release('certificate-authority'))).toBe(true)
    expect(again.describe().map(({ name, keyClass, uses }) => [name, keyClass, uses])).toEqual([
      ['token-signing', 'signing', 1],
      ['certificate-authority', 'signing', 1],
    ])
    again.close()
    await expect(async () => again.sign('token-signing', message)).rejects.toMatchObject({ code: 'ERR_KEYS_UNKNOWN' })
  })

  it('lie in no clear form in the folder (A1)', async () => {
    const { folder, keys } = await created()
    const file = Buffer.from(folder.read(WRAPPED_SIGNING_KEYS_PATH)!)
    for (const name of names) {
      const der = keys.release(name).export({ type: 'pkcs8', format: 'der' })
      for (const encoding of ['hex', 'base64', 'base64url'] as const)
        expect(file.includes(der.subarray(-32).toString(encoding).replace(/=+$/, ''))).toBe(false)
    }
  })

  it('do not open under the name, key or version of another, nor when the file is gone, cut or changed', async () => {
    const { folder, open } = await created()
    const whole = folder.read(WRAPPED_SIGNING_KEYS_PATH)!
    const { checksum: _, ...content } = written(folder)
    const [token, authority] = content['keys'] as [Record<string, unknown>, Record<string, unknown>]
    const put = (keys: unknown[]): void => {
      const changed = { ...content, keys } as unknown as JsonObject
      const checksum = createHash('sha256').update(canonicalJson(changed)).digest('hex')
      write(folder, Buffer.from(canonicalJson({ ...changed, checksum })))
    }
    put([token, authority])
    expect(await failure(open())).toBe('done')
    for (const forged of [
      [{ ...token, wrapping: authority['wrapping'] }, authority],
      [{ ...token, version: 2 }, authority],
      [{ ...token, keyId: 'key_other' }, authority],
      [
        { ...token, name: 'certificate-authority' },
        { ...authority, name: 'token-signing' },
      ],
    ]) {
      put(forged)
      expect(await failure(open())).toBe('ERR_CRYPTO_AUTHENTICATION')
    }
    put([token])
    expect(await failure(open())).toBe('ERR_KEYS_KEYRING_CORRUPT')
    for (let at = 0; at < whole.byteLength - 1; at++) {
      const changed = Uint8Array.from(whole)
      changed[at]! ^= 1 << (at % 8)
      for (const bytes of [changed, whole.subarray(0, at)]) {
        write(folder, bytes)
        expect([at, await open().then(() => 'done', codeOf)]).toEqual([at, 'ERR_KEYS_KEYRING_CORRUPT'])
      }
    }
    folder.remove(WRAPPED_SIGNING_KEYS_PATH)
    expect(await failure(open())).toBe('ERR_KEYS_KEYRING_CORRUPT')
  })
})

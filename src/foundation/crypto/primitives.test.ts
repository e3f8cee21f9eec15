import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { argon2Schema, DEFAULT_ARGON2, deriveKeyArgon2id, newArgon2Salt } from './argon2id.ts'
import { constantTimeEqual } from './constant-time.ts'
import { hkdf } from './hkdf.ts'
import { aesKeyUnwrapPad, aesKeyWrapPad } from './key-wrap.ts'
import { openBytes, sealBytes, SEALED_OVERHEAD } from './seal-bytes.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const codeOf = (call: () => unknown): string => {
  try {
    call()
    return 'done'
  } catch (error) {
    return error instanceof RedoubtError ? error.code : String(error)
  }
}
const floor = { memoryKiB: 19_456, passes: 2, parallelism: 1 }

describe('sealed values', () => {
  const key = createSecretKey(randomBytes(32))
  const aad = Buffer.from('aad')

  it('open again, with or without a prefix in clear', () => {
    const text = randomBytes(100)
    expect(Buffer.from(openBytes(key, aad, sealBytes(key, aad, text))).equals(text)).toBe(true)
    const sealed = sealBytes(key, aad, text, Buffer.from('pre'))
    expect(Buffer.from(sealed.subarray(0, 3)).toString()).toBe('pre')
    expect(Buffer.from(openBytes(key, aad, sealed.subarray(3))).equals(text)).toBe(true)
    expect(sealBytes(key, aad, text).byteLength).toBe(100 + SEALED_OVERHEAD)
  })

  it('refuse every flipped bit, every cut, another key and other additional data', () => {
    const sealed = sealBytes(key, aad, Buffer.from('text'))
    for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
      const changed = sealed.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(codeOf(() => openBytes(key, aad, changed))).toBe('ERR_CRYPTO_AUTHENTICATION')
    }
    for (let n = 0; n < sealed.byteLength; n++)
      expect(codeOf(() => openBytes(key, aad, sealed.subarray(0, n)))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(codeOf(() => openBytes(createSecretKey(randomBytes(32)), aad, sealed))).toBe('ERR_CRYPTO_AUTHENTICATION')
    expect(codeOf(() => openBytes(key, Buffer.from('add'), sealed))).toBe('ERR_CRYPTO_AUTHENTICATION')
  })

  it('never use an initialisation vector twice', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 2000; i++) seen.add(Buffer.from(sealBytes(key, aad, aad).subarray(0, 12)).toString('hex'))
    expect(seen.size).toBe(2000)
  })

  it('take AES-256 keys only', () => {
    expect(codeOf(() => sealBytes(createSecretKey(randomBytes(16)), aad, aad))).toBe('ERR_CRYPTO_PARAMETER')
    expect(codeOf(() => openBytes(generateKeyPairSync('ed25519').privateKey, aad, randomBytes(40)))).toBe('ERR_CRYPTO_PARAMETER')
  })
})

describe('AES key wrap with padding', () => {
  it('gives the values of RFC 5649 §6', () => {
    const kek = createSecretKey(hex('5840df6e29b02af1 ab493b705bf16ea1 ae8338f4dcc176a8'))
    const key = hex('c37b7e6492584340 bed1220780894115 5068f738')
    const wrapped = hex('138bdeaa9b8fa7fc 61f97742e72248ee 5ae6ae5360d1ae6a 5f54f373fa543b6a')
    expect(Buffer.from(aesKeyWrapPad(kek, key)).equals(wrapped)).toBe(true)
    expect(Buffer.from(aesKeyUnwrapPad(kek, wrapped)).equals(key)).toBe(true)
    const short = hex('afbeb0f07dfbf541 9200f2ccb50bb24f')
    expect(Buffer.from(aesKeyWrapPad(kek, hex('466f7250617369'))).equals(short)).toBe(true)
  })

  it('refuses any change and what is out of range', () => {
    const kek = createSecretKey(randomBytes(32))
    const wrapped = Buffer.from(aesKeyWrapPad(kek, randomBytes(20)))
    for (let at = 0; at < wrapped.byteLength; at++) {
      const changed = Buffer.from(wrapped)
      changed[at]! ^= 1
      expect(codeOf(() => aesKeyUnwrapPad(kek, changed))).toBe('ERR_CRYPTO_AUTHENTICATION')
    }
    for (const n of [0, 8, 15, wrapped.byteLength - 1, 10_000])
      expect(codeOf(() => aesKeyUnwrapPad(kek, Buffer.alloc(n)))).toBe('ERR_CRYPTO_AUTHENTICATION')
    for (const n of [0, 4097]) expect(codeOf(() => aesKeyWrapPad(kek, Buffer.alloc(n)))).toBe('ERR_CRYPTO_PARAMETER')
    expect(codeOf(() => aesKeyWrapPad(createSecretKey(randomBytes(20)), randomBytes(16)))).toBe('ERR_CRYPTO_PARAMETER')
  })
})

describe('HKDF', () => {
  it('gives the values of RFC 5869 A.1', () => {
    const okm = hkdf('sha256', Buffer.alloc(22, 0x0b), hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'), 42)
    expect(Buffer.from(okm).toString('hex')).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865')
  })

  it('refuses lengths that it cannot give', () => {
    for (const length of [0, -1, 1.5, 255 * 32 + 1])
      expect(codeOf(() => hkdf('sha256', Buffer.alloc(3), new Uint8Array(), new Uint8Array(), length))).toBe('ERR_CRYPTO_PARAMETER')
  })
})

describe('argon2id', () => {
  it('gives the same key for the same passphrase, salt and cost, and another for any other', async () => {
    const salt = newArgon2Salt()
    const derive = (passphrase: string, withSalt: Uint8Array, cost = floor) => deriveKeyArgon2id(Buffer.from(passphrase), withSalt, cost)
    const key = await derive('passphrase', salt)
    expect(key.symmetricKeySize).toBe(32)
    expect(key.equals(await derive('passphrase', salt))).toBe(true)
    expect(key.equals(await derive('passphrasf', salt))).toBe(false)
    expect(key.equals(await derive('passphrase', newArgon2Salt()))).toBe(false)
    expect(key.equals(await derive('passphrase', salt, { ...floor, passes: 3 }))).toBe(false)
  })

  it('refuses a cost below the OWASP floor or beyond the ceiling, and unfit salts', async () => {
    const bad = [
      { ...floor, memoryKiB: 19_455 },
      { ...floor, passes: 1 },
      { ...floor, parallelism: 0 },
      { ...floor, memoryKiB: 2 ** 23 },
      { ...floor, passes: 65 },
      { ...floor, parallelism: 65 },
      { ...floor, passes: Number.NaN },
    ]
    for (const parameters of bad)
      await expect(deriveKeyArgon2id(Buffer.from('x'), newArgon2Salt(), parameters)).rejects.toMatchObject({ code: 'ERR_CRYPTO_PARAMETER' })
    await expect(deriveKeyArgon2id(Buffer.from('x'), Buffer.alloc(8), floor)).rejects.toMatchObject({ code: 'ERR_CRYPTO_PARAMETER' })
    expect(argon2Schema.safeParse({ ...floor, unknown: 1 }).success).toBe(false)
    expect(DEFAULT_ARGON2).toEqual({ memoryKiB: 131_072, passes: 3, parallelism: 4 })
  })
})

describe('comparison', () => {
  it('is of length and content', () => {
    expect(constantTimeEqual(Buffer.from('ab'), Buffer.from('ab'))).toBe(true)
    expect(constantTimeEqual(Buffer.from('ab'), Buffer.from('ac'))).toBe(false)
    expect(constantTimeEqual(Buffer.from('ab'), Buffer.from('a'))).toBe(false)
  })
})

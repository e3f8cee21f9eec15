import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  decapsulate,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  verify,
} from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { RedoubtError } from '#foundation/core'
import { encapsulateWith } from '../../../test/judges/mlkem/encapsulate.ts'
import { hkdf } from './hkdf.ts'
import { aesKeyUnwrapPad, aesKeyWrapPad } from './key-wrap.ts'
import { openBytes } from './seal-bytes.ts'

const shared = process.env['REDOUBT_SHARED'] ?? fileURLToPath(new URL('../../../../shared', import.meta.url))
const vectors = `${shared}/vectors/wycheproof`

type Case = Readonly<Record<string, any>>
type Check = (test: Case, group: Case) => boolean

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')
/** @returns null when the call refuses: by one of our errors, or the platform's. */
function attempt<T>(call: () => T): T | null {
  try {
    return call()
  } catch {
    return null
  }
}
const equal = (found: Uint8Array | null, expected: string): boolean => found !== null && Buffer.from(found).equals(bytes(expected))

/** OpenSSL 3 refuses a GCM IV over 1024 bits, which the specification allows. */
const MAX_PLATFORM_IV = 128
const BLOCK = 16
const REDUCTION = 0xe1n << 120n
const toBlock = (value: bigint): Buffer => bytes(value.toString(16).padStart(32, '0'))

/** AES-GCM from the block cipher alone, for IVs beyond the platform's bound (NIST SP 800-38D §6.3, §6.4, §7.1). */
function gcmOfAnyIv(key: Buffer, iv: Buffer, aad: Buffer, msg: Buffer): Buffer {
  const block = (input: Buffer): Buffer =>
    createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
      .setAutoPadding(false)
      .update(input)
  const h = BigInt(`0x${block(Buffer.alloc(BLOCK)).toString('hex')}`)
  const times = (x: bigint): bigint => {
    let [z, v] = [0n, h]
    for (let bit = 127n; bit >= 0n; bit--) {
      if ((x >> bit) & 1n) z ^= v
      v = v & 1n ? (v >> 1n) ^ REDUCTION : v >> 1n
    }
    return z
  }
  const padded = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)])
  const lengths = (a: number, b: number): Buffer => toBlock((BigInt(a * 8) << 64n) | BigInt(b * 8))
  const ghash = (data: Buffer): bigint => {
    let y = 0n
    for (let at = 0; at < data.length; at += BLOCK) y = times(y ^ BigInt(`0x${data.subarray(at, at + BLOCK).toString('hex')}`))
    return y
  }
  const j0 = iv.length === 12 ? Buffer.concat([iv, bytes('00000001')]) : toBlock(ghash(Buffer.concat([padded(iv), lengths(0, iv.length)])))
  const ciphertext = Buffer.from(msg)
  for (let at = 0, count = j0.readUInt32BE(12); at < msg.length; at += BLOCK) {
    const counter = Buffer.from(j0)
    counter.writeUInt32BE((count = (count + 1) >>> 0), 12)
    const stream = block(counter)
    for (let i = at; i < Math.min(at + BLOCK, msg.length); i++) ciphertext[i]! ^= stream[i - at]!
  }
  const s = ghash(Buffer.concat([padded(aad), padded(ciphertext), lengths(aad.length, ciphertext.length)]))
  return Buffer.concat([ciphertext, toBlock(s ^ BigInt(`0x${block(j0).toString('hex')}`))])
}

/** Accepts exactly the given output, for every IV and key size; our own interface takes 96-bit IVs and 256-bit keys and runs too where it can. */
const aesGcm: Check = (test, group) => {
  const [key, iv, aad, msg] = [bytes(test['key']), bytes(test['iv']), bytes(test['aad']), bytes(test['msg'])]
  const name = `aes-${group['keySize']}-gcm` as 'aes-256-gcm'
  const opened = attempt(() => {
    const decipher = createDecipheriv(name, key, iv, { authTagLength: 16 })
    decipher.setAAD(aad)
    decipher.setAuthTag(bytes(test['tag']))
    return Buffer.concat([decipher.update(bytes(test['ct'])), decipher.final()])
  })
  if (iv.length > MAX_PLATFORM_IV)
    return opened === null && equal(gcmOfAnyIv(key, iv, aad, msg), test['ct'] + test['tag']) === (test['result'] === 'valid')
  const sealed = attempt(() => {
    const cipher = createCipheriv(name, key, iv, { authTagLength: 16 })
    cipher.setAAD(aad)
    const ciphertext = Buffer.concat([cipher.update(msg), cipher.final()])
    return Buffer.concat([ciphertext, cipher.getAuthTag()])
  })
  // The adapter for long IVs is held to the platform's answers where both can answer.
  if (sealed !== null && !sealed.equals(gcmOfAnyIv(key, iv, aad, msg))) return false
  const accepted = equal(opened, test['msg'])
  if (group['keySize'] === 256 && group['ivSize'] === 96) {
    const ours = attempt(() => openBytes(createSecretKey(key), aad, Buffer.concat([iv, bytes(test['ct']), bytes(test['tag'])])))
    if (equal(ours, test['msg']) !== accepted) return false
  }
  return test['result'] === 'valid' ? accepted && equal(sealed, test['ct'] + test['tag']) : opened === null
}

const aesKwp: Check = (test) => {
  const key = createSecretKey(bytes(test['key']))
  const opened = attempt(() => aesKeyUnwrapPad(key, bytes(test['ct'])))
  if (test['result'] === 'invalid') return opened === null
  return equal(opened, test['msg']) && equal(aesKeyWrapPad(key, bytes(test['msg'])), test['ct'])
}

const hkdfWith =
  (hash: 'sha256' | 'sha512'): Check =>
  (test) => {
    const okm = attempt(() => hkdf(hash, bytes(test['ikm']), bytes(test['salt']), bytes(test['info']), test['size']))
    return test['result'] === 'valid' ? equal(okm, test['okm']) : okm === null
  }

const ecdsa =
  (hash: string): Check =>
  (test, group) => {
    const key = createPublicKey({ key: bytes(group['publicKeyDer']), format: 'der', type: 'spki' })
    const accepted = attempt(() => verify(hash, bytes(test['msg']), { key, dsaEncoding: 'ieee-p1363' }, bytes(test['sig']))) === true
    return accepted === (test['result'] === 'valid')
  }

const rsaPss: Check = (test, group) => {
  const key = createPublicKey({ key: bytes(group['publicKeyDer']), format: 'der', type: 'spki' })
  const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: group['sLen'] as number }
  const accepted = attempt(() => verify('sha384', bytes(test['msg']), options, bytes(test['sig']))) === true
  return accepted === (test['result'] === 'valid')
}

/** DER of ML-KEM-768 keys (RFC 9935): node takes no raw form of every kind. */
const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const ALGORITHM = der(0x30, bytes('0609608648016503040402'))
const mlkemPrivate = (inner: Buffer): KeyObject =>
  createPrivateKey({ key: der(0x30, bytes('020100'), ALGORITHM, der(4, inner)), format: 'der', type: 'pkcs8' })
const fromSeed = (seed: string): KeyObject => mlkemPrivate(der(0x80, bytes(seed)))
const fromExpanded = (dk: string): KeyObject => mlkemPrivate(der(4, bytes(dk)))
const fromPublic = (ek: string): KeyObject =>
  createPublicKey({ key: der(0x30, ALGORITHM, der(3, Buffer.of(0), bytes(ek))), format: 'der', type: 'spki' })
const publicBytes = (key: KeyObject): Buffer =>
  (key.type === 'public' ? key : createPublicKey(key)).export({ format: 'der', type: 'spki' }).subarray(-1184)

const mlkem: Check = (test) => {
  const shared = attempt(() => {
    const key = fromSeed(test['seed'])
    if (test['ek'] !== undefined && !equal(publicBytes(key), test['ek'])) return null
    return decapsulate(key, bytes(test['c']))
  })
  return test['result'] === 'valid' ? equal(shared, test['K']) : shared === null
}

const mlkemKeygen: Check = (test) => {
  const key = fromSeed(test['seed'])
  return equal(publicBytes(key), test['ek']) && equal(key.export({ format: 'der', type: 'pkcs8' }).subarray(-2400), test['dk'])
}

const mlkemExpanded: Check = (test) => {
  const shared = attempt(() => decapsulate(fromExpanded(test['dk']), bytes(test['c'])))
  return test['result'] === 'valid' ? equal(shared, test['K']) : shared === null
}

/**
 * The platform's encapsulation draws its own `m`: it must take a valid key unchanged and give outputs of the right form, and refuse an
 * invalid key. The outputs for the given `m` are compared with an encapsulation written from FIPS 203, which the platform's
 * decapsulation judges in a test of its own.
 */
const mlkemEncaps: Check = (test) => {
  const made = attempt(() => {
    const key = fromPublic(test['ek'])
    return equal(publicBytes(key), test['ek']) ? encapsulate(key) : null
  })
  if (test['result'] === 'invalid') return made === null
  const { sharedKey, ciphertext } = encapsulateWith(bytes(test['ek']), bytes(test['m']))
  const given = equal(ciphertext, test['c']) && equal(sharedKey, test['K'])
  return given && made !== null && made.ciphertext.byteLength === ciphertext.byteLength && made.sharedKey.byteLength === 32
}

/** File → check, with how many cases there are of each kind: a file that shrinks is noticed. */
const FILES: Readonly<Record<string, readonly [Check, number, number]>> = {
  'aes_gcm_test.json': [aesGcm, 229, 87],
  'aes_kwp_test.json': [aesKwp, 77, 177],
  'ecdsa_secp256r1_sha256_p1363_test.json': [ecdsa('sha256'), 173, 89],
  'ecdsa_secp384r1_sha384_p1363_test.json': [ecdsa('sha384'), 193, 87],
  'hkdf_sha256_test.json': [hkdfWith('sha256'), 83, 3],
  'hkdf_sha512_test.json': [hkdfWith('sha512'), 80, 3],
  'mlkem_768_encaps_test.json': [mlkemEncaps, 133, 132],
  'mlkem_768_keygen_seed_test.json': [mlkemKeygen, 100, 0],
  'mlkem_768_semi_expanded_decaps_test.json': [mlkemExpanded, 3, 6],
  'mlkem_768_test.json': [mlkem, 153, 40],
  'rsa_pss_4096_sha384_mgf1_48_test.json': [rsaPss, 95, 46],
}

describe('Wycheproof', () => {
  it('runs every file there is', () => {
    expect(readdirSync(vectors).filter((name) => name.endsWith('.json'))).toEqual(Object.keys(FILES).sort())
  })

  it.each(Object.entries(FILES))('%s', (name, [check, valid, invalid]) => {
    const file = JSON.parse(readFileSync(`${vectors}/${name}`, 'utf8')) as { testGroups: Case[] }
    const cases = file.testGroups.flatMap((group) => (group['tests'] as Case[]).map((test) => ({ group, test })))
    const failed = cases.filter(({ group, test }) => !check(test, group)).map(({ test }) => test['tcId'] as number)
    expect(failed).toEqual([])
    const count = (result: string): number => cases.filter(({ test }) => test['result'] === result).length
    expect([count('valid'), count('invalid')]).toEqual([valid, invalid])
  })

  it('the platform decapsulates what the encapsulation written from FIPS 203 made', () => {
    for (let i = 0; i < 20; i++) {
      const { privateKey, publicKey } = generateKeyPairSync('ml-kem-768')
      const { sharedKey, ciphertext } = encapsulateWith(publicBytes(publicKey), randomBytes(32))
      expect(decapsulate(privateKey, ciphertext).equals(sharedKey)).toBe(true)
    }
  })

  it('refuses through our own interface what is narrower than the primitive', () => {
    const short = createSecretKey(Buffer.alloc(16))
    expect(() => openBytes(short, Buffer.alloc(0), Buffer.alloc(40))).toThrow(RedoubtError)
  })
})

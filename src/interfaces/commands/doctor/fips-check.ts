import { createCipheriv, createDecipheriv, createHash, createHmac, getFips, hkdfSync } from 'node:crypto'
import { type Finding, ok, problem } from './finding.ts'

/** A computation whose result is published. */
interface KnownAnswer {
  readonly name: string
  readonly compute: () => string
  readonly expected: string
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** Approved, and what everything here stands on. McGrew and Viega's GCM test case 16; FIPS 180-4 and RFC 4231 examples; RFC 5869 A.1. */
const APPROVED: readonly KnownAnswer[] = [
  {
    name: 'AES-256-GCM',
    compute: gcm,
    expected:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
  },
  {
    name: 'SHA-256',
    compute: () => createHash('sha256').update('abc').digest('hex'),
    expected: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  },
  {
    name: 'HMAC-SHA-256',
    compute: () => createHmac('sha256', Buffer.alloc(20, 0x0b)).update('Hi There').digest('hex'),
    expected: 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  },
  {
    name: 'HKDF-SHA-256',
    compute: () =>
      Buffer.from(hkdfSync('sha256', Buffer.alloc(22, 0x0b), hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'), 42)).toString(
        'hex',
      ),
    expected: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  },
]

/** Not approved for anything here: where they are computed, nothing keeps to the list. */
const REFUSED: readonly { readonly name: string; readonly compute: () => unknown }[] = [
  { name: 'MD5', compute: () => createHash('md5').update('abc').digest('hex') },
  {
    name: 'ChaCha20-Poly1305',
    compute: () => createCipheriv('chacha20-poly1305', Buffer.alloc(32), Buffer.alloc(12), { authTagLength: 16 }).update('abc'),
  },
]

/** Encrypted, and opened again with its tag. */
function gcm(): string {
  const key = hex('feffe9928665731c6d6a8f9467308308'.repeat(2))
  const iv = hex('cafebabefacedbaddecaf888')
  const aad = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2')
  const plaintext = hex(
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  )
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad)
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  const tag = cipher.getAuthTag()
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 }).setAAD(aad).setAuthTag(tag)
  const opened = Buffer.concat([decipher.update(ciphertext), decipher.final()])
  return opened.equals(plaintext) ? Buffer.concat([ciphertext, tag]).toString('hex') : 'does not open again'
}

/** What a probe found; the claim of the platform itself (`getFips`) is told and not believed: it can be set where there is no provider. */
export interface FipsProbes {
  readonly approved: readonly KnownAnswer[]
  readonly refused: readonly { readonly name: string; readonly compute: () => unknown }[]
  readonly claimed: () => number
}

const PLATFORM: FipsProbes = { approved: APPROVED, refused: REFUSED, claimed: getFips }
const CHECK = 'FIPS algorithms'
const NO_CLAIM = 'this is no statement about a FIPS 140 validation'

/**
 * `redoubt doctor --fips`: whether the platform computes approved algorithms and refuses others, by known answers.
 * It says nothing about a module's validation.
 */
export function fipsCheck({ approved, refused, claimed }: FipsProbes = PLATFORM): Finding {
  const broken = approved.filter(({ compute, expected }) => attempt(compute) !== expected).map(({ name }) => name)
  const computed = refused.filter(({ compute }) => attempt(compute) !== null).map(({ name }) => name)
  const says = `node says FIPS mode ${claimed() === 1 ? 'on' : 'off'}`
  if (broken.length > 0)
    return problem(
      CHECK,
      `approved algorithms only: no; ${broken.join(', ')} cannot be computed (${says}); ${NO_CLAIM}`,
      'FIPS mode was set without a provider: take `--enable-fips`, `--force-fips` or the setting in OPENSSL_CONF away, or install a provider',
    )
  if (computed.length > 0)
    return problem(
      CHECK,
      `approved algorithms only: no; ${computed.join(', ')} ${computed.length === 1 ? 'is' : 'are'} computed too (${says}); ${NO_CLAIM}`,
      'run on a Node whose OpenSSL has a FIPS provider configured; the Node that comes from npm has none',
    )
  return ok(
    CHECK,
    `approved algorithms only: yes, by the known answers of ${approved.map(({ name }) => name).join(', ')}; ${refused
      .map(({ name }) => name)
      .join(', ')} refused (${says}); ${NO_CLAIM}`,
  )
}

function attempt<T>(compute: () => T): T | null {
  try {
    return compute()
  } catch {
    return null
  }
}

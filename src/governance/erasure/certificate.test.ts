import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { flattenedVerify } from 'jose'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RedoubtError } from '#foundation/core'
import { signCertificate, verifyCertificate } from './certificate.ts'

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key = pair.publicKey): string => String(key.export({ type: 'spki', format: 'pem' }))
const signer = {
  algorithm: 'ES256',
  keyId: 'sig_1',
  publicKey: pair.publicKey,
  sign: async (message: Uint8Array) => sign('sha256', message, createPrivateKey(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))),
} as const
const statement = {
  erasure: 'er_1',
  kind: 'subject',
  pseudonym: 'p',
  datasets: ['loans'],
  ground: 'objection',
  by: { type: 'User', id: 'officer' },
  begunAt: 1,
  doneAt: 2,
  versions: [{ name: 'loans', version: 1, rows: 3, groups: 2, before: 'b', after: 'a' }],
  objects: 4,
  keys: ['f'],
  log: { index: 9, leafHash: 'h' },
} as const
const issue = () =>
  signCertificate({ ...statement, datasets: [...statement.datasets], versions: [{ ...statement.versions[0] }], keys: ['f'] }, signer)
const refusal = (bytes: Uint8Array, key = pem()): string => {
  try {
    verifyCertificate(bytes, key)
    return 'accepted'
  } catch (error) {
    return (error as RedoubtError).code
  }
}

describe('a certificate (A1)', () => {
  it('is a JWS that another implementation verifies, whatever the length of the numbers in its signature', async () => {
    for (let time = 0; time < 200; time++) {
      const text = await issue()
      const { payload, protectedHeader } = await flattenedVerify(JSON.parse(text) as never, pair.publicKey)
      expect(protectedHeader).toEqual({ alg: 'ES256', kid: 'sig_1', typ: 'redoubt-erasure+jws' })
      expect(JSON.parse(Buffer.from(payload).toString())).toEqual({ format: 'redoubt-erasure-certificate@v1', ...statement })
      expect(verifyCertificate(Buffer.from(text), pem())).toMatchObject(statement)
    }
  })

  it('is refused with every character changed, and by another key', async () => {
    const text = await issue()
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(refusal(Buffer.from(text), pem(other.publicKey))).toBe('ERR_CERTIFICATE_INVALID')
    for (let at = 0; at < text.length - 1; at++) {
      const changed = Buffer.from(text)
      changed[at] = changed[at] === 0x41 ? 0x42 : 0x41
      expect([at, refusal(changed)]).toEqual([at, 'ERR_CERTIFICATE_INVALID'])
    }
  })

  it('is refused in another spelling of the same signature', async () => {
    const { signature, ...rest } = JSON.parse(await issue()) as { signature: string }
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const other = `${signature.slice(0, -1)}${alphabet[alphabet.indexOf(signature.at(-1)!) ^ 1]!}`
    expect(Buffer.from(other, 'base64url')).toEqual(Buffer.from(signature, 'base64url'))
    expect(refusal(Buffer.from(JSON.stringify({ ...rest, signature: other })))).toBe('ERR_CERTIFICATE_INVALID')
  })

  it('is no other thing that this key signed', async () => {
    const raw = async (header: object, payload: object): Promise<Uint8Array> => {
      const parts = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      const signature = sign('sha256', Buffer.from(parts.join('.')), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' })
      return Buffer.from(JSON.stringify({ payload: parts[1], protected: parts[0], signature: signature.toString('base64url') }))
    }
    const good = { format: 'redoubt-erasure-certificate@v1', ...statement }
    const header = { alg: 'ES256', kid: 'k', typ: 'redoubt-erasure+jws' }
    expect(refusal(await raw(header, good))).toBe('accepted')
    expect(refusal(await raw({ ...header, typ: 'at+jwt' }, good))).toBe('ERR_CERTIFICATE_INVALID')
    expect(refusal(await raw({ ...header, crit: ['b64'] }, good))).toBe('ERR_CERTIFICATE_INVALID')
    expect(refusal(await raw(header, { ...good, more: 1 }))).toBe('ERR_CERTIFICATE_INVALID')
  })

  it('is refused for anything else, without another error', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => new Uint8Array(Buffer.from(text))),
        ),
        (bytes) => {
          expect(refusal(bytes)).toBe('ERR_CERTIFICATE_INVALID')
        },
      ),
      { numRuns: 300 },
    )
    expect(refusal(Buffer.from('{}'), 'no key')).toBe('ERR_USAGE')
    expect(refusal(Buffer.from('{}'), pem(generateKeyPairSync('ed25519').publicKey))).toBe('ERR_USAGE')
  })
})

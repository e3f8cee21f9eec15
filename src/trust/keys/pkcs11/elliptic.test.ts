import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { derSignature, publicKeyOfPoint } from './elliptic.ts'

describe('what a token gives of elliptic curves', () => {
  it('is a signature that verifies, also where r or s is short or begins with a one bit', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    for (let i = 0; i < 600; i++) {
      const message = Buffer.from(`message ${i}`)
      const raw = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      expect(verify('sha256', message, publicKey, derSignature(raw))).toBe(true)
    }
    expect(Buffer.from(derSignature(Buffer.concat([Buffer.alloc(32, 0), Buffer.alloc(31, 0), Buffer.from([0x80])]))).toString('hex')).toBe(
      '300702010002020080',
    )
    for (const length of [0, 63, 65]) expect(() => derSignature(new Uint8Array(length))).toThrow('another length')
  })

  it('is a public key, in a DER OCTET STRING or bare, and of its own curve alone', () => {
    for (const [algorithm, { publicKey }, length] of [
      ['Ed25519', generateKeyPairSync('ed25519'), 32],
      ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }), 65],
    ] as const) {
      const bare = publicKey.export({ type: 'spki', format: 'der' }).subarray(-length)
      for (const point of [bare, Buffer.concat([Buffer.from([0x04, length]), bare])])
        expect(publicKeyOfPoint(point, algorithm).equals(publicKey)).toBe(true)
      expect(() => publicKeyOfPoint(bare, algorithm === 'ES256' ? 'Ed25519' : 'ES256')).toThrow('none of')
      for (const wrong of [bare.subarray(1), Buffer.concat([bare, bare]), Buffer.alloc(0)])
        expect(() => publicKeyOfPoint(wrong, algorithm)).toThrow('none of')
    }
    expect(() => publicKeyOfPoint(Buffer.alloc(65, 0x04), 'ES256')).toThrow('none of')
  })
})

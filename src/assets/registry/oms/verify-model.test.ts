import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IN_TOTO_PAYLOAD_TYPE, preAuthenticationEncoding, signatureHash } from './dsse.ts'
import { publicKeyHint, signModel } from './sign-model.ts'
import type { SignedResource } from './statement.ts'
import { verifyModel } from './verify-model.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const resources: readonly SignedResource[] = [
  { name: 'model.onnx', digest: sha256('weights') },
  { name: 'lineage.json', digest: sha256('{}') },
]

function signerOn(namedCurve: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
  return { publicKey, sign: async (message: Uint8Array) => sign(signatureHash(publicKey) ?? '', message, privateKey) }
}
const signer = signerOn('P-256')
const bundle = await signModel({ name: 'adult', resources, signer })
const trust = { method: 'key', publicKey: signer.publicKey } as const

type Parts = {
  mediaType: string
  verificationMaterial: Record<string, unknown>
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string }[] }
}
function altered(change: (parts: Parts) => void): string {
  const parts = JSON.parse(bundle) as Parts
  change(parts)
  return JSON.stringify(parts)
}
async function signedStatement(statement: unknown): Promise<string> {
  const payload = Buffer.from(JSON.stringify(statement))
  const signature = await signer.sign(preAuthenticationEncoding(IN_TOTO_PAYLOAD_TYPE, payload))
  return altered((parts) => {
    parts.dsseEnvelope.payload = payload.toString('base64')
    parts.dsseEnvelope.signatures = [{ sig: signature.toString('base64') }]
  })
}
const statementOf = (text: string): Record<string, unknown> & { predicate: Record<string, unknown>; subject: Record<string, unknown>[] } =>
  JSON.parse(Buffer.from((JSON.parse(text) as Parts).dsseEnvelope.payload, 'base64').toString()) as never

describe('Open Model Signing', () => {
  it.each(['P-256', 'P-384', 'P-521'])('verifies what it signed on %s, with the hash that follows the curve (C11, F8)', async (curve) => {
    const signer = signerOn(curve)
    const text = await signModel({ name: 'm', resources, signer })
    expect(verifyModel(text, { method: 'key', publicKey: signer.publicKey }, resources)).toMatchObject({
      verified: true,
      statement: { name: 'm' },
    })
  })

  it('writes the shape of release 1.1.0: bundle v0.3, hint of the PEM key, DSSE, in-toto (OMS v1.0 §4)', () => {
    const parts = JSON.parse(bundle) as Parts
    expect(parts.mediaType).toBe('application/vnd.dev.sigstore.bundle.v0.3+json')
    const pem = signer.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    expect(parts.verificationMaterial).toEqual({ publicKey: { hint: sha256(pem) }, tlogEntries: [] })
    expect(publicKeyHint(signer.publicKey)).toBe(sha256(pem))
    expect(parts.dsseEnvelope.payloadType).toBe('application/vnd.in-toto+json')
    const statement = statementOf(bundle)
    expect(statement['predicateType']).toBe('https://model_signing/signature/v1.0')
    const root = createHash('sha256').update(sha256('{}'), 'hex').update(sha256('weights'), 'hex').digest('hex')
    expect(statement.subject).toEqual([{ name: 'adult', digest: { sha256: root } }])
  })

  it('encodes before authentication as DSSE says', () => {
    expect(Buffer.from(preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'))).toString()).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    )
  })

  it('does not sign with a key of another kind, nor hand out a signature that does not verify', async () => {
    const { publicKey } = generateKeyPairSync('ed25519')
    await expect(signModel({ name: 'm', resources, signer: { publicKey, sign: async () => new Uint8Array() } })).rejects.toMatchObject({
      code: 'ERR_CRYPTO_PARAMETER',
    })
    const broken = { publicKey: signer.publicKey, sign: async () => new Uint8Array(70) }
    await expect(signModel({ name: 'm', resources, signer: broken })).rejects.toMatchObject({ code: 'ERR_CRYPTO_PARAMETER' })
  })

  it('refuses a changed, a missing and an unsigned file at the manifest (C11)', () => {
    const changed = resources.map((entry) => (entry.name === 'model.onnx' ? { ...entry, digest: sha256('other weights') } : entry))
    expect(verifyModel(bundle, trust, changed)).toMatchObject({ step: 'manifest', reason: 'a file does not match its signed digest' })
    expect(verifyModel(bundle, trust, resources.slice(1))).toMatchObject({ step: 'manifest', reason: 'a signed file is missing' })
    expect(verifyModel(bundle, trust, [...resources, { name: 'extra.py', digest: sha256('') }])).toMatchObject({
      step: 'manifest',
      reason: 'a file is not signed',
    })
    expect(verifyModel(bundle, trust, [...resources, { name: 'notes/a', digest: sha256('') }], { ignorePaths: ['notes'] })).toMatchObject({
      verified: true,
    })
    expect(verifyModel(bundle, trust, [...resources, { name: 'notes2', digest: sha256('') }], { ignorePaths: ['notes'] })).toMatchObject({
      step: 'manifest',
    })
  })

  it('refuses the signature of another key even when the bundle names the trusted one (C11)', async () => {
    const other = signerOn('P-256')
    expect(verifyModel(bundle, { method: 'key', publicKey: other.publicKey }, resources)).toMatchObject({ step: 'method' })
    const forged = JSON.parse(await signModel({ name: 'adult', resources, signer: other })) as Parts
    forged.verificationMaterial = (JSON.parse(bundle) as Parts).verificationMaterial
    expect(verifyModel(JSON.stringify(forged), trust, resources)).toMatchObject({ step: 'signature' })
  })

  it('refuses a key given by the bundle itself in place of the trusted one', async () => {
    const other = signerOn('P-256')
    const forged = JSON.parse(await signModel({ name: 'adult', resources, signer: other })) as Parts
    const rawBytes = Buffer.from(other.publicKey.export({ type: 'spki', format: 'pem' })).toString('base64')
    forged.verificationMaterial = { publicKey: { rawBytes } }
    expect(verifyModel(JSON.stringify(forged), trust, resources)).toMatchObject({ verified: false, step: 'method' })
  })

  it('names the first step that fails, in the order of the specification', async () => {
    const steps: readonly [string, string][] = [
      ['', 'bundle'],
      ['[]', 'bundle'],
      [altered((parts) => (parts.mediaType = 'application/vnd.dev.sigstore.bundle.v0.1+json')), 'media type'],
      [altered((parts) => (parts.verificationMaterial = {})), 'method'],
      [altered((parts) => (parts.verificationMaterial = { ...parts.verificationMaterial, certificate: { rawBytes: '' } })), 'method'],
      [altered((parts) => (parts.verificationMaterial = { certificate: { rawBytes: 'AA==' }, tlogEntries: [{}] })), 'method'],
      [altered((parts) => (parts.verificationMaterial = { x509CertificateChain: { certificates: [{ rawBytes: 'AA==' }] } })), 'method'],
      [altered((parts) => (parts.dsseEnvelope.signatures = [])), 'bundle'],
      [altered((parts) => parts.dsseEnvelope.signatures.push({ sig: 'AA==' })), 'bundle'],
      [altered((parts) => (parts.dsseEnvelope.payloadType = 'text/plain')), 'signature'],
      [altered((parts) => (parts.dsseEnvelope.payload += '====')), 'bundle'],
      [await signedStatement({ ...statementOf(bundle), predicateType: 'https://example.com/other' }), 'statement'],
      [await signedStatement({ ...statementOf(bundle), _type: 'x' }), 'statement'],
      [await signedStatement({ ...statementOf(bundle), subject: [{ name: 'adult', digest: { sha256: sha256('') } }] }), 'statement'],
      [await signedStatement({ ...statementOf(bundle), predicate: { ...statementOf(bundle).predicate, resources: [] } }), 'statement'],
      [
        await signedStatement({
          ...statementOf(bundle),
          predicate: { ...statementOf(bundle).predicate, serialization: { method: 'shards', hash_type: 'sha256' } },
        }),
        'statement',
      ],
    ]
    for (const [text, step] of steps) expect(verifyModel(text, trust, resources)).toMatchObject({ verified: false, step })
  })

  it('refuses a resource that is named twice, so that two readers cannot disagree about its digest', async () => {
    const statement = statementOf(bundle)
    const list = statement.predicate['resources'] as unknown[]
    expect(
      verifyModel(
        await signedStatement({ ...statement, predicate: { ...statement.predicate, resources: [...list, list[0]] } }),
        trust,
        resources,
      ),
    ).toMatchObject({
      step: 'statement',
      reason: 'a resource is named twice',
    })
  })

  it('accepts the encoding of release 0.2.0 only when asked to', () => {
    const payload = Buffer.from('{"predicateType":"https://model_signing/Digests/v0.1"}').toString('base64')
    const text = altered((parts) => (parts.dsseEnvelope.payload = payload))
    expect(verifyModel(text, trust, resources)).toMatchObject({ step: 'signature' })
    expect(verifyModel(text, trust, resources, { acceptLegacy: true })).toMatchObject({ step: 'signature' })
  })

  it('finds every flipped bit of payload and signed facts (C11)', () => {
    fc.assert(
      fc.property(fc.nat(), (n) => {
        const parts = JSON.parse(bundle) as Parts
        const payload = Buffer.from(parts.dsseEnvelope.payload, 'base64')
        const bit = n % (payload.byteLength * 8)
        payload[bit >> 3] = (payload[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        parts.dsseEnvelope.payload = payload.toString('base64')
        return !verifyModel(JSON.stringify(parts), trust, resources).verified
      }),
      { numRuns: 500 },
    )
  })

  it('never throws for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => !verifyModel(text, trust, resources).verified),
      { numRuns: 500 },
    )
  })
})

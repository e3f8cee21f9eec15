import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { parseBundle } from './bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthenticationEncoding, signatureHash } from './dsse.ts'
import { signModel } from './sign-model.ts'
import { parseStatement, rootDigest, type SignedResource } from './statement.ts'
import { verifyModel, type Trust } from './verify-model.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const shared = process.env['REDOUBT_SHARED'] ?? join(root, '../shared')
const vectors = join(shared, 'vectors/oms')
const reference = join(vectors, 'model-transparency')
/** Inside the validity of the vectors' certificates. */
const NOW = Date.UTC(2026, 6, 1)

interface Expectation {
  readonly bundle: string
  readonly method: 'key' | 'certificate' | 'keyless'
  readonly model: string
  readonly publicKey?: string
  readonly trustAnchors?: readonly string[]
  readonly ignorePaths?: readonly string[]
}
const expectations = JSON.parse(readFileSync(join(reference, 'expectations.json'), 'utf8')) as readonly Expectation[]

function resourcesOf(model: string): readonly SignedResource[] {
  const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
  if (statSync(model).isFile()) {
    // Bundles over one file name it `.` up to release 1.0.0.
    return [{ name: '.', digest: digest(model) }]
  }
  return readdirSync(model)
    .filter((name) => name !== 'model.sig')
    .map((name) => ({ name, digest: digest(join(model, name)) }))
}

function trustOf(expectation: Expectation): Trust {
  if (expectation.publicKey !== undefined)
    return { method: 'key', publicKey: createPublicKey(readFileSync(join(reference, expectation.publicKey))) }
  const anchors = (expectation.trustAnchors ?? []).map((path) => new X509Certificate(readFileSync(join(reference, path))))
  return { method: 'certificate', trustAnchors: anchors, now: NOW }
}

const check = (expectation: Expectation, alter: (resources: readonly SignedResource[]) => readonly SignedResource[] = (r) => r) =>
  verifyModel(
    readFileSync(join(reference, expectation.bundle), 'utf8'),
    trustOf(expectation),
    alter(resourcesOf(join(reference, expectation.model))),
    { ignorePaths: expectation.ignorePaths ?? [], acceptLegacy: expectation.bundle.startsWith('v0.2.0') },
  )

it('has the 13 reference bundles', () => {
  expect(expectations).toHaveLength(13)
})

it.each(expectations.map((expectation) => [expectation.bundle, expectation] as const))(
  'judges %s as the reference tool does (C11, F8)',
  (_, expectation) => {
    const verdict = check(expectation)
    if (expectation.method === 'keyless')
      expect(verdict).toMatchObject({ verified: false, step: 'method', reason: expect.stringContaining('keyless') as string })
    else {
      expect(verdict).toMatchObject({ verified: true })
      expect(
        check(expectation, (list) => list.map((entry, i) => (i === list.length - 1 ? { ...entry, digest: '0'.repeat(64) } : entry))),
      ).toMatchObject({ step: 'manifest' })
      expect(check(expectation, (list) => [...list, { name: 'extra', digest: '0'.repeat(64) }])).toMatchObject({ step: 'manifest' })
      expect(check(expectation, (list) => list.filter(({ name }) => name !== 'signme-1' && name !== '.'))).toMatchObject({
        step: 'manifest',
      })
    }
  },
)

it('refuses certificates outside their validity and chains to another anchor', () => {
  const expectation = expectations.find(({ bundle }) => bundle.startsWith('v1.1.0-certificate')) as Expectation
  const text = readFileSync(join(reference, expectation.bundle), 'utf8')
  const trust = trustOf(expectation) as Extract<Trust, { method: 'certificate' }>
  const resources = resourcesOf(join(reference, expectation.model))
  expect(verifyModel(text, { ...trust, now: Date.UTC(2036, 0, 1) }, resources)).toMatchObject({ step: 'chain' })
  expect(verifyModel(text, { ...trust, trustAnchors: [] }, resources)).toMatchObject({ step: 'chain' })
})

const published = join(vectors, 'spec/test-vectors/v1.0')
it.each(readdirSync(join(published, 'valid')))('parses the published valid bundle %s', (name) => {
  const bundle = parseBundle(readFileSync(join(published, 'valid', name), 'utf8'))
  expect(bundle).not.toHaveProperty('verified')
  if (!('verified' in bundle)) expect(parseStatement(bundle.payload)).not.toHaveProperty('verified')
})
it.each(readdirSync(join(published, 'invalid')))('refuses the published invalid bundle %s at bundle level', (name) => {
  const verdict = parseBundle(readFileSync(join(published, 'invalid', name), 'utf8'))
  expect(verdict).toMatchObject({ verified: false })
})
it.each(readdirSync(join(published, 'invalid-payload')))('refuses the published bundle %s at statement level', (name) => {
  const bundle = parseBundle(readFileSync(join(published, 'invalid-payload', name), 'utf8'))
  expect(bundle).not.toHaveProperty('verified')
  if (!('verified' in bundle)) expect(parseStatement(bundle.payload)).toMatchObject({ verified: false, step: 'statement' })
})

it('computes the root digest of the reference statements that list files', () => {
  const folder = join(reference, 'testdata/signing/TestPayload')
  let checked = 0
  for (const name of readdirSync(folder)) {
    const statement = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      subject: { digest: { sha256: string } }[]
      predicate: { resources: SignedResource[]; serialization: { method: string } }
    }
    if (statement.predicate.serialization.method !== 'files') continue
    expect(rootDigest(statement.predicate.resources)).toBe(statement.subject[0]?.digest.sha256)
    checked++
  }
  expect(checked).toBe(7)
})

it.each(['P-256', 'P-384', 'P-521'])(
  'writes signatures over %s that openssl accepts on the pre-authentication encoding (C11)',
  async (namedCurve) => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
    const hash = signatureHash(publicKey) ?? ''
    const signer = { publicKey, sign: async (message: Uint8Array) => sign(hash, message, privateKey) }
    const resources = [{ name: 'model.onnx', digest: createHash('sha256').update('weights').digest('hex') }]
    const text = await signModel({ name: 'm', resources, signer })
    const bundle = parseBundle(text)
    if ('verified' in bundle) throw new Error(bundle.reason)
    const folder = mkdtempSync(join(tmpdir(), 'oms-'))
    try {
      writeFileSync(join(folder, 'pae'), preAuthenticationEncoding(IN_TOTO_PAYLOAD_TYPE, bundle.payload))
      writeFileSync(join(folder, 'sig'), bundle.signatures[0] ?? '')
      writeFileSync(join(folder, 'key.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
      const out = execFileSync('openssl', ['dgst', `-${hash}`, '-verify', 'key.pem', '-signature', 'sig', 'pae'], {
        cwd: folder,
        encoding: 'utf8',
      })
      expect(out).toContain('Verified OK')
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

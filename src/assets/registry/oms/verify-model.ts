import { createPublicKey, type KeyObject } from 'node:crypto'
import { failure, parseBundle, type Bundle, type Failure } from './bundle.ts'
import { verifyCertificateChain, type CertificateTrust } from './certificate-chain.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthenticationEncoding, signatureHash, verifyEcdsa } from './dsse.ts'
import { isLegacyPayload, legacyEncoding, parseLegacyStatement } from './legacy-v0-2.ts'
import { publicKeyHint } from './sign-model.ts'
import { parseStatement, type SignedResource, type Statement } from './statement.ts'

/** Whom the caller trusts. The method is the caller's choice, never the bundle's. */
export type Trust = { readonly method: 'key'; readonly publicKey: KeyObject } | CertificateTrust

export interface Verified {
  readonly verified: true
  readonly statement: Statement
}

export interface VerifyOptions {
  /** Paths that may be present without being signed, beside those that the statement itself leaves out. */
  readonly ignorePaths?: readonly string[]
  /** Accept the encoding of release 0.2.0, which is not DSSE. */
  readonly acceptLegacy?: boolean
}

/**
 * Verifies an OpenSSF Model Signing bundle against the digests of the bytes that the caller holds, in the order of the specification:
 * bundle and media type, method, chain, signature over the pre-authentication encoding, statement, manifest.
 * @param resources Digests taken by the caller from the very bytes that it will load: verifying a path and opening it again
 *   would leave a gap in which the file can change.
 * @returns the statement, or the first step that failed. Never throws.
 */
export function verifyModel(
  bundleText: string,
  trust: Trust,
  resources: readonly SignedResource[],
  options: VerifyOptions = {},
): Verified | Failure {
  const bundle = parseBundle(bundleText)
  if ('verified' in bundle) return bundle
  const publicKey = trustedKey(bundle, trust)
  if ('verified' in publicKey) return publicKey
  const statement = signedStatement(bundle, publicKey, options)
  if ('verified' in statement) return statement
  return compareManifest(statement, resources, options) ?? { verified: true, statement }
}

function trustedKey(bundle: Bundle, trust: Trust): KeyObject | Failure {
  const { material } = bundle
  if (material.method === 'keyless') return failure('method', 'keyless bundles are not verified here')
  if (material.method !== trust.method) return failure('method', `the bundle was signed by ${material.method}, not by ${trust.method}`)
  if (trust.method === 'certificate') {
    if (material.method !== 'certificate') return failure('method', 'the bundle has no certificates')
    const leaf = verifyCertificateChain(material.certificates, trust)
    return 'verified' in leaf ? leaf : supported(leaf.publicKey)
  }
  if (material.method === 'key' && !namesKey(material, trust.publicKey)) return failure('method', 'the bundle names another public key')
  return supported(trust.publicKey)
}

function supported(publicKey: KeyObject): KeyObject | Failure {
  return signatureHash(publicKey) === null ? failure('method', 'the key is not on P-256, P-384 or P-521') : publicKey
}

/** A hint is no proof, only an early and clear refusal; the signature decides. */
function namesKey(material: { readonly hint: string | null; readonly rawBytes: Uint8Array | null }, publicKey: KeyObject): boolean {
  if (material.hint !== null) return material.hint === publicKeyHint(publicKey)
  try {
    return publicKey.equals(createPublicKey(Buffer.from(material.rawBytes ?? [])))
  } catch {
    return false
  }
}

function signedStatement(bundle: Bundle, publicKey: KeyObject, options: VerifyOptions): Statement | Failure {
  const { payload, payloadType } = bundle
  const legacy = options.acceptLegacy === true && isLegacyPayload(payload)
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE) return failure('signature', 'the payload is not an in-toto statement')
  const message = legacy ? legacyEncoding(payloadType, payload) : preAuthenticationEncoding(payloadType, payload)
  const hash = legacy ? 'sha256' : signatureHash(publicKey)
  const signature = bundle.signatures[0]
  if (!signature || !verifyEcdsa(publicKey, message, signature, hash)) return failure('signature', 'the signature does not verify')
  return legacy ? parseLegacyStatement(payload) : parseStatement(payload)
}

function compareManifest(statement: Statement, resources: readonly SignedResource[], options: VerifyOptions): Failure | null {
  const ignored = [...statement.ignorePaths, ...(options.ignorePaths ?? [])]
  const isIgnored = (name: string): boolean => ignored.some((path) => name === path || name.startsWith(`${path}/`))
  const held = new Map(resources.map(({ name, digest }) => [name, digest]))
  for (const { name, digest } of statement.resources) {
    const found = held.get(name)
    if (found === undefined) return failure('manifest', 'a signed file is missing')
    if (found !== digest) return failure('manifest', 'a file does not match its signed digest')
    held.delete(name)
  }
  for (const name of held.keys()) if (!isIgnored(name)) return failure('manifest', 'a file is not signed')
  return null
}

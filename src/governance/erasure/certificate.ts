import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson, parseStrictJson, parseStrictJsonText, RedoubtError, type Signer } from '#foundation/core'

const FORMAT = 'redoubt-erasure-certificate@v1'
const TYPE = 'redoubt-erasure+jws'
/** A person in every data set of a large house. */
const MAX_BYTES = 4 * 2 ** 20
const MAX_DEPTH = 8
const COORDINATE_BYTES = 32

const uid = z.strictObject({ type: z.string(), id: z.string() })
const statementSchema = z.strictObject({
  format: z.literal(FORMAT),
  erasure: z.string(),
  kind: z.enum(['subject', 'dataset']),
  /** Keyed pseudonym of the person; whoever holds the pseudonym key can tell whose it is, nobody else. */
  pseudonym: z.string().nullable(),
  datasets: z.array(z.string()),
  ground: z.string(),
  by: uid,
  begunAt: z.int(),
  doneAt: z.int(),
  /** What was taken from which version, with its digests before and after; empty where whole data sets went. */
  versions: z.array(
    z.strictObject({ name: z.string(), version: z.int(), rows: z.int(), groups: z.int(), before: z.string(), after: z.string() }),
  ),
  objects: z.int(),
  /** What was destroyed: SHA-256 of the person's wrapped keys, hex, or key-encryption keys of the data set, `ID/VERSION`. */
  keys: z.array(z.string()),
  log: z.strictObject({ index: z.int(), leafHash: z.string() }),
})
/** What a certificate says. No personal data. */
export type ErasureStatement = z.infer<typeof statementSchema>

const jwsSchema = z.strictObject({ payload: z.string(), protected: z.string(), signature: z.string() })
const headerSchema = z.strictObject({ alg: z.literal('ES256'), kid: z.string(), typ: z.literal(TYPE) })

/** @returns a JWS, flattened JSON serialization (RFC 7515 §7.2.2), ES256. @param signer an ES256 key, whose signatures are DER. */
export async function signCertificate(statement: Omit<ErasureStatement, 'format'>, signer: Signer): Promise<string> {
  const header = base64url(canonicalJson({ alg: 'ES256', kid: signer.keyId, typ: TYPE }))
  const payload = base64url(canonicalJson({ format: FORMAT, ...statement }))
  const signature = Buffer.from(rawSignature(await signer.sign(Buffer.from(`${header}.${payload}`)))).toString('base64url')
  return `${canonicalJson({ payload, protected: header, signature })}\n`
}

/**
 * @param publicKey PEM of the key that signs certificates, got from somewhere else than the certificate.
 * @returns what it says.
 * @throws {RedoubtError} `ERR_CERTIFICATE_INVALID` for anything but a certificate that this key signed.
 */
export function verifyCertificate(bytes: Uint8Array, publicKey: string): ErasureStatement {
  const key = publicKeyOf(publicKey)
  try {
    const bounds = { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH }
    const jws = jwsSchema.parse(parseStrictJson(bytes, bounds))
    headerSchema.parse(parseStrictJsonText(Buffer.from(jws.protected, 'base64url').toString('utf8'), bounds))
    const signature = Buffer.from(jws.signature, 'base64url')
    const signed = Buffer.from(`${jws.protected}.${jws.payload}`)
    // One spelling of each part: what was signed is what is read.
    for (const part of [jws.protected, jws.payload, jws.signature])
      if (Buffer.from(part, 'base64url').toString('base64url') !== part) throw new Error('not canonical base64url')
    if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)) throw new Error('the signature does not verify')
    return statementSchema.parse(parseStrictJsonText(Buffer.from(jws.payload, 'base64url').toString('utf8'), bounds))
  } catch (cause) {
    throw new RedoubtError('ERR_CERTIFICATE_INVALID', undefined, { cause })
  }
}

function publicKeyOf(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem)
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  } catch {
    // Told below.
  }
  throw new RedoubtError('ERR_USAGE', 'the key is no public key on P-256 in PEM')
}

const base64url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url')

/** r ‖ s out of DER (SEC 1, X9.62): JWS has them side by side (RFC 7518 §3.4). */
function rawSignature(der: Uint8Array): Uint8Array {
  const raw = new Uint8Array(2 * COORDINATE_BYTES)
  let at = 2
  for (const end of [COORDINATE_BYTES, 2 * COORDINATE_BYTES]) {
    const length = der[at + 1] ?? 0
    const integer = der.subarray(at + 2, at + 2 + length)
    const digits = integer[0] === 0 ? integer.subarray(1) : integer
    if (der[at] !== 2 || integer.byteLength !== length || digits.byteLength > COORDINATE_BYTES)
      throw new RedoubtError('ERR_INTERNAL', 'the signer gave no DER signature on P-256')
    raw.set(digits, end - digits.byteLength)
    at += 2 + length
  }
  return raw
}

import { parseStrictJsonText, RedoubtError, type JsonObject, type JsonValue } from '#foundation/core'

/** Sigstore bundle media type that Open Model Signing v1.0 writes. */
export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'
/** 8 MiB: a statement over some 30,000 files; a bundle is read before anything about it is trusted. */
export const MAX_BUNDLE_BYTES = 8 * 1024 * 1024
const MAX_BUNDLE_DEPTH = 16
const MAX_CERTIFICATES = 8

/** Who vouches: the method is chosen by the key material, never by the presence of `tlogEntries` (1.1.0 writes it empty everywhere). */
export type KeyMaterial =
  | { readonly method: 'key'; readonly hint: string | null; readonly rawBytes: Uint8Array | null }
  | { readonly method: 'certificate'; readonly certificates: readonly Uint8Array[] }
  | { readonly method: 'keyless' }

export interface Bundle {
  readonly material: KeyMaterial
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly signatures: readonly Uint8Array[]
}

/** A check of a bundle that did not hold; `step` is the first that failed, in the order of the specification. */
export type VerifyStep = 'bundle' | 'media type' | 'method' | 'chain' | 'signature' | 'statement' | 'manifest'
export interface Failure {
  readonly verified: false
  readonly step: VerifyStep
  readonly reason: string
}

export const failure = (step: VerifyStep, reason: string): Failure => ({ verified: false, step, reason })

/** Parses a bundle from attacker-controlled text. Never throws. */
export function parseBundle(text: string): Bundle | Failure {
  let document: JsonValue
  try {
    document = parseStrictJsonText(text, { maxBytes: MAX_BUNDLE_BYTES, maxDepth: MAX_BUNDLE_DEPTH })
  } catch (thrown) {
    return failure('bundle', thrown instanceof RedoubtError ? thrown.message : 'the bundle is not JSON')
  }
  if (!isObject(document)) return failure('bundle', 'the bundle is not an object')
  if (document['mediaType'] !== BUNDLE_MEDIA_TYPE) return failure('media type', `the media type is not ${BUNDLE_MEDIA_TYPE}`)
  const unknown = Object.keys(document).find((name) => !['mediaType', 'verificationMaterial', 'dsseEnvelope'].includes(name))
  if (unknown !== undefined) return failure('bundle', 'the bundle has a member that the specification does not know')
  const material = parseMaterial(document['verificationMaterial'])
  if ('verified' in material) return material
  const envelope = document['dsseEnvelope']
  if (!isObject(envelope)) return failure('bundle', 'the bundle has no DSSE envelope')
  const payload = base64(envelope['payload'])
  const { payloadType } = envelope
  if (payload === null || payload.byteLength === 0 || typeof payloadType !== 'string')
    return failure('bundle', 'the envelope has no payload')
  const entries = envelope['signatures']
  // One signature: with several, which of them must hold would be the attacker's choice.
  if (!Array.isArray(entries) || entries.length !== 1) return failure('bundle', 'the envelope does not have exactly one signature')
  const entry = entries[0] as JsonValue
  const signature = isObject(entry) ? base64(entry['sig']) : null
  if (signature === null || signature.byteLength === 0) return failure('bundle', 'the signature is not base64')
  return { material, payloadType, payload, signatures: [signature] }
}

function parseMaterial(value: JsonValue | undefined): KeyMaterial | Failure {
  if (!isObject(value)) return failure('method', 'the bundle has no verification material')
  const kinds = ['publicKey', 'x509CertificateChain', 'certificate'].filter((name) => value[name] !== undefined)
  if (kinds.length !== 1) return failure('method', 'the verification material does not name exactly one kind of key')
  const material = value[kinds[0] ?? '']
  if (!isObject(material)) return failure('method', 'the verification material is not an object')
  switch (kinds[0]) {
    case 'publicKey': {
      const { hint } = material
      const rawBytes = base64(material['rawBytes'])
      if (typeof hint !== 'string' && rawBytes === null) return failure('method', 'the public key has neither hint nor bytes')
      return { method: 'key', hint: typeof hint === 'string' ? hint : null, rawBytes }
    }
    case 'x509CertificateChain': {
      const list = material['certificates']
      if (!Array.isArray(list) || list.length === 0 || list.length > MAX_CERTIFICATES)
        return failure('method', `the certificate chain does not have 1 to ${MAX_CERTIFICATES} certificates`)
      const certificates = (list as readonly JsonValue[]).map((entry) => (isObject(entry) ? base64(entry['rawBytes']) : null))
      if (!certificates.every((bytes) => bytes !== null)) return failure('method', 'a certificate is not base64')
      return { method: 'certificate', certificates }
    }
    default: {
      const entries = value['tlogEntries']
      if (!Array.isArray(entries) || entries.length === 0) return failure('method', 'a keyless bundle has no transparency log entry')
      return { method: 'keyless' }
    }
  }
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Canonical base64 alone: a lenient decoder would let two texts mean the same bytes. */
function base64(value: JsonValue | undefined): Uint8Array | null {
  if (typeof value !== 'string') return null
  const bytes = Buffer.from(value, 'base64')
  return bytes.toString('base64') === value ? new Uint8Array(bytes) : null
}

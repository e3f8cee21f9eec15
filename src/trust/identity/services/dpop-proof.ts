import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import type { ErrorCode, JsonObject } from '#foundation/core'
import { parseCompactJws } from '../compact-jws.ts'
import { TokenCache } from '../token-cache.ts'

/** A proof is of now: its clock and ours may differ by this much, in either direction. */
export const PROOF_WINDOW_SECONDS = 60
const SIGNATURE_BYTES = 64
const MAX_ID_CHARACTERS = 256
/** Public keys of proofs kept ready; making one anew costs about as much as a third of a verification. */
const KEYS_KEPT = 4_096

const HEADER_MEMBERS = new Set(['alg', 'typ', 'jwk'])
/** What a public key may say of itself; a private or symmetric member (`d`, `k`, `p` …) is on no list. */
const KEY_MEMBERS = new Set(['kty', 'crv', 'x', 'y', 'kid', 'use', 'alg', 'key_ops', 'ext'])
const COORDINATE = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

export interface ProofExpectation {
  readonly method: string
  /** `htu` as it must be: issuer and path of the request, without query. */
  readonly url: string
  /** The access token that the proof goes with; null at the token endpoint, where there is none yet. */
  readonly accessToken: string | null
  /** Thumbprint that the key must have; null at the token endpoint, which binds to whatever key proves itself. */
  readonly thumbprint: string | null
  /** Epoch milliseconds. */
  readonly now: number
}

/** A proof that is genuine and for this request. Whether it is used for the first time is asked elsewhere. */
export interface DpopProof {
  /** RFC 7638 SHA-256 thumbprint of the key, base64url. */
  readonly thumbprint: string
  readonly id: string
  /** Seconds. */
  readonly issuedAt: number
  readonly nonce: string | null
}

/** Verifies proofs of possession, cheap checks first: the signature is looked at when everything else is right. */
export class DpopProofs {
  readonly #keys = new TokenCache<KeyObject>(KEYS_KEPT)

  /**
   * Synchronous; never throws for any text.
   * @see RFC 9449 §4.3 (checking DPoP proofs), §11.6 (asymmetric algorithms), RFC 8725 §3
   */
  verify(text: string, expected: ProofExpectation): DpopProof | ErrorCode {
    const jws = parseCompactJws(text)
    if (typeof jws === 'string') return 'ERR_DPOP_MALFORMED'
    const key = readKey(jws.header)
    if (typeof key === 'string') return key
    const proof = readClaims(jws.payload, expected)
    if (typeof proof === 'string') return proof
    if (expected.thumbprint !== null && key.thumbprint !== expected.thumbprint) return 'ERR_DPOP_BINDING'
    const publicKey = this.#publicKey(key)
    if (publicKey === null) return 'ERR_DPOP_KEY'
    const input = Buffer.from(jws.signingInput, 'latin1')
    const genuine =
      jws.signature.byteLength === SIGNATURE_BYTES &&
      (key.curve === 'Ed25519'
        ? verify(null, input, publicKey, jws.signature)
        : verify('sha256', input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, jws.signature))
    return genuine ? { ...proof, thumbprint: key.thumbprint } : 'ERR_DPOP_SIGNATURE'
  }

  #publicKey({ thumbprint, jwk }: ProofKey): KeyObject | null {
    let key = this.#keys.get(thumbprint)
    if (key === undefined) {
      try {
        key = createPublicKey({ key: jwk, format: 'jwk' })
      } catch {
        // A point that is not on the curve.
        return null
      }
      this.#keys.set(thumbprint, key)
    }
    return key
  }
}

interface ProofKey {
  readonly curve: 'Ed25519' | 'P-256'
  readonly thumbprint: string
  readonly jwk: Record<string, string>
}

function readKey(header: JsonObject): ProofKey | ErrorCode {
  if (header['typ'] !== 'dpop+jwt') return 'ERR_DPOP_TYPE'
  const { alg, jwk } = header
  if (alg !== 'ES256' && alg !== 'EdDSA' && alg !== 'Ed25519') return 'ERR_DPOP_ALGORITHM'
  for (const member of Object.keys(header)) if (!HEADER_MEMBERS.has(member)) return 'ERR_DPOP_MALFORMED'
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return 'ERR_DPOP_KEY'
  for (const member of Object.keys(jwk)) if (!KEY_MEMBERS.has(member)) return 'ERR_DPOP_KEY'
  const { kty, crv, x, y } = jwk as JsonObject
  if (!isCoordinate(x)) return 'ERR_DPOP_KEY'
  // The algorithm must be that of the key. Members stand in the order of RFC 7638 §3.2.
  if (alg === 'ES256') {
    if (kty !== 'EC' || crv !== 'P-256' || !isCoordinate(y)) return 'ERR_DPOP_KEY'
    return { curve: 'P-256', jwk: { crv, kty, x, y }, thumbprint: hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url') }
  }
  if (kty !== 'OKP' || crv !== 'Ed25519' || y !== undefined) return 'ERR_DPOP_KEY'
  return { curve: 'Ed25519', jwk: { crv, kty, x }, thumbprint: hash('sha256', JSON.stringify({ crv, kty, x }), 'base64url') }
}

function readClaims(claims: JsonObject, expected: ProofExpectation): Omit<DpopProof, 'thumbprint'> | ErrorCode {
  const { jti, htm, htu, iat, ath, nonce } = claims
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID_CHARACTERS) return 'ERR_DPOP_MALFORMED'
  if (!Number.isSafeInteger(iat)) return 'ERR_DPOP_MALFORMED'
  if (nonce !== undefined && (typeof nonce !== 'string' || nonce.length > MAX_ID_CHARACTERS)) return 'ERR_DPOP_MALFORMED'
  if (htm !== expected.method) return 'ERR_DPOP_METHOD'
  if (typeof htu !== 'string' || !isAddress(htu, expected.url)) return 'ERR_DPOP_URL'
  if (Math.abs((iat as number) - expected.now / 1000) > PROOF_WINDOW_SECONDS) return 'ERR_DPOP_TIME'
  if (expected.accessToken !== null && ath !== hash('sha256', expected.accessToken, 'base64url')) return 'ERR_DPOP_TOKEN'
  return { id: jti, issuedAt: iat as number, nonce: nonce ?? null }
}

/** Compared after normalisation (RFC 3986 §6.2.2 and §6.2.3), without query and fragment (RFC 9449 §4.3). */
function isAddress(htu: string, expected: string): boolean {
  if (htu === expected) return true
  const [given, wanted] = [URL.parse(htu), URL.parse(expected)]
  if (given === null || wanted === null || given.username !== '' || given.password !== '') return false
  return given.protocol === 'https:' && given.origin === wanted.origin && given.pathname === wanted.pathname
}

const isCoordinate = (value: unknown): value is string => typeof value === 'string' && COORDINATE.test(value)

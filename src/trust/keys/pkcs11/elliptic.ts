import { createPublicKey, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { PairAlgorithm } from './messages.ts'

/** SubjectPublicKeyInfo up to the key itself (RFC 8410, RFC 5480), and the length of the key. */
const CURVES: Record<PairAlgorithm, { readonly prefix: Buffer; readonly length: number }> = {
  Ed25519: { prefix: Buffer.from('302a300506032b6570032100', 'hex'), length: 32 },
  ES256: { prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'), length: 65 },
}
const OCTET_STRING = 0x04
const HALF_BYTES = 32

/**
 * The public key of CKA_EC_POINT: a DER OCTET STRING around the point by PKCS#11, the point alone by some makers.
 * @throws {RedoubtError} `ERR_KEYS_PROVIDER_PROTOCOL` for anything else.
 */
export function publicKeyOfPoint(point: Uint8Array, algorithm: PairAlgorithm): KeyObject {
  const { prefix, length } = CURVES[algorithm]
  const wrapped = point.byteLength === length + 2 && point[0] === OCTET_STRING && point[1] === length
  const bare = wrapped ? point.subarray(2) : point
  try {
    if (bare.byteLength !== length) throw new RangeError('another length')
    return createPublicKey({ key: Buffer.concat([prefix, bare]), format: 'der', type: 'spki' })
  } catch {
    throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', `the token gave a public key that is none of ${algorithm}`)
  }
}

/** r ‖ s of PKCS#11 as the DER SEQUENCE of RFC 3279 §2.2.3. @throws {RedoubtError} `ERR_KEYS_PROVIDER_PROTOCOL` unless it has 64 bytes. */
export function derSignature(raw: Uint8Array): Uint8Array {
  if (raw.byteLength !== 2 * HALF_BYTES)
    throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the token gave a signature of another length')
  const integers = [integer(raw.subarray(0, HALF_BYTES)), integer(raw.subarray(HALF_BYTES))]
  const body = Buffer.concat(integers)
  return Buffer.concat([Buffer.from([0x30, body.byteLength]), body])
}

function integer(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.byteLength - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  const sign = digits[0]! >= 0x80 ? [0] : []
  return Buffer.from([0x02, digits.byteLength + sign.length, ...sign, ...digits])
}

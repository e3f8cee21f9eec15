import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import { hkdf } from './hkdf.ts'

const MLKEM_SEED_BYTES = 64
const MLKEM_PUBLIC_BYTES = 1_184
const MLKEM_CIPHERTEXT_BYTES = 1_088
const X25519_BYTES = 32
/** ML-KEM seed d ‖ z, then the X25519 scalar. */
export const HYBRID_SEED_BYTES = MLKEM_SEED_BYTES + X25519_BYTES
/** ML-KEM-768 encapsulation key, then the X25519 public key. */
export const HYBRID_PUBLIC_BYTES = MLKEM_PUBLIC_BYTES + X25519_BYTES
/** ML-KEM-768 ciphertext, then the sender's X25519 public key, made for this one encapsulation. */
export const HYBRID_CIPHERTEXT_BYTES = MLKEM_CIPHERTEXT_BYTES + X25519_BYTES
const SECRET_BYTES = 32
const LABEL = new TextEncoder().encode('redoubt X25519 ML-KEM-768 v1')

/** What stands before a key in its DER form (RFC 8410 §4 and §7; RFC 9935 §4 and §6, the private key as its seed). */
const DER = {
  mlkemPublic: Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex'),
  mlkemPrivate: Buffer.from('3054020100300b060960864801650304040204428040', 'hex'),
  x25519Public: Buffer.from('302a300506032b656e032100', 'hex'),
  x25519Private: Buffer.from('302e020100300506032b656e04220420', 'hex'),
} as const

export interface HybridPrivateKey {
  readonly mlkem: KeyObject
  readonly x25519: KeyObject
  /** Of this very private key, derived. */
  readonly publicKey: Uint8Array
}

/** @param seed 96 secret bytes, random. @throws {RedoubtError} `ERR_CRYPTO_PARAMETER` for another length. */
export function hybridPrivateKey(seed: Uint8Array): HybridPrivateKey {
  if (seed.byteLength !== HYBRID_SEED_BYTES) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'the seed of a recipient is 96 bytes')
  const mlkem = privateKey(DER.mlkemPrivate, seed.subarray(0, MLKEM_SEED_BYTES))
  const x25519 = privateKey(DER.x25519Private, seed.subarray(MLKEM_SEED_BYTES))
  return {
    mlkem,
    x25519,
    publicKey: Buffer.concat([rawPublic(createPublicKey(mlkem), MLKEM_PUBLIC_BYTES), rawPublic(createPublicKey(x25519), X25519_BYTES)]),
  }
}

/**
 * A fresh secret that only the holder of the private key can compute, as long as either of the two problems is hard.
 * @returns 32 secret bytes, and what to send.
 * @throws {RedoubtError} `ERR_CRYPTO_RECIPIENT` for bytes that are no public key (length, FIPS 203 §7.2 modulus check, RFC 7748 §6.1 zero check).
 * @see FIPS 203, RFC 7748, and `combine`
 */
export function hybridEncapsulate(publicKey: Uint8Array): { readonly secret: Uint8Array; readonly ciphertext: Uint8Array } {
  if (publicKey.byteLength !== HYBRID_PUBLIC_BYTES) throw noRecipient()
  try {
    const lattice = encapsulate(publicKeyOf(DER.mlkemPublic, publicKey.subarray(0, MLKEM_PUBLIC_BYTES)))
    const once = generateKeyPairSync('x25519')
    const curve = diffieHellman({
      privateKey: once.privateKey,
      publicKey: publicKeyOf(DER.x25519Public, publicKey.subarray(MLKEM_PUBLIC_BYTES)),
    })
    const ciphertext = Buffer.concat([lattice.ciphertext, rawPublic(once.publicKey, X25519_BYTES)])
    return { secret: combine(lattice.sharedKey, curve, publicKey, ciphertext), ciphertext }
  } catch (cause) {
    throw noRecipient(cause)
  }
}

/**
 * @returns 32 secret bytes: another secret for a ciphertext that was changed or made for someone else, which then opens nothing.
 * @throws {RedoubtError} `ERR_CRYPTO_AUTHENTICATION` for a length or a curve point that no sender makes.
 */
export function hybridDecapsulate(key: HybridPrivateKey, ciphertext: Uint8Array): Uint8Array {
  if (ciphertext.byteLength !== HYBRID_CIPHERTEXT_BYTES) throw notAuthentic()
  try {
    const lattice = decapsulate(key.mlkem, ciphertext.subarray(0, MLKEM_CIPHERTEXT_BYTES))
    const curve = diffieHellman({
      privateKey: key.x25519,
      publicKey: publicKeyOf(DER.x25519Public, ciphertext.subarray(MLKEM_CIPHERTEXT_BYTES)),
    })
    return combine(lattice, curve, key.publicKey, ciphertext)
  } catch (cause) {
    throw notAuthentic(cause)
  }
}

/**
 * HKDF-SHA-256 over both shared secrets; label, both public keys and both ciphertexts are in its info, so that a secret belongs to
 * one recipient and one ciphertext, whatever an attacker does to either half.
 * @see RFC 9180 §4.1 (the labelled derivation it is modelled on), NIST SP 800-56C Rev. 2 §2 (hybrid shared secrets)
 */
function combine(lattice: Uint8Array, curve: Uint8Array, publicKey: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const transcript = createHash('sha256').update(publicKey).update(ciphertext).digest()
  const material = Buffer.concat([lattice, curve])
  const secret = hkdf('sha256', material, new Uint8Array(0), Buffer.concat([LABEL, transcript]), SECRET_BYTES)
  for (const secretPart of [material, lattice, curve]) secretPart.fill(0)
  return secret
}

const privateKey = (prefix: Uint8Array, raw: Uint8Array): KeyObject => {
  const key = Buffer.concat([prefix, raw])
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  } finally {
    key.fill(0)
  }
}
const publicKeyOf = (prefix: Uint8Array, raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' })
const rawPublic = (key: KeyObject, bytes: number): Uint8Array => key.export({ format: 'der', type: 'spki' }).subarray(-bytes)
const noRecipient = (cause?: unknown): RedoubtError =>
  new RedoubtError('ERR_CRYPTO_RECIPIENT', 'the public key of the recipient is not valid', { cause })
const notAuthentic = (cause?: unknown): RedoubtError =>
  new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the wrapped key of a recipient is not authentic', { cause })

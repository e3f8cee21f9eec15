import { type KeyObject, sign, verify } from 'node:crypto'
import { RedoubtError } from '#foundation/core'
import type { Checkpoint } from './checkpoint.ts'
import { type NoteSignature, signatureLine, SIGNATURE_TYPES, type VerifierKey, verifierKeyOf } from './signed-note.ts'

/** C2SP tlog-cosignature: a witness states that this is the largest consistent tree it has seen at a time. */
export interface Cosigner {
  readonly key: VerifierKey
  readonly privateKey: KeyObject
}

const TIMESTAMP_BYTES = 8
const MLDSA_LABEL = Buffer.from('subtree/v1\n\0')
const MAX_NAME_BYTES = 255

/** @param privateKey Ed25519, or ML-DSA-44 (needs the OpenSSL 3.5 of Node 24). */
export function createCosigner(name: string, privateKey: KeyObject, publicKey: KeyObject): Cosigner {
  const kind = (privateKey.asymmetricKeyType as string) === 'ml-dsa-44' ? 'cosignature-ML-DSA-44' : 'cosignature-Ed25519'
  return { key: verifierKeyOf(kind, name, publicKey), privateKey }
}

/** @param timeMs Epoch milliseconds; the signature carries whole seconds. @returns a signature line, its newline included. */
export function cosign(checkpoint: Checkpoint, cosigner: Cosigner, timeMs: number): string {
  const seconds = BigInt(Math.floor(timeMs / 1000))
  const signature = sign(null, cosignedMessage(checkpoint, cosigner.key, seconds), cosigner.privateKey)
  const timestamp = Buffer.alloc(TIMESTAMP_BYTES)
  timestamp.writeBigUInt64BE(seconds)
  return signatureLine(cosigner.key.name, cosigner.key.keyId, Buffer.concat([timestamp, signature]))
}

/** @returns the time of the cosignature in epoch seconds, or null when this key did not make it over this checkpoint. */
export function verifyCosignature(checkpoint: Checkpoint, signature: NoteSignature, key: VerifierKey): number | null {
  if (key.kind === 'Ed25519' || signature.name !== key.name || signature.keyId !== key.keyId) return null
  if (signature.signature.byteLength !== SIGNATURE_TYPES[key.kind].signatureBytes) return null
  const bytes = Buffer.from(signature.signature)
  const seconds = bytes.readBigUInt64BE(0)
  if (seconds > BigInt(Number.MAX_SAFE_INTEGER) || Buffer.byteLength(checkpoint.origin) > MAX_NAME_BYTES) return null
  return verify(null, cosignedMessage(checkpoint, key, seconds), key.publicKey, bytes.subarray(TIMESTAMP_BYTES)) ? Number(seconds) : null
}

/** The cosignature of a witness on a note, or null. A forged one beside a good one of the same key spoils it. */
export function findCosignature(checkpoint: Checkpoint, key: VerifierKey): number | null {
  const times = checkpoint.note.signatures
    .filter((each) => each.name === key.name && each.keyId === key.keyId)
    .map((each) => verifyCosignature(checkpoint, each, key))
  const found = times.filter((time) => time !== null)
  return found.length > 0 && found.length === times.length ? Math.max(...found) : null
}

function cosignedMessage(checkpoint: Checkpoint, key: VerifierKey, seconds: bigint): Buffer {
  if (key.kind !== 'cosignature-ML-DSA-44') return Buffer.from(`cosignature/v1\ntime ${seconds}\n${checkpoint.text}`)
  return Buffer.concat([
    MLDSA_LABEL,
    prefixed(key.name),
    uint64(seconds),
    prefixed(checkpoint.origin),
    uint64(0n),
    uint64(BigInt(checkpoint.size)),
    checkpoint.root,
  ])
}

function prefixed(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.byteLength > MAX_NAME_BYTES) throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'a name is too long to be cosigned')
  return Buffer.concat([Buffer.of(bytes.byteLength), bytes])
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

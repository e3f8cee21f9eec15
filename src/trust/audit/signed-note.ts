import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { RedoubtError } from '#foundation/core'

/** C2SP signed-note: a text that ends in a newline, an empty line, and signature lines. */
export interface SignedNote {
  /** With its final newline, without the empty line. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

export interface NoteSignature {
  readonly name: string
  /** Key id, four bytes as an unsigned number. */
  readonly keyId: number
  readonly signature: Uint8Array
}

/** Signature types of signed-note and tlog-cosignature that we know, with the size of their public key in bytes. */
export const SIGNATURE_TYPES = {
  Ed25519: { type: 0x01, publicKeyBytes: 32, signatureBytes: 64 },
  'cosignature-Ed25519': { type: 0x04, publicKeyBytes: 32, signatureBytes: 72 },
  'cosignature-ML-DSA-44': { type: 0x06, publicKeyBytes: 1312, signatureBytes: 2428 },
} as const
export type SignatureKind = keyof typeof SIGNATURE_TYPES

/** A verifier key: who signs, with what. */
export interface VerifierKey {
  readonly kind: SignatureKind
  readonly name: string
  readonly keyId: number
  readonly publicKey: KeyObject
}

/** The specification asks for at least 16 signatures; a post-quantum one has nearly 5 kB. */
const MAX_SIGNATURES = 64
const MAX_NOTE_CHARACTERS = 262_144
const SIGNATURE_LINE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u
const MIN_SIGNATURE_BYTES = 5
/** DER prefixes of SubjectPublicKeyInfo, before the raw key (RFC 8410, FIPS 204 with OID 2.16.840.1.101.3.4.3.17). */
const SPKI_PREFIX: Readonly<Record<SignatureKind, string>> = {
  Ed25519: '302a300506032b6570032100',
  'cosignature-Ed25519': '302a300506032b6570032100',
  'cosignature-ML-DSA-44': '30820532300b06096086480165030403110382052100',
}

/** @returns null when the text is not a well-formed signed note. */
export function parseNote(note: string): SignedNote | null {
  // oxlint-disable-next-line no-control-regex -- the specification forbids exactly these
  if (note.length > MAX_NOTE_CHARACTERS || !note.endsWith('\n') || !note.isWellFormed() || /[\x00-\x09\x0b-\x1f]/.test(note)) return null
  const split = note.lastIndexOf('\n\n')
  if (split < 0) return null
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) return null
  const signatures: NoteSignature[] = []
  for (const line of lines) {
    const signature = parseSignatureLine(line)
    if (signature === null) return null
    signatures.push(signature)
  }
  return { text: note.slice(0, split + 1), signatures }
}

export function parseSignatureLine(line: string): NoteSignature | null {
  const match = SIGNATURE_LINE.exec(line)
  if (!match) return null
  const [, name = '', base64 = ''] = match
  const bytes = strictBase64(base64)
  if (bytes === null || bytes.byteLength < MIN_SIGNATURE_BYTES) return null
  return { name, keyId: bytes.readUInt32BE(0), signature: bytes.subarray(4) }
}

export function signatureLine(name: string, keyId: number, signature: Uint8Array): string {
  const bytes = Buffer.alloc(4 + signature.byteLength)
  bytes.writeUInt32BE(keyId, 0)
  bytes.set(signature, 4)
  return `\u2014 ${name} ${bytes.toString('base64')}\n`
}

/** signed-note: SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]. */
export function noteKeyId(kind: SignatureKind, name: string, publicKey: KeyObject): number {
  const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(SIGNATURE_TYPES[kind].type), rawPublicKey(kind, publicKey)])
  return hash('sha256', input, 'buffer').readUInt32BE(0)
}

export function verifierKeyOf(kind: SignatureKind, name: string, publicKey: KeyObject): VerifierKey {
  if (!isKeyName(name)) throw new RedoubtError('ERR_CONFIG_INVALID', 'a key name is empty or holds a space or a plus sign')
  return { kind, name, keyId: noteKeyId(kind, name, publicKey), publicKey }
}

export function formatVerifierKey(key: VerifierKey): string {
  const raw = Buffer.concat([Buffer.of(SIGNATURE_TYPES[key.kind].type), rawPublicKey(key.kind, key.publicKey)])
  return `${key.name}+${key.keyId.toString(16).padStart(8, '0')}+${raw.toString('base64')}`
}

/** @throws {RedoubtError} `ERR_AUDIT_CHECKPOINT_INVALID` when the text is no verifier key of a type we know, or its key id does not fit. */
export function parseVerifierKey(text: string): VerifierKey {
  const invalid = (): RedoubtError => new RedoubtError('ERR_AUDIT_CHECKPOINT_INVALID', 'the verifier key is not well-formed')
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text.trim())
  const bytes = match ? strictBase64(match[3] ?? '') : null
  if (!match || bytes === null) throw invalid()
  const [, name = '', keyId = ''] = match
  const kind = (Object.keys(SIGNATURE_TYPES) as SignatureKind[]).find((each) => SIGNATURE_TYPES[each].type === bytes[0])
  if (kind === undefined || bytes.byteLength !== 1 + SIGNATURE_TYPES[kind].publicKeyBytes) throw invalid()
  let publicKey: KeyObject
  try {
    publicKey = createPublicKey({
      key: Buffer.concat([Buffer.from(SPKI_PREFIX[kind], 'hex'), bytes.subarray(1)]),
      format: 'der',
      type: 'spki',
    })
  } catch (cause) {
    throw new RedoubtError('ERR_AUDIT_CHECKPOINT_INVALID', 'the public key of the verifier key cannot be used here', { cause })
  }
  const key = verifierKeyOf(kind, name, publicKey)
  if (key.keyId !== Number.parseInt(keyId, 16)) throw invalid()
  return key
}

function isKeyName(name: string): boolean {
  return /^[^\s+]+$/u.test(name)
}

function rawPublicKey(kind: SignatureKind, publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const prefix = Buffer.from(SPKI_PREFIX[kind], 'hex')
  if (spki.byteLength !== prefix.byteLength + SIGNATURE_TYPES[kind].publicKeyBytes || !spki.subarray(0, prefix.byteLength).equals(prefix))
    throw new RedoubtError('ERR_CRYPTO_PARAMETER', `the key is not usable as ${kind}`)
  return spki.subarray(prefix.byteLength)
}

/** Standard alphabet, padded, canonical. */
export function strictBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

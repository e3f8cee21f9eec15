import { verify } from 'node:crypto'
import { RedoubtError, type Signer } from '#foundation/core'
import { HASH_BYTES } from './merkle-hash.ts'
import {
  parseNote,
  parseVerifierKey,
  signatureLine,
  type SignedNote,
  strictBase64,
  type VerifierKey,
  verifierKeyOf,
} from './signed-note.ts'

/** C2SP tlog-checkpoint: a tree head of a log. */
export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  /** The signed text, its final newline included. */
  readonly text: string
  readonly note: SignedNote
}

export function checkpointText(origin: string, size: number, root: Uint8Array): string {
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`
}

/** Reads a checkpoint without checking any signature. @returns null when it is not well-formed or larger than 2^53 − 1. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const note = parseNote(text)
  if (note === null) return null
  const [origin = '', sizeText = '', rootText = '', ...extensions] = note.text.slice(0, -1).split('\n')
  const root = strictBase64(rootText)
  const size = Number(sizeText)
  if (origin === '' || !/^(?:0|[1-9]\d{0,15})$/.test(sizeText) || !Number.isSafeInteger(size)) return null
  if (root?.byteLength !== HASH_BYTES || extensions.includes('')) return null
  return { origin, size, root, text: note.text, note }
}

/** Whether the log key signed it. A signature under the name and id of the key that does not verify spoils the whole note. */
export function isSignedBy(checkpoint: Checkpoint, key: VerifierKey): boolean {
  const signatures = checkpoint.note.signatures.filter((each) => each.name === key.name && each.keyId === key.keyId)
  return (
    key.kind === 'Ed25519' &&
    signatures.length > 0 &&
    signatures.every((each) => verify(null, Buffer.from(checkpoint.text), key.publicKey, each.signature))
  )
}

/**
 * Reads a checkpoint of this log.
 * @param verifierKey The log's signed-note verifier key.
 * @throws {RedoubtError} `ERR_AUDIT_CHECKPOINT_INVALID` unless it is well-formed, of this origin and signed by the key.
 */
export function openCheckpoint(text: string, verifierKey: string): Checkpoint {
  const key = parseVerifierKey(verifierKey)
  const checkpoint = parseCheckpoint(text)
  if (checkpoint === null) throw new RedoubtError('ERR_AUDIT_CHECKPOINT_INVALID', 'the checkpoint is not well-formed')
  if (checkpoint.origin !== key.name) throw new RedoubtError('ERR_AUDIT_CHECKPOINT_INVALID', 'the checkpoint is of another log')
  if (!isSignedBy(checkpoint, key))
    throw new RedoubtError('ERR_AUDIT_CHECKPOINT_INVALID', 'the signature of the checkpoint does not verify')
  return checkpoint
}

export function logVerifierKey(origin: string, signer: Signer): VerifierKey {
  if (signer.algorithm !== 'Ed25519') throw new RedoubtError('ERR_CRYPTO_PARAMETER', 'checkpoints are signed with Ed25519')
  return verifierKeyOf('Ed25519', origin, signer.publicKey)
}

/** Ed25519 is deterministic, so signing the same tree head twice gives the same note. */
export async function signCheckpoint(origin: string, size: number, root: Uint8Array, signer: Signer): Promise<string> {
  const key = logVerifierKey(origin, signer)
  const text = checkpointText(origin, size, root)
  const signature = await signer.sign(Buffer.from(text))
  return `${text}\n${signatureLine(key.name, key.keyId, signature)}`
}

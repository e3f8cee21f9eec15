import { RedoubtError } from '#foundation/core'
import { openCheckpoint } from './checkpoint.ts'
import { findCosignature } from './cosignature.ts'
import { HASH_BYTES, leafHash } from './merkle-hash.ts'
import { parseVerifierKey, strictBase64 } from './signed-note.ts'
import { verifyInclusion } from './verify-merkle.ts'

/** C2SP tlog-proof v1: a proof of inclusion that needs nothing but the entry and the keys one trusts. */
export interface TlogProof {
  readonly index: number
  readonly path: readonly Uint8Array[]
  /** The signed note, with cosignatures if the log had them. */
  readonly checkpoint: string
  /** Opaque and not authenticated. */
  readonly extra?: Uint8Array
}

const FIRST_LINE = 'c2sp.org/tlog-proof@v1'
const MAX_PROOF_CHARACTERS = 400_000
const MAX_PATH = 63

export function formatProof({ index, path, checkpoint, extra }: TlogProof): string {
  const lines = [FIRST_LINE, ...(extra ? [`extra ${base64(extra)}`] : []), `index ${index}`, ...path.map(base64), '', checkpoint]
  return lines.join('\n')
}

/** @returns null when the text is not a tlog-proof; no signature and no hash is checked. */
export function parseProof(text: string): TlogProof | null {
  if (text.length > MAX_PROOF_CHARACTERS) return null
  const split = text.indexOf('\n\n')
  if (split < 0) return null
  const lines = text.slice(0, split).split('\n')
  if (lines.shift() !== FIRST_LINE) return null
  let extra: Uint8Array | null | undefined
  if (lines[0]?.startsWith('extra ')) {
    extra = strictBase64(lines.shift()?.slice('extra '.length) ?? '')
    if (extra === null) return null
  }
  const match = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '')
  const index = Number(match?.[1])
  if (!match || !Number.isSafeInteger(index) || lines.length > MAX_PATH) return null
  const path: Uint8Array[] = []
  for (const line of lines) {
    const value = strictBase64(line)
    if (value?.byteLength !== HASH_BYTES) return null
    path.push(value)
  }
  return { index, path, checkpoint: text.slice(split + 2), ...(extra ? { extra } : {}) }
}

export interface ProofVerdict {
  readonly ok: boolean
  /** Why not; empty when it verifies. Lower case, safe to show. */
  readonly reason: string
  readonly index?: number
  readonly size?: number
  readonly origin?: string
  /** Name and time (epoch seconds) of each witness asked for whose cosignature verified. */
  readonly witnesses: readonly { readonly name: string; readonly time: number }[]
}

/**
 * Verifies offline that a log contains an entry.
 * @param entry The very bytes of the entry.
 * @param verifierKey The log's verifier key, which also fixes its origin.
 * @param witnesses Verifier keys of witnesses; each of them must have cosigned.
 */
export function verifyProof(proofText: string, entry: Uint8Array, verifierKey: string, witnesses: readonly string[] = []): ProofVerdict {
  const no = (reason: string): ProofVerdict => ({ ok: false, reason, witnesses: [] })
  const proof = parseProof(proofText)
  if (proof === null) return no('the proof is not well-formed')
  try {
    const checkpoint = openCheckpoint(proof.checkpoint, verifierKey)
    const claim = { index: proof.index, size: checkpoint.size, leafHash: leafHash(entry), root: checkpoint.root, proof: proof.path }
    if (!verifyInclusion(claim)) return no('the checkpoint does not include this entry at this index')
    const seen: { name: string; time: number }[] = []
    for (const text of witnesses) {
      const key = parseVerifierKey(text)
      const time = findCosignature(checkpoint, key)
      if (time === null) return no(`the witness \`${key.name}\` did not cosign the checkpoint`)
      seen.push({ name: key.name, time })
    }
    return { ok: true, reason: '', index: proof.index, size: checkpoint.size, origin: checkpoint.origin, witnesses: seen }
  } catch (cause) {
    if (cause instanceof RedoubtError) return no(cause.message)
    throw cause
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

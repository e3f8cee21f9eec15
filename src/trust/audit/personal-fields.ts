import { hash } from 'node:crypto'
import { type AuditEvent, canonicalJson, type JsonObject, parseStrictJson, RedoubtError, type SubjectSealer } from '#foundation/core'
import type { PersonalOfEntry } from './contract.ts'
import { MAX_BODY_BYTES } from './entry-bundle.ts'
import { type PersonalCommitment, personalOf, splitBody } from './event-entry.ts'

const BODY_JSON_BOUNDS = { maxBytes: MAX_BODY_BYTES, maxDepth: 64 }
/** Additional data of every sealed body: a ciphertext of another room is not taken for personal fields of an event. */
const SEALING_CONTEXT = 'redoubt/audit/personal/v1'

/** A person who was erased. */
const CLOSED: ReadonlySet<RedoubtError['code']> = new Set(['ERR_KEYS_DESTROYED'] as const)

export interface SealedPersonal {
  /** One a person: what the entry says of them. */
  readonly commitments: readonly PersonalCommitment[]
  /** The ciphertexts, one behind the other; lies outside the tree. */
  readonly body: Uint8Array
}

/** Seals what an event says of persons, each under their own key. @throws what the sealer throws. */
export async function sealPersonal(personal: NonNullable<AuditEvent['personal']>, sealer: SubjectSealer): Promise<SealedPersonal> {
  const commitments: PersonalCommitment[] = []
  const ciphertexts: Uint8Array[] = []
  for (const { subject, fields } of personal) {
    const { pseudonym, ciphertext } = await sealer.seal(subject, Buffer.from(canonicalJson(fields)), SEALING_CONTEXT)
    commitments.push({ pseudonym, sha256: hash('sha256', ciphertext, 'hex'), bytes: ciphertext.byteLength })
    ciphertexts.push(ciphertext)
  }
  return { commitments, body: ciphertexts.length === 1 ? ciphertexts[0]! : Buffer.concat(ciphertexts) }
}

/**
 * Opens what an entry says of persons.
 * @param bodyOf reads the sealed body of the entry; null when it has none or it is gone.
 * @param closed what keeps the fields of a person closed, and is no failure.
 * @throws {RedoubtError} `ERR_AUDIT_CORRUPT` when the body is not the one that the entry commits to.
 */
export async function openPersonal(
  index: number,
  entry: JsonObject | null,
  bodyOf: (index: number) => Uint8Array | null,
  sealer: Pick<SubjectSealer, 'open'>,
  closed: ReadonlySet<RedoubtError['code']> = CLOSED,
): Promise<readonly PersonalOfEntry[]> {
  const personal = entry === null ? [] : (personalOf(entry) ?? [])
  const body = personal.length === 0 ? null : bodyOf(index)
  const parts = body && splitBody(body, personal)
  return Promise.all(
    personal.map(async ({ pseudonym, sha256 }, i) => {
      const ciphertext = parts?.[i]
      if (ciphertext === undefined) return { subject: pseudonym, fields: null }
      if (hash('sha256', ciphertext, 'hex') !== sha256)
        throw new RedoubtError('ERR_AUDIT_CORRUPT', `the sealed body of entry ${index} is not the one it commits to`)
      return { subject: pseudonym, fields: await opened(pseudonym, ciphertext, sealer, closed) }
    }),
  )
}

async function opened(
  pseudonym: string,
  ciphertext: Uint8Array,
  sealer: Pick<SubjectSealer, 'open'>,
  closed: ReadonlySet<RedoubtError['code']>,
): Promise<JsonObject | null> {
  try {
    const plaintext = await sealer.open({ pseudonym, ciphertext }, SEALING_CONTEXT)
    return parseStrictJson(plaintext, BODY_JSON_BOUNDS) as JsonObject
  } catch (cause) {
    if (cause instanceof RedoubtError && closed.has(cause.code)) return null
    throw cause
  }
}

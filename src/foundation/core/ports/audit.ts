import type { JsonObject } from '../canonical-json.ts'
import type { ErrorCode } from '../error-table.ts'
import type { Decision } from './decision.ts'
import type { EntityUid } from './entities.ts'

export interface PersonalFields {
  /** The person as the caller names them; stored only as keyed pseudonym. */
  readonly subject: string
  /** Sealed under the subject's key, outside the Merkle tree; the leaf commits to the ciphertext. */
  readonly fields: JsonObject
}

export interface AuditEvent {
  /** Dotted, lower case: `inference.admission`, `inference.completion`, `inference.refusal`, `key.unwrap`, `model.deploy`, … */
  readonly type: string
  readonly actor: EntityUid
  readonly action: string
  readonly resource: EntityUid
  readonly outcome: 'success' | 'refused' | 'failed'
  readonly code?: ErrorCode
  readonly requestId?: string
  readonly purpose?: string
  readonly legalBasis?: string
  readonly decision?: Pick<Decision, 'effect' | 'policies' | 'errors' | 'policySet'>
  /** Facts without personal data: digests, counts, versions. */
  readonly details?: JsonObject
  readonly personal?: readonly PersonalFields[]
}

export interface AuditReceipt {
  /** Index of the leaf in the log. */
  readonly index: number
  /** RFC 6962 leaf hash, base64. */
  readonly leafHash: string
}

/** Implemented by `#trust/audit`. */
export interface AuditSink {
  /**
   * Resolves only when the event is durable. Concurrent calls share one fdatasync; order of resolution is order of index.
   * @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE` if it is not durable: the caller must then refuse.
   */
  record(event: AuditEvent): Promise<AuditReceipt>
}

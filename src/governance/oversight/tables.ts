import type { Migrations } from '#foundation/storage'
import { ROOM_TABLES } from '#governance/approvals'

/** `sealed` holds what the reviewer has to see, `verdict` what the reviewer wrote: under the subject's key where there is a subject. */
export const MIGRATIONS: Migrations = [
  `${ROOM_TABLES}
   CREATE TABLE reviews (
     id TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     request_id TEXT NOT NULL,
     surface TEXT NOT NULL,
     resource_type TEXT NOT NULL,
     resource_id TEXT NOT NULL,
     caller_type TEXT NOT NULL,
     caller_id TEXT NOT NULL,
     through_type TEXT,
     through_id TEXT,
     asker_type TEXT NOT NULL,
     asker_id TEXT NOT NULL,
     findings TEXT NOT NULL,
     binding TEXT NOT NULL,
     pseudonym TEXT,
     sealed BLOB,
     verdict BLOB,
     verdict_pseudonym TEXT,
     state TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     due_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     overdue_told INTEGER NOT NULL DEFAULT 0,
     decided_at INTEGER,
     reviewer_type TEXT,
     reviewer_id TEXT,
     used_by_request TEXT
   );
   CREATE INDEX reviews_waiting ON reviews (due_at) WHERE state = 'waiting';
   CREATE INDEX reviews_request ON reviews (request_id);
   CREATE INDEX reviews_created_at ON reviews (created_at)`,
]

export interface ReviewRow {
  readonly id: string
  readonly kind: string
  readonly request_id: string
  readonly surface: string
  readonly resource_type: string
  readonly resource_id: string
  readonly caller_type: string
  readonly caller_id: string
  readonly through_type: string | null
  readonly through_id: string | null
  readonly asker_type: string
  readonly asker_id: string
  readonly findings: string
  readonly binding: string
  readonly pseudonym: string | null
  readonly sealed: Uint8Array | null
  readonly verdict: Uint8Array | null
  readonly verdict_pseudonym: string | null
  readonly state: string
  readonly created_at: number
  readonly due_at: number
  readonly expires_at: number
  readonly decided_at: number | null
  readonly reviewer_type: string | null
  readonly reviewer_id: string | null
  readonly used_by_request: string | null
}

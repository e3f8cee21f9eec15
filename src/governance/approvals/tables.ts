import type { Migrations } from '#foundation/storage'
import { ROOM_TABLES } from './own-room.ts'

/** `sealed` columns hold what people wrote and what was asked for, under the room's data key. */
export const MIGRATIONS: Migrations = [
  `${ROOM_TABLES}
   CREATE TABLE approvals (
     id TEXT PRIMARY KEY,
     principal_type TEXT NOT NULL,
     principal_id TEXT NOT NULL,
     author_type TEXT,
     author_id TEXT,
     action TEXT NOT NULL,
     resource_type TEXT NOT NULL,
     resource_id TEXT NOT NULL,
     digest TEXT NOT NULL,
     needed INTEGER NOT NULL,
     sealed BLOB NOT NULL,
     state TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     closed_at INTEGER,
     closed_by_type TEXT,
     closed_by_id TEXT,
     used_by_request TEXT
   );
   CREATE INDEX approvals_open ON approvals (digest) WHERE state = 'open';
   CREATE INDEX approvals_created_at ON approvals (created_at);
   CREATE TABLE approval_votes (
     approval_id TEXT NOT NULL REFERENCES approvals (id) ON DELETE CASCADE,
     approver_type TEXT NOT NULL,
     approver_id TEXT NOT NULL,
     at INTEGER NOT NULL,
     sealed BLOB NOT NULL,
     PRIMARY KEY (approval_id, approver_type, approver_id)
   );
   CREATE TABLE break_glass (
     id TEXT PRIMARY KEY,
     principal_type TEXT NOT NULL,
     principal_id TEXT NOT NULL,
     action TEXT NOT NULL,
     resource_type TEXT NOT NULL,
     resource_id TEXT NOT NULL,
     sealed BLOB NOT NULL,
     started_at INTEGER NOT NULL,
     ends_at INTEGER NOT NULL,
     lag_ms INTEGER NOT NULL,
     ended_at INTEGER,
     end_cause TEXT,
     end_recorded INTEGER NOT NULL DEFAULT 0,
     uses INTEGER NOT NULL DEFAULT 0,
     reviewed_at INTEGER,
     reviewer_type TEXT,
     reviewer_id TEXT,
     finding BLOB
   );
   CREATE INDEX break_glass_unreviewed ON break_glass (started_at) WHERE reviewed_at IS NULL;
   CREATE TABLE access_reviews (
     id TEXT PRIMARY KEY,
     started_at INTEGER NOT NULL,
     started_by_type TEXT NOT NULL,
     started_by_id TEXT NOT NULL,
     due_at INTEGER NOT NULL
   );
   CREATE TABLE access_review_items (
     review_id TEXT NOT NULL REFERENCES access_reviews (id) ON DELETE CASCADE,
     item INTEGER NOT NULL,
     account_type TEXT NOT NULL,
     account_id TEXT NOT NULL,
     role TEXT NOT NULL,
     verdict TEXT,
     decided_at INTEGER,
     reviewer_type TEXT,
     reviewer_id TEXT,
     PRIMARY KEY (review_id, item)
   )`,
]

export interface ApprovalRow {
  readonly id: string
  readonly principal_type: string
  readonly principal_id: string
  readonly author_type: string | null
  readonly author_id: string | null
  readonly action: string
  readonly resource_type: string
  readonly resource_id: string
  readonly digest: string
  readonly needed: number
  readonly sealed: Uint8Array
  readonly state: string
  readonly created_at: number
  readonly expires_at: number
  readonly closed_at: number | null
  readonly closed_by_type: string | null
  readonly closed_by_id: string | null
  readonly used_by_request: string | null
}

export interface VoteRow {
  readonly approval_id: string
  readonly approver_type: string
  readonly approver_id: string
  readonly at: number
  readonly sealed: Uint8Array
}

export interface GrantRow {
  readonly id: string
  readonly principal_type: string
  readonly principal_id: string
  readonly action: string
  readonly resource_type: string
  readonly resource_id: string
  readonly sealed: Uint8Array
  readonly started_at: number
  readonly ends_at: number
  readonly lag_ms: number
  readonly ended_at: number | null
  readonly end_cause: string | null
  readonly end_recorded: number
  readonly uses: number
  readonly reviewed_at: number | null
  readonly reviewer_type: string | null
  readonly reviewer_id: string | null
  readonly finding: Uint8Array | null
}

export interface ReviewRow {
  readonly id: string
  readonly started_at: number
  readonly started_by_type: string
  readonly started_by_id: string
  readonly due_at: number
}

export interface ItemRow {
  readonly review_id: string
  readonly item: number
  readonly account_type: string
  readonly account_id: string
  readonly role: string
  readonly verdict: string | null
  readonly decided_at: number | null
  readonly reviewer_type: string | null
  readonly reviewer_id: string | null
}

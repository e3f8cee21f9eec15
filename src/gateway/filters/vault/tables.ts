import type { Migrations } from '#foundation/storage'

/** `sealed_key` is the key of one call, under the person's key where it names one, else under the room's; `sealed` is a value under the key of its call. */
export const VAULT_MIGRATIONS: Migrations = [
  `CREATE TABLE vault_key (one INTEGER PRIMARY KEY CHECK (one = 1), wrapped TEXT NOT NULL);
   CREATE TABLE vault_calls (
     id TEXT PRIMARY KEY,
     account_type TEXT NOT NULL,
     account_id TEXT NOT NULL,
     pseudonym TEXT,
     sealed_key BLOB NOT NULL,
     expires_at INTEGER NOT NULL
   );
   CREATE INDEX vault_calls_by_expiry ON vault_calls (expires_at);
   CREATE TABLE vault_values (
     token TEXT PRIMARY KEY,
     call TEXT NOT NULL REFERENCES vault_calls (id) ON DELETE CASCADE,
     entity TEXT NOT NULL,
     sealed BLOB NOT NULL
   );
   CREATE INDEX vault_values_by_call ON vault_values (call);`,
]

export interface CallRow {
  readonly id: string
  readonly account_type: string
  readonly account_id: string
  readonly pseudonym: string | null
  readonly sealed_key: Uint8Array
  readonly expires_at: number
}

export interface ValueRow extends CallRow {
  readonly entity: string
  readonly sealed: Uint8Array
}

import type { Migrations } from '#foundation/storage'

/** What programs add to the room's own tables, after which this runs: public thumbprints and names, no key and no token. */
export const SERVICE_MIGRATIONS: Migrations = [
  `
  ALTER TABLE identity_accounts ADD COLUMN binding TEXT NOT NULL DEFAULT 'none';
  ALTER TABLE identity_accounts ADD COLUMN certificate TEXT;
  ALTER TABLE identity_accounts ADD COLUMN may_act_for TEXT;
  CREATE TABLE identity_client_sources (
    account TEXT NOT NULL,
    source TEXT NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (account, source)
  );
  `,
  'CREATE TABLE identity_proof_time (one INTEGER PRIMARY KEY CHECK (one = 1), taken_at INTEGER NOT NULL)',
]

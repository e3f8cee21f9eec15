import type { Migrations } from '#foundation/storage'

/**
 * People beyond the first administrator. No name, no source address, no TOTP secret and no recovery code is stored in clear: names
 * and codes by keyed hash, and what must be read again sealed under the person's own key, which can be destroyed.
 * Runs after the room's own migrations, which made the tables that are altered.
 */
export const PEOPLE_MIGRATIONS: Migrations = [
  `
  ALTER TABLE identity_users ADD COLUMN login_digest TEXT;
  ALTER TABLE identity_users ADD COLUMN login_sealed TEXT;
  ALTER TABLE identity_users ADD COLUMN member_of TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE identity_users ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
  ALTER TABLE identity_users ADD COLUMN legal_basis TEXT NOT NULL DEFAULT 'legitimate-interests';
  ALTER TABLE identity_users ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE identity_users ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE identity_users ADD COLUMN enrolled_at INTEGER;
  UPDATE identity_users SET enrolled_at = created_at;
  CREATE UNIQUE INDEX identity_users_login ON identity_users (login_digest) WHERE login_digest IS NOT NULL;
  ALTER TABLE identity_credentials ADD COLUMN last_used_at INTEGER;
  ALTER TABLE identity_enrolment_links ADD COLUMN user_id TEXT;
  CREATE TABLE identity_totp (
    user_id TEXT PRIMARY KEY REFERENCES identity_users (id),
    secret_sealed TEXT NOT NULL,
    last_step INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
  );
  CREATE TABLE identity_recovery_codes (
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    code_digest TEXT NOT NULL,
    PRIMARY KEY (user_id, code_digest)
  );
  CREATE TABLE identity_sessions (
    id TEXT PRIMARY KEY,
    secret_digest TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    mfa_level INTEGER NOT NULL,
    amr TEXT NOT NULL,
    auth_time INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    source_sealed TEXT NOT NULL
  );
  CREATE TABLE identity_recoveries (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    requested_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    approvals TEXT NOT NULL,
    granted_at INTEGER
  );
  CREATE TABLE identity_attempts (
    bucket TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL
  );
  CREATE TABLE identity_known_sources (
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    source_digest TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, source_digest)
  );
  `,
  // A link from before has no epoch and fits nobody: it lives for minutes, and a new one is made.
  `
  ALTER TABLE identity_enrolment_links ADD COLUMN epoch INTEGER;
  `,
  // What keys of people without power said of themselves was kept without anyone vouching for it.
  `
  UPDATE identity_credentials SET attestation = 'none' WHERE user_id IN (
    SELECT id FROM identity_users WHERE NOT (roles LIKE '%"administrator"%' OR roles LIKE '%"security-officer"%'
      OR roles LIKE '%"privacy-officer"%' OR roles LIKE '%"deployer"%'));
  `,
  // For the purge and for the latest at a start.
  `
  CREATE INDEX identity_attempts_last ON identity_attempts (last_at);
  CREATE INDEX identity_known_sources_seen ON identity_known_sources (seen_at);
  `,
  // Who made a person, and the link by which somebody enrolled as them, could be that somebody. Of before it is not known.
  `
  ALTER TABLE identity_enrolment_links ADD COLUMN made_by TEXT;
  ALTER TABLE identity_users ADD COLUMN created_by TEXT;
  ALTER TABLE identity_users ADD COLUMN enrolled_by TEXT;
  ALTER TABLE identity_recoveries ADD COLUMN requested_by TEXT;
  ALTER TABLE identity_recoveries ADD COLUMN denied_at INTEGER;
  `,
]

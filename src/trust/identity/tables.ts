import type { Migrations } from '#foundation/storage'

/**
 * Metadata only: public keys, digests, roles. No private key, no token, no link and no name of a person is stored.
 * A revoked token is kept by issuer and `jti`, because other byte strings can carry the same token.
 */
export const MIGRATIONS: Migrations = [
  `
  CREATE TABLE identity_accounts (
    name TEXT PRIMARY KEY,
    roles TEXT NOT NULL,
    purpose TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    public_key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  );
  CREATE TABLE identity_revoked_tokens (
    issuer TEXT NOT NULL,
    token_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, token_id)
  );
  CREATE TABLE identity_artifacts (
    model TEXT NOT NULL,
    id TEXT NOT NULL,
    payload TEXT NOT NULL,
    grant_id TEXT,
    user_code TEXT,
    uid TEXT,
    expires_at INTEGER,
    PRIMARY KEY (model, id)
  );
  CREATE INDEX identity_artifacts_expiry ON identity_artifacts (expires_at);
  CREATE INDEX identity_artifacts_grant ON identity_artifacts (grant_id) WHERE grant_id IS NOT NULL;
  CREATE TABLE identity_enrolment_links (
    token_digest TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
  );
  CREATE TABLE identity_users (
    id TEXT PRIMARY KEY,
    roles TEXT NOT NULL,
    created_at INTEGER NOT NULL
  );
  CREATE TABLE identity_credentials (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES identity_users (id),
    public_key TEXT NOT NULL,
    counter INTEGER NOT NULL,
    aaguid TEXT NOT NULL,
    transports TEXT NOT NULL,
    attestation TEXT NOT NULL,
    backup_eligible INTEGER NOT NULL,
    backed_up INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  );
  `,
]

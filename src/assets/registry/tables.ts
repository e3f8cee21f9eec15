import { type Database, migrate, transaction } from '#foundation/storage'
import type { Deployment } from './model-version.ts'

/** Metadata alone: digests, names, states, signatures. Model files lie sealed in the object folder. */
const MIGRATIONS = [
  `CREATE TABLE model_versions (
     name TEXT NOT NULL,
     version INTEGER NOT NULL,
     digest TEXT NOT NULL,
     manifest TEXT NOT NULL,
     bundle TEXT NOT NULL,
     object_path TEXT NOT NULL,
     source_path TEXT,
     quarantined INTEGER NOT NULL DEFAULT 0,
     pending INTEGER NOT NULL,
     PRIMARY KEY (name, version)
   );
   CREATE TABLE model_deployments (
     sequence INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     name TEXT NOT NULL,
     version INTEGER NOT NULL,
     digest TEXT NOT NULL,
     by_type TEXT NOT NULL,
     by_id TEXT NOT NULL,
     deployed_at INTEGER NOT NULL,
     pending INTEGER NOT NULL
   );`,
  // A version number is never given twice, so that an old record names one file for ever.
  'CREATE TABLE model_removed (name TEXT PRIMARY KEY, latest INTEGER NOT NULL)',
  // Of earlier deployments it is not known where the house ran: in production they are nothing to go back to.
  `ALTER TABLE model_deployments ADD COLUMN kind TEXT NOT NULL DEFAULT 'deploy';
   ALTER TABLE model_deployments ADD COLUMN environment TEXT NOT NULL DEFAULT '';
   ALTER TABLE model_deployments ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
   UPDATE model_deployments SET withdrawn = 1 WHERE EXISTS (
     SELECT 1 FROM model_versions v WHERE v.name = model_deployments.name AND v.version = model_deployments.version AND v.quarantined = 1);
   -- In the same statement as the quarantine, so that a crash leaves both or neither.
   CREATE TRIGGER model_withdrawn AFTER UPDATE OF quarantined ON model_versions WHEN NEW.quarantined = 1 BEGIN
     UPDATE model_deployments SET withdrawn = 1 WHERE name = NEW.name AND version = NEW.version;
   END;`,
] as const

export interface VersionRow {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly manifest: string
  readonly bundle: string
  readonly object_path: string
  readonly source_path: string | null
  readonly quarantined: number
}

interface DeploymentRow {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly by_type: string
  readonly by_id: string
  readonly deployed_at: number
  readonly kind: Deployment['kind']
  readonly environment: Deployment['environment']
  readonly withdrawn: number
}

/**
 * Rows are written pending, then recorded in the audit log, then made valid: a version that is listed has its record, and
 * what a crash left between is dropped at the next start.
 */
export interface Tables {
  dropPending(): readonly string[]
  versions(): readonly VersionRow[]
  version(name: string, version: number): VersionRow | null
  nextVersion(name: string): number
  insertVersion(row: Omit<VersionRow, 'quarantined'>): void
  confirmVersion(name: string, version: number): void
  removeVersion(name: string, version: number): void
  /** Versions and deployments together. */
  removeName(name: string): void
  /** A quarantine withdraws the version's deployments, for ever. */
  setQuarantined(name: string, version: number, quarantined: boolean): void
  deployments(): readonly Deployment[]
  insertDeployment(deployment: Deployment): void
  confirmDeployment(id: string): void
  removeDeployment(id: string): void
}

export function openTables(database: Pick<Database, 'raw'>): Tables {
  migrate(database, 'assets/registry', MIGRATIONS)
  const { raw } = database
  const columns = 'name, version, digest, manifest, bundle, object_path, source_path, quarantined'
  return {
    dropPending() {
      const rows = raw
        .prepare('SELECT object_path, source_path FROM model_versions WHERE pending = 1')
        .all() as unknown as readonly VersionRow[]
      raw.exec('DELETE FROM model_versions WHERE pending = 1; DELETE FROM model_deployments WHERE pending = 1')
      return rows.flatMap((row) => (row.source_path === null ? [row.object_path] : [row.object_path, row.source_path]))
    },
    versions: () =>
      raw
        .prepare(`SELECT ${columns} FROM model_versions WHERE pending = 0 ORDER BY name, version`)
        .all() as unknown as readonly VersionRow[],
    version: (name, version) =>
      (raw.prepare(`SELECT ${columns} FROM model_versions WHERE pending = 0 AND name = ? AND version = ?`).get(name, version) as
        | VersionRow
        | undefined) ?? null,
    nextVersion: (name) =>
      (
        raw
          .prepare(
            `SELECT 1 + MAX(COALESCE((SELECT MAX(version) FROM model_versions WHERE name = :name), 0),
                            COALESCE((SELECT latest FROM model_removed WHERE name = :name), 0)) AS next`,
          )
          .get({ name }) as { next: number }
      ).next,
    insertVersion: (row) =>
      void raw
        .prepare(
          'INSERT INTO model_versions (name, version, digest, manifest, bundle, object_path, source_path, pending) VALUES (?, ?, ?, ?, ?, ?, ?, 1)',
        )
        .run(row.name, row.version, row.digest, row.manifest, row.bundle, row.object_path, row.source_path),
    confirmVersion: (name, version) =>
      void raw.prepare('UPDATE model_versions SET pending = 0 WHERE name = ? AND version = ?').run(name, version),
    removeVersion: (name, version) => void raw.prepare('DELETE FROM model_versions WHERE name = ? AND version = ?').run(name, version),
    removeName(name) {
      transaction(database, () => {
        raw
          .prepare(
            `INSERT INTO model_removed (name, latest) SELECT name, MAX(version) FROM model_versions WHERE name = ? GROUP BY name
             ON CONFLICT (name) DO UPDATE SET latest = excluded.latest`,
          )
          .run(name)
        raw.prepare('DELETE FROM model_versions WHERE name = ?').run(name)
        raw.prepare('DELETE FROM model_deployments WHERE name = ?').run(name)
      })
    },
    setQuarantined: (name, version, quarantined) =>
      void raw.prepare('UPDATE model_versions SET quarantined = ? WHERE name = ? AND version = ?').run(quarantined ? 1 : 0, name, version),
    deployments: () =>
      (
        raw
          .prepare(
            'SELECT id, name, version, digest, by_type, by_id, deployed_at, kind, environment, withdrawn FROM model_deployments WHERE pending = 0 ORDER BY sequence',
          )
          .all() as unknown as readonly DeploymentRow[]
      ).map((row) => ({
        id: row.id,
        name: row.name,
        version: row.version,
        digest: row.digest,
        by: { type: row.by_type, id: row.by_id },
        deployedAt: row.deployed_at,
        kind: row.kind,
        environment: row.environment,
        withdrawn: row.withdrawn === 1,
      })),
    insertDeployment: (deployment) =>
      void raw
        .prepare(
          'INSERT INTO model_deployments (id, name, version, digest, by_type, by_id, deployed_at, kind, environment, pending) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)',
        )
        .run(
          deployment.id,
          deployment.name,
          deployment.version,
          deployment.digest,
          deployment.by.type,
          deployment.by.id,
          deployment.deployedAt,
          deployment.kind,
          deployment.environment,
        ),
    confirmDeployment: (id) => void raw.prepare('UPDATE model_deployments SET pending = 0 WHERE id = ?').run(id),
    removeDeployment: (id) => void raw.prepare('DELETE FROM model_deployments WHERE id = ?').run(id),
  }
}

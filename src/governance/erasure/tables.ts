import type { Migrations } from '#foundation/storage'
import { ROOM_TABLES } from '#governance/approvals'

/** `sealed` columns hold what people wrote, under the room's data key. People are pseudonyms. */
export const MIGRATIONS: Migrations = [
  `${ROOM_TABLES}
   CREATE TABLE holds (
     id TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     target TEXT NOT NULL,
     until INTEGER NOT NULL,
     set_at INTEGER NOT NULL,
     set_by_type TEXT NOT NULL,
     set_by_id TEXT NOT NULL,
     sealed BLOB NOT NULL,
     lifted_at INTEGER,
     lifted_by_type TEXT,
     lifted_by_id TEXT,
     lifted_sealed BLOB
   );
   CREATE INDEX holds_target ON holds (kind, target);
   CREATE TABLE erasures (
     id TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     pseudonym TEXT,
     datasets TEXT NOT NULL,
     ground TEXT NOT NULL,
     by_type TEXT NOT NULL,
     by_id TEXT NOT NULL,
     purpose TEXT NOT NULL,
     begun_at INTEGER NOT NULL,
     destroys_key INTEGER NOT NULL,
     fingerprints TEXT NOT NULL,
     done_at INTEGER,
     versions TEXT,
     objects INTEGER,
     certificate TEXT
   );
   CREATE INDEX erasures_begun_at ON erasures (begun_at);`,
]

/** Beside the data: which erasures they know of. */
export const APPLIED_MIGRATIONS: Migrations = [`CREATE TABLE applied_erasures (id TEXT PRIMARY KEY, applied_at INTEGER NOT NULL)`]

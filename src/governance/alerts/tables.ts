import type { Migrations } from '#foundation/storage'

export const MIGRATIONS: Migrations = [
  `CREATE TABLE alerts (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     id TEXT NOT NULL UNIQUE,
     kind TEXT NOT NULL,
     severity INTEGER NOT NULL,
     summary TEXT NOT NULL,
     subject_type TEXT NOT NULL,
     subject_id TEXT NOT NULL,
     key TEXT NOT NULL,
     details TEXT NOT NULL,
     request_id TEXT,
     log_index INTEGER,
     count INTEGER NOT NULL,
     first_at INTEGER NOT NULL,
     last_at INTEGER NOT NULL,
     acknowledged_at INTEGER,
     acknowledged_by_type TEXT,
     acknowledged_by_id TEXT,
     recorded_index INTEGER,
     record_due INTEGER NOT NULL
   );
   CREATE INDEX alerts_first_at ON alerts (first_at);
   CREATE INDEX alerts_record_due ON alerts (seq) WHERE record_due = 1;
   CREATE INDEX alerts_open ON alerts (severity) WHERE acknowledged_at IS NULL;
   CREATE TABLE alert_deliveries (
     id TEXT PRIMARY KEY,
     place TEXT NOT NULL,
     alert_id TEXT NOT NULL,
     severity INTEGER NOT NULL,
     body TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     state TEXT NOT NULL,
     attempts INTEGER NOT NULL,
     next_at INTEGER NOT NULL,
     problem TEXT
   );
   CREATE INDEX alert_deliveries_next ON alert_deliveries (place, state, next_at)`,
]

export interface AlertRow {
  readonly seq: number
  readonly id: string
  readonly kind: string
  readonly severity: number
  readonly summary: string
  readonly subject_type: string
  readonly subject_id: string
  readonly key: string
  readonly details: string
  readonly request_id: string | null
  readonly log_index: number | null
  readonly count: number
  readonly first_at: number
  readonly last_at: number
  readonly acknowledged_at: number | null
  readonly acknowledged_by_type: string | null
  readonly acknowledged_by_id: string | null
  readonly recorded_index: number | null
}

export interface DeliveryRow {
  readonly id: string
  readonly place: string
  readonly alert_id: string
  readonly severity: number
  readonly body: string
  readonly created_at: number
  readonly state: string
  readonly attempts: number
  readonly next_at: number
  readonly problem: string | null
}

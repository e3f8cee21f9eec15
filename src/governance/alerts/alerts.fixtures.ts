/** A room with a log and places that fail on command. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Alert, type AuditEvent, type AuditReceipt, type AuditSink, ManualClock, RedoubtError } from '#foundation/core'
import { type Database, openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { type Alerts, openAlerts } from './alerts.ts'
import { alertsConfig, type AlertsConfig } from './config.ts'
import type { AlertMessage, AlertPlace } from './place.ts'

export const NOW = Date.UTC(2026, 10, 25, 12)
export const WINDOW_MS = 900_000

export class TestLog implements AuditSink {
  readonly events: AuditEvent[] = []
  down = false

  async record(event: AuditEvent): Promise<AuditReceipt> {
    if (this.down) throw new RedoubtError('ERR_AUDIT_UNAVAILABLE')
    return { index: this.events.push(event) - 1, leafHash: '' }
  }

  of(type: string): readonly AuditEvent[] {
    return this.events.filter((event) => event.type === type)
  }
}

export class TestPlace implements AlertPlace {
  readonly name: string
  readonly minSeverity = 'info'
  readonly taken: AlertMessage[] = []
  /** Epoch milliseconds of each attempt. */
  readonly attempts: number[] = []
  /** `lost`: not taken; `silent`: taken, and reported as not taken; `hangs`: never answers. */
  mode: 'takes' | 'lost' | 'silent' | 'hangs' = 'takes'
  readonly #clock: ManualClock

  constructor(clock: ManualClock, name = 'place') {
    this.#clock = clock
    this.name = name
  }

  async deliver({ id, body }: AlertMessage, signal: AbortSignal): Promise<void> {
    this.attempts.push(this.#clock.now())
    if (this.mode === 'hangs')
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    if (this.mode !== 'lost') this.taken.push({ id, body })
    if (this.mode !== 'takes') throw Object.assign(new Error('secret words of the other side'), { code: 'ECONNRESET' })
  }
}

export interface World {
  readonly clock: ManualClock
  readonly log: TestLog
  readonly place: TestPlace
  readonly alerts: Alerts
  readonly database: Database
  /** As after a crash: opens the same file again without closing the room. */
  restart(): Promise<World>
  remove(): Promise<void>
}

export function openWorld(
  change: Partial<AlertsConfig> = {},
  kept?: { clock: ManualClock; log: TestLog; place: TestPlace; folder: string },
): World {
  const clock = kept?.clock ?? new ManualClock(NOW)
  const log = kept?.log ?? new TestLog()
  const place = kept?.place ?? new TestPlace(clock)
  const folder = kept?.folder ?? mkdtempSync(join(tmpdir(), 'redoubt-alerts-'))
  const database = openDatabase(join(folder, 'alerts.db'))
  // These tests pull no plug, and an fdatasync for each step would make them slow.
  database.raw.exec('PRAGMA synchronous=OFF')
  const config = { ...alertsConfig.parse({}), ...change }
  const alerts = openAlerts({ database, audit: log, clock, logger: silentLogger, config, places: [place], log: 'test/log', tickMs: 0 })
  return {
    clock,
    log,
    place,
    alerts,
    database,
    async restart() {
      await database.close()
      return openWorld(change, { clock, log, place, folder })
    },
    async remove() {
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export function anAlert(change: Partial<Alert> = {}): Alert {
  return {
    kind: 'test.alarm',
    severity: 'warning',
    summary: 'something asks for attention',
    subject: { type: 'Model', id: 'credit' },
    key: 'credit',
    details: { code: 'ERR_MODEL_SIGNATURE' },
    ...change,
  }
}

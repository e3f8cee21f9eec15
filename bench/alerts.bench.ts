import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEvent, type AuditReceipt, type AuditSink, systemClock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import { silentLogger } from '#foundation/telemetry'
import { alertsConfig, openAlerts, watchEvents } from '#governance/alerts'
import { median, type Row } from './row.ts'

const RAISES = 100_000
const EVENTS = 200_000
const ROUNDS = 5
const RAISE_TARGET_US = 20
const WATCH_TARGET_US = 2

const event: AuditEvent = {
  type: 'inference.completion',
  actor: { type: 'ServiceAccount', id: 'app' },
  action: 'invoke',
  resource: { type: 'Model', id: 'credit' },
  outcome: 'success',
}
const receipt: AuditReceipt = { index: 1, leafHash: '' }
const nowhere: AuditSink = { record: () => Promise.resolve(receipt) }

async function eventUs(audit: AuditSink): Promise<number> {
  const started = performance.now()
  for (let i = 0; i < EVENTS; i++) await audit.record(event)
  return ((performance.now() - started) * 1_000) / EVENTS
}

export const benchmark = {
  name: 'alerts',
  async run(): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-bench-'))
    const database = openDatabase(join(folder, 'alerts.db'))
    try {
      const config = alertsConfig.parse({})
      const options = {
        database,
        audit: nowhere,
        clock: systemClock,
        logger: silentLogger,
        config,
        places: [],
        log: 'bench/log',
        tickMs: 0,
      }
      const alerts = openAlerts(options)
      const raise = (i: number): void =>
        alerts.raise({
          kind: 'bench.flood',
          severity: 'warning',
          summary: 'one of very many',
          subject: { type: 'ServiceAccount', id: `app-${i}` },
          key: `app-${i}`,
          details: { event: 'inference.refusal', code: 'ERR_POLICY_DENIED' },
          logIndex: i,
        })
      for (let i = 0; i < 5_000; i++) raise(i)
      const started = performance.now()
      for (let i = 0; i < RAISES; i++) raise(i)
      const raiseUs = ((performance.now() - started) * 1_000) / RAISES
      const { unsaved } = alerts.health()

      const watched = watchEvents({ audit: nowhere, alerts, clock: systemClock, config })
      const added: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const bare = await eventUs(nowhere)
        added.push((await eventUs(watched)) - bare)
      }
      await alerts.close()
      return [
        {
          what: 'CPU of raising an alert, in a flood of distinct keys',
          value: raiseUs,
          unit: 'µs',
          target: RAISE_TARGET_US,
          comparator: '<=',
        },
        { what: 'alerts in memory after that flood', value: unsaved, unit: '', target: 101, comparator: '<=' },
        {
          what: 'added to recording an event that raises nothing',
          value: median(added),
          unit: 'µs',
          target: WATCH_TARGET_US,
          comparator: '<=',
        },
      ]
    } finally {
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

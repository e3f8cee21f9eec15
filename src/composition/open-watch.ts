import type { AuditSink, Clock } from '#foundation/core'
import type { OutboundTls } from '#foundation/crypto'
import { openDatabase } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import { type Alerts, alertPlaces, openAlerts, watchEvents, watchLog } from '#governance/alerts'
import type { AuditLog } from '#trust/audit'
import { type Conditions, type ConditionsOptions, openConditions, watchConduct } from '#trust/conditions'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'

export interface Watch {
  /** What records is looked at for alerts and conduct first, so nothing can happen unseen that is on record. */
  readonly audit: AuditSink
  readonly alerts: Alerts
  readonly conditions: Conditions
}

/** The rooms that look at what is recorded, on databases of their own: alerts, and the habits of callers. */
export function openWatch(
  of: {
    readonly log: Pick<AuditLog, 'health'>
    /** Where events go from here. */
    readonly record: AuditSink
    readonly configuration: Configuration
    readonly clock: Clock
    readonly logger: Logger
    readonly resolveSecret: (reference: string) => string
    readonly tls: OutboundTls
    /** Path of a file in the data directory. */
    readonly at: (name: string) => string
  } & Pick<ConditionsOptions, 'countries' | 'hashKey' | 'localTime'>,
  closers: Closers,
): Watch {
  const { record, configuration, clock, logger, resolveSecret, tls, countries, hashKey, localTime } = of
  const alertsDatabase = openDatabase(of.at('alerts.db'))
  closers.push(() => alertsDatabase.close())
  const alerts = openAlerts({
    database: alertsDatabase,
    audit: record,
    clock,
    logger,
    config: configuration.alerts,
    places: alertPlaces(configuration.alerts, { resolveSecret, clock, tls }),
    log: configuration.audit.origin,
  })
  closers.push(() => alerts.close())
  const logWatch = watchLog({ health: () => of.log.health(), alerts, clock })
  closers.push(() => logWatch.close())
  const watched = watchEvents({ audit: record, alerts, clock, config: configuration.alerts })
  const conditionsDatabase = openDatabase(of.at('conditions.db'))
  closers.push(() => conditionsDatabase.close())
  const conditions = openConditions({
    database: conditionsDatabase,
    audit: watched,
    alerts,
    clock,
    logger,
    config: configuration.conditions,
    localTime,
    countries,
    hashKey,
  })
  closers.push(() => conditions.close())
  return { audit: watchConduct(watched, conditions), alerts, conditions }
}

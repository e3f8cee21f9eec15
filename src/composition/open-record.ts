import { existsSync, writeFileSync } from 'node:fs'
import { resolveSecret } from '#foundation/config'
import { type Clock, RedoubtError } from '#foundation/core'
import type { OutboundTls } from '#foundation/crypto'
import { nodeFolder } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import { keepingOut } from '#gateway/filters'
import { LOG_KEY_FILE } from '#interfaces/commands'
import { type AuditLog, openAuditLog, parallelWriter } from '#trust/audit'
import { type ConditionsOptions, type LocalTime, localTime } from '#trust/conditions'
import type { AuditedKeys, KeyReconciliation } from '#trust/keys'
import { checkpointSinks } from './checkpoint-sinks.ts'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import { derivedKey } from './derived-key.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { Ground } from './open-ground.ts'
import { openWatch, type Watch } from './open-watch.ts'
import { policyAlarm } from './policy-alarm.ts'
import { recordStart } from './record-start.ts'
import { startKeys } from './start-keys.ts'
import { VERSION } from './version.ts'

interface RecordParts extends Pick<Ground, 'directory' | 'keyring' | 'onMismatch'> {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly logger: Logger
  readonly warn: (message: string) => void
  readonly countries: ConditionsOptions['countries']
  readonly tls: OutboundTls
}

/** What all that stands above is recorded by and watched with. */
export interface Recorded extends Watch {
  readonly log: AuditLog
  readonly metrics: Metrics
  readonly localTime: LocalTime
  /** Each use of them is on record. */
  readonly keys: AuditedKeys
  readonly reconciliation: KeyReconciliation
}

/**
 * Opens the log, has it watched, and puts this start and a move of the keys that ends with it on record.
 * @throws {RedoubtError} `ERR_AUDIT_CORRUPT` when the log is gone or contradicts what was signed.
 */
export async function openRecord(parts: RecordParts, closers: Closers): Promise<Recorded> {
  const { configuration, clock, logger, warn, countries, tls, directory, keyring } = parts
  const log = await openLog(parts, closers)
  const metrics = createMetrics()
  const record = keepingOut(metrics.counting(log), configuration.filters.keepOutOfLog)
  const time = localTime(configuration.conditions.timeZone ?? configuration.organisation.timeZone, configuration.conditions)
  const hashKey = derivedKey(keyring.searchKey, 'redoubt networks and devices')
  const places = { at: (name: string) => directory.at(name), countries, hashKey, localTime: time }
  const watch = openWatch({ log, record, configuration, clock, logger, resolveSecret, tls, ...places }, closers)
  const { audit } = watch
  parts.onMismatch(policyAlarm(audit, logger))
  await recordStart(audit, configuration)
  if (await keyring.finishMove(audit)) warn('the keys have moved; `keys.moveFrom` and what opened the sealed file are needed no more')
  const moving = keyring.move()
  if (moving && !moving.proved)
    warn(`keys move from \`${moving.from}\` while it serves; \`redoubt keys rotation\` says when it is needed no more`)
  writeFileSync(directory.at(LOG_KEY_FILE), `${log.verifierKey()}\n`)
  return { log, metrics, localTime: time, ...watch, ...startKeys(keyring, { audit, log, logger }, closers) }
}

async function openLog({ configuration, clock, directory, keyring, tls }: RecordParts, closers: Closers): Promise<AuditLog> {
  // A log that is gone must not be begun anew as if nothing had ever been recorded: whoever lost it finds out here.
  if (existsSync(directory.at(LOG_KEY_FILE)) && !existsSync(directory.at('log', 'checkpoint')))
    throw new RedoubtError('ERR_AUDIT_CORRUPT', `the log of this data directory is gone from \`${directory.at('log')}\``)
  const log = await openAuditLog({
    folder: nodeFolder(directory.at('log')),
    parallelWriter: parallelWriter(directory.at('log')),
    signer: keyring.checkpointSigner,
    signedBefore: keyring.signedBefore('checkpoint'),
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: directory.at('audit-index.db'),
    origin: configuration.audit.origin,
    clock,
    instance: VERSION,
    outside: checkpointSinks(configuration, tls),
    checkpointIntervalMs: configuration.audit.checkpointIntervalMs,
  })
  closers.push(() => log.close())
  return log
}

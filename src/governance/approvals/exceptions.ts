import type { AuditSink, Clock, ExceptionSource } from '#foundation/core'
import { type Database, migrate } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import type { Keys } from '#trust/keys'
import { AccessReviews, type ReviewedAccounts } from './access-reviews.ts'
import type { Approvers } from './approval.ts'
import { ApprovalStore } from './approval-store.ts'
import { BreakGlass, type KeepingAlerts } from './break-glass.ts'
import type { ApprovalsConfig } from './config.ts'
import { ForwardClock } from './forward-clock.ts'
import { FourEyes } from './four-eyes.ts'
import { GrantStore } from './grant-store.ts'
import { openSealing } from './sealing.ts'
import { Statements } from './statements.ts'
import { MIGRATIONS } from './tables.ts'

const TICK_MS = 1_000
const MINUTE_MS = 60_000

/** Exceptions that leave a mark. */
export interface Exceptions extends ExceptionSource {
  readonly fourEyes: FourEyes
  readonly grants: BreakGlass
  readonly accessReviews: AccessReviews
  /** Does at once what is due: ends, their record, what is overdue. The room does it by itself each second. */
  settle(): Promise<void>
  close(): Promise<void>
}

export interface ExceptionsOptions {
  /** A database of its own: its writes are synchronous and must never meet an open transaction of another room. */
  readonly database: Database
  readonly keys: Pick<Keys, 'generateDataKey' | 'unwrap'>
  readonly audit: AuditSink
  readonly alerts: KeepingAlerts
  readonly clock: Clock
  readonly logger: Logger
  readonly config: ApprovalsConfig
  readonly approvers: Approvers
  readonly accounts: ReviewedAccounts
  /** 0: only `settle` does anything by itself. */
  readonly tickMs?: number
}

/** @throws {RedoubtError} `ERR_STORAGE_IO`, and what unwrapping the room's key throws: a room that cannot read its store does not open. */
export async function openExceptions(options: ExceptionsOptions): Promise<Exceptions> {
  const { database, keys, audit, alerts, logger, config, approvers, accounts, tickMs = TICK_MS } = options
  migrate(database, 'governance/approvals', MIGRATIONS)
  const statements = new Statements(database)
  const sealing = await openSealing(keys, statements)
  const clock = new ForwardClock(options.clock, statements)
  const fourEyes = new FourEyes({
    store: new ApprovalStore(statements, sealing),
    approvers,
    audit,
    alerts,
    clock,
    expiryHours: config.expiryHours,
  })
  const grants = new BreakGlass({
    store: new GrantStore(statements, sealing),
    approvers,
    audit,
    alerts,
    clock,
    logger,
    config: config.breakGlass,
  })
  const accessReviews = new AccessReviews({ statements, accounts, audit, alerts, clock, logger })
  const safely = <T>(ask: () => T, otherwise: T): T => {
    try {
      return ask()
    } catch (thrown) {
      // INVARIANT: what cannot be looked up is no exception.
      logger.error({ err: thrown }, 'an exception could not be looked up')
      return otherwise
    }
  }
  // By the time and not by ticks: what a clock that was set forward makes due is told at once.
  let minute = -1
  const isNewMinute = (): boolean => minute !== (minute = Math.floor(clock.now() / MINUTE_MS))
  const settle = async (everything: boolean): Promise<void> => {
    await grants.settle()
    if (!everything) return
    grants.tellOverdue()
    accessReviews.tellOverdue()
    // What was seen of the time outlives a crash to a minute; while a grant runs, to a second.
    safely(() => clock.keep(), undefined)
  }
  let settling: Promise<void> | null = null
  const tick = (): void => void (settling ??= settle(isNewMinute()).finally(() => (settling = null)))
  const timer = tickMs === 0 ? null : setInterval(tick, tickMs)
  timer?.unref()
  return {
    fourEyes,
    grants,
    accessReviews,
    approvals: (ask) => safely(() => fourEyes.usable(ask), null),
    spend: (id, requestId) => fourEyes.spend(id, requestId),
    stillApproved: (id, resource) => safely(() => fourEyes.stillApproved(id, resource), 0),
    breakGlass: (ask) => safely(() => grants.active(ask), null),
    noteUse: (grant) => grants.noteUse(grant),
    settle: () => settle(true),
    async close() {
      if (timer) clearInterval(timer)
      await settling
      grants.settleTimes()
      safely(() => clock.keep(), undefined)
    },
  }
}

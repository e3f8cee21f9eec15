import {
  type Action,
  type AlertSink,
  asRedoubtError,
  type AuditSink,
  type EntityUid,
  type ExceptionAsk,
  newId,
  RedoubtError,
} from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import { type Approvers, entity, sameEntity, uidText } from './approval.ts'
import type { ApprovalsConfig } from './config.ts'
import { type ForwardClock, SET_BACK_MS } from './forward-clock.ts'
import type { Doer } from './four-eyes.ts'
import type { BreakGlassHealth, Grant, GrantShown } from './grant.ts'
import type { GrantStore } from './grant-store.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Grants that run at once, of one person and of all: an emergency is about few things. */
const MAX_RUNNING_OF_ONE = 3
const MAX_RUNNING = 20
const MAX_LISTED = 200
const SELF: EntityUid = { type: 'System', id: 'approvals' }

/** What of the alerts' room this needs: that someone is told is a condition here, not a courtesy. */
export interface KeepingAlerts extends AlertSink {
  /** As `raise`, and durable when it returns. @throws {RedoubtError} when it is not kept. */
  keep(alert: Parameters<AlertSink['raise']>[0]): void
}

export interface BreakGlassOptions {
  readonly store: GrantStore
  readonly approvers: Pick<Approvers, 'isSameHand'>
  readonly audit: AuditSink
  readonly alerts: KeepingAlerts
  readonly clock: ForwardClock
  readonly logger: Logger
  readonly config: ApprovalsConfig['breakGlass']
}

export interface GrantAsk {
  readonly action: Action
  readonly resource: EntityUid
  readonly reason: string
  /** From 1 to the configured most. */
  readonly minutes: number
}

/**
 * Break-glass: access that works when nobody answers, for one action on one object, for minutes. It is told before it works, recorded
 * before it works, ends by itself, and has to be reviewed by someone else.
 */
export class BreakGlass {
  readonly #options: BreakGlassOptions
  /** Those that may be active; what is not here is not active, whatever the disk says. */
  readonly #running = new Map<string, Grant>()
  /** Ended in memory, and not yet on the disk. */
  readonly #toEnd = new Map<string, { readonly at: number; readonly cause: NonNullable<Grant['endCause']> }>()
  /** Days on which an overdue review was told, by grant. */
  readonly #told = new Map<string, number>()
  #recording: Promise<void> = Promise.resolve()
  /** Being made: a second request of the same person waits for none of the first's checks. */
  readonly #starting = new Set<string>()

  /** Takes up what still runs. @throws {RedoubtError} `ERR_STORAGE_IO`. */
  constructor(options: BreakGlassOptions) {
    this.#options = options
    for (const grant of options.store.running()) this.#running.set(grant.id, grant)
  }

  /**
   * The caller has asked the policies whether this person may start, and whether break-glass opens this act.
   * @throws {RedoubtError} `ERR_INPUT_INVALID`, `ERR_CONFLICT`, `ERR_BREAK_GLASS_REVIEW`, and then there is no grant:
   *   `ERR_STORAGE_IO` when the alert or the grant is not kept, `ERR_AUDIT_UNAVAILABLE`.
   */
  async start(ask: GrantAsk, by: Doer): Promise<GrantShown> {
    const { store, audit, alerts, clock, config } = this.#options
    if (!Number.isInteger(ask.minutes) || ask.minutes < 1 || ask.minutes > config.maxMinutes)
      throw new RedoubtError('ERR_INPUT_INVALID', `a grant lasts from 1 to ${config.maxMinutes} minutes`)
    this.settleTimes()
    const unreviewed = config.blockUnreviewed ? store.unreviewedOf(by.uid) : []
    const overdueSince = clock.now() - config.reviewHours * HOUR_MS
    const overdue = unreviewed.find(({ startedAt }) => startedAt <= overdueSince)
    if (overdue) refuseUnreviewed(overdue, 'was not reviewed in time')
    const running = [...this.#running.values()]
    if (running.some((one) => sameEntity(one.principal, by.uid) && one.action === ask.action && sameEntity(one.resource, ask.resource)))
      throw new RedoubtError('ERR_CONFLICT', 'you have a grant for this that has not ended')
    // The minutes of a grant are its bound only if its end is not simply followed by another.
    const earlier = unreviewed.find(({ id, resource }) => !this.#running.has(id) && sameEntity(resource, ask.resource))
    if (earlier) refuseUnreviewed(earlier, 'was for the same object, and nobody has reviewed it yet')
    if (running.length >= MAX_RUNNING || running.filter(({ principal }) => sameEntity(principal, by.uid)).length >= MAX_RUNNING_OF_ONE)
      throw new RedoubtError('ERR_CONFLICT', 'too many grants run; end one')
    const who = uidText(by.uid)
    if (this.#starting.has(who)) throw new RedoubtError('ERR_CONFLICT', 'another grant of yours is being made')
    this.#starting.add(who)
    try {
      const id = newId('bg')
      const startedAt = clock.now()
      // Told first: a grant of which nobody can be told is not given.
      alerts.keep({
        kind: 'break-glass.start',
        severity: 'critical',
        summary: `${who} breaks the glass: ${ask.action} on ${uidText(ask.resource)} for ${ask.minutes} minutes; review it with redoubt break-glass review ${id}`,
        subject: entity(by.uid),
        key: id,
        details: { grant: id, action: ask.action, resource: uidText(ask.resource), minutes: ask.minutes },
        requestId: by.requestId,
      })
      await audit.record({
        type: 'break-glass.start',
        actor: entity(by.uid),
        action: ask.action,
        resource: entity(ask.resource),
        outcome: 'success',
        requestId: by.requestId,
        details: { grant: id, minutes: ask.minutes, endsAt: startedAt + ask.minutes * MINUTE_MS },
        personal: [{ subject: by.uid.id, fields: { reason: ask.reason } }],
      })
      const grant: Grant = {
        id,
        principal: entity(by.uid),
        action: ask.action,
        resource: entity(ask.resource),
        reason: ask.reason,
        startedAt,
        endsAt: startedAt + ask.minutes * MINUTE_MS,
        lagMs: clock.lag(),
        endedAt: null,
        endCause: null,
        uses: 0,
        reviewedAt: null,
        reviewedBy: null,
        finding: null,
      }
      clock.keep()
      store.insert(grant)
      this.#running.set(id, grant)
      return this.#shown(grant)
    } finally {
      this.#starting.delete(who)
    }
  }

  /** As `ExceptionSource.breakGlass`. Never throws. */
  active({ principal, action, resource }: Pick<ExceptionAsk, 'principal' | 'action' | 'resource'>): string | null {
    if (this.#running.size === 0) return null
    this.#endWhatIsOver()
    for (const grant of this.#running.values())
      if (grant.action === action && sameEntity(grant.principal, principal) && sameEntity(grant.resource, resource)) return grant.id
    return null
  }

  /** Counts a use; the record of the use names the grant, so that this may fail. */
  noteUse(id: string): void {
    try {
      this.#options.store.used(id)
    } catch (thrown) {
      this.#options.logger.warn({ err: asRedoubtError(thrown), grant: id }, 'a use of a break-glass grant could not be counted')
    }
  }

  /** Over at once, before anything is written. @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`. */
  async end(id: string, by: Doer): Promise<GrantShown> {
    if (this.#running.has(id)) this.#over(id, 'person')
    const grant = this.get(id)
    this.settleTimes()
    if (this.#toEnd.has(id)) throw new RedoubtError('ERR_STORAGE_IO', 'the grant is over, and it could not be kept that it is')
    await this.#recordEnds(by)
    return this.#shown(this.#options.store.get(id) ?? grant)
  }

  /**
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_REVIEW_SELF`, `ERR_CONFLICT` while it runs or when it was reviewed,
   *   `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`.
   */
  async review(id: string, finding: string, by: Doer): Promise<GrantShown> {
    const { approvers, store, audit, clock } = this.#options
    this.settleTimes()
    const grant = this.get(id)
    if (sameEntity(grant.principal, by.uid) || approvers.isSameHand(by.uid, grant.principal)) throw new RedoubtError('ERR_REVIEW_SELF')
    if (this.#running.has(id)) throw new RedoubtError('ERR_CONFLICT', 'the grant still runs; end it first')
    if (grant.reviewedAt !== null) throw new RedoubtError('ERR_CONFLICT', 'it was reviewed already')
    await audit.record({
      type: 'break-glass.review',
      actor: entity(by.uid),
      action: 'respond',
      resource: grant.resource,
      outcome: 'success',
      requestId: by.requestId,
      details: { grant: id, uses: grant.uses },
      personal: [{ subject: grant.principal.id, fields: { finding } }],
    })
    if (!store.review(id, entity(by.uid), finding, clock.now())) throw new RedoubtError('ERR_CONFLICT', 'it was reviewed already')
    this.#told.delete(id)
    return this.#shown(this.get(id))
  }

  /** How many grants wait for their review, up to 1,000 each; null when that cannot be read. Never throws. */
  health(): BreakGlassHealth {
    const { store, clock, config } = this.#options
    try {
      const since = (at: number): number => store.unreviewedSince(at).length
      return { unreviewed: since(clock.now()), overdue: since(clock.now() - config.reviewHours * HOUR_MS) }
    } catch {
      return { unreviewed: null, overdue: null }
    }
  }

  /** Newest first. @throws {RedoubtError} `ERR_STORAGE_IO`. */
  list(): readonly GrantShown[] {
    this.#endWhatIsOver()
    return this.#options.store.list(MAX_LISTED).map((grant) => this.#shown(grant))
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`. */
  get(id: string): Grant {
    const grant = this.#options.store.get(id)
    if (!grant) throw new RedoubtError('ERR_NOT_FOUND', 'there is no such grant')
    return grant
  }

  /** Ends what is over, on the disk too, as far as the disk goes. Never throws. */
  settleTimes(): void {
    this.#endWhatIsOver()
    for (const [id, { at, cause }] of this.#toEnd) {
      try {
        this.#options.store.end(id, at, cause)
        this.#toEnd.delete(id)
      } catch (thrown) {
        this.#options.logger.error({ err: asRedoubtError(thrown), grant: id }, 'it could not be kept that a break-glass grant is over')
      }
    }
  }

  /** Ends what is over, keeps that it is, and records it. Never rejects. */
  async settle(): Promise<void> {
    try {
      const ran = this.#running.size > 0
      this.settleTimes()
      // Also at the end: what is over must not come back with an earlier time after a crash.
      if (ran || this.#toEnd.size > 0) this.#options.clock.keep()
      await this.#recordEnds(null)
    } catch (thrown) {
      this.#options.logger.error({ err: asRedoubtError(thrown) }, 'what is due of break-glass could not be done')
    }
  }

  #endWhatIsOver(): void {
    const { clock } = this.#options
    const now = clock.now()
    const lag = clock.lag()
    for (const { id, endsAt, lagMs } of this.#running.values()) {
      if (now >= endsAt) this.#over(id, 'time')
      else if (lag - lagMs > SET_BACK_MS) this.#over(id, 'clock')
    }
  }

  #over(id: string, cause: NonNullable<Grant['endCause']>): void {
    this.#running.delete(id)
    this.#toEnd.set(id, { at: this.#options.clock.now(), cause })
  }

  /** One after another, so that no end is recorded twice. */
  #recordEnds(by: Doer | null): Promise<void> {
    const recorded = this.#recording.then(() => this.#recordEach(by))
    this.#recording = recorded.catch(() => undefined)
    return recorded
  }

  async #recordEach(by: Doer | null): Promise<void> {
    const { store, audit } = this.#options
    for (const { id, action, resource, principal, uses, endCause } of store.unrecordedEnds()) {
      await audit.record({
        type: 'break-glass.end',
        actor: by === null || endCause !== 'person' ? SELF : entity(by.uid),
        action,
        resource,
        outcome: 'success',
        details: { grant: id, principal: uidText(principal), uses, cause: endCause ?? 'time' },
        ...(by === null ? {} : { requestId: by.requestId }),
      })
      store.endRecorded(id)
    }
  }

  /** Of reviews that are overdue, once a day. Never throws. */
  tellOverdue(): void {
    try {
      this.#tellEachOverdue()
    } catch (thrown) {
      this.#options.logger.error({ err: asRedoubtError(thrown) }, 'overdue reviews of break-glass could not be looked for')
    }
  }

  #tellEachOverdue(): void {
    const { store, alerts, clock, config } = this.#options
    const now = clock.now()
    for (const { id, principal, action, resource, startedAt } of store.unreviewedSince(now - config.reviewHours * HOUR_MS)) {
      const day = Math.floor((now - startedAt - config.reviewHours * HOUR_MS) / DAY_MS)
      if (this.#told.get(id) === day) continue
      this.#told.set(id, day)
      alerts.raise({
        kind: 'break-glass.unreviewed',
        severity: 'critical',
        summary: `nobody has reviewed the break-glass of ${uidText(principal)}: ${action} on ${uidText(resource)}; redoubt break-glass review ${id}`,
        subject: entity(principal),
        key: `${id} day ${day + 1}`,
        details: { grant: id, daysOverdue: day },
      })
    }
  }

  #shown(grant: Grant): GrantShown {
    return { ...grant, active: this.#running.has(grant.id), reviewDueAt: grant.startedAt + this.#options.config.reviewHours * HOUR_MS }
  }
}

function refuseUnreviewed({ id }: Grant, why: string): never {
  throw new RedoubtError('ERR_BREAK_GLASS_REVIEW', `the grant \`${id}\` ${why}`, { evidence: { grant: id } })
}

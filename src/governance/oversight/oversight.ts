import {
  type AlertSink,
  type AuditSink,
  type Clock,
  type EntityUid,
  type JsonObject,
  newId,
  RedoubtError,
  type ReviewAsk,
  type ReviewQueue,
  type ReviewState,
  type ReviewTicket,
  type SubjectSealer,
} from '#foundation/core'
import { type Database, migrate } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import { ForwardClock, roomKey, Statements } from '#governance/approvals'
import type { Keys } from '#trust/keys'
import type { OversightConfig } from './config.ts'
import { answerAsJson, heldAnswer, heldSubject } from './held-answer.ts'
import { overriddenAnswer } from './override.ts'
import { Places } from './places.ts'
import {
  entity,
  type Independence,
  type Override,
  type Review,
  type ReviewInFull,
  type Reviewing,
  sameEntity,
  uidText,
  type Verdict,
} from './review.ts'
import { event, EVENT_OF, unknown } from './review-events.ts'
import { ReviewStates } from './review-states.ts'
import { ReviewStore } from './review-store.ts'
import { HeldContent } from './sealing.ts'
import { settleDue } from './settle-due.ts'
import { MIGRATIONS } from './tables.ts'
import { WaitingCalls } from './waiting-calls.ts'

const TICK_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const MAX_LISTED = 500

export interface OversightOptions {
  /** A database of its own: its writes are synchronous and must never meet an open transaction of another room. */
  readonly database: Database
  readonly keys: Pick<Keys, 'generateDataKey' | 'unwrap'>
  readonly sealer: SubjectSealer
  readonly audit: AuditSink
  readonly alerts: AlertSink
  readonly clock: Clock
  readonly logger: Logger
  readonly config: OversightConfig
  readonly independence: Independence
  /** 0: only `settle` does anything by itself. */
  readonly tickMs?: number
}

/** An answer that a person released or decided. */
export interface ReviewedAnswer {
  readonly review: Review
  /** Of the reviewer, to whoever asked. */
  readonly reason: string
  readonly contentType: string
  /** As it would have left, or what a person decided in its place. */
  readonly answer: string | JsonObject
  /** What of the answer had to be looked at or taken out when it was held; a stricter policy holds it back now. */
  readonly filterOutput: JsonObject
}

/** @throws {RedoubtError} `ERR_STORAGE_IO`, and what unwrapping the room's key throws: a room that cannot read its store does not open. */
export async function openOversight(options: OversightOptions): Promise<Oversight> {
  const { database, keys, sealer, clock } = options
  migrate(database, 'governance/oversight', MIGRATIONS)
  const statements = new Statements(database)
  const content = new HeldContent(await roomKey(keys, statements, 'oversight'), sealer)
  return new Oversight(options, new ReviewStore(statements), content, new ForwardClock(clock, statements))
}

/** What waits for a person: durable, sealed, bounded, decided once by somebody who has no part in it. */
export class Oversight implements ReviewQueue {
  readonly waitMs: number
  readonly #options: OversightOptions
  readonly #store: ReviewStore
  readonly #content: HeldContent
  readonly #clock: ForwardClock
  readonly #places: Places
  readonly #states: ReviewStates
  readonly #calls = new WaitingCalls()
  /** Reviews that somebody decides, or uses, at this moment: of two at once the second is told before anything is recorded. */
  readonly #busy = new Set<string>()
  readonly #timer: NodeJS.Timeout | null
  #settling: Promise<void> | null = null
  /** By the time and not by ticks: what a clock that was set forward makes due is done at once. */
  #minute = -1

  /** Made by `openOversight`. */
  constructor(options: OversightOptions, store: ReviewStore, content: HeldContent, clock: ForwardClock) {
    const { config, tickMs = TICK_MS } = options
    this.#options = options
    this.#store = store
    this.#places = new Places(store, config)
    this.#states = new ReviewStates(store, clock, config, options.independence)
    this.#content = content
    this.#clock = clock
    this.waitMs = config.waitSeconds * 1_000
    this.#timer = tickMs === 0 ? null : setInterval(() => void this.#settleOnce(this.#isNewMinute()), tickMs)
    this.#timer?.unref()
  }

  async ask(ask: ReviewAsk): Promise<ReviewTicket> {
    const { audit, alerts, config } = this.#options
    const { kind, requestId, surface, resource, caller, subject, findings } = ask
    const asker = ask.asker ?? caller
    const id = newId('rev')
    const sealed = await this.#content.sealContent(id, subject, { ...ask.content, subject })
    const leave = this.#places.take(asker, sealed.ciphertext.byteLength)
    try {
      const { index } = await audit.record({
        ...event('review.ask', { uid: asker, requestId }, resource),
        details: { review: id, kind, surface, of: requestId, caller: uidText(caller), findings: { ...findings } },
        ...(subject === null ? {} : { personal: [{ subject, fields: { role: 'subject of the review' } }] }),
      })
      const createdAt = this.#clock.now()
      const times = { createdAt, dueAt: createdAt + config.dueMinutes * MINUTE_MS, expiresAt: createdAt + config.expiryHours * HOUR_MS }
      this.#store.insert(id, ask, sealed, times)
      alerts.raise({
        kind: 'review.waiting',
        severity: 'info',
        summary: `a person has to look at calls of ${uidText(resource)}: redoubt review list`,
        subject: entity(resource),
        key: uidText(resource),
        details: { review: id, kind },
        requestId,
        logIndex: index,
      })
      return { id, dueAt: times.dueAt, expiresAt: times.expiresAt }
    } finally {
      leave()
    }
  }

  decided(id: string, onGone: (left: () => void) => void): Promise<ReviewState> {
    const state = this.#store.get(id)?.state
    // Somebody may have decided between the record and this.
    return state === 'waiting' ? this.#calls.wait(id, this.waitMs, onGone) : Promise.resolve(state ?? 'expired')
  }

  async use(id: string, by: { readonly caller: EntityUid; readonly binding: string; readonly requestId: string }): Promise<void> {
    const review = this.#store.get(id)
    if (review === null || !sameEntity(review.caller, by.caller)) throw unknown()
    if (review.kind !== 'input')
      throw new RedoubtError('ERR_REVIEW_STATE', 'the review is of an answer: fetch it with `redoubt review answer`')
    // INVARIANT: a release lets one request pass, once: the one that was looked at.
    if (review.binding !== by.binding) throw new RedoubtError('ERR_REVIEW_BINDING')
    this.#states.demandReleased(review)
    await this.#alone(id, async () => {
      await this.#options.audit.record({
        ...event('review.use', { uid: by.caller, requestId: by.requestId }, review.resource),
        details: { review: id, of: review.requestId },
      })
      if (!this.#store.use(id, by.requestId)) throw new RedoubtError('ERR_REVIEW_STATE')
    })
  }

  /** What waits first, by when it is due, then the newest of the others; those that `sees` lets through, without what is held. */
  list(sees: (review: Review) => boolean): readonly Review[] {
    return this.#store
      .list(MAX_LISTED)
      .map((one) => this.#states.shown(one))
      .filter(sees)
  }

  /** Without what is held. @throws {RedoubtError} `ERR_NOT_FOUND`. */
  get(id: string): Review {
    return this.#states.shown(this.#states.known(id))
  }

  /** As `get`, with the reviewer's reason and not the name, to whoever asked: what is held they fetch as an answer, if it was released. @throws {RedoubtError} `ERR_NOT_FOUND`. */
  async reasonOf(id: string): Promise<ReviewInFull> {
    const review = this.#states.known(id)
    const verdict = await this.#content.verdictOf(review)
    return {
      ...this.#states.shown(review),
      reviewer: null,
      content: null,
      verdict: verdict === null ? null : { comment: verdict.comment, override: null },
    }
  }

  /** As `ReviewStates` has it. */
  isIndependent(review: Pick<Review, 'caller' | 'through' | 'asker'>, uid: EntityUid): boolean {
    return this.#states.isIndependent(review, uid)
  }

  /**
   * All that a reviewer has to see; on record before it is shown.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_REVIEW_SELF`, `ERR_AUDIT_UNAVAILABLE`.
   */
  async open(id: string, by: Reviewing): Promise<ReviewInFull> {
    const review = this.#states.known(id)
    this.#states.refuseInvolved(review, by.uid)
    const content = await this.#content.contentOf(review)
    const verdict = await this.#content.verdictOf(review)
    await this.#options.audit.record({
      ...event('review.open', by, review.resource),
      details: { review: id, of: review.requestId, content: content !== null },
    })
    return { ...this.#states.shown(review), content, verdict }
  }

  /** What was held may go on as it is. @throws as `override`. */
  release(id: string, comment: string, by: Reviewing): Promise<Review> {
    return this.#decide(id, 'released', { comment, override: null }, by)
  }

  /** What was held does not go on, and is gone. @throws as `override`. */
  reject(id: string, comment: string, by: Reviewing): Promise<Review> {
    return this.#decide(id, 'rejected', { comment, override: null }, by)
  }

  /**
   * A person's decision in place of the model's.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_REVIEW_SELF`, `ERR_REVIEW_STATE`, `ERR_INPUT_INVALID` when it does not fit what is held, `ERR_KEYS_DESTROYED` when that is gone,
   *   `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`: then nothing was decided.
   */
  override(id: string, override: Override, comment: string, by: Reviewing): Promise<Review> {
    return this.#decide(id, 'overridden', { comment, override }, by)
  }

  /**
   * What was released, or decided by a person, for whoever asked; on record before it is given. The caller has been asked of the policies.
   * @throws {RedoubtError} `ERR_NOT_FOUND` for anyone else, `ERR_REVIEW_PENDING`, `ERR_REVIEW_REJECTED`, `ERR_REVIEW_EXPIRED`, `ERR_REVIEW_STATE` for what is no answer,
   *   `ERR_KEYS_DESTROYED`, `ERR_AUDIT_UNAVAILABLE`.
   */
  async answer(id: string, by: Reviewing, mayLeave: (filterOutput: JsonObject) => void): Promise<ReviewedAnswer> {
    const review = this.#store.get(id)
    if (review === null || !sameEntity(review.asker, by.uid)) throw unknown()
    if (review.state !== 'overridden') this.#states.demandReleased(review)
    if (review.kind === 'input')
      throw new RedoubtError('ERR_REVIEW_STATE', 'a request was released: send it again with its id in the header `redoubt-review`')
    const content = await this.#content.contentOf(review)
    if (content === null) throw new RedoubtError('ERR_KEYS_DESTROYED', 'what was held is gone')
    const verdict = await this.#content.verdictOf(review)
    const { text, contentType, filterOutput } = heldAnswer(content)
    const override = verdict?.override ?? null
    if (override === null) mayLeave(filterOutput)
    await this.#options.audit.record({
      ...event('review.answer', by, review.resource),
      details: { review: id, of: review.requestId, state: review.state },
    })
    return {
      review: this.#states.shown(review),
      reason: verdict?.comment ?? '',
      contentType: override === null ? contentType : 'application/json',
      answer: override === null ? text : overriddenAnswer(override, answerAsJson(text)),
      filterOutput,
    }
  }

  /** @throws {RedoubtError} `ERR_CONFLICT` when a contest of this request waits. */
  demandUncontested(requestId: string): void {
    if (this.#store.isContested(requestId)) throw new RedoubtError('ERR_CONFLICT', 'a person looks at this already')
  }

  /** What waits; for the metrics and `redoubt doctor`. */
  health(): { readonly waiting: number; readonly bytes: number; readonly calls: number } {
    return { ...this.#store.load(), calls: this.#calls.size }
  }

  /** Does at once what is due: alerts of what is overdue, the end of what nobody looked at. The room does it by itself each second. */
  settle(): Promise<void> {
    return this.#settleOnce(true)
  }

  #isNewMinute(): boolean {
    return this.#minute !== (this.#minute = Math.floor(this.#clock.now() / MINUTE_MS))
  }

  #settleOnce(everything: boolean): Promise<void> {
    this.#settling ??= this.#settle(everything)
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'reviews that are due could not be settled'))
      .finally(() => (this.#settling = null))
    return this.#settling
  }

  /** Calls that wait are refused with their review, which stays: the server ends. */
  endWaiting(): void {
    this.#calls.close()
  }

  async close(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    this.#calls.close()
    await this.#settling
    this.#clock.keep()
  }

  async #settle(everything: boolean): Promise<void> {
    const { audit, alerts, config } = this.#options
    const now = this.#clock.now()
    await settleDue({ store: this.#store, calls: this.#calls, audit, alerts, isBusy: (id) => this.#busy.has(id) }, now)
    if (!everything) return
    this.#store.forget(now, config.answerHours * HOUR_MS)
    this.#clock.keep()
  }

  async #decide(id: string, state: 'released' | 'overridden' | 'rejected', verdict: Verdict, by: Reviewing): Promise<Review> {
    const review = this.#states.known(id)
    this.#states.refuseInvolved(review, by.uid)
    this.#states.demandWaiting(review)
    return this.#alone(id, async () => {
      const content = await this.#content.contentOf(review)
      // Nobody vouches for what cannot be looked at any more.
      if (content === null && state !== 'rejected') throw new RedoubtError('ERR_KEYS_DESTROYED', 'what was held is gone: reject it')
      if (verdict.override !== null) {
        if (review.kind === 'input')
          throw new RedoubtError('ERR_INPUT_INVALID', 'a request is released or rejected: there is no answer yet')
        overriddenAnswer(verdict.override, answerAsJson(heldAnswer(content).text))
      }
      const sealed = await this.#content.sealVerdict(id, heldSubject(content), verdict)
      // What was over meanwhile is not recorded as decided, and what is recorded as decided was decided then.
      const decidedAt = this.#clock.now()
      this.#states.demandWaiting(this.#states.known(id))
      await this.#options.audit.record({
        ...event(EVENT_OF[state], by, review.resource),
        details: { review: id, of: review.requestId, kind: review.kind, caller: uidText(review.caller) },
        ...(verdict.comment === '' ? {} : { personal: [{ subject: by.uid.id, fields: { comment: verdict.comment } }] }),
      })
      if (!this.#store.decide(id, state, entity(by.uid), decidedAt, sealed)) throw new RedoubtError('ERR_REVIEW_STATE')
      this.#calls.tell(id, state)
      return this.get(id)
    })
  }

  async #alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(id)) throw new RedoubtError('ERR_REVIEW_STATE', 'somebody else decides it at this moment')
    this.#busy.add(id)
    try {
      return await work()
    } finally {
      this.#busy.delete(id)
    }
  }
}

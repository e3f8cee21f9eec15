import {
  type AlertSink,
  type AuditEvent,
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
import { overriddenAnswer } from './override.ts'
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
import { ReviewStore, type StoredReview } from './review-store.ts'
import { HeldContent } from './sealing.ts'
import { MIGRATIONS } from './tables.ts'
import { WaitingCalls } from './waiting-calls.ts'

const TICK_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const MEGABYTE = 1024 * 1024
const MAX_LISTED = 500
/** Done at a time, so that requests are answered in between. */
const MAX_SETTLED = 200
/** The members of what is held that are the answer; see `pipeline/hold-answer.ts`. */
const ANSWER = 'answer'
const SELF: EntityUid = { type: 'System', id: 'redoubt' }

export interface OversightOptions {
  /** A database of its own: its writes are synchronous and must never meet an open transaction of another room. */
  readonly database: Database<unknown>
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
  readonly #calls = new WaitingCalls()
  /** Reviews that somebody decides, or uses, at this moment: of two at once the second is told before anything is recorded. */
  readonly #busy = new Set<string>()
  /** Places and bytes of what is being recorded and is not in the store yet. */
  #coming: { readonly asker: EntityUid; readonly bytes: number }[] = []
  readonly #timer: NodeJS.Timeout | null
  #settling: Promise<void> | null = null
  /** By the time and not by ticks: what a clock that was set forward makes due is done at once. */
  #minute = -1

  /** Made by `openOversight`. */
  constructor(options: OversightOptions, store: ReviewStore, content: HeldContent, clock: ForwardClock) {
    const { config, tickMs = TICK_MS } = options
    this.#options = options
    this.#store = store
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
    const sealed = await this.#content.seal(subject, { ...ask.content, subject }, contentOf(id))
    this.#demandRoom(asker, sealed.ciphertext.byteLength)
    const coming = { asker, bytes: sealed.ciphertext.byteLength }
    this.#coming = [...this.#coming, coming]
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
      this.#coming = this.#coming.filter((one) => one !== coming)
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
    this.#demandReleased(review)
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
      .map((one) => this.#shown(one))
      .filter(sees)
  }

  /** Without what is held. @throws {RedoubtError} `ERR_NOT_FOUND`. */
  get(id: string): Review {
    return this.#shown(this.#known(id))
  }

  /** As `get`, with the reviewer's reason and not the name, to whoever asked: what is held they fetch as an answer, if it was released. @throws {RedoubtError} `ERR_NOT_FOUND`. */
  async reasonOf(id: string): Promise<ReviewInFull> {
    const review = this.#known(id)
    const verdict = await this.#verdictOf(review)
    return {
      ...this.#shown(review),
      reviewer: null,
      content: null,
      verdict: verdict === null ? null : { comment: verdict.comment, override: null },
    }
  }

  /** Whether this account has no part in the review: neither whose call it was, nor who asked, nor who made, or was made by, one of these. */
  isIndependent({ caller, through, asker }: Pick<Review, 'caller' | 'through' | 'asker'>, uid: EntityUid): boolean {
    return ![caller, through, asker].some(
      (one) => one !== null && (sameEntity(one, uid) || this.#options.independence.isSameHand(uid, one)),
    )
  }

  /**
   * All that a reviewer has to see; on record before it is shown.
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_REVIEW_SELF`, `ERR_AUDIT_UNAVAILABLE`.
   */
  async open(id: string, by: Reviewing): Promise<ReviewInFull> {
    const review = this.#known(id)
    this.#refuseInvolved(review, by.uid)
    const content = await this.#contentOf(review)
    const verdict = await this.#verdictOf(review)
    await this.#options.audit.record({
      ...event('review.open', by, review.resource),
      details: { review: id, of: review.requestId, content: content !== null },
    })
    return { ...this.#shown(review), content, verdict }
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
    if (review.state !== 'overridden') this.#demandReleased(review)
    if (review.kind === 'input')
      throw new RedoubtError('ERR_REVIEW_STATE', 'a request was released: send it again with its id in the header `redoubt-review`')
    const content = await this.#contentOf(review)
    if (content === null) throw new RedoubtError('ERR_KEYS_DESTROYED', 'what was held is gone')
    const verdict = await this.#verdictOf(review)
    const body = stringOf(content[ANSWER])
    const override = verdict?.override ?? null
    const filterOutput = (content['filterOutput'] ?? {}) as JsonObject
    if (override === null) mayLeave(filterOutput)
    await this.#options.audit.record({
      ...event('review.answer', by, review.resource),
      details: { review: id, of: review.requestId, state: review.state },
    })
    return {
      review: this.#shown(review),
      reason: verdict?.comment ?? '',
      contentType: override === null ? stringOf(content['contentType']) : 'application/json',
      answer: override === null ? body : overriddenAnswer(override, jsonOf(body)),
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
    const now = this.#clock.now()
    for (const review of this.#store.due(now, MAX_SETTLED)) {
      this.#options.alerts.raise({
        kind: 'review.overdue',
        severity: 'warning',
        summary: `nobody has looked at ${review.id}, a call of ${uidText(review.resource)}: redoubt review show ${review.id}`,
        subject: review.resource,
        key: review.id,
        details: { review: review.id, kind: review.kind },
        requestId: review.requestId,
      })
      this.#store.told(review.id)
    }
    for (const review of this.#store.over(now, MAX_SETTLED)) {
      // Somebody decides it, and began in time: the record has one end of it. What they do not finish is over at the next turn.
      if (this.#busy.has(review.id)) continue
      await this.#options.audit.record({
        ...event('review.expire', { uid: SELF, requestId: review.requestId }, review.resource),
        details: { review: review.id, of: review.requestId },
      })
      if (this.#store.expire(review.id, now)) this.#calls.tell(review.id, 'expired')
    }
    if (!everything) return
    this.#store.forget(now, this.#options.config.answerHours * HOUR_MS)
    this.#clock.keep()
  }

  async #decide(id: string, state: 'released' | 'overridden' | 'rejected', verdict: Verdict, by: Reviewing): Promise<Review> {
    const review = this.#known(id)
    this.#refuseInvolved(review, by.uid)
    this.#demandWaiting(review)
    return this.#alone(id, async () => {
      const content = await this.#contentOf(review)
      // Nobody vouches for what cannot be looked at any more.
      if (content === null && state !== 'rejected') throw new RedoubtError('ERR_KEYS_DESTROYED', 'what was held is gone: reject it')
      if (verdict.override !== null) {
        if (review.kind === 'input')
          throw new RedoubtError('ERR_INPUT_INVALID', 'a request is released or rejected: there is no answer yet')
        overriddenAnswer(verdict.override, jsonOf(stringOf(content?.[ANSWER])))
      }
      const subject = content === null ? null : subjectOf(content)
      const sealed = await this.#content.seal(subject, { ...verdict }, verdictOf(id))
      // What was over meanwhile is not recorded as decided, and what is recorded as decided was decided then.
      const decidedAt = this.#clock.now()
      this.#demandWaiting(this.#known(id))
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

  #demandRoom(asker: EntityUid, bytes: number): void {
    const { maxItems, maxMegabytes } = this.#options.config
    const load = this.#store.load()
    const waiting = load.waiting + this.#coming.length
    const held = this.#coming.reduce((sum, one) => sum + one.bytes, load.bytes + bytes)
    const own = this.#store.loadOf(asker)
    const coming = this.#coming.filter((one) => sameEntity(one.asker, asker))
    const ownBytes = coming.reduce((sum, one) => sum + one.bytes, own.bytes)
    // INVARIANT: nothing waits unseen beyond the bounds; what finds no place does not go on.
    if (waiting >= maxItems || held > maxMegabytes * MEGABYTE) throw new RedoubtError('ERR_REVIEW_FULL')
    if (own.waiting + coming.length >= Math.ceil(maxItems / 2))
      throw new RedoubtError('ERR_REVIEW_FULL', 'too many reviews of this account wait')
    // Half of the bytes too, or one review: a few large ones must not take the place of all others.
    if (ownBytes > 0 && ownBytes + bytes > (maxMegabytes * MEGABYTE) / 2)
      throw new RedoubtError('ERR_REVIEW_FULL', 'too much is held of this account: fetch what was released, or have what waits decided')
  }

  #demandWaiting({ state, expiresAt }: Pick<Review, 'state' | 'expiresAt'>): void {
    if (state !== 'waiting' || this.#clock.now() >= expiresAt) throw new RedoubtError('ERR_REVIEW_STATE')
  }

  #demandReleased(review: StoredReview): void {
    switch (this.#shown(review).state) {
      case 'released':
        break
      case 'waiting':
        throw pendingReview(review.id)
      case 'rejected':
        throw new RedoubtError('ERR_REVIEW_REJECTED')
      case 'expired':
        throw new RedoubtError('ERR_REVIEW_EXPIRED')
      case 'overridden':
        throw new RedoubtError('ERR_REVIEW_OVERRIDDEN')
      case 'used':
        throw new RedoubtError('ERR_REVIEW_STATE', 'the release was used')
    }
    if (this.#clock.now() >= (review.decidedAt ?? 0) + this.#options.config.answerHours * HOUR_MS)
      throw new RedoubtError('ERR_REVIEW_EXPIRED')
  }

  #refuseInvolved(review: Review, uid: EntityUid): void {
    if (!this.isIndependent(review, uid)) throw new RedoubtError('ERR_REVIEW_SELF')
  }

  async #contentOf({ id, pseudonym, sealed }: StoredReview): Promise<JsonObject | null> {
    return sealed === null ? null : openedOrGone(this.#content.open({ pseudonym, ciphertext: sealed }, contentOf(id)))
  }

  async #verdictOf({ id, verdict }: StoredReview): Promise<Verdict | null> {
    return verdict === null ? null : ((await openedOrGone(this.#content.open(verdict, verdictOf(id)))) as Verdict | null)
  }

  #known(id: string): StoredReview {
    const review = this.#store.get(id)
    if (review === null) throw unknown()
    return review
  }

  #shown(stored: StoredReview): Review {
    const { binding: _binding, pseudonym: _pseudonym, sealed: _sealed, verdict: _verdict, ...review } = stored
    // By the time and not by ticks: what is over is over before anyone has settled it.
    return review.state === 'waiting' && this.#clock.now() >= review.expiresAt ? { ...review, state: 'expired' } : review
  }
}

const EVENT_OF = { released: 'review.release', overridden: 'review.override', rejected: 'review.reject' } as const

/** Refusal of what waits: names the review, so that whoever was refused can ask for it. */
export const pendingReview = (id: string): RedoubtError =>
  new RedoubtError('ERR_REVIEW_PENDING', `a person has to look at this first: review \`${id}\``, { evidence: { review: id } })

const unknown = (): RedoubtError => new RedoubtError('ERR_NOT_FOUND', 'there is no such review')

/** Bound to its row: what is held cannot be moved under another id. */
const contentOf = (id: string): string => `content ${id}`
const verdictOf = (id: string): string => `verdict ${id}`

function openedOrGone(opening: Promise<JsonObject>): Promise<JsonObject | null> {
  return opening.catch((thrown: unknown) => {
    if (thrown instanceof RedoubtError && thrown.code === 'ERR_KEYS_DESTROYED') return null
    throw thrown
  })
}

const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const subjectOf = ({ subject }: JsonObject): string | null => (typeof subject === 'string' ? subject : null)

function jsonOf(text: string): JsonObject | null {
  try {
    return JSON.parse(text) as JsonObject
  } catch {
    return null
  }
}

const event = (type: string, { uid, requestId }: Reviewing, resource: EntityUid): AuditEvent => ({
  type,
  actor: entity(uid),
  action: 'review',
  resource: entity(resource),
  outcome: 'success',
  requestId,
})

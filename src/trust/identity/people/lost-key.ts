import type { DatabaseSync } from 'node:sqlite'
import { type AlertSink, type AuditSink, type Clock, newId, RedoubtError } from '#foundation/core'
import type { WriteQueue } from '../write-queue.ts'
import { type Acting, isProgram, makerOf } from './acting.ts'
import { type Approval, Approvers } from './approvers.ts'
import type { FactorStore } from './factor-store.ts'
import type { EnrolmentLink, Recovery } from './people.ts'
import type { PersonStore } from './person-store.ts'
import type { Roster } from './roster.ts'

/** The person waits at someone's desk; a request nobody answers is not left lying about. */
const LIFETIME_MS = 24 * 60 * 60 * 1000
export const APPROVALS_NEEDED = 2

interface Row {
  readonly id: string
  readonly user_id: string
  readonly requested_at: number
  readonly requested_by: string | null
  readonly expires_at: number
  readonly approvals: string
}

interface Request {
  readonly id: string
  readonly userId: string
  readonly requestedAt: number
  /** As `makerOf` says it; null where nobody needs to be kept from helping themselves. */
  readonly requestedBy: string | null
  readonly expiresAt: number
  readonly approvals: readonly Approval[]
}

export interface LostKeyParts {
  readonly raw: DatabaseSync
  readonly queue: WriteQueue
  readonly audit: AuditSink
  readonly clock: Clock
  readonly people: PersonStore
  readonly factors: FactorStore
  readonly roster: Roster
  readonly alerts: AlertSink | null
  readonly isBootstrap: (account: string) => boolean
  readonly createLink: (userId: string, by: Acting) => Promise<EnrolmentLink>
}

/**
 * A new link for a person who lost every key, when two other people agree. Whether they may is the caller's question to the policies
 * (`manageAccess`); that they are two, people, independent, and not the one concerned is decided here, each time it matters.
 */
export class LostKey {
  readonly #parts: LostKeyParts
  readonly #approvers: Approvers
  readonly #open = new Map<string, Request>()
  /** Requests that are being made, by person: who asks at the same moment gets the same one. */
  readonly #making = new Map<string, Promise<Request>>()
  /** Requests that someone is agreeing to at this moment. */
  readonly #deciding = new Set<string>()

  constructor(parts: LostKeyParts) {
    this.#parts = parts
    this.#approvers = new Approvers(parts)
    const rows = parts.raw.prepare('SELECT * FROM identity_recoveries WHERE granted_at IS NULL AND denied_at IS NULL')
    for (const row of rows.all() as unknown as Row[]) this.#open.set(row.id, fromRow(row))
  }

  /** Open requests, with the approvals that count now. */
  list(): readonly Recovery[] {
    return this.#alive().map((request) => this.#describe(request))
  }

  /** One request a person at a time: asking again gives the one that is open. */
  async request(userId: string, by: Acting): Promise<Recovery> {
    this.#parts.roster.require(userId)
    const present = this.#alive().find((request) => request.userId === userId)
    if (present !== undefined) return this.#describe(present)
    let making = this.#making.get(userId)
    if (making === undefined) {
      making = this.#make(userId, by).finally(() => this.#making.delete(userId))
      this.#making.set(userId, making)
    }
    return this.#describe(await making)
  }

  /**
   * @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_RECOVERY_SELF` for the person concerned and for programs, `ERR_RECOVERY_APPROVER` for
   *   who is not independent, `ERR_CONFLICT` for a second yes of one person.
   */
  async approve(id: string, by: Acting): Promise<{ readonly recovery: Recovery; readonly link: EnrolmentLink | null }> {
    const before = this.#require(id)
    if (by.type !== 'User' || (by.onBehalfBy ?? '') !== '' || by.id === before.userId) throw new RedoubtError('ERR_RECOVERY_SELF')
    if (this.#approvers.counting(before).some((approval) => approval.by === by.id))
      throw new RedoubtError('ERR_CONFLICT', 'you agreed already; another person has to')
    const person = this.#parts.people.get(by.id)
    const mine: Approval = { by: by.id, epoch: person?.epoch ?? -1 }
    const after = { ...before, approvals: [...before.approvals.filter((one) => one.by !== by.id), mine] }
    if (!this.#approvers.counting(after).includes(mine)) throw new RedoubtError('ERR_RECOVERY_APPROVER')
    // One at a time: a yes counts once it is on record, and the next one counts on top of it.
    if (this.#deciding.has(id)) throw new RedoubtError('ERR_CONFLICT', 'someone else is agreeing at this moment; try again')
    this.#deciding.add(id)
    try {
      return await this.#agree(after, by)
    } finally {
      this.#deciding.delete(id)
    }
  }

  /**
   * Ends the request for good: by someone who could agree to it, or by the person themselves, who has a key after all.
   * Effective and durable before it is recorded. @throws {RedoubtError} `ERR_NOT_FOUND`.
   */
  async deny(id: string, by: Acting): Promise<Recovery> {
    const { clock, queue, raw } = this.#parts
    const denied = this.#require(id)
    this.#open.delete(id)
    const stored = await queue.write(() =>
      raw.prepare('UPDATE identity_recoveries SET denied_at = ? WHERE id = ? AND granted_at IS NULL').run(clock.now(), id),
    )
    if (stored.changes !== 1) throw new RedoubtError('ERR_NOT_FOUND', 'the request was granted at this moment')
    await this.#record('access.recovery.deny', denied, by)
    this.#alert('access.recovery.deny', denied, 'Someone refused a new enrolment link for a person who is said to have lost every key')
    return this.#describe(denied)
  }

  async purge(): Promise<void> {
    const { clock, queue, raw } = this.#parts
    const now = clock.now()
    const over = [...this.#open.values()].filter(({ expiresAt }) => expiresAt <= now)
    for (const { id } of over) this.#open.delete(id)
    if (over.length > 0)
      await queue.write(() => raw.prepare('DELETE FROM identity_recoveries WHERE granted_at IS NULL AND expires_at <= ?').run(now))
  }

  async #make(userId: string, by: Acting): Promise<Request> {
    const { clock, queue, raw, isBootstrap } = this.#parts
    const now = clock.now()
    // The account of the command line makes everyone in development; people that it made help each other there.
    const requestedBy = by.type !== 'User' && !isProgram(by, isBootstrap) ? null : makerOf(by)
    const request: Request = { id: newId('rec'), userId, requestedAt: now, requestedBy, expiresAt: now + LIFETIME_MS, approvals: [] }
    await this.#record('access.recovery.request', request, by)
    await queue.write(() =>
      raw
        .prepare(
          'INSERT INTO identity_recoveries (id, user_id, requested_at, requested_by, expires_at, approvals) VALUES (?, ?, ?, ?, ?, ?)',
        )
        .run(request.id, userId, now, requestedBy, request.expiresAt, '[]'),
    )
    this.#open.set(request.id, request)
    this.#alert('access.recovery.request', request, 'Someone asks for a new enrolment link for a person who lost every key')
    return request
  }

  async #agree(request: Request, by: Acting): Promise<{ readonly recovery: Recovery; readonly link: EnrolmentLink | null }> {
    const { clock, queue, raw, roster, createLink } = this.#parts
    const { id, userId, approvals } = request
    const granted = this.#approvers.counting(request).length >= APPROVALS_NEEDED
    await this.#record(granted ? 'access.recovery.grant' : 'access.recovery.approve', request, by)
    await queue.write(() => {
      // While it was recorded someone may have said no, and whoever agreed may have lost what they agreed with.
      const enough = this.#approvers.counting(request).length >= APPROVALS_NEEDED
      if (granted && !enough) throw new RedoubtError('ERR_CONFLICT', 'an approval does not count any more; look at the request again')
      const stored = raw
        .prepare('UPDATE identity_recoveries SET approvals = ?, granted_at = ? WHERE id = ? AND granted_at IS NULL AND denied_at IS NULL')
        .run(JSON.stringify(approvals), granted ? clock.now() : null, id)
      if (stored.changes !== 1 || !this.#open.has(id)) throw new RedoubtError('ERR_NOT_FOUND', 'the request was refused meanwhile')
    })
    if (!granted) {
      // Unless someone said no since.
      if (this.#open.has(id)) this.#open.set(id, request)
      return { recovery: this.#describe(request), link: null }
    }
    this.#open.delete(id)
    const recovery = this.#describe(request)
    await roster.removeAllFactors(userId, by)
    const link = await createLink(userId, by)
    this.#alert('access.recovery.grant', request, 'Two people gave a person who lost every key a new enrolment link')
    return { recovery, link }
  }

  #alive(): readonly Request[] {
    const now = this.#parts.clock.now()
    return [...this.#open.values()].filter(({ expiresAt }) => expiresAt > now)
  }

  #require(id: string): Request {
    const request = this.#open.get(id)
    if (request === undefined || request.expiresAt <= this.#parts.clock.now())
      throw new RedoubtError('ERR_NOT_FOUND', 'there is no such open request')
    return request
  }

  #counted(request: Request): string[] {
    return this.#approvers.counting(request).map(({ by }) => by)
  }

  #describe(request: Request): Recovery {
    const { id, userId, requestedAt, expiresAt } = request
    return { id, userId, requestedAt, expiresAt, approvals: this.#counted(request) }
  }

  #alert(kind: string, request: Request, summary: string): void {
    this.#parts.alerts?.raise({
      kind,
      severity: 'warning',
      summary,
      subject: { type: 'User', id: request.userId },
      key: request.id,
      details: { recovery: request.id, approvals: this.#counted(request).length },
    })
  }

  async #record(type: string, request: Request, by: Acting): Promise<void> {
    await this.#parts.audit.record({
      type,
      actor: { type: by.type, id: by.id },
      action: 'manageAccess',
      resource: { type: 'Account', id: request.userId },
      outcome: 'success',
      details: { recovery: request.id, approvals: this.#counted(request) },
    })
  }
}

function fromRow(row: Row): Request {
  return {
    id: row.id,
    userId: row.user_id,
    requestedAt: row.requested_at,
    requestedBy: row.requested_by,
    expiresAt: row.expires_at,
    // Approvals of before are bare ids, which say nothing of what their givers could do then: they have to agree again.
    approvals: (JSON.parse(row.approvals) as (Approval | string)[]).filter((one) => typeof one === 'object'),
  }
}

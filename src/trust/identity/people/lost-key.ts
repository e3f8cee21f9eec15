import type { DatabaseSync } from 'node:sqlite'
import { type AlertSink, type AuditSink, type Clock, type EntityUid, newId, RedoubtError } from '#foundation/core'
import type { WriteQueue } from '../write-queue.ts'
import type { EnrolmentLink, Recovery } from './people.ts'
import type { Roster } from './roster.ts'

/** The person waits at someone's desk; a request nobody answers is not left lying about. */
const LIFETIME_MS = 24 * 60 * 60 * 1000
export const APPROVALS_NEEDED = 2

interface Row {
  readonly id: string
  readonly user_id: string
  readonly requested_at: number
  readonly expires_at: number
  readonly approvals: string
}

export interface LostKeyParts {
  readonly raw: DatabaseSync
  readonly queue: WriteQueue
  readonly audit: AuditSink
  readonly clock: Clock
  readonly roster: Roster
  readonly alerts: AlertSink | null
  readonly createLink: (userId: string, by: EntityUid) => Promise<EnrolmentLink>
}

/**
 * A new link for a person who lost every key, when two other people agree. Whether they may is the caller's question to the policies
 * (`manageAccess`); that they are two, people, and not the one concerned is decided here.
 */
export class LostKey {
  readonly #parts: LostKeyParts
  readonly #open = new Map<string, Recovery>()
  /** Requests that someone is agreeing to at this moment. */
  readonly #deciding = new Set<string>()

  constructor(parts: LostKeyParts) {
    this.#parts = parts
    for (const row of parts.raw.prepare('SELECT * FROM identity_recoveries WHERE granted_at IS NULL').all() as unknown as Row[])
      this.#open.set(row.id, {
        id: row.id,
        userId: row.user_id,
        requestedAt: row.requested_at,
        expiresAt: row.expires_at,
        approvals: JSON.parse(row.approvals) as string[],
      })
  }

  list(): readonly Recovery[] {
    const now = this.#parts.clock.now()
    return [...this.#open.values()].filter(({ expiresAt }) => expiresAt > now)
  }

  /** One request a person at a time: asking again gives the one that is open. */
  async request(userId: string, by: EntityUid): Promise<Recovery> {
    const { clock, queue, raw, roster } = this.#parts
    roster.require(userId)
    const now = clock.now()
    const present = this.list().find((recovery) => recovery.userId === userId)
    if (present !== undefined) return present
    const recovery: Recovery = { id: newId('rec'), userId, requestedAt: now, expiresAt: now + LIFETIME_MS, approvals: [] }
    await this.#record('access.recovery.request', recovery, by)
    await queue.write(() =>
      raw
        .prepare('INSERT INTO identity_recoveries (id, user_id, requested_at, expires_at, approvals) VALUES (?, ?, ?, ?, ?)')
        .run(recovery.id, userId, now, recovery.expiresAt, '[]'),
    )
    this.#open.set(recovery.id, recovery)
    this.#alert('access.recovery.request', recovery, 'Someone asks for a new enrolment link for a person who lost every key')
    return recovery
  }

  /** @throws {RedoubtError} `ERR_NOT_FOUND`, `ERR_RECOVERY_SELF` for the person concerned and for programs, `ERR_CONFLICT` for a second yes of one person. */
  async approve(id: string, by: EntityUid): Promise<{ readonly recovery: Recovery; readonly link: EnrolmentLink | null }> {
    const before = this.#open.get(id)
    if (before === undefined || before.expiresAt <= this.#parts.clock.now())
      throw new RedoubtError('ERR_NOT_FOUND', 'there is no such open request')
    if (by.type !== 'User' || by.id === before.userId) throw new RedoubtError('ERR_RECOVERY_SELF')
    if (before.approvals.includes(by.id)) throw new RedoubtError('ERR_CONFLICT', 'you agreed already; another person has to')
    // One at a time: a yes counts once it is on record, and the next one counts on top of it.
    if (this.#deciding.has(id)) throw new RedoubtError('ERR_CONFLICT', 'someone else is agreeing at this moment; try again')
    this.#deciding.add(id)
    try {
      return await this.#agree({ ...before, approvals: [...before.approvals, by.id] }, by)
    } finally {
      this.#deciding.delete(id)
    }
  }

  async #agree(recovery: Recovery, by: EntityUid): Promise<{ readonly recovery: Recovery; readonly link: EnrolmentLink | null }> {
    const { clock, queue, raw, roster, createLink } = this.#parts
    const { id, userId, approvals } = recovery
    const granted = approvals.length >= APPROVALS_NEEDED
    await this.#record(granted ? 'access.recovery.grant' : 'access.recovery.approve', recovery, by)
    await queue.write(() =>
      raw
        .prepare('UPDATE identity_recoveries SET approvals = ?, granted_at = ? WHERE id = ?')
        .run(JSON.stringify(approvals), granted ? clock.now() : null, id),
    )
    if (!granted) {
      this.#open.set(id, recovery)
      return { recovery, link: null }
    }
    this.#open.delete(id)
    await roster.removeAllFactors(userId, by)
    const link = await createLink(userId, by)
    this.#alert('access.recovery.grant', recovery, 'Two people gave a person who lost every key a new enrolment link')
    return { recovery, link }
  }

  async purge(): Promise<void> {
    const { clock, queue, raw } = this.#parts
    const now = clock.now()
    const over = [...this.#open.values()].filter(({ expiresAt }) => expiresAt <= now)
    for (const { id } of over) this.#open.delete(id)
    if (over.length > 0)
      await queue.write(() => raw.prepare('DELETE FROM identity_recoveries WHERE granted_at IS NULL AND expires_at <= ?').run(now))
  }

  #alert(kind: string, recovery: Recovery, summary: string): void {
    this.#parts.alerts?.raise({
      kind,
      severity: 'warning',
      summary,
      subject: { type: 'User', id: recovery.userId },
      key: recovery.id,
      details: { recovery: recovery.id, approvals: recovery.approvals.length },
    })
  }

  async #record(type: string, { id, userId, approvals }: Recovery, by: EntityUid): Promise<void> {
    await this.#parts.audit.record({
      type,
      actor: { type: by.type, id: by.id },
      action: 'manageAccess',
      resource: { type: 'Account', id: userId },
      outcome: 'success',
      details: { recovery: id, approvals: [...approvals] },
    })
  }
}

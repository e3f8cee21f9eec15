import { createHash, randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { type AuditSink, type Clock, RedoubtError } from '#foundation/core'
import type { WriteQueue } from '../write-queue.ts'
import { type Acting, makerOf } from './acting.ts'
import type { EnrolmentLink } from './people.ts'
import type { PersonRecord, PersonStore } from './person-store.ts'

const KEEP_MS = 24 * 60 * 60 * 1000
const TOKEN = /^[A-Za-z0-9_-]{43}$/

export interface EnrolmentLinksParts {
  readonly raw: DatabaseSync
  readonly queue: WriteQueue
  readonly audit: AuditSink
  readonly clock: Clock
  readonly people: PersonStore
  /** `https://host[:port]`. */
  readonly issuer: string
  readonly linkMinutes: number
}

/** A link that may be used now. */
export interface UsableLink {
  readonly digest: string
  /** As they are now, which is as they were when the link was made; null for a first administrator. */
  readonly person: PersonRecord | null
  /** Who made it and may hold it: see `makerOf`. */
  readonly madeBy: string | null
}

interface Row {
  readonly expires_at: number
  readonly used_at: number | null
  readonly user_id: string | null
  readonly epoch: number | null
  readonly made_by: string | null
}

/** One-use links. The token is 256 random bits, of which only the digest is stored. */
export class EnrolmentLinks {
  readonly #parts: EnrolmentLinksParts

  constructor(parts: EnrolmentLinksParts) {
    this.#parts = parts
  }

  /**
   * For the person as they are now: what changes their rights or factors ends the link, also while it is being made. Older unused links
   * of the same person end.
   * @param person null for a first administrator.
   * @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`; no link is valid then.
   */
  async make(person: PersonRecord | null, by: Acting): Promise<EnrolmentLink> {
    const { raw, queue, audit, clock, issuer, linkMinutes } = this.#parts
    const userId = person?.id ?? null
    const token = randomBytes(32).toString('base64url')
    const expiresAt = clock.now() + linkMinutes * 60_000
    await audit.record({
      type: 'access.enrolment.link',
      actor: { type: by.type, id: by.id },
      action: 'manageAccess',
      resource: userId === null ? { type: 'System', id: 'identity' } : { type: 'Account', id: userId },
      outcome: 'success',
      details: { expiresAt },
    })
    await queue.write(() => {
      raw.prepare('DELETE FROM identity_enrolment_links WHERE used_at IS NULL AND user_id IS ?').run(userId)
      raw
        .prepare('INSERT INTO identity_enrolment_links (token_digest, expires_at, user_id, epoch, made_by) VALUES (?, ?, ?, ?, ?)')
        .run(digestOf(token), expiresAt, userId, person?.epoch ?? null, makerOf(by))
    })
    return { url: `${issuer}/enrol/${token}`, expiresAt }
  }

  /** Null when the link is used, expired or unknown, or its person is disabled or not who it was made for any more. */
  find(token: string): UsableLink | null {
    if (!TOKEN.test(token)) return null
    const { raw, clock, people } = this.#parts
    const digest = digestOf(token)
    const row = raw
      .prepare('SELECT expires_at, used_at, user_id, epoch, made_by FROM identity_enrolment_links WHERE token_digest = ?')
      .get(digest) as Row | undefined
    if (row === undefined || row.used_at !== null || row.expires_at <= clock.now()) return null
    const person = row.user_id === null ? null : people.get(row.user_id)
    if (row.user_id !== null && (person === null || person.disabled)) return null
    // Made for who the person was: other rights, a factor less, disabled and enabled again, and it is worth nothing.
    if (person !== null && person.epoch !== row.epoch) return null
    return { digest, person, madeBy: row.made_by }
  }

  /** Statement for the write queue. Replicas share the database and not our memory: the update decides, and only one of them changes a row. */
  spend(digest: string): void {
    const { raw, clock } = this.#parts
    const now = clock.now()
    const used = raw
      .prepare('UPDATE identity_enrolment_links SET used_at = ? WHERE token_digest = ? AND used_at IS NULL AND expires_at > ?')
      .run(now, digest, now)
    if (used.changes !== 1) throw new RedoubtError('ERR_ENROLMENT_INVALID')
  }

  /** Used and expired links go a day after their time. */
  async purge(): Promise<void> {
    const { raw, queue, clock } = this.#parts
    const now = clock.now()
    await queue.write(() => raw.prepare('DELETE FROM identity_enrolment_links WHERE expires_at < ?').run(now - KEEP_MS))
  }
}

export const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex')

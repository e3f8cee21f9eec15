import { createHash, randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { type AuditSink, type Clock, type EntityUid, newId, RedoubtError, type SubjectSealer } from '#foundation/core'
import type { WriteQueue } from '../write-queue.ts'
import type { ListedSession, MfaLevel, OpenedSession, Session, Sessions, SignedIn, SignInSource } from './people.ts'
import { describePerson, type PersonStore } from './person-store.ts'

/** Beyond these the one of a person that was longest unused ends: nobody works in more places at once, and memory is bounded. */
const SESSIONS_PER_PERSON = 20
const MAX_USER_AGENT = 256
/** Activity is written this seldom; a crash makes sessions seem idle for a little longer than they were, never shorter. */
const ACTIVITY_STEP_MS = 60_000

interface Live {
  readonly id: string
  readonly userId: string
  secretDigest: string
  mfaLevel: MfaLevel
  amr: readonly string[]
  authTime: number
  readonly createdAt: number
  lastSeenAt: number
  storedSeenAt: number
  readonly sourceSealed: string
}

interface Row {
  readonly id: string
  readonly secret_digest: string
  readonly user_id: string
  readonly mfa_level: number
  readonly amr: string
  readonly auth_time: number
  readonly created_at: number
  readonly last_seen_at: number
  readonly source_sealed: string
}

export interface SessionParts {
  readonly raw: DatabaseSync
  readonly queue: WriteQueue
  readonly audit: AuditSink
  readonly clock: Clock
  readonly sealer: SubjectSealer
  readonly people: PersonStore
  readonly idleMs: number
  readonly absoluteMs: number
  /** Tells running streams that something ended. */
  readonly announce: (id: string) => void
}

/** Sessions of people, in SQLite and in memory. What is not here has ended: nothing needs to be remembered to refuse it after a restart. */
export class SessionStore implements Sessions {
  readonly #parts: SessionParts
  readonly #live = new Map<string, Live>()
  readonly #bySecret = new Map<string, string>()

  constructor(parts: SessionParts) {
    this.#parts = parts
    for (const row of parts.raw.prepare('SELECT * FROM identity_sessions').all() as unknown as Row[]) this.#keep(fromRow(row))
  }

  get(id: string): Session | null {
    const live = this.#live.get(id)
    return live !== undefined && this.#alive(live, this.#parts.clock.now()) ? this.#describe(live) : null
  }

  /** As `get`, for the warm path: no object is made, and the session counts as used when `touch`. */
  levelOf(id: string, userId: string, now: number, touch: boolean): MfaLevel | null {
    const live = this.#live.get(id)
    if (live === undefined || live.userId !== userId || !this.#alive(live, now)) return null
    // A clock that was set back does not make a session look unused.
    if (touch && now > live.lastSeenAt) live.lastSeenAt = now
    return live.mfaLevel
  }

  bySecret(secret: string): Session | null {
    const live = this.#live.get(this.#bySecret.get(digestOf(secret)) ?? '')
    const now = this.#parts.clock.now()
    if (live === undefined || !this.#alive(live, now)) return null
    if (now > live.lastSeenAt) live.lastSeenAt = now
    return this.#describe(live)
  }

  async open(signedIn: SignedIn, source: SignInSource): Promise<OpenedSession> {
    return this.#begin(signedIn, source, null)
  }

  async openFrom(parentId: string, source: SignInSource): Promise<OpenedSession> {
    const { clock, people } = this.#parts
    const parent = this.#live.get(parentId)
    const person = parent === undefined ? null : people.get(parent.userId)
    if (parent === undefined || person === null || !this.#alive(parent, clock.now())) throw new RedoubtError('ERR_SESSION_ENDED')
    const { amr, mfaLevel, authTime } = parent
    return this.#begin({ person: describePerson(person), amr, mfaLevel, authTime, recovered: false }, source, parent)
  }

  /** @param parent the session that it comes from, whose factors and whose end it has; null when it begins with factors of its own. */
  async #begin(signedIn: SignedIn, source: SignInSource, parent: Live | null): Promise<OpenedSession> {
    const { audit, clock, sealer, queue, raw } = this.#parts
    const { person, amr, mfaLevel, authTime } = signedIn
    const now = clock.now()
    const createdAt = parent?.createdAt ?? now
    const id = newId('ses')
    const secret = newSecret()
    const fields = { sourceAddress: source.sourceAddress, userAgent: source.userAgent.slice(0, MAX_USER_AGENT).toWellFormed() }
    const sealed = await sealer.seal(person.id, Buffer.from(JSON.stringify(fields), 'utf8'), contextOf(id))
    await audit.record({
      ...this.#event('access.session.open', { type: 'User', id: person.id }, person.id),
      details: { session: id, amr: [...amr], mfaLevel, ...(parent === null ? {} : { from: parent.id }) },
      personal: [{ subject: person.id, fields }],
    })
    const live: Live = {
      id,
      userId: person.id,
      secretDigest: digestOf(secret),
      mfaLevel,
      amr,
      authTime,
      createdAt,
      lastSeenAt: now,
      storedSeenAt: now,
      sourceSealed: Buffer.from(sealed.ciphertext).toString('base64url'),
    }
    await queue.write(() => {
      this.#demandUnchanged(signedIn)
      if (this.#ended(parent)) throw new RedoubtError('ERR_SESSION_ENDED')
      raw
        .prepare(
          `INSERT INTO identity_sessions (id, secret_digest, user_id, mfa_level, amr, auth_time, created_at, last_seen_at, source_sealed)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(id, live.secretDigest, person.id, mfaLevel, JSON.stringify(amr), authTime, createdAt, now, live.sourceSealed)
    })
    // Whoever was disabled, or lost a factor, while the disk was busy gets no session after all.
    if (!this.#unchanged(signedIn) || this.#ended(parent)) {
      await this.#forget([id])
      throw new RedoubtError('ERR_SESSION_ENDED')
    }
    this.#keep(live)
    const others = this.#of(person.id).toSorted((a, b) => b.lastSeenAt - a.lastSeenAt || b.createdAt - a.createdAt)
    for (const { id: oldest } of others.slice(SESSIONS_PER_PERSON)) await this.end(oldest, { type: 'User', id: person.id })
    return { session: this.#describe(live), secret }
  }

  async raise(id: string, signedIn: SignedIn): Promise<OpenedSession> {
    const { audit, clock, queue, raw } = this.#parts
    const { person, amr, mfaLevel, authTime } = signedIn
    const before = this.#live.get(id)
    if (before === undefined || !this.#alive(before, clock.now())) throw new RedoubtError('ERR_SESSION_ENDED')
    if (before.userId !== person.id) throw new RedoubtError('ERR_SIGN_IN', 'the session is of another person')
    const secret = newSecret()
    const raised = {
      secretDigest: digestOf(secret),
      amr: [...new Set([...before.amr, ...amr])],
      // What was shown at the beginning was shown: a code on top of a passkey takes nothing away, and makes nothing fresh of it.
      ...(mfaLevel < before.mfaLevel ? { mfaLevel: before.mfaLevel, authTime: before.authTime } : { mfaLevel, authTime }),
    }
    await audit.record({
      ...this.#event('access.session.raise', { type: 'User', id: person.id }, person.id),
      details: { session: id, amr: raised.amr, mfaLevel: raised.mfaLevel },
    })
    await queue.write(() => {
      this.#demandUnchanged(signedIn)
      raw
        .prepare('UPDATE identity_sessions SET secret_digest = ?, mfa_level = ?, amr = ?, auth_time = ?, last_seen_at = ? WHERE id = ?')
        .run(raised.secretDigest, raised.mfaLevel, JSON.stringify(raised.amr), raised.authTime, clock.now(), id)
    })
    const live = this.#live.get(id)
    if (live === undefined || !this.#unchanged(signedIn)) throw new RedoubtError('ERR_SESSION_ENDED')
    this.#bySecret.delete(live.secretDigest)
    Object.assign(live, raised, { lastSeenAt: clock.now(), storedSeenAt: clock.now() })
    this.#bySecret.set(live.secretDigest, id)
    return { session: this.#describe(live), secret }
  }

  async list(userId: string): Promise<readonly ListedSession[]> {
    const now = this.#parts.clock.now()
    const alive = this.#of(userId).filter((live) => this.#alive(live, now))
    return Promise.all(alive.map(async (live) => ({ ...this.#describe(live), ...(await this.#sourceOf(live)) })))
  }

  async end(id: string, by: EntityUid): Promise<void> {
    const live = this.#live.get(id)
    if (live === undefined) return
    this.#drop(live)
    await this.#forget([id])
    await this.#parts.audit.record({ ...this.#event('access.session.end', by, live.userId), details: { session: id } })
  }

  async endAll(userId: string, by: EntityUid): Promise<void> {
    const all = this.#of(userId)
    if (all.length === 0) return
    for (const live of all) this.#drop(live)
    await this.#forget(all.map(({ id }) => id))
    await this.#parts.audit.record({ ...this.#event('access.session.end', by, userId), details: { sessions: all.length } })
  }

  /** Writes activity down and forgets what is over. */
  async maintain(): Promise<void> {
    const { clock, queue, raw } = this.#parts
    const now = clock.now()
    const over = [...this.#live.values()].filter((live) => !this.#alive(live, now))
    const active = [...this.#live.values()].filter((live) => live.lastSeenAt - live.storedSeenAt >= ACTIVITY_STEP_MS)
    for (const live of over) this.#drop(live)
    if (over.length > 0) await this.#forget(over.map(({ id }) => id))
    if (active.length === 0) return
    await queue.write(() => {
      const update = raw.prepare('UPDATE identity_sessions SET last_seen_at = ? WHERE id = ?')
      for (const live of active) update.run((live.storedSeenAt = live.lastSeenAt), live.id)
    })
  }

  #alive(live: Live, now: number): boolean {
    return now < live.createdAt + this.#parts.absoluteMs && now < live.lastSeenAt + this.#parts.idleMs
  }

  #unchanged({ person }: SignedIn): boolean {
    const present = this.#parts.people.get(person.id)
    return present !== null && !present.disabled && present.epoch === person.epoch
  }

  #demandUnchanged(signedIn: SignedIn): void {
    if (!this.#unchanged(signedIn)) throw new RedoubtError('ERR_SESSION_ENDED')
  }

  #ended(parent: Live | null): boolean {
    return parent !== null && !this.#live.has(parent.id)
  }

  /** Newest first. */
  #of(userId: string): readonly Live[] {
    return [...this.#live.values()].filter((live) => live.userId === userId).sort((a, b) => b.createdAt - a.createdAt)
  }

  #keep(live: Live): void {
    this.#live.set(live.id, live)
    this.#bySecret.set(live.secretDigest, live.id)
  }

  #drop(live: Live): void {
    this.#live.delete(live.id)
    this.#bySecret.delete(live.secretDigest)
    this.#parts.announce(live.id)
  }

  #forget(ids: readonly string[]): Promise<void> {
    const { queue, raw } = this.#parts
    return queue.write(() => {
      const remove = raw.prepare('DELETE FROM identity_sessions WHERE id = ?')
      for (const id of ids) remove.run(id)
    })
  }

  async #sourceOf(live: Live): Promise<Pick<ListedSession, 'sourceAddress' | 'userAgent'>> {
    const { sealer } = this.#parts
    try {
      const sealed = { pseudonym: sealer.pseudonym(live.userId), ciphertext: Buffer.from(live.sourceSealed, 'base64url') }
      const text = Buffer.from(await sealer.open(sealed, contextOf(live.id))).toString('utf8')
      return JSON.parse(text) as Pick<ListedSession, 'sourceAddress' | 'userAgent'>
    } catch (thrown) {
      if (thrown instanceof RedoubtError && thrown.code === 'ERR_KEYS_DESTROYED') return { sourceAddress: null, userAgent: null }
      throw thrown
    }
  }

  #describe(live: Live): Session {
    const { id, userId, mfaLevel, amr, authTime, createdAt, lastSeenAt } = live
    const expiresAt = Math.min(createdAt + this.#parts.absoluteMs, lastSeenAt + this.#parts.idleMs)
    return { id, userId, mfaLevel, amr, authTime, createdAt, lastSeenAt, expiresAt }
  }

  #event(type: string, by: EntityUid, userId: string) {
    return {
      type,
      actor: { type: by.type, id: by.id },
      action: 'authenticate',
      resource: { type: 'Account', id: userId },
      outcome: 'success',
    } as const
  }
}

const newSecret = (): string => randomBytes(32).toString('base64url')
const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('base64url')
const contextOf = (id: string): string => `identity/session/${id}`

function fromRow(row: Row): Live {
  return {
    id: row.id,
    userId: row.user_id,
    secretDigest: row.secret_digest,
    mfaLevel: row.mfa_level as MfaLevel,
    amr: JSON.parse(row.amr) as string[],
    authTime: row.auth_time,
    createdAt: row.created_at,
    lastSeenAt: row.last_seen_at,
    storedSeenAt: row.last_seen_at,
    sourceSealed: row.source_sealed,
  }
}

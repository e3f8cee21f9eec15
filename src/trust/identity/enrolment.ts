import { createHash, randomBytes } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { asRedoubtError, type AuditSink, type Clock, type EntityUid, newId, RedoubtError, type Role } from '#foundation/core'
import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/server'
import { COSE_ALGORITHMS, verifyRegistration, type RegistrationResponse, type VerifiedCredential } from './webauthn.ts'
import type { WriteQueue } from './write-queue.ts'

/** Long enough to find the key in a drawer; the page asks for a new challenge when it is over. */
const CHALLENGE_LIFETIME_MS = 5 * 60 * 1000
const KEEP_LINKS_MS = 24 * 60 * 60 * 1000
const TOKEN = /^[A-Za-z0-9_-]{43}$/
const FIRST_ADMINISTRATOR_ROLES: readonly Role[] = ['administrator', 'security-officer']

export interface EnrolmentOptions {
  readonly raw: DatabaseSync
  readonly queue: WriteQueue
  readonly audit: AuditSink
  readonly clock: Clock
  /** `https://host[:port]`; its host is the relying party id. */
  readonly issuer: string
  readonly linkMinutes: number
}

/**
 * Enrolment of an administrator's passkey by a one-use link. The link's token is 256 random bits and only its digest is stored.
 * A challenge serves one attempt, successful or not. The person's name goes to the authenticator and, sealed under the
 * person's key, to the audit log; the database does not hold it.
 * @see Web Authentication Level 3 §7.1
 */
export class Enrolment {
  readonly #options: EnrolmentOptions
  /** Links whose new administrator is being recorded and stored. */
  readonly #completing = new Set<string>()
  readonly #challenges = new Map<string, { readonly challenge: string; readonly userId: string; readonly expiresAt: number }>()

  constructor(options: EnrolmentOptions) {
    this.#options = options
  }

  administratorEnrolled(): boolean {
    const row = this.#options.raw.prepare('SELECT count(*) AS n FROM identity_users').get() as { n: number }
    return row.n > 0
  }

  /**
   * A new link makes every older unused one invalid.
   * @throws {RedoubtError} `ERR_AUDIT_UNAVAILABLE`, `ERR_STORAGE_IO`; no link is valid then.
   */
  async createLink(by: EntityUid): Promise<{ readonly url: string; readonly expiresAt: number }> {
    const { raw, queue, audit, clock, issuer, linkMinutes } = this.#options
    const token = randomBytes(32).toString('base64url')
    const expiresAt = clock.now() + linkMinutes * 60_000
    await audit.record({
      type: 'access.enrolment.link',
      actor: { type: by.type, id: by.id },
      action: 'manageAccess',
      resource: { type: 'System', id: 'identity' },
      outcome: 'success',
      details: { expiresAt },
    })
    await queue.write(() => {
      raw.prepare('DELETE FROM identity_enrolment_links WHERE used_at IS NULL').run()
      raw.prepare('INSERT INTO identity_enrolment_links (token_digest, expires_at) VALUES (?, ?)').run(digestOf(token), expiresAt)
    })
    this.#challenges.clear()
    return { url: `${issuer}/enrol/${token}`, expiresAt }
  }

  usable(token: string): boolean {
    if (!TOKEN.test(token)) return false
    const row = this.#options.raw
      .prepare('SELECT expires_at, used_at FROM identity_enrolment_links WHERE token_digest = ?')
      .get(digestOf(token)) as { expires_at: number; used_at: number | null } | undefined
    return row !== undefined && row.used_at === null && row.expires_at > this.#options.clock.now()
  }

  /** @returns what the browser needs to make a credential, or null when the link is used, expired or unknown. */
  async begin(token: string, displayName: string): Promise<PublicKeyCredentialCreationOptionsJSON | null> {
    if (!this.usable(token)) return null
    const { clock, issuer } = this.#options
    const userId = newId('user')
    const { generateRegistrationOptions } = await import('@simplewebauthn/server')
    const created = await generateRegistrationOptions({
      rpName: 'Redoubt',
      rpID: new URL(issuer).hostname,
      userID: new Uint8Array(Buffer.from(userId, 'utf8')),
      userName: displayName,
      userDisplayName: displayName,
      timeout: CHALLENGE_LIFETIME_MS,
      attestationType: 'none',
      supportedAlgorithmIDs: [...COSE_ALGORITHMS],
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
    })
    this.#challenges.set(digestOf(token), { challenge: created.challenge, userId, expiresAt: clock.now() + CHALLENGE_LIFETIME_MS })
    return created
  }

  /**
   * Verifies the new credential and makes its owner an administrator: recorded first, then durable, then answered.
   * @throws {RedoubtError} `ERR_ENROLMENT_INVALID` for the link, `ERR_WEBAUTHN` for the credential or its challenge.
   */
  async complete(token: string, displayName: string, response: RegistrationResponse): Promise<void> {
    const { clock, issuer } = this.#options
    if (!this.usable(token)) throw new RedoubtError('ERR_ENROLMENT_INVALID')
    const link = digestOf(token)
    const pending = this.#challenges.get(link)
    // INVARIANT: taken out before anything is awaited, so that a challenge can be answered once, whatever the answer is worth.
    this.#challenges.delete(link)
    if (pending === undefined || pending.expiresAt <= clock.now())
      throw new RedoubtError('ERR_WEBAUTHN', 'the challenge was used or has expired')
    const credential = await verifyRegistration(response, {
      challenge: pending.challenge,
      origin: issuer,
      relyingParty: new URL(issuer).hostname,
    })
    if (credential === null) throw new RedoubtError('ERR_WEBAUTHN')
    // Two browsers on one link: one of them goes on from here, so the log never tells of two.
    if (this.#completing.has(link)) throw new RedoubtError('ERR_ENROLMENT_INVALID')
    this.#completing.add(link)
    try {
      await this.#enrol(link, pending.userId, displayName, credential)
    } finally {
      this.#completing.delete(link)
    }
  }

  async #enrol(link: string, userId: string, displayName: string, credential: VerifiedCredential): Promise<void> {
    const { audit } = this.#options
    const event = {
      type: 'access.enrolment.complete',
      actor: { type: 'User', id: userId },
      action: 'manageAccess',
      resource: { type: 'System', id: 'identity' },
      details: {
        roles: [...FIRST_ADMINISTRATOR_ROLES],
        credential: createHash('sha256').update(credential.id).digest('hex'),
        aaguid: credential.aaguid,
        attestation: credential.attestation,
        backedUp: credential.backedUp,
      },
    } as const
    await audit.record({ ...event, outcome: 'success', personal: [{ subject: userId, fields: { displayName } }] })
    try {
      await this.#store(link, userId, credential)
    } catch (error) {
      await audit.record({ ...event, outcome: 'failed', code: asRedoubtError(error).code })
      throw error
    }
  }

  /** Used and expired links go a day after their time. */
  async purge(): Promise<void> {
    const { raw, queue, clock } = this.#options
    const now = clock.now()
    for (const [link, pending] of this.#challenges) if (pending.expiresAt <= now) this.#challenges.delete(link)
    await queue.write(() => raw.prepare('DELETE FROM identity_enrolment_links WHERE expires_at < ?').run(now - KEEP_LINKS_MS))
  }

  async #store(link: string, userId: string, credential: VerifiedCredential): Promise<void> {
    const { raw, queue, clock } = this.#options
    await queue.write(() => {
      const now = clock.now()
      const used = raw
        .prepare('UPDATE identity_enrolment_links SET used_at = ? WHERE token_digest = ? AND used_at IS NULL AND expires_at > ?')
        .run(now, link, now)
      // Replicas share the database and not our memory: the update decides, and only one of them changes a row.
      if (used.changes !== 1) throw new RedoubtError('ERR_ENROLMENT_INVALID')
      raw
        .prepare('INSERT INTO identity_users (id, roles, created_at) VALUES (?, ?, ?)')
        .run(userId, JSON.stringify(FIRST_ADMINISTRATOR_ROLES), now)
      raw
        .prepare(
          `INSERT INTO identity_credentials
             (id, user_id, public_key, counter, aaguid, transports, attestation, backup_eligible, backed_up, created_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          credential.id,
          userId,
          Buffer.from(credential.publicKey).toString('base64url'),
          credential.counter,
          credential.aaguid,
          JSON.stringify(credential.transports),
          credential.attestation,
          credential.backupEligible ? 1 : 0,
          credential.backedUp ? 1 : 0,
          now,
        )
    })
  }
}

const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex')

import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { VerifiedCredential } from '../webauthn.ts'
import type { Factor, Person } from './people.ts'

export interface Credential extends VerifiedCredential {
  readonly userId: string
  readonly createdAt: number
  readonly lastUsedAt: number | null
}

export interface TotpSecret {
  /** base64url of the secret sealed under the person's key. */
  readonly sealed: string
  /** Time step (RFC 6238 §4.2) of the last code that was taken: it and all before it are spent. */
  readonly lastStep: number
  readonly createdAt: number
  readonly lastUsedAt: number | null
}

interface CredentialRow {
  readonly id: string
  readonly user_id: string
  readonly public_key: string
  readonly counter: number
  readonly aaguid: string
  readonly transports: string
  readonly attestation: string
  readonly backup_eligible: number
  readonly backed_up: number
  readonly created_at: number
  readonly last_used_at: number | null
}

/** Everyone's factors, in SQLite and in memory: `store…` are statements for the write queue, `keep…` and `drop…` make a change effective. */
export class FactorStore {
  readonly #raw: DatabaseSync
  readonly #credentials = new Map<string, Credential>()
  readonly #ofPerson = new Map<string, Set<string>>()
  #ownersVersion = 0
  readonly #totp = new Map<string, TotpSecret>()
  readonly #codes = new Map<string, Set<string>>()

  constructor(raw: DatabaseSync) {
    this.#raw = raw
    for (const row of raw.prepare('SELECT * FROM identity_credentials').all() as unknown as CredentialRow[])
      this.keepCredential(fromRow(row))
    const secrets = raw.prepare('SELECT * FROM identity_totp').all() as unknown as {
      user_id: string
      secret_sealed: string
      last_step: number
      created_at: number
      last_used_at: number | null
    }[]
    for (const { user_id: userId, secret_sealed: sealed, last_step: lastStep, created_at: createdAt, last_used_at: lastUsedAt } of secrets)
      this.#totp.set(userId, { sealed, lastStep, createdAt, lastUsedAt })
    const codes = raw.prepare('SELECT user_id, code_digest FROM identity_recovery_codes').all() as unknown as {
      user_id: string
      code_digest: string
    }[]
    for (const { user_id: userId, code_digest: digest } of codes) this.#codesOf(userId).add(digest)
  }

  countOf(userId: string): Person['factors'] {
    return {
      passkeys: this.#ofPerson.get(userId)?.size ?? 0,
      totp: this.#totp.has(userId),
      recoveryCodes: this.#codes.get(userId)?.size ?? 0,
    }
  }

  factorsOf(userId: string): readonly Factor[] {
    const totp = this.#totp.get(userId)
    return [
      ...this.credentialsOf(userId).map((one): Factor => ({
        kind: 'passkey',
        id: factorId(one.id),
        aaguid: one.aaguid,
        synced: one.backupEligible,
        createdAt: one.createdAt,
        lastUsedAt: one.lastUsedAt,
      })),
      ...(totp === undefined
        ? []
        : [{ kind: 'totp' as const, id: 'totp', aaguid: '', synced: false, createdAt: totp.createdAt, lastUsedAt: totp.lastUsedAt }]),
    ]
  }

  /** Who has a passkey. */
  owners(): readonly string[] {
    return [...this.#ofPerson].filter(([, ids]) => ids.size > 0).map(([userId]) => userId)
  }

  /** Another number whenever `owners` may be others. */
  get ownersVersion(): number {
    return this.#ownersVersion
  }

  credential(id: string): Credential | null {
    return this.#credentials.get(id) ?? null
  }

  credentialsOf(userId: string): readonly Credential[] {
    return [...(this.#ofPerson.get(userId) ?? [])].map((id) => this.#credentials.get(id)!)
  }

  keepCredential(credential: Credential): void {
    this.#credentials.set(credential.id, credential)
    const ids = this.#ofPerson.get(credential.userId) ?? new Set<string>()
    if (ids.size === 0) this.#ownersVersion++
    this.#ofPerson.set(credential.userId, ids.add(credential.id))
  }

  storeCredential(credential: Credential): void {
    this.#raw
      .prepare(
        `INSERT INTO identity_credentials
           (id, user_id, public_key, counter, aaguid, transports, attestation, backup_eligible, backed_up, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        credential.id,
        credential.userId,
        Buffer.from(credential.publicKey).toString('base64url'),
        credential.counter,
        credential.aaguid,
        JSON.stringify(credential.transports),
        credential.attestation,
        credential.backupEligible ? 1 : 0,
        credential.backedUp ? 1 : 0,
        credential.createdAt,
      )
  }

  /** The counter never goes back in storage either, whatever order writes arrive in. */
  storeUse(credential: Credential): void {
    this.#raw
      .prepare('UPDATE identity_credentials SET counter = max(counter, ?), backed_up = ?, last_used_at = ? WHERE id = ?')
      .run(credential.counter, credential.backedUp ? 1 : 0, credential.lastUsedAt, credential.id)
  }

  dropCredential(credential: Credential): void {
    this.#credentials.delete(credential.id)
    const ids = this.#ofPerson.get(credential.userId)
    ids?.delete(credential.id)
    if (ids?.size === 0) this.#ownersVersion++
  }

  removeCredential(id: string): void {
    this.#raw.prepare('DELETE FROM identity_credentials WHERE id = ?').run(id)
  }

  removeCredentialsOf(userId: string): void {
    this.#raw.prepare('DELETE FROM identity_credentials WHERE user_id = ?').run(userId)
  }

  totp(userId: string): TotpSecret | null {
    return this.#totp.get(userId) ?? null
  }

  keepTotp(userId: string, secret: TotpSecret): void {
    this.#totp.set(userId, secret)
  }

  storeTotp(userId: string, { sealed, lastStep, createdAt, lastUsedAt }: TotpSecret): void {
    this.#raw
      .prepare(
        `INSERT INTO identity_totp (user_id, secret_sealed, last_step, created_at, last_used_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (user_id) DO UPDATE SET secret_sealed = excluded.secret_sealed, last_step = excluded.last_step,
           created_at = excluded.created_at, last_used_at = excluded.last_used_at`,
      )
      .run(userId, sealed, lastStep, createdAt, lastUsedAt)
  }

  storeStep(userId: string, step: number, now: number): void {
    this.#raw.prepare('UPDATE identity_totp SET last_step = max(last_step, ?), last_used_at = ? WHERE user_id = ?').run(step, now, userId)
  }

  dropTotp(userId: string): void {
    this.#totp.delete(userId)
  }

  removeTotp(userId: string): void {
    this.#raw.prepare('DELETE FROM identity_totp WHERE user_id = ?').run(userId)
  }

  keepCodes(userId: string, digests: readonly string[]): void {
    this.#codes.set(userId, new Set(digests))
  }

  storeCodes(userId: string, digests: readonly string[]): void {
    this.removeCodes(userId)
    const insert = this.#raw.prepare('INSERT INTO identity_recovery_codes (user_id, code_digest) VALUES (?, ?)')
    for (const digest of digests) insert.run(userId, digest)
  }

  /** @returns whether the code was there; it is not any more, from here on. */
  spendCode(userId: string, digest: string): boolean {
    return this.#codes.get(userId)?.delete(digest) ?? false
  }

  removeCode(userId: string, digest: string): void {
    this.#raw.prepare('DELETE FROM identity_recovery_codes WHERE user_id = ? AND code_digest = ?').run(userId, digest)
  }

  dropCodes(userId: string): void {
    this.#codes.delete(userId)
  }

  removeCodes(userId: string): void {
    this.#raw.prepare('DELETE FROM identity_recovery_codes WHERE user_id = ?').run(userId)
  }

  /** Storage as memory has it, after a factor was stored that did not become effective. @param credentialId null when it was none. */
  restore(userId: string, credentialId: string | null): void {
    if (credentialId !== null && this.credential(credentialId) === null) this.removeCredential(credentialId)
    const totp = this.totp(userId)
    if (totp === null) this.removeTotp(userId)
    else this.storeTotp(userId, totp)
    this.storeCodes(userId, [...(this.#codes.get(userId) ?? [])])
  }

  #codesOf(userId: string): Set<string> {
    const codes = this.#codes.get(userId) ?? new Set<string>()
    this.#codes.set(userId, codes)
    return codes
  }
}

/** How lists and the log name a credential: its id would tell an authenticator which key is asked for. */
export const factorId = (credentialId: string): string => createHash('sha256').update(credentialId).digest('hex')

function fromRow(row: CredentialRow): Credential {
  return {
    id: row.id,
    userId: row.user_id,
    publicKey: new Uint8Array(Buffer.from(row.public_key, 'base64url')),
    counter: row.counter,
    aaguid: row.aaguid,
    transports: JSON.parse(row.transports) as string[],
    attestation: row.attestation,
    backupEligible: row.backup_eligible !== 0,
    backedUp: row.backed_up !== 0,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  }
}

import { createSecretKey, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { type Clock, type EntityUid, RedoubtError, type SubjectSealer } from '#foundation/core'
import { openBytes, sealBytes, type WrappedKey } from '#foundation/crypto'
import { type Database, migrate, storageError } from '#foundation/storage'
import { type Keys, wrappedKeyOfRoom, type WrappedKeys } from '#trust/keys'
import { type CallRow, VAULT_MIGRATIONS, type ValueRow } from './tables.ts'
import { digestOfToken, newToken, tokensIn } from './tokens.ts'

/** Values that one call may keep; what comes after them is masked. */
export const MAX_KEPT = 1_000
/** Longest value that is kept, in UTF-16 units. */
const LONGEST_KEPT = 4_096
/** Tokens of an input that are looked up. */
export const MAX_RECALLED = 1_000
const SELF: EntityUid = { type: 'System', id: 'vault' }
const USE = { principal: SELF, purpose: 'vault', resource: { type: 'Key', id: 'vault' } }

/** Whose call it is. Only calls of the same account about the same person have their tokens turned back in answers. */
export interface KeptFor {
  readonly account: EntityUid
  /** As the caller names them; null when the call is about nobody. */
  readonly subject: string | null
}

export interface RestoredValue {
  readonly token: string
  readonly entity: string
  readonly value: string
}

export interface Restored {
  readonly values: readonly RestoredValue[]
  /** Pseudonyms of the persons that the calls were about, each once, for the record. */
  readonly subjects: readonly string[]
}

/** What one call keeps. */
export interface CallVault {
  /** A token for the value; it must not leave before `commit` has returned. @returns null when no more is kept: the value is masked then. */
  mint(entity: string, value: string): string | null
  /** Makes durable what was minted since. Synchronous; free when nothing was. @throws {RedoubtError} `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`. */
  commit(): void
  /** Looks up tokens that earlier calls of the same account about the same person were given, so that `valueOf` knows them. */
  recall(texts: readonly string[]): Promise<void>
  /** From here on tokens are for the answer: `valueOf` knows none of those, so that what is taken from an answer is not put back into it. */
  beginAnswer(): void
  /** The value of a token of this call's input or of one that was recalled. */
  valueOf(token: string): Omit<RestoredValue, 'token'> | null
}

/** Keeps what tokens stand for: sealed, durable before a token leaves, until it expires or the person's key is destroyed. */
export interface Vault {
  open(call: KeptFor): Promise<CallVault>
  /** For whoever may restore: values of any call. What is unknown, expired, or sealed under a key that was destroyed is left out. */
  restore(tokens: readonly string[]): Promise<Restored>
  /** Deletes what has expired. @returns how many calls. */
  sweep(): number
}

export interface VaultOptions {
  readonly database: Database
  readonly sealer: SubjectSealer
  readonly keys: Pick<Keys, 'generateDataKey' | 'unwrap'>
  readonly clock: Clock
  readonly retentionMs: number
}

export function openVault(options: VaultOptions): Vault {
  migrate(options.database, 'vault', VAULT_MIGRATIONS)
  return new SealedVault(options)
}

/** The room's key where it is stored, for whoever moves keys. */
export const wrappedVaultKey = ({ raw }: Pick<Database, 'raw'>): WrappedKeys => wrappedKeyOfRoom(raw, 'vault_key', 'the vault')

/** For calls that name nobody. Made when it is first needed and unwrapped when it is first needed after a start; either is recorded. */
async function roomKey({ database, keys }: VaultOptions): Promise<KeyObject> {
  const row = database.raw.prepare('SELECT wrapped FROM vault_key').get() as { wrapped: string } | undefined
  if (row) return keys.unwrap(JSON.parse(row.wrapped) as WrappedKey, USE)
  const { key, wrapped } = await keys.generateDataKey('configuration', 'vault', USE)
  database.raw.prepare('INSERT INTO vault_key (one, wrapped) VALUES (1, ?)').run(JSON.stringify(wrapped))
  return key
}

class SealedVault implements Vault {
  readonly #options: VaultOptions
  #roomKey: Promise<KeyObject> | null = null

  constructor(options: VaultOptions) {
    this.#options = options
  }

  async #ownKey(): Promise<KeyObject> {
    this.#roomKey ??= roomKey(this.#options)
    try {
      return await this.#roomKey
    } catch (thrown) {
      // Whatever was wrong, such as a log that cannot be written, may be over at the next call.
      this.#roomKey = null
      throw thrown
    }
  }

  async open({ account, subject }: KeptFor): Promise<CallVault> {
    const { sealer, clock, retentionMs } = this.#options
    const id = randomUUID()
    const secret = randomBytes(32)
    const sealed =
      subject === null
        ? { pseudonym: null, ciphertext: sealBytes(await this.#ownKey(), Buffer.from(keyContext(id)), secret) }
        : await sealer.seal(subject, secret, keyContext(id))
    const row: CallRow = {
      id,
      account_type: account.type,
      account_id: account.id,
      pseudonym: sealed.pseudonym,
      sealed_key: sealed.ciphertext,
      expires_at: clock.now() + retentionMs,
    }
    return new OneCall(this, row, createSecretKey(secret))
  }

  async restore(tokens: readonly string[]): Promise<Restored> {
    const opened = new Map<string, KeyObject | null>()
    const values: RestoredValue[] = []
    const subjects = new Set<string>()
    for (const token of tokens) {
      const row = this.find(token)
      const value = row === null ? null : await this.openValue(row, token, opened)
      if (row === null || value === null) continue
      values.push({ token, entity: row.entity, value })
      if (row.pseudonym !== null) subjects.add(row.pseudonym)
    }
    return { values, subjects: [...subjects] }
  }

  sweep(): number {
    return this.#guarded(() => {
      const { database, clock } = this.#options
      return Number(database.raw.prepare('DELETE FROM vault_calls WHERE expires_at <= ?').run(clock.now()).changes)
    })
  }

  /** The row of a token that has not expired. */
  find(token: string): ValueRow | null {
    return this.#guarded(() => {
      const { database, clock } = this.#options
      const row = database.raw
        .prepare(
          `SELECT c.id, c.account_type, c.account_id, c.pseudonym, c.sealed_key, c.expires_at, v.entity, v.sealed
           FROM vault_values v JOIN vault_calls c ON c.id = v.call WHERE v.token = ? AND c.expires_at > ?`,
        )
        .get(digestOfToken(token), clock.now()) as ValueRow | undefined
      return row ?? null
    })
  }

  /** @param opened keys of calls that were opened already; null for one whose person was erased. */
  async openValue(row: ValueRow, token: string, opened: Map<string, KeyObject | null>): Promise<string | null> {
    let key = opened.get(row.id)
    if (key === undefined) {
      key = await this.#keyOf(row)
      opened.set(row.id, key)
    }
    return key === null ? null : Buffer.from(openBytes(key, valueContext(token, row.entity), row.sealed)).toString('utf8')
  }

  async #keyOf({ id, pseudonym, sealed_key: ciphertext }: CallRow): Promise<KeyObject | null> {
    if (pseudonym === null) return createSecretKey(openBytes(await this.#ownKey(), Buffer.from(keyContext(id)), ciphertext))
    try {
      return createSecretKey(await this.#options.sealer.open({ pseudonym, ciphertext }, keyContext(id)))
    } catch (thrown) {
      if (thrown instanceof RedoubtError && thrown.code === 'ERR_KEYS_DESTROYED') return null
      throw thrown
    }
  }

  /** @param first whether the call has no row yet. */
  write(
    call: CallRow,
    first: boolean,
    values: readonly { readonly token: string; readonly entity: string; readonly sealed: Uint8Array }[],
  ): void {
    const { raw } = this.#options.database
    this.#guarded(() => {
      raw.exec('BEGIN IMMEDIATE')
      try {
        if (first)
          raw
            .prepare('INSERT INTO vault_calls (id, account_type, account_id, pseudonym, sealed_key, expires_at) VALUES (?, ?, ?, ?, ?, ?)')
            .run(call.id, call.account_type, call.account_id, call.pseudonym, call.sealed_key, call.expires_at)
        const insert = raw.prepare('INSERT INTO vault_values (token, call, entity, sealed) VALUES (?, ?, ?, ?)')
        for (const { token, entity, sealed } of values) insert.run(digestOfToken(token), call.id, entity, sealed)
        raw.exec('COMMIT')
      } catch (cause) {
        if (raw.isTransaction) raw.exec('ROLLBACK')
        throw cause
      }
    })
  }

  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (cause) {
      throw storageError(cause)
    }
  }
}

const keyContext = (call: string): string => `redoubt vault key 1 ${call}`
/** Bound to its token: a row that is moved to another token does not open. */
const valueContext = (token: string, entity: string): Uint8Array => Buffer.from(`redoubt vault value 1 ${entity} ${token}`)

class OneCall implements CallVault {
  readonly #vault: SealedVault
  readonly #row: CallRow
  readonly #key: KeyObject
  readonly #values = new Map<string, Omit<RestoredValue, 'token'>>()
  #minted = 0
  #pending: { token: string; entity: string; sealed: Uint8Array }[] = []
  #written = false
  #answering = false

  constructor(vault: SealedVault, row: CallRow, key: KeyObject) {
    this.#vault = vault
    this.#row = row
    this.#key = key
  }

  mint(entity: string, value: string): string | null {
    // Text that is not well formed would not come back as it was.
    if (this.#minted >= MAX_KEPT || value.length > LONGEST_KEPT || !value.isWellFormed()) return null
    const token = newToken(entity)
    this.#pending.push({ token, entity, sealed: sealBytes(this.#key, valueContext(token, entity), Buffer.from(value)) })
    if (!this.#answering) this.#values.set(token, { entity, value })
    this.#minted++
    return token
  }

  beginAnswer(): void {
    this.#answering = true
  }

  commit(): void {
    if (this.#pending.length === 0) return
    this.#vault.write(this.#row, !this.#written, this.#pending)
    this.#written = true
    this.#pending = []
  }

  async recall(texts: readonly string[]): Promise<void> {
    const opened = new Map<string, KeyObject | null>()
    let left = MAX_RECALLED
    for (const text of texts) {
      const tokens = tokensIn(text, left)
      left -= tokens.length
      for (const token of tokens) {
        if (this.#values.has(token)) continue
        const row = this.#vault.find(token)
        if (row === null || !this.#isOurs(row)) continue
        const value = await this.#vault.openValue(row, token, opened)
        if (value !== null) this.#values.set(token, { entity: row.entity, value })
      }
    }
  }

  valueOf(token: string): Omit<RestoredValue, 'token'> | null {
    return this.#values.get(token) ?? null
  }

  #isOurs({ account_type: type, account_id: id, pseudonym }: CallRow): boolean {
    return type === this.#row.account_type && id === this.#row.account_id && pseudonym === this.#row.pseudonym
  }
}

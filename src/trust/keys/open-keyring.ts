import { randomBytes, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { type AuditSink, canonicalJson, type Clock, parseStrictJson, RedoubtError, type Signer } from '#foundation/core'
import type { Argon2Parameters } from '#foundation/crypto'
import { type Database, type DurableFolder, migrate, replaceFile, transaction } from '#foundation/storage'
import { RecordedKeys } from './audited-keys.ts'
import { DEFAULT_UNWRAP_CACHE, type UnwrapCacheConfig } from './config.ts'
import { Escrow } from './escrow/escrow.ts'
import { EscrowStore } from './escrow/escrow-store.ts'
import { SubjectEscrow } from './escrow/subject-escrow.ts'
import { KEY_LIMITS, type KeyLimits } from './key-limits.ts'
import type { KeyProvider } from './key-provider.ts'
import type { AuditedKeys, Keyring } from './keys.ts'
import { KeyAccounts, type KeyWork } from './reconciliation/key-accounts.ts'
import { type KeyReconciliation, ReconciledKeys } from './reconciliation/reconcile-keys.ts'
import { OwnerKeyStore } from './owner-key-store.ts'
import { OwnerKeys } from './owner-keys.ts'
import { KeyMover } from './rotation/key-mover.ts'
import { type KeyRotation, RoundsOfRotation } from './rotation/key-rotation.ts'
import { sleep as asleep } from './rotation/pace.ts'
import { RetirementStore } from './rotation/retirement-store.ts'
import { ownerKeys, secrets, subjectKeys } from './rotation/wrapped-places.ts'
import { bindingOfSecret, PSEUDONYM_SECRET, SEARCH_SECRET, SECRETS } from './secrets.ts'
import { record } from './moved/move.ts'
import { type MoveFrom, type OpenedProviders, openProviders } from './moved/open-providers.ts'
import { readPlaces } from './moved/provider-places.ts'
import type { ProviderConfig } from './provider-config.ts'
import { KEYRING_PATH } from './sealed-file/sealed-file-provider.ts'
import { guarded, KEY_MIGRATIONS, parseStoredWrap, SubjectStore } from './subject-store.ts'
import { KeyedSubjectSealer } from './subject-sealer.ts'
import { UnwrapCache } from './unwrap-cache.ts'

/** Names the key database that belongs to this keyring, so that one that was lost is missed. */
export const DATABASE_MARKER_PATH = 'keys-db.json'
const ID = 'id'
const MAX_MARKER_BYTES = 256
const markerSchema = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/) }).strict()

export interface OpenKeyringOptions {
  /** The folder of the provider's records, for a sealed file `keyring.json`; nothing in it opens anything by itself. */
  readonly folder: DurableFolder
  /** A sealed file unless given. */
  readonly provider?: ProviderConfig
  /** Where the keys are moved from, when they are there still. */
  readonly moveFrom?: MoveFrom | undefined
  /** `keys.db`: subject keys, wrapped. */
  readonly database: Pick<Database, 'raw'>
  /** For a sealed file. */
  readonly passphrase?: Uint8Array
  readonly clock: Clock
  /** Cost for a new keyring; default 128 MiB, 3 passes, 4 lanes. */
  readonly kdf?: Argon2Parameters
  readonly unwrapCache?: UnwrapCacheConfig
  readonly limits?: KeyLimits
  /** Lines of recipients who can open what data sets and models seal when the provider is lost. */
  readonly escrow?: readonly string[]
  /** Whether they can open what is sealed under people's keys, too. */
  readonly escrowPeople?: boolean
}

/**
 * Opens the keyring, or makes one where there is neither keyring nor key database.
 * @throws {RedoubtError} `ERR_KEYS_PASSPHRASE`; `ERR_KEYS_KEYRING_CORRUPT`, also when keyring and key database do not belong
 *   together or one of them is gone, for a new one in its place would orphan what the old one sealed; `ERR_STORAGE_IO`, `ERR_STORAGE_FULL`.
 */
export async function openKeyring(options: OpenKeyringOptions): Promise<Keyring> {
  const { folder, database, provider: config = { kind: 'sealed-file' } } = options
  migrate(database, 'trust/keys', KEY_MIGRATIONS)
  const marker = readMarker(folder)
  const id = readSecret(database, ID)
  if (marker !== null && marker !== id)
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key database is gone or belongs to another keyring')
  if (id !== null && readPlaces(folder) === null)
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the keyring file is gone, but its key database is there')
  const opened = await openProviders({ ...options, provider: config })
  try {
    return await keyringOver(opened, { ...options, kind: config.kind, id, marker })
  } catch (thrown) {
    opened.provider.close()
    throw thrown
  }
}

interface ProviderKeyringOptions extends Omit<OpenKeyringOptions, 'passphrase' | 'kdf' | 'provider'> {
  readonly kind: ProviderConfig['kind']
  readonly id: string | null
  readonly marker: string | null
}

/** The keyring over providers that are open. */
export async function keyringOver(opened: OpenedProviders, options: ProviderKeyringOptions): Promise<Keyring> {
  const { provider, move, signedBefore } = opened
  const { folder, database, clock, limits = KEY_LIMITS } = options
  // Whatever it did until here was for its own opening: nobody else had it.
  const accounts = new KeyAccounts(provider, await provider.operations())
  const opening = accounts.own('opening')
  const id = options.id ?? (await makeSecrets(database, opening))
  if (options.marker === null) replaceFile(folder, DATABASE_MARKER_PATH, new TextEncoder().encode(`${canonicalJson({ id })}\n`))
  const pseudonymKey = await openSecret(database, opening, PSEUDONYM_SECRET)
  const searchKey = await openSecret(database, opening, SEARCH_SECRET)
  const personal = accounts.own('personal')
  const subjectEscrow = new SubjectEscrow(options.escrowPeople === true ? (options.escrow ?? []) : [], database.raw)
  const sealer = new KeyedSubjectSealer(personal, new SubjectStore(database.raw), pseudonymKey, clock, undefined, subjectEscrow)
  const ownerStore = new OwnerKeyStore(database.raw)
  const escrow = new Escrow(options.escrow ?? [], new EscrowStore(database.raw))
  const owners = new OwnerKeys(ownerStore, clock, limits, escrow)
  const cache = new UnwrapCache(clock, options.unwrapCache ?? DEFAULT_UNWRAP_CACHE)
  const retirements = new RetirementStore(database.raw)
  const parts = { provider, accounts, sealer, owners, cache, retirements, clock, move }
  const checkpoints = accounts.own('checkpoint')
  const checkpoint = provider.publicKey('checkpoint')
  const checkpointSigner: Signer = {
    algorithm: checkpoint.algorithm,
    keyId: checkpoint.keyId,
    publicKey: checkpoint.publicKey,
    sign(message) {
      return checkpoints.sign('checkpoint', message)
    },
  }
  return {
    checkpointSigner,
    sealer,
    searchKey,
    pseudonymKey,
    get usage() {
      const uses = [...provider.describe(), ...owners.describe()].flatMap((key) => (key.keyClass === 'signing' ? [] : [key.uses]))
      const mostUsedKeyRatio = Math.max(0, ...uses) / limits.refuseAt
      const checkpointSigns = accounts.ownUses().checkpoint.reduce((sum, { count }) => sum + count, 0)
      return { ...sealer.usage, checkpointSigns, unwraps: cache.misses, unwrapCacheHits: cache.hits, mostUsedKeyRatio }
    },
    keys(audit: AuditSink): AuditedKeys {
      return new RecordedKeys(parts, audit)
    },
    rotation({ audit, sleep = asleep, wrapped, ...options }): KeyRotation {
      const { raw } = database
      const keys = new RecordedKeys(parts, audit)
      const mover = new KeyMover(provider, owners, keys)
      const own = [ownerKeys(raw, ownerStore, 'dataset'), ownerKeys(raw, ownerStore, 'model'), subjectKeys(raw), secrets(raw)]
      const places = () => [...own, ...provider.wrappedHere, ...wrapped]
      const all = { ...parts, ...options, audit, raw, keys, mover, limits, sleep, move, wrapped: places }
      return new RoundsOfRotation({ ...all, escrow, subjectEscrow, unwrapOfPeople: (key) => personal.unwrap(key), versions: ownerStore })
    },
    reconciliation: (options): KeyReconciliation => new ReconciledKeys({ provider, accounts, clock, sleep: asleep, ...options }),
    health: () => provider.health(),
    signedBefore: (name) => signedBefore.filter((key) => key.name === name).map(({ publicKey }) => publicKey),
    async finishMove(audit) {
      await move?.tell(audit, options.moveFrom !== undefined && formerKind(options.moveFrom) === move.progress()?.from)
      return finishMove(folder, options.kind, provider, audit)
    },
    move: () => move?.progress() ?? null,
    close() {
      sealer.close()
      owners.close()
      cache.clear()
      provider.close()
    },
  }
}

const formerKind = (moveFrom: MoveFrom): string => (typeof moveFrom === 'string' ? moveFrom : moveFrom.kind)

/** Records a move and does away with the file that the keys came from; the provider has opened all of them without it by then. */
async function finishMove(folder: DurableFolder, to: ProviderConfig['kind'], provider: KeyProvider, audit: AuditSink): Promise<boolean> {
  if (to === 'sealed-file' || readPlaces(folder)?.former?.kind === 'sealed-file' || !folder.exists(KEYRING_PATH)) return false
  const versions = provider.describe().filter(({ keyClass, state }) => keyClass !== 'signing' && state === 'retired').length
  await record(audit, { from: 'sealed-file', to, versions })
  folder.remove(KEYRING_PATH)
  folder.syncFolder('')
  return true
}

/** The keys of pseudonyms and of the audit index, wrapped like any data key, in one transaction with the database's id. */
async function makeSecrets(database: Pick<Database, 'raw'>, provider: KeyWork): Promise<string> {
  const rows: [string, string][] = [[ID, randomBytes(16).toString('hex')]]
  for (const name of SECRETS) {
    const { wrapped } = await provider.generateDataKey('configuration', bindingOfSecret(name))
    rows.push([name, JSON.stringify({ keyId: wrapped.keyId, version: wrapped.version, wrapped: wrapped.wrapped })])
  }
  guarded(() => {
    transaction(database, () => {
      const insert = database.raw.prepare('INSERT INTO key_secrets (name, value) VALUES (?, ?)')
      for (const row of rows) insert.run(...row)
    })
  })
  return rows[0]![1]
}

async function openSecret(database: Pick<Database, 'raw'>, provider: KeyWork, name: string): Promise<KeyObject> {
  try {
    return await provider.unwrap({ ...parseStoredWrap(readSecret(database, name)), binding: bindingOfSecret(name) })
  } catch (cause) {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key database does not belong to this keyring', { cause })
  }
}

function readSecret(database: Pick<Database, 'raw'>, name: string): string | null {
  const row = guarded(() => database.raw.prepare('SELECT value FROM key_secrets WHERE name = ?').get(name))
  return typeof row?.['value'] === 'string' ? row['value'] : null
}

function readMarker(folder: DurableFolder): string | null {
  const bytes = folder.read(DATABASE_MARKER_PATH)
  if (bytes === null) return null
  try {
    return markerSchema.parse(parseStrictJson(bytes, { maxBytes: MAX_MARKER_BYTES, maxDepth: 1 })).id
  } catch {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', `the file \`${DATABASE_MARKER_PATH}\` is not in its format`)
  }
}

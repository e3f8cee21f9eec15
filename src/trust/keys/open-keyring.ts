import { randomBytes, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { type AuditSink, canonicalJson, type Clock, parseStrictJson, RedoubtError, type Signer } from '#foundation/core'
import type { Argon2Parameters } from '#foundation/crypto'
import { type Database, type DurableFolder, migrate, replaceFile, transaction } from '#foundation/storage'
import { RecordedKeys } from './audited-keys.ts'
import { DEFAULT_UNWRAP_CACHE, type UnwrapCacheConfig } from './config.ts'
import { KEY_LIMITS, type KeyLimits } from './key-limits.ts'
import type { KeyProvider } from './key-provider.ts'
import type { AuditedKeys, Keyring } from './keys.ts'
import { OwnerKeyStore } from './owner-key-store.ts'
import { OwnerKeys } from './owner-keys.ts'
import { KeyMover } from './rotation/key-mover.ts'
import { type KeyRotation, RoundsOfRotation } from './rotation/key-rotation.ts'
import { sleep as asleep } from './rotation/pace.ts'
import { RetirementStore } from './rotation/retirement-store.ts'
import { ownerKeys, secrets, subjectKeys } from './rotation/wrapped-places.ts'
import { bindingOfSecret, PSEUDONYM_SECRET, SEARCH_SECRET, SECRETS } from './secrets.ts'
import { KEY_RECORDS_PATH } from './outside/key-records.ts'
import { openProvider, type ProviderConfig, recordsOf } from './provider-config.ts'
import { exportSealedFile } from './sealed-file/export-sealed-file.ts'
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
  readonly moveFrom?: 'sealed-file' | undefined
  /** `keys.db`: subject keys, wrapped. */
  readonly database: Pick<Database<unknown>, 'raw'>
  /** For a sealed file. */
  readonly passphrase?: Uint8Array
  readonly clock: Clock
  /** Cost for a new keyring; default 128 MiB, 3 passes, 4 lanes. */
  readonly kdf?: Argon2Parameters
  readonly unwrapCache?: UnwrapCacheConfig
  readonly limits?: KeyLimits
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
  const moving = movePending(folder, options)
  refuseForeign(folder, config, moving)
  if (id !== null && !moving && !folder.exists(recordsOf(config)))
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the keyring file is gone, but its key database is there')
  const { passphrase } = options
  if (moving && passphrase === undefined)
    throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the keys are in a sealed file still, and nothing opens it')
  const provider = await openProvider(config, moving ? { ...options, moving: await exportSealedFile(folder, passphrase!) } : options)
  return openProviderKeyring(provider, { ...options, kind: config.kind, id, marker })
}

interface ProviderKeyringOptions extends Omit<OpenKeyringOptions, 'passphrase' | 'kdf' | 'provider'> {
  readonly kind: ProviderConfig['kind']
  readonly id: string | null
  readonly marker: string | null
}

async function openProviderKeyring(provider: KeyProvider, options: ProviderKeyringOptions): Promise<Keyring> {
  const { folder, database, clock, limits = KEY_LIMITS } = options
  const id = options.id ?? (await makeSecrets(database, provider))
  if (options.marker === null) replaceFile(folder, DATABASE_MARKER_PATH, new TextEncoder().encode(`${canonicalJson({ id })}\n`))
  const pseudonymKey = await openSecret(database, provider, PSEUDONYM_SECRET)
  const searchKey = await openSecret(database, provider, SEARCH_SECRET)
  const sealer = new KeyedSubjectSealer(provider, new SubjectStore(database.raw), pseudonymKey, clock)
  const ownerStore = new OwnerKeyStore(database.raw)
  const owners = new OwnerKeys(provider, ownerStore, clock, limits)
  const cache = new UnwrapCache(clock, options.unwrapCache ?? DEFAULT_UNWRAP_CACHE)
  const retirements = new RetirementStore(database.raw)
  const parts = { provider, sealer, owners, cache, retirements, clock }
  let checkpointSigns = 0
  const checkpoint = provider.publicKey('checkpoint')
  const checkpointSigner: Signer = {
    algorithm: checkpoint.algorithm,
    keyId: checkpoint.keyId,
    publicKey: checkpoint.publicKey,
    sign(message) {
      checkpointSigns++
      return provider.sign('checkpoint', message)
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
      return new RoundsOfRotation({ ...parts, ...options, raw, keys, mover, limits, sleep, wrapped: [...own, ...wrapped] })
    },
    health: () => provider.health(),
    finishMove: (audit) => finishMove(folder, options.kind, provider, audit),
    close() {
      sealer.close()
      owners.close()
      cache.clear()
      provider.close()
    },
  }
}

/** Whether the next opening moves the keys: they are in a sealed file, and the provider that is named has no records yet. */
export function movePending(folder: DurableFolder, { provider, moveFrom }: Pick<OpenKeyringOptions, 'provider' | 'moveFrom'>): boolean {
  if (provider === undefined || provider.kind === 'sealed-file' || moveFrom === undefined) return false
  return folder.exists(KEYRING_PATH) && !folder.exists(recordsOf(provider))
}

/** A provider beside the one that holds the keys would begin anew, and orphan what is sealed. */
function refuseForeign(folder: DurableFolder, config: ProviderConfig, moving: boolean): void {
  if (config.kind === 'sealed-file' && folder.exists(KEY_RECORDS_PATH))
    throw new RedoubtError('ERR_CONFIG_INVALID', 'the keys are not in a sealed file any more: name their provider in `keys.provider`')
  if (config.kind !== 'sealed-file' && !moving && folder.exists(KEYRING_PATH) && !folder.exists(recordsOf(config)))
    throw new RedoubtError('ERR_CONFIG_INVALID', 'the keys are in a sealed file: say `keys.moveFrom: sealed-file` to have them moved')
}

/** Records a move and does away with the file that the keys came from; the provider has opened all of them without it by then. */
async function finishMove(folder: DurableFolder, to: ProviderConfig['kind'], provider: KeyProvider, audit: AuditSink): Promise<boolean> {
  if (to === 'sealed-file' || !folder.exists(KEYRING_PATH)) return false
  const versions = provider.describe().filter(({ keyClass, state }) => keyClass !== 'signing' && state === 'retired').length
  await audit.record({
    type: 'key.move',
    actor: { type: 'System', id: 'keys' },
    action: 'rotateKey',
    resource: { type: 'Key', id: 'root' },
    outcome: 'success',
    purpose: 'key-rotation',
    details: { from: 'sealed-file', to, versions },
  })
  folder.remove(KEYRING_PATH)
  folder.syncFolder('')
  return true
}

/** The keys of pseudonyms and of the audit index, wrapped like any data key, in one transaction with the database's id. */
async function makeSecrets(database: Pick<Database<unknown>, 'raw'>, provider: KeyProvider): Promise<string> {
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

async function openSecret(database: Pick<Database<unknown>, 'raw'>, provider: KeyProvider, name: string): Promise<KeyObject> {
  try {
    return await provider.unwrap({ ...parseStoredWrap(readSecret(database, name)), binding: bindingOfSecret(name) })
  } catch (cause) {
    throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'the key database does not belong to this keyring', { cause })
  }
}

function readSecret(database: Pick<Database<unknown>, 'raw'>, name: string): string | null {
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

import type { Clock } from '#foundation/core'
import { type Database, nodeFolder, openDatabase } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import { PolicyStore, proveWithin } from '#interfaces/api'
import { type Keyring, openKeyring } from '#trust/keys'
import type { Mismatch } from '#trust/policy'
import type { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import { type DataDirectory, takeDataDirectory, takeSecretsDirectory } from './data-directory.ts'
import { LiveFilters } from './live-filters.ts'
import { openingSecret } from './opening-secret.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * One decision in so many is asked of Cedar's own engine too; a mismatch refuses and alarms. That costs under 1 µs a decision on average
 * and finds a lasting difference within seconds of real load.
 */
const SHADOW_RATE = 1_000

interface GroundParts extends Pick<Surroundings, 'kdf' | 'stop' | 'holdInvariants'> {
  readonly configuration: Configuration
  readonly clock: Clock
  readonly logger: Logger
  readonly warn: (message: string) => void
}

/** What lies below the log: nothing of it is on record, and nothing is decided with it before the log is open. */
export interface Ground {
  readonly directory: DataDirectory
  readonly database: Database
  readonly keyring: Keyring
  readonly filters: LiveFilters
  readonly policies: PolicyStore
  /** Names who is told of decisions on which Cedar's own engine differs; nobody until then. */
  onMismatch(tell: (mismatch: Mismatch) => void): void
}

/** Takes the data directory (in development that of the secrets too) for this process, opens the keyring in it, and reads filters and policies. */
export async function openGround(
  { configuration, clock, logger, warn, kdf, stop, holdInvariants = true }: GroundParts,
  closers: Closers,
): Promise<Ground> {
  const directory = takeDataDirectory(configuration.dataDir)
  closers.push(() => directory.release())
  if (configuration.profile === 'development') {
    const secrets = takeSecretsDirectory(configuration.secretsDir)
    closers.push(() => secrets.release())
  }
  const database = openDatabase(directory.at('redoubt.db'))
  closers.push(() => database.close())

  const keysFolder = nodeFolder(directory.at('keys'))
  const secret = await openingSecret(configuration, { directory, keysFolder, clock, logger, warn, stop })
  const keysDatabase = openDatabase(directory.at('keys', 'keys.db'))
  closers.push(() => keysDatabase.close())
  // argon2id computes beside the event loop, which reads and validates the policies meanwhile: a quarter of a second less to wait.
  const opening = openKeyring({
    folder: keysFolder,
    database: keysDatabase,
    ...secret,
    clock,
    ...configuration.keys,
    ...(kdf === undefined ? {} : { kdf }),
  })
  closers.push(async () => (await opening.catch(() => null))?.close())
  // Nothing is decided before the log is there to take an alarm.
  let tell: (mismatch: Mismatch) => void = () => undefined
  const filters = new LiveFilters(configuration.filters)
  const policies = await PolicyStore.open({
    folder: nodeFolder(directory.at('policies')),
    operatorPath: configuration.policies,
    shadowRate: SHADOW_RATE,
    onMismatch: (mismatch) => tell(mismatch),
    vocabulary: filters.vocabulary,
    plan: filters.plan,
    ...(holdInvariants ? { prove: proveWithin(configuration.policyProof.timeoutSeconds * 1_000, () => filters.vocabulary) } : {}),
  })
  const keyring = await opening
  return { directory, database, keyring, filters, policies, onMismatch: (told) => void (tell = told) }
}

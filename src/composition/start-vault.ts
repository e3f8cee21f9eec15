import type { Clock } from '#foundation/core'
import { openDatabase } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import { openVault, type Vault, wrappedVaultKey } from '#gateway/filters'
import type { AuditedKeys, Keyring, WrappedKeys } from '#trust/keys'
import type { Closers } from './closers.ts'

/** Between two looks for values that have expired. */
const SWEEP_MS = 3_600_000
const DAY_MS = 86_400_000

interface VaultParts {
  readonly path: string
  /** How long values are kept. */
  readonly days: number
  readonly keyring: Keyring
  readonly keys: AuditedKeys
  readonly clock: Clock
  readonly logger: Logger
}

/** What tokens stand for, in a file of its own: it is written in the middle of requests and must never meet an open transaction of another room. */
export function startVault(
  { path, days, keyring, keys, clock, logger }: VaultParts,
  closers: Closers,
): { readonly vault: Vault; readonly wrapped: WrappedKeys } {
  const database = openDatabase(path)
  closers.push(() => database.close())
  const vault = openVault({ database, sealer: keyring.sealer, keys, clock, retentionMs: days * DAY_MS })
  const sweep = (): void => {
    try {
      vault.sweep()
    } catch (thrown) {
      // What has expired is not given out, swept or not.
      logger.error({ err: thrown }, 'expired values of the vault could not be deleted')
    }
  }
  const timer = setInterval(sweep, SWEEP_MS)
  timer.unref()
  closers.push(() => clearInterval(timer))
  sweep()
  return { vault, wrapped: wrappedVaultKey(database) }
}

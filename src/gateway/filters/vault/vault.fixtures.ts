import { type AuditEvent, ManualClock } from '#foundation/core'
import { type Database, MemoryFolder, openDatabase } from '#foundation/storage'
import { type AuditedKeys, type Keyring, openKeyring } from '#trust/keys'
import { openVault, type Vault } from './vault.ts'

const DAY_MS = 86_400_000

export interface VaultWorld {
  readonly vault: Vault
  readonly clock: ManualClock
  readonly database: Database
  readonly keyring: Keyring
  readonly keys: AuditedKeys
  /** Types of the events of the keys. */
  readonly recorded: string[]
  /** As after a restart. */
  readonly again: () => Vault
}

/** A vault over a real keyring, in memory, that keeps values for 30 days. */
export async function vaultWorld(): Promise<VaultWorld> {
  const clock = new ManualClock(Date.UTC(2026, 5, 1, 12))
  const database = openDatabase(':memory:')
  const recorded: string[] = []
  const keyring = await openKeyring({
    folder: new MemoryFolder(),
    database: openDatabase(':memory:'),
    clock,
    passphrase: Buffer.from('correct horse battery staple'),
    kdf: { memoryKiB: 19_456, passes: 2, parallelism: 1 },
  })
  const keys = keyring.keys({
    record: async (event: AuditEvent) => ({ index: recorded.push(event.type) - 1, leafHash: '' }),
  })
  const again = (): Vault => openVault({ database, sealer: keyring.sealer, keys, clock, retentionMs: 30 * DAY_MS })
  return { vault: again(), clock, database, keyring, keys, recorded, again }
}

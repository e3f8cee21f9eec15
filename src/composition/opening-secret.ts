import type { DurableFolder } from '#foundation/storage'
import { opensSealedFile, ShareCollector } from '#trust/keys'
import type { Configuration } from './configuration.ts'
import { passphrase } from './secrets.ts'
import { unsealed, type UnsealingOptions } from './unsealing.ts'

/** What opens the keyring: the passphrase, what holders of shares give together, or nothing of ours where the provider has credentials of its own. */
export async function openingSecret(
  configuration: Configuration,
  { keysFolder, ...around }: Omit<UnsealingOptions, 'collector' | 'server'> & { readonly keysFolder: DurableFolder },
): Promise<{ readonly passphrase?: Uint8Array }> {
  const { keys } = configuration
  if (!opensSealedFile(keysFolder, keys)) return {}
  if (keys.unseal === 'passphrase') return { passphrase: passphrase(configuration, around.warn) }
  return { passphrase: await unsealed({ ...around, server: configuration.server, collector: ShareCollector.open(keysFolder) }) }
}

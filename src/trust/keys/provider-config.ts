import { z } from 'zod'
import { type Clock, RedoubtError } from '#foundation/core'
import type { Argon2Parameters } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import type { KeyLimits } from './key-limits.ts'
import type { KeyProvider } from './key-provider.ts'
import { KEYRING_PATH, openSealedFileProvider } from './sealed-file/sealed-file-provider.ts'

const sealedFileSchema = z.strictObject({
  kind: z.literal('sealed-file').describe('key-encryption keys in a file, sealed under the passphrase'),
})

/** Who holds the key-encryption keys; a kind of provider is a member here and a line in `PROVIDERS`. */
export const providerConfigSchema = z.discriminatedUnion('kind', [sealedFileSchema]).readonly()

export type ProviderConfig = z.output<typeof providerConfigSchema>
export type ProviderKindName = ProviderConfig['kind']

/** What a provider may take from the server around it, whatever its kind. */
export interface ProviderOptions {
  /** The keyring's folder. */
  readonly folder: DurableFolder
  readonly clock: Clock
  /** Opens the sealed file; other kinds have credentials of their own. */
  readonly passphrase?: Uint8Array
  /** Cost of the passphrase for a new sealed file. */
  readonly kdf?: Argon2Parameters
  readonly limits?: KeyLimits
}

interface ProviderKind<Config extends ProviderConfig> {
  /** The file in the keyring's folder that exists once a provider of this kind served here. */
  readonly records: string
  open(config: Config, options: ProviderOptions): Promise<KeyProvider>
}

const PROVIDERS: { readonly [Kind in ProviderKindName]: ProviderKind<Extract<ProviderConfig, { kind: Kind }>> } = {
  'sealed-file': {
    records: KEYRING_PATH,
    async open(_config, { passphrase, ...options }) {
      if (passphrase === undefined) throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the sealed file is opened by a passphrase')
      return openSealedFileProvider({ ...options, passphrase })
    },
  },
}

/** The one place that opens the provider of a kind. @throws {RedoubtError} what the provider throws. */
export async function openProvider(config: ProviderConfig, options: ProviderOptions): Promise<KeyProvider> {
  return kindOf(config).open(config, options)
}

/** The file in the keyring's folder by which a provider of this kind is known to have served here. */
export function recordsOf(config: ProviderConfig): string {
  return kindOf(config).records
}

function kindOf(config: ProviderConfig): ProviderKind<ProviderConfig> {
  return PROVIDERS[config.kind]
}

import { z } from 'zod'
import { resolveSecret } from '#foundation/config'
import { type Clock, RedoubtError } from '#foundation/core'
import type { Argon2Parameters } from '#foundation/crypto'
import type { DurableFolder } from '#foundation/storage'
import { awsKmsService } from './aws-kms/aws-kms-service.ts'
import { awsKmsSchema } from './aws-kms/config.ts'
import type { KeyLimits } from './key-limits.ts'
import type { KeyProvider } from './key-provider.ts'
import type { TakenOver } from './moved/taken-over.ts'
import { KEY_RECORDS_PATH } from './outside/key-records.ts'
import { openServiceProvider } from './outside/outside-provider.ts'
import { pkcs11Schema } from './pkcs11/config.ts'
import { openPkcs11Provider } from './pkcs11/pkcs11-service.ts'
import type { ExportedKeyring } from './sealed-file/export-sealed-file.ts'
import { KEYRING_PATH, openSealedFileProvider } from './sealed-file/sealed-file-provider.ts'
import { transitSchema } from './transit/config.ts'
import { transitService } from './transit/transit-service.ts'

const sealedFileSchema = z.strictObject({
  kind: z.literal('sealed-file').describe('key-encryption keys in a file, sealed under the passphrase'),
})

/** Who holds the key-encryption keys; a kind of provider is a member here and a line in `PROVIDERS`. */
export const providerConfigSchema = z.discriminatedUnion('kind', [sealedFileSchema, awsKmsSchema, transitSchema, pkcs11Schema]).readonly()

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
  /** What a provider of a key service takes over when it has no records yet. */
  readonly moving?: ExportedKeyring
  /** What goes on here from another provider, which stays open beside this one. */
  readonly takingOver?: TakenOver
  /** Keys move away from it: it wraps nothing any more, and all its versions may end. */
  readonly former?: boolean
}

interface ProviderKind<Config extends ProviderConfig> {
  /** The file in the keyring's folder that exists once a provider of this kind served here. */
  readonly records: string
  /** Shown on a fake of ours on the wire and never on the service itself. */
  readonly untested: boolean
  open(config: Config, options: ProviderOptions): Promise<KeyProvider>
}

const PROVIDERS: { readonly [Kind in ProviderKindName]: ProviderKind<Extract<ProviderConfig, { kind: Kind }>> } = {
  'sealed-file': {
    records: KEYRING_PATH,
    untested: false,
    async open(_config, { passphrase, ...options }) {
      if (passphrase === undefined) throw new RedoubtError('ERR_KEYS_PASSPHRASE', 'the sealed file is opened by a passphrase')
      return openSealedFileProvider({ ...options, passphrase })
    },
  },
  'aws-kms': {
    records: KEY_RECORDS_PATH,
    untested: true,
    open: async (config, options) => openServiceProvider(await awsKmsService(config, { resolveSecret }), options),
  },
  transit: {
    records: KEY_RECORDS_PATH,
    untested: true,
    open: async (config, options) => openServiceProvider(await transitService(config, { resolveSecret, clock: options.clock }), options),
  },
  pkcs11: {
    records: KEY_RECORDS_PATH,
    untested: false,
    open: (config, options) => openPkcs11Provider(config, { ...options, resolveSecret }),
  },
}

/** Every kind that there is. */
export const PROVIDER_KINDS = Object.entries(PROVIDERS).map(([kind, { untested }]) => ({ kind, untested }))

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

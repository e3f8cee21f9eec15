import { z } from 'zod'
import { asRedoubtError, RedoubtError } from '#foundation/core'
import { wrapAad } from '../key-provider.ts'
import type { KeyVersion } from '../outside/key-records.ts'
import { countedService } from '../outside/counted-service.ts'
import type { KeyService } from '../outside/outside-provider.ts'
import type { TransitConfig } from './config.ts'
import { TransitClient, type TransitClientOptions } from './transit-client.ts'

const MAX_TEXT = 16_384
const KEY_TYPE = 'aes256-gcm96'
const keySchema = z.object({
  data: z.object({
    type: z.string().max(64),
    latest_version: z.number().int().min(1).max(0x7fff_ffff),
    exportable: z.boolean(),
    min_available_version: z.number().int().min(0).max(0x7fff_ffff).default(0),
  }),
})
const encryptedSchema = z.object({ data: z.object({ ciphertext: z.string().max(MAX_TEXT) }) })
const decryptedSchema = z.object({ data: z.object({ plaintext: z.string().max(MAX_TEXT) }) })

/**
 * The Transit engine of OpenBao or Vault: a key `PREFIX-CLASS` for each class, its versions the engine's own. Each version that we record
 * names the engine's version, so that a rotation by someone else changes nothing here. The place is bound as `associated_data`.
 * A version ends by `min_decryption_version` and `trim`, which takes the material out of the engine.
 */
export async function transitService(config: TransitConfig, options: TransitClientOptions): Promise<KeyService> {
  const client = await TransitClient.open(config, options)
  const at = (operation: string, name: string): string => `${config.mount}/${operation}/${name}`
  const read = async (name: string): Promise<z.output<typeof keySchema>['data']> => {
    const { data } = await client.call('GET', at('keys', name), keySchema)
    if (data.type !== KEY_TYPE || data.exportable)
      throw new RedoubtError('ERR_CONFIG_INVALID', `the key \`${name}\` of the key service must be \`${KEY_TYPE}\` and not exportable`)
    return data
  }
  const exists = async (name: string): Promise<boolean> => {
    try {
      await read(name)
      return true
    } catch (thrown) {
      if (asRedoubtError(thrown).code === 'ERR_KEYS_UNKNOWN') return false
      throw thrown
    }
  }
  return countedService({
    kind: 'transit',
    async make({ keyClass }) {
      const name = `${config.keyPrefix}-${keyClass}`
      // A key that is there already, for the version before or from a first start that was cut off, gets a version of its own.
      if (await exists(name)) await client.tell(`${at('keys', name)}/rotate`, {})
      else await client.tell(at('keys', name), { type: KEY_TYPE, exportable: false, allow_plaintext_backup: false })
      return `${name}:v${(await read(name)).latest_version}`
    },
    async wrap(key, material, binding) {
      const { name, version } = nameOf(key)
      const plaintext = Buffer.from(material)
      const input = { plaintext: plaintext.toString('base64'), associated_data: aadOf(key, binding), key_version: version }
      plaintext.fill(0)
      const { data } = await client.call('POST', at('encrypt', name), encryptedSchema, input)
      if (!data.ciphertext.startsWith(`vault:v${version}:`))
        throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the key service wrapped under another version')
      return Buffer.from(data.ciphertext)
    },
    async unwrap(key, wrapped, binding) {
      const { name, version } = nameOf(key)
      const ciphertext = Buffer.from(wrapped).toString('latin1')
      const body = ciphertext.startsWith(`vault:v${version}:`) ? ciphertext.slice(`vault:v${version}:`.length) : ''
      if (!/^[A-Za-z0-9+/]{1,8192}={0,2}$/.test(body))
        throw new RedoubtError('ERR_CRYPTO_AUTHENTICATION', 'the wrapped key is not of this version')
      const { data } = await client.call('POST', at('decrypt', name), decryptedSchema, { ciphertext, associated_data: aadOf(key, binding) })
      return Buffer.from(data.plaintext, 'base64')
    },
    endsInOrder: true,
    async destroy(key) {
      const { name, version } = nameOf(key)
      const first = version + 1
      const { min_available_version: available, latest_version: latest } = await read(name)
      // All before it ended here before it, and ours begin anew only with newer ones: what is cut off is this version and what nobody names.
      if (available >= first) return null
      // The engine always keeps its latest version: the last one of a class that keys have left goes behind one that wraps nothing.
      if (latest < first) await client.tell(`${at('keys', name)}/rotate`, {})
      await client.tell(`${at('keys', name)}/config`, { min_decryption_version: first, min_encryption_version: first })
      await client.tell(`${at('keys', name)}/trim`, { min_available_version: first })
      const { min_available_version: trimmed } = await read(name)
      if (trimmed < first)
        throw new RedoubtError('ERR_KEYS_PROVIDER_PROTOCOL', 'the key service holds the version still that it was told to cut off')
      return null
    },
    async probe(key) {
      const { name } = nameOf(key)
      await read(name)
    },
    close: () => client.close(),
  })
}

function aadOf(key: KeyVersion, binding: Parameters<typeof wrapAad>[1]): string {
  return Buffer.from(wrapAad(key, binding)).toString('base64')
}

function nameOf({ reference }: KeyVersion): { readonly name: string; readonly version: number } {
  const found = /^([a-z0-9-]{1,80}):v([1-9]\d{0,9})$/.exec(reference)
  if (found === null) throw new RedoubtError('ERR_KEYS_KEYRING_CORRUPT', 'a key record names no key of a Transit engine')
  return { name: found[1]!, version: Number(found[2]) }
}

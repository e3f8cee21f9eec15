import type { KeyProvider, KeyReference, SigningKeyName } from '../key-provider.ts'
import { SIGNING_KEYS } from '../key-provider.ts'
import type { KeyClass } from '../keys.ts'
import type { ExportedSigningKey } from '../sealed-file/export-sealed-file.ts'

/** What a provider goes on with that another one held before it. */
export interface TakenOver {
  /** The last version of each chain: the next ones follow on it. */
  readonly chains: ReadonlyMap<KeyClass, KeyReference>
  /** The signing keys that could be let out; what is not among them is made anew, and its former public key is kept. */
  readonly signing: readonly ExportedSigningKey[]
}

/** The last version of each class. */
export function latestOf(keys: readonly (KeyReference & { readonly keyClass: KeyClass })[]): Map<KeyClass, KeyReference> {
  const latest = new Map<KeyClass, KeyReference>()
  for (const { keyClass, keyId, version } of keys)
    if (version >= (latest.get(keyClass)?.version ?? 0)) latest.set(keyClass, { keyId, version })
  return latest
}

/** @throws {RedoubtError} what the provider throws. */
export async function takeOver(from: KeyProvider): Promise<TakenOver> {
  const described = from.describe()
  const versions = described.flatMap(({ keyClass, ...key }) => (keyClass === 'signing' ? [] : [{ ...key, keyClass }]))
  const signing: ExportedSigningKey[] = []
  for (const name of Object.keys(SIGNING_KEYS) as SigningKeyName[]) {
    const { keyId, version } = from.publicKey(name)
    const createdAt = described.find((key) => key.keyId === keyId && key.version === version)?.createdAt ?? 0
    const privateKey = await from.letOut(name)
    if (privateKey !== null) signing.push({ name, keyId, version, createdAt, privateKey })
  }
  return { chains: latestOf(versions), signing }
}

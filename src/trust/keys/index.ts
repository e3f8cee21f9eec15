export { type KeysConfig, keysConfigSchema, type UnwrapCacheConfig } from './config.ts'
export { type KeyLimits } from './key-limits.ts'
export { type KeyProvider, type KeyReference, type ProviderHealth, type SigningKey, type SigningKeyName } from './key-provider.ts'
export { keyProviderContract } from './key-provider-contract.ts'
export type {
  AuditedKeys,
  KeyClass,
  KeyDescription,
  Keyring,
  KeyringUsage,
  Keys,
  KeyUse,
  ProviderDescription,
  ReleasableKeyName,
  RootOfTrust,
} from './keys.ts'
export { movePending, openKeyring, type OpenKeyringOptions } from './open-keyring.ts'
export { ShareCollector, type Unsealing } from './sealed-file/share-collector.ts'
export { MAX_SHARES } from './shares/shamir.ts'
export { makeShares, readShare, ROOT_SECRET_BYTES, type ShareSet } from './shares/share-text.ts'

export { type KeysConfig, keysConfigSchema, type RotationConfig, type UnwrapCacheConfig } from './config.ts'
export { openEscrowed } from './escrow/open-escrow.ts'
export { type KeyLimits } from './key-limits.ts'
export { type KeyProvider, type KeyReference, type ProviderHealth, type SigningKey, type SigningKeyName } from './key-provider.ts'
export { keyProviderContract } from './key-provider-contract.ts'
export type {
  AuditedKeys,
  KeyClass,
  KeyDescription,
  KeyOwner,
  Keyring,
  KeyringUsage,
  Keys,
  KeyUse,
  ProviderDescription,
  ReleasableKeyName,
  RootOfTrust,
  RotateOptions,
} from './keys.ts'
export { type KeyHolders, keyHolders } from './moved/key-holders.ts'
export type { MoveProgress } from './moved/move.ts'
export { opensSealedFile } from './moved/open-providers.ts'
export { openKeyring, type OpenKeyringOptions } from './open-keyring.ts'
export type { KeyReconciliation, Reconciled } from './reconciliation/reconcile-keys.ts'
export type { KeyRotation, RotationProgress } from './rotation/key-rotation.ts'
export { type SealedObjects, wrappedKeyOfRoom, type WrappedKeys } from './rotation/wrapped-places.ts'
export { ShareCollector, type Unsealing } from './sealed-file/share-collector.ts'
export { MAX_SHARES } from './shares/shamir.ts'
export { makeShares, readShare, ROOT_SECRET_BYTES, type ShareSet } from './shares/share-text.ts'

export type { KeyClass, KeyDescription, Keyring, Keys, KeyUse } from './keys.ts'

export type { DataKey, KeyBinding, WrappedKey } from './wrapped-key.ts'

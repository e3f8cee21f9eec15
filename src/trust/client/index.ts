export {
  type AccountFile,
  accountFilePath,
  BOOTSTRAP_KEY_FILE,
  type PrivateJwk,
  type PublicJwk,
  readAccountFile,
  writeAccountFile,
} from './account-file.ts'
export { type DevicePrompt, Login, type LoginOptions, type StepUp } from './login.ts'
export { openProofKey, readProofKey, signProof, thumbprintOf } from './proof-key.ts'
export { ASSERTION_TYPE, type IssuedAccessToken, requestToken, revokeToken, type TokenAsk } from './request-token.ts'
export { type BindingKind, BINDINGS } from './token-binding.ts'

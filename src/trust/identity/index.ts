export {
  type AccountFile,
  accountFilePath,
  BOOTSTRAP_ACCOUNT,
  BOOTSTRAP_KEY_FILE,
  ensureBootstrapAccount,
  readAccountFile,
  writeAccountFile,
} from './account-file.ts'
export type { CreatedAccount, NewAccount, PrivateJwk, PublicJwk, ServiceAccount } from './accounts.ts'
export { type Principal, type Refusal, refusalError } from './authenticator.ts'
export { authenticateHeader, challenge, schemeOf } from './services/challenge.ts'
export { certificateOfConnection, type Credentials, credentialsOf } from './services/credentials.ts'
export { openProofKey, readProofKey, signProof, thumbprintOf } from './services/proof-key.ts'
export { type BindingKind, BINDINGS } from './services/token-binding.ts'
export { type IdentityConfig, identityConfig } from './config.ts'
export { type Identity, type IdentityOptions, openIdentity } from './identity.ts'
export { type IssuedAccessToken, requestToken, revokeToken, type TokenAsk } from './request-token.ts'
export { OPEN_ROUTES, type OpenRoute } from './routes.ts'
export { type DevicePrompt, Login, type LoginOptions, type StepUp } from './sign-in/login.ts'
export type { Acting } from './people/acting.ts'
export type {
  Claimant,
  EnrolmentLink,
  Factor,
  ListedSession,
  MfaLevel,
  NewPerson,
  OpenedSession,
  People,
  Person,
  Recovery,
  Session,
  Sessions,
  SignedIn,
  SignInRefusal,
  SignInSource,
} from './people/people.ts'

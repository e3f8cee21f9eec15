export type { CreatedAccount, NewAccount } from './new-account.ts'
export type { ServiceAccount } from './service-account.ts'
export { BOOTSTRAP_ACCOUNT, ensureBootstrapAccount } from './bootstrap-account.ts'
export { type Principal, type Refusal, refusalError } from './authenticator.ts'
export { authenticateHeader, challenge, schemeOf } from './services/challenge.ts'
export { certificateOfConnection, type Credentials, credentialsOf } from './services/credentials.ts'
export { type IdentityConfig, identityConfig } from './config.ts'
export { type Identity, type IdentityOptions, openIdentity } from './identity.ts'
export { OPEN_ROUTES, type OpenRoute } from './routes.ts'
export { answerFrontPage, type NamedInterface, wantsPage } from './sign-in/front-page.ts'
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

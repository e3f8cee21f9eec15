import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import {
  type AlertSink,
  type AuditSink,
  type Clock,
  type EntityUid,
  type ErrorCode,
  RedoubtError,
  type SubjectSealer,
} from '#foundation/core'
import { type Database, migrate } from '#foundation/storage'
import type { Logger } from '#foundation/telemetry'
import { BOOTSTRAP_KEY_FILE } from '#trust/client'
import { subscriberOf } from '#trust/conditions'
import type { Keys } from '#trust/keys'
import { Accounts } from './accounts.ts'
import type { CreatedAccount, NewAccount } from './new-account.ts'
import { type ServiceAccounts, serviceAccounts } from './service-accounts.ts'
import { Artifacts } from './artifacts.ts'
import { Authenticator, type Principal, type Refusal } from './authenticator.ts'
import { createAuthorizationServer } from './authorization-server.ts'
import { type IdentityConfig, identityConfig } from './config.ts'
import { Denylist } from './denylist.ts'
import { enrolmentPages } from './enrolment-pages.ts'
import { ANSWER_FLOOR_MS, openPeople } from './people/open-people.ts'
import type { Acting } from './people/acting.ts'
import type { EnrolmentLink, People } from './people/people.ts'
import { RefusalLog } from './refusal-log.ts'
import { createRouter, OPEN_ROUTES, type OpenRoute } from './routes.ts'
import { ClientThrottle } from './services/client-throttle.ts'
import type { Credentials } from './services/credentials.ts'
import { KnownSources } from './services/known-sources.ts'
import { boundByProof } from './services/request-proof.ts'
import { refusal } from './services/token-grant.ts'
import { ProofTime, MAINTENANCE_INTERVAL_MS } from './services/proof-time.ts'
import { SERVICE_MIGRATIONS } from './services/tables.ts'
import { TokenBindings } from './services/token-binding.ts'
import { ServiceTokens } from './services/token-endpoint.ts'
import { SignIn } from './sign-in/sign-in.ts'
import { MIGRATIONS } from './tables.ts'
import { WriteQueue } from './write-queue.ts'

const SELF: EntityUid = { type: 'System', id: 'identity' }

export interface IdentityOptions {
  readonly database: Database
  readonly keys: Keys
  readonly audit: AuditSink
  readonly clock: Clock
  /** `https://host[:port]`, without a path: issuer, audience of our tokens, and origin of the enrolment page. */
  readonly issuer: string
  readonly secretsDir: string
  readonly profile: 'development' | 'production'
  readonly logger: Logger
  /** Seals names, secrets and addresses of people under their own keys. */
  readonly sealer: SubjectSealer
  readonly alerts?: AlertSink
  readonly config?: Partial<IdentityConfig>
  /** How soon typed secrets are answered at the earliest; for tests. */
  readonly answerFloorMs?: number
  /** A room of people in place of the real one; for tests. */
  readonly people?: People
}

export interface Identity {
  readonly issuer: string
  readonly profile: 'development' | 'production'
  /** Who is asking. Synchronous, in the answer too; never throws for bad input. Each refusal is noted in the audit log, within bounds. */
  authenticate(credentials: Credentials): Principal | Refusal
  /** Null while the principal may go on; else why not. For running streams: cheap enough to ask at every chunk. */
  stillValid(principal: Principal): ErrorCode | null
  /** Calls back with the id of a revoked token, or the name of an account that lost its tokens. @returns the way to stop listening. */
  onRevocation(listener: (tokenOrAccountId: string) => void): () => void
  /** Serves `/oauth/…`, `/.well-known/…` and `/enrol/…`; 404 for all else. */
  readonly handler: (req: IncomingMessage, res: ServerResponse) => void
  /** Every route of `handler`; all are open to anyone. */
  readonly paths: readonly OpenRoute[]
  readonly serviceAccounts: ServiceAccounts
  /** For `ensureBootstrapAccount`. @throws {RedoubtError} `ERR_CONFIG_INSECURE` in production. */
  createBootstrapAccount(ask: NewAccount, by: EntityUid): Promise<CreatedAccount>
  /** People, their factors and their sessions. */
  readonly people: People
  /** For a first administrator; everyone else is made by `people.create`. */
  createEnrolmentLink(by: Acting): Promise<EnrolmentLink>
  administratorEnrolled(): boolean
  /** Purges what has expired and closes windows of refusals; runs by itself every ten seconds. */
  maintain(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the room: tables, accounts, denylist, the embedded authorization server and its signing key (released once, recorded).
 * @throws {RedoubtError} `ERR_CONFIG_INVALID` for an issuer that is not a plain https origin; `ERR_CONFIG_INSECURE` in production when
 *   the development key of the CLI lies in the secrets directory; what `keys` and the database throw.
 */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const { database, audit, clock, logger, profile } = options
  const config = identityConfig.parse(options.config ?? {})
  const issuer = canonicalIssuer(options.issuer)
  if (profile === 'production' && existsSync(join(options.secretsDir, BOOTSTRAP_KEY_FILE))) {
    throw new RedoubtError(
      'ERR_CONFIG_INSECURE',
      `production refuses \`${join(options.secretsDir, BOOTSTRAP_KEY_FILE)}\`, the key of the bootstrap account; remove it`,
    )
  }
  migrate(database, 'trust/identity', MIGRATIONS)
  migrate(database, 'trust/identity/services', SERVICE_MIGRATIONS)
  const { raw } = database
  const queue = new WriteQueue(raw)
  const accounts = new Accounts(raw, queue, audit, clock)
  const artifacts = new Artifacts(raw, queue, clock)
  const denylist = new Denylist(raw, queue)
  const refusals = new RefusalLog(audit, clock, logger)
  const listeners = new Set<(id: string) => void>()
  const announce = (id: string): void => {
    for (const listener of listeners) {
      try {
        listener(id)
      } catch (error) {
        logger.error({ err: error }, 'a revocation listener failed')
      }
    }
  }

  const privateKey = await options.keys.release('token-signing', {
    principal: SELF,
    purpose: 'token-signing',
    resource: { type: 'Key', id: 'token-signing' },
  })
  const publicKey = createPublicKey(privateKey)
  const keyId = thumbprint(publicKey)
  const refused = (code: ErrorCode, known: EntityUid | null): void => refusals.noteRefusal(code, known)
  const refusedClient = (code: ErrorCode, claimed: string | null): void =>
    refused(code, claimed === null ? null : (accounts.get(claimed)?.facts ?? null))

  const proofTime = new ProofTime(raw, queue)
  const bindings = new TokenBindings({ issuer, clock, nonceRequired: config.dpopNonce === 'required', takenBefore: proofTime.before })
  const throttle = new ClientThrottle(clock, new KnownSources(raw, queue, clock), config.tokenRequestsPerMinute)
  const isBootstrap = (account: string): boolean =>
    profile === 'development' && (accounts.get(account)?.roles.includes('bootstrap') ?? false)
  const opened = openPeople({
    database,
    queue,
    audit,
    clock,
    sealer: options.sealer,
    issuer,
    config,
    alerts: options.alerts ?? null,
    announce,
    isBootstrap,
    refused,
    answerFloorMs: options.answerFloorMs ?? ANSWER_FLOOR_MS,
  })
  const { people, enrolment } = opened
  const authenticator = new Authenticator({
    rules: { issuer, audience: issuer, keys: new Map([[keyId, { algorithm: 'EdDSA', publicKey }]]) },
    accounts,
    people: opened.tokens,
    denylist,
    bindings,
    clock,
    cacheEntries: config.tokenCacheEntries,
    production: profile === 'production',
    refused,
  })
  const revokeToken = async (id: string, expiresAt: number): Promise<boolean> => {
    const stored = denylist.revoke(issuer, id, expiresAt)
    announce(id)
    return stored
  }
  const signIn = new SignIn({
    issuer,
    people: options.people ?? people,
    artifacts,
    audit,
    clock,
    logger,
    revokeToken,
    knows: opened.knows,
    refused: (code) => refused(code, null),
  })
  const boundClients: ReadonlySet<string> = new Set(config.boundClients)
  const handler = createRouter({
    issuer,
    logger,
    signIn,
    bindPerson: async (req, clientId) => {
      const binding = await boundByProof(req, { artifacts, bindings })
      const demanded = 'kind' in binding && binding.kind === 'none' && boundClients.has(clientId)
      return demanded ? refusal('invalid_dpop_proof', 'ERR_DPOP_MISSING') : binding
    },
    nonce: () => bindings.nonce,
    pages: enrolmentPages(enrolment, (code) => refused(code, null)),
    endpoints: {
      issuer,
      accounts,
      artifacts,
      audit,
      clock,
      throttle,
      pacePerson: (address) => throttle.pace(subscriberOf(address), opened.knows(address)),
      inspect(text) {
        const examined = authenticator.inspect(text)
        return typeof examined === 'string' ? examined : examined.token
      },
      revoke: (token) => revokeToken(token.id, token.expiresAt),
      refused: refusedClient,
      houseClients: {
        has: (id) => signIn.client(id) !== undefined,
        revokeRefreshToken: (clientId, token) => signIn.revokeRefreshToken(clientId, token),
      },
    },
    serviceTokens: new ServiceTokens({
      issuer,
      privateKey,
      keyId,
      tokenLifetimeSeconds: config.tokenLifetimeSeconds,
      accounts,
      artifacts,
      audit,
      clock,
      bindings,
      throttle,
      production: profile === 'production',
      examine: (token) => authenticator.inspect(token),
      refused: refusedClient,
    }),
    authorizationServer: createAuthorizationServer({
      issuer,
      privateKey,
      keyId,
      tokenLifetimeSeconds: config.tokenLifetimeSeconds,
      artifacts,
      signIn,
      clock,
      logger,
      refused: refusedClient,
    }),
  })

  const maintain = async (): Promise<void> => {
    refusals.flush()
    await Promise.all([denylist.purge(clock.now()), artifacts.purge(), opened.maintain(), proofTime.keep(bindings.proofTakenAt)])
  }
  const timer = setInterval(() => {
    maintain().catch((error: unknown) => logger.error({ err: error }, 'identity maintenance failed'))
  }, MAINTENANCE_INTERVAL_MS)
  timer.unref()

  return {
    issuer,
    profile,
    authenticate: (credentials) => authenticator.authenticate(credentials),
    stillValid: (principal) => authenticator.stillValid(principal),
    onRevocation(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    handler,
    paths: OPEN_ROUTES,
    serviceAccounts: serviceAccounts({ accounts, principal: (name) => authenticator.describe(name), announce, isBootstrap }),
    async createBootstrapAccount(ask, by) {
      if (profile === 'production') throw new RedoubtError('ERR_CONFIG_INSECURE', 'production has no bootstrap account')
      return accounts.create(ask, by, { bootstrap: true })
    },
    people,
    createEnrolmentLink: (by) => enrolment.createLink(by),
    administratorEnrolled: () => enrolment.administratorEnrolled(),
    maintain,
    async close() {
      clearInterval(timer)
      refusals.flush({ all: true })
      await proofTime.keep(bindings.proofTakenAt)
      await queue.write(() => undefined)
    },
  }
}

/** Browsers leave the default port out of an origin, so it is left out of the issuer too. */
function canonicalIssuer(issuer: string): string {
  const url = URL.parse(issuer)
  if (url === null || url.protocol !== 'https:' || (url.origin !== issuer && `${url.origin}:443` !== issuer)) {
    throw new RedoubtError('ERR_CONFIG_INVALID', 'the issuer must be `https://host[:port]` without a path')
  }
  return url.origin
}

/** RFC 7638 of an Ed25519 key. */
function thumbprint(publicKey: KeyObject): string {
  const { crv, kty, x } = publicKey.export({ format: 'jwk' })
  if (crv !== 'Ed25519') throw new RedoubtError('ERR_KEYS_UNKNOWN', 'the token signing key is not an Ed25519 key')
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
}

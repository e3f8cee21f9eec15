import { existsSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { resolveSecret } from '#foundation/config'
import { asRedoubtError, type EntityFacts, RedoubtError } from '#foundation/core'
import { nodeFolder, openDatabase } from '#foundation/storage'
import { createLogger } from '#foundation/telemetry'
import { type FiltersConfig, keepingOut } from '#gateway/filters'
import type { House } from '#gateway/pipeline'
import type { Route } from '#gateway/routes'
import { createModelServer, createUpstreams, type UpstreamRoute } from '#gateway/serving'
import {
  type Activation,
  approversOf,
  independenceOf,
  type ControlPlane,
  createApi,
  PolicyStore,
  proveWithin,
  reloadPolicies,
  reviewedAccounts,
} from '#interfaces/api'
import { LOG_KEY_FILE, SERVER_FILE } from '#interfaces/commands'
import { openAuditLog, parallelWriter } from '#trust/audit'
import { localTime, openCountries, SourceAddresses } from '#trust/conditions'
import { ensureBootstrapAccount, openIdentity } from '#trust/identity'
import { openKeyring } from '#trust/keys'
import { openCertificates } from './certificates.ts'
import { Closers } from './closers.ts'
import { checkpointSinks } from './checkpoint-sinks.ts'
import { openLegs } from './legs/open-legs.ts'
import { heldLegs } from './legs/strength.ts'
import type { Configuration } from './configuration.ts'
import { coreDumps, refuseCoreDumps } from './core-dumps.ts'
import { insecureDefaults, refuseInsecure } from './insecure-defaults.ts'
import { takeDataDirectory } from './data-directory.ts'
import { openAssets } from './open-assets.ts'
import { openErasing } from './open-erasures.ts'
import { derivedKey } from './derived-key.ts'
import { openingSecret } from './opening-secret.ts'
import { openReviews } from './open-reviews.ts'
import { openWatch } from './open-watch.ts'
import { recordStart } from './record-start.ts'
import { recordStop } from './record-stop.ts'
import { watchStreams } from './watch-streams.ts'
import { createMetrics } from './metrics.ts'
import { listen } from './listener.ts'
import { invariantAlarm, policyAlarm } from './policy-alarm.ts'
import { Readiness } from './readiness.ts'
import { createHandler, routeTable } from './route-table.ts'
import { startExceptions } from './start-exceptions.ts'
import { startGrpc } from './start-grpc.ts'
import { startLimits } from './start-limits.ts'
import { startKeys, startRotation } from './start-keys.ts'
import { startVault } from './start-vault.ts'
import { type FiltersChange, LiveFilters } from './live-filters.ts'
import { endpointFacts, languageModels } from './language-models.ts'
import { PROCESS, type Surroundings } from './surroundings.ts'
import { serverStatus } from './server-status.ts'
import { loadDeployedModels, makeStarterWorkspace } from './starter-workspace.ts'
import { VERSION } from './version.ts'

export interface Server {
  readonly url: string
  readonly caPath: string
  /** Where gRPC is served; null when it is not. */
  readonly grpcPort: number | null
  /** Null once an administrator is enrolled. */
  readonly enrolmentLink: string | null
  readonly sandbox: boolean
  /** Every route and method that is served, with how it is guarded. */
  readonly routes: readonly Pick<Route, 'method' | 'path' | 'access'>[]
  /** Resolves when the starter workspace is served; rejects when it cannot be. */
  readonly ready: Promise<void>
  /** Reads the folder of policies again, all or nothing, and records it. @throws {RedoubtError} when nothing changed. */
  reloadPolicies(): Promise<Activation>
  /** Reads recognisers of its own and exempt values again, all or nothing, and records it. @throws {RedoubtError} when nothing changed. */
  reloadFilters(filters: Pick<FiltersConfig, 'recognisers' | 'exempt'>): Promise<FiltersChange>
  /** Why the server should end by itself: the log or the data directory is gone for good. */
  close(): Promise<void>
}

const SELF = { type: 'System', id: 'redoubt' } as const

/**
 * Ties the house together, from the ground up: data directory → keyring → log → keys → identity, policy → assets → gateway →
 * interfaces → listener. Whatever fails takes down what was opened before it, in reverse.
 */
export async function startServer(
  configuration: Configuration,
  warn: (message: string) => void,
  surroundings: Surroundings = PROCESS,
): Promise<Server> {
  const closers = new Closers()
  try {
    return await start(configuration, warn, surroundings, closers)
  } catch (thrown) {
    await closers.closeAll().catch(() => undefined)
    throw asRedoubtError(thrown)
  }
}

async function start(
  configuration: Configuration,
  warn: (message: string) => void,
  { clock, kdf, environment, starterRows, holdInvariants = true, ...surroundings }: Surroundings,
  closers: Closers,
): Promise<Server> {
  const { profile } = configuration
  const logger = surroundings.logger ?? createLogger({ level: configuration.log.level })
  refuseInsecure(configuration)
  const cores = surroundings.coreDumps ?? coreDumps()
  refuseCoreDumps(profile, cores)
  const countries = await openCountries(configuration.conditions.countryFile)

  const directory = takeDataDirectory(configuration.dataDir)
  closers.push(() => directory.release())
  const database = openDatabase<unknown>(directory.at('redoubt.db'))
  closers.push(() => database.close())

  const keysFolder = nodeFolder(directory.at('keys'))
  const secret = await openingSecret(configuration, { directory, keysFolder, clock, logger, warn, stop: surroundings.stop })
  const keysDatabase = openDatabase<unknown>(directory.at('keys', 'keys.db'))
  closers.push(() => keysDatabase.close())
  // argon2id computes beside the event loop, which reads and validates the policies meanwhile: a quarter of a second less to wait.
  const opening = openKeyring({
    folder: keysFolder,
    database: keysDatabase,
    ...secret,
    clock,
    ...configuration.keys,
    ...(kdf === undefined ? {} : { kdf }),
  })
  closers.push(async () => (await opening.catch(() => null))?.close())
  // Nothing is decided before the log is there to take an alarm.
  let onMismatch: Parameters<typeof PolicyStore.open>[0]['onMismatch'] = () => undefined
  const filters = new LiveFilters(configuration.filters)
  const { plan } = filters
  const policies = await PolicyStore.open({
    folder: nodeFolder(directory.at('policies')),
    operatorPath: configuration.policies,
    shadowRate: SHADOW_RATE,
    onMismatch: (mismatch) => onMismatch(mismatch),
    vocabulary: filters.vocabulary,
    plan,
    ...(holdInvariants ? { prove: proveWithin(configuration.policyProof.timeoutSeconds * 1_000, () => filters.vocabulary) } : {}),
  })
  const keyring = await opening

  // A log that is gone must not be begun anew as if nothing had ever been recorded: whoever lost it finds out here.
  if (existsSync(directory.at(LOG_KEY_FILE)) && !existsSync(directory.at('log', 'checkpoint')))
    throw new RedoubtError('ERR_AUDIT_CORRUPT', `the log of this data directory is gone from \`${directory.at('log')}\``)
  const tls = heldLegs(configuration, clock)
  const log = await openAuditLog({
    folder: nodeFolder(directory.at('log')),
    parallelWriter: parallelWriter(directory.at('log')),
    signer: keyring.checkpointSigner,
    signedBefore: keyring.signedBefore('checkpoint'),
    sealer: keyring.sealer,
    searchKey: keyring.searchKey,
    indexPath: directory.at('audit-index.db'),
    origin: configuration.audit.origin,
    clock,
    instance: VERSION,
    outside: checkpointSinks(configuration, tls),
    checkpointIntervalMs: configuration.audit.checkpointIntervalMs,
  })
  closers.push(() => log.close())
  const metrics = createMetrics()
  const record = keepingOut(metrics.counting(log), configuration.filters.keepOutOfLog)
  const time = localTime(configuration.conditions.timeZone ?? configuration.organisation.timeZone, configuration.conditions)
  const hashKey = derivedKey(keyring.searchKey, 'redoubt networks and devices')
  const places = { at: (name: string) => directory.at(name), countries, hashKey, localTime: time }
  const watching = { log, record, configuration, clock, logger, resolveSecret, tls, ...places }
  const { audit, alerts, conditions } = openWatch(watching, closers)
  onMismatch = policyAlarm(audit, logger)
  await recordStart(audit, configuration)
  if (await keyring.finishMove(audit)) warn('the keys have moved; `keys.moveFrom` and what opened the sealed file are needed no more')
  const moving = keyring.move()
  if (moving && !moving.proved)
    warn(`keys move from \`${moving.from}\` while it serves; \`redoubt keys rotation\` says when it is needed no more`)
  writeFileSync(directory.at(LOG_KEY_FILE), `${log.verifierKey()}\n`)
  const { keys, reconciliation } = startKeys(keyring, { audit, log, logger }, closers)
  const certificates = await openCertificates({
    keys,
    clock,
    caPath: directory.at('ca.pem'),
    organisation: configuration.organisation.name,
    names: configuration.server.names,
  })
  // Identity needs the address before anything listens; port 0 is resolved by listening first and answering 503 until the house stands.
  let handle: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
    void response.writeHead(503, { 'retry-after': '1' }).end()
  const listener = await listen({
    ...configuration.server,
    certificates,
    clock,
    logger,
    handle: (request, response) => handle(request, response),
  })
  // Closed again without patience when the house does not come to stand; else it is closed already when this is asked.
  closers.push(() => listener.close(0, () => undefined))
  const address = `https://${configuration.server.names[0] ?? 'localhost'}:${listener.port}`

  const identity = await openIdentity({
    database,
    keys,
    audit,
    clock,
    issuer: address,
    secretsDir: configuration.secretsDir,
    profile,
    logger,
    sealer: keyring.sealer,
    alerts,
    config: configuration.identity,
  })
  closers.push(() => identity.close())
  const { issuer } = identity
  const independence = independenceOf(identity, log, profile)
  const approvers = approversOf({ identity, policies, profile }, independence)
  const { exceptions, wrapped: exceptionsKey } = await startExceptions(directory.at('approvals.db'), closers, {
    keys,
    audit,
    alerts,
    clock,
    logger,
    config: configuration.approvals,
    approvers,
    accounts: reviewedAccounts(identity),
  })
  const { sealer } = keyring
  const reviewing = { keys, sealer, audit, alerts, clock, logger, config: configuration.review, independence }
  const { reviews, wrapped: reviewsKey } = await openReviews(directory.at('oversight.db'), closers, reviewing)
  const erasing = await openErasing(directory.at('keys', 'erasures.db'), closers, { keys, audit, clock })
  const { holds } = erasing
  const assets = {
    database,
    keys,
    holds,
    audit,
    clock,
    keyring,
    plan,
    profile,
    objects: nodeFolder(directory.at('objects')),
    objectsPath: directory.at('objects'),
  }
  const opened = await openAssets({ ...assets, sought: configuration.confidential, logger }, closers)
  const { datasets, collections, registry, confidential } = opened
  const erasures = await erasing.open({ datasets, collections, confidential, sealer, database })
  const limits = startLimits(directory.at('limits.db'), clock, closers)
  const vaultParts = { path: directory.at('vault.db'), days: configuration.filters.vaultDays, keyring, keys, clock, logger }
  const { vault, wrapped: vaultKey } = startVault(vaultParts, closers)
  const rotating = { keyring, audit, alerts, logger, reconciliation, folder: assets.objects, config: configuration.keys.rotation }
  const objects = [datasets.sealedObjects, registry.sealedObjects, confidential.sealedObjects]
  const wrapped = [vaultKey, reviewsKey, exceptionsKey, erasing.wrapped]
  const { rotation, begin: beginRotation } = startRotation(
    { ...rotating, objects, wrapped, pinned: () => collections.pinnedKeys() },
    closers,
  )
  const models = createModelServer({ clock, logger, foreign: configuration.foreignModels })
  closers.push(() => models.close())
  const { config, sandbox, assistantIsSandbox } = await languageModels(configuration, environment)
  if (sandbox) closers.push(() => sandbox.close())
  const legs = openLegs({ configuration, upstreams: config.upstreams, resolveSecret, clock })
  const upstreams = createUpstreams({ config, resolveSecret, clock, logger, tls })
  closers.push(() => upstreams.close())

  const streams = watchStreams({ identity, registry, models }, closers)

  const house: House = {
    identity,
    decider: policies,
    limits,
    audit,
    clock,
    localTime: time,
    conditions,
    reviews,
    logger,
    profile,
    digestKey: derivedKey(keyring.searchKey, 'redoubt inference digests'),
    hashKey: derivedKey(keyring.searchKey, 'redoubt filter hashes of tenant default'),
    plan: confidential.plan,
    filtersDryRun: configuration.filters.mode === 'dry-run',
    vault,
    streams,
    exceptions,
    filterCosts: { now: () => clock.monotonic(), observe: (stage, milliseconds) => metrics.filterStage(stage, milliseconds) },
    bodyTimeoutMs: configuration.server.bodyTimeoutMs,
  }
  const facts = endpointFacts(profile, clock)
  const readiness = new Readiness()
  metrics.observe({
    log: () => log.health(),
    runningRequests: () => streams.size,
    keyUses: () => ({ ...keyring.usage }),
    reconciliation,
    shadow: () => policies.engine.shadow,
    ready: () => readiness.state === 'ready',
    alerts: () => alerts.health(),
  })
  const insecure = () =>
    insecureDefaults(configuration, {
      sandbox: assistantIsSandbox,
      administratorEnrolled: identity.administratorEnrolled(),
      now: clock.now(),
    })
  for (const { what, mend } of insecure()) warn(`insecure: ${what}; ${mend}`)
  // Known once it listens, which is after the control plane is made.
  let grpcPort: () => number | null = () => null
  const plane: ControlPlane = {
    identity,
    policies,
    audit,
    log,
    alerts,
    exceptions,
    reviews,
    accessReviewDays: configuration.approvals.accessReviewDays,
    keys,
    ...erasures,
    rotation,
    reconciliation,
    root: keys,
    vault,
    digestKey: house.digestKey,
    ...opened,
    models,
    limits,
    clock,
    localTime: time,
    conditions,
    logger,
    profile,
    version: VERSION,
    bodyTimeoutMs: configuration.server.bodyTimeoutMs,
    endpoints: upstreams.list().map((route: UpstreamRoute): EntityFacts => facts(route)),
    legs: () => legs({ port: listener.port, grpcPort: grpcPort(), ca: certificates.authorityPem }),
    status: serverStatus({
      clock,
      profile,
      readiness,
      identity,
      listener,
      upstreams,
      localTime: time,
      conditions,
      insecure,
      log,
      alerts,
      grants: exceptions.grants,
      streams,
      coreDumps: cores,
      keyring,
      rotation,
      reconciliation,
    }),
  }
  const api = await createApi(plane)
  closers.push(() => api.close())
  const parts = { house, api, identity, log, upstreams, models, registry, facts, sealer: keyring.sealer, readiness }
  const table = { ...parts, metrics: () => metrics.text() }
  const routes = routeTable(table)
  const hosts = new Set(configuration.server.names.map((name) => name.toLowerCase()))
  const { trustedProxies, clientCertificateHeader } = configuration.server
  const sources = new SourceAddresses(trustedProxies, clientCertificateHeader ?? null)
  handle = createHandler(table, routes, hosts, sources)
  const grpc = await startGrpc(configuration, {
    house,
    models,
    registry,
    version: VERSION,
    ready: () => readiness.state === 'ready',
    draining: () => readiness.state === 'draining',
    sources,
    certificates,
  })
  grpcPort = () => grpc?.port ?? null
  // As the other listener: closed again without patience when the house does not come to stand.
  if (grpc) closers.push(() => grpc.close(0))

  if (profile === 'development') await ensureBootstrapAccount(identity, configuration.secretsDir)
  writeFileSync(
    join(configuration.dataDir, SERVER_FILE),
    JSON.stringify({
      url: issuer,
      secretsDir: configuration.secretsDir,
      pid: process.pid,
      // For `redoubt backup`: no key backup is to outlive the grace of key versions.
      graceDays: configuration.keys.rotation.graceDays,
    }),
    { mode: 0o600 },
  )

  // The listener is the last to open and the first to close: what runs is drained while the house below still stands.
  closers.push(async () => {
    await Promise.all([listener.close(configuration.server.drainMs, () => streams.cutAll()), grpc?.close(configuration.server.drainMs)])
  })
  closers.push(() => recordStop(audit))
  closers.push(() => reviews.endWaiting())
  // Before anything ends, orchestrators are told to send nothing more.
  closers.push(() => readiness.draining())

  const ready = (async () => {
    await loadDeployedModels({ registry, models, audit, logger })
    if (profile === 'development')
      await makeStarterWorkspace({ datasets, registry, models, database, ...(starterRows === undefined ? {} : { rows: starterRows }) })
    surroundings.beforeReady?.()
    readiness.done()
    beginRotation()
    // Beside the first requests: it takes a core for seconds where there are policies of one's own.
    void invariantAlarm({ policies, alerts, logger })
  })()
  ready.catch((error: unknown) => {
    readiness.failed(asRedoubtError(error))
    logger.error({ err: error }, 'the starter workspace could not be made')
  })
  const enrolmentLink = identity.administratorEnrolled() ? null : (await identity.createEnrolmentLink(SELF)).url
  return {
    url: issuer,
    caPath: directory.at('ca.pem'),
    grpcPort: grpc?.port ?? null,
    enrolmentLink,
    sandbox: assistantIsSandbox,
    routes,
    ready,
    reloadPolicies: () => reloadPolicies({ policies, audit }, SELF),
    reloadFilters: (named) => filters.reload(named, { policies, audit }),
    close: () => closers.closeAll(),
  }
}

/** One decision in so many is asked of Cedar's own engine too; a mismatch refuses and alarms. */
const SHADOW_RATE = 1_000

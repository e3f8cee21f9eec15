import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asRedoubtError } from '#foundation/core'
import { createLogger } from '#foundation/telemetry'
import type { FiltersConfig } from '#gateway/filters'
import type { Route } from '#gateway/routes'
import { type Activation, reloadPolicies } from '#interfaces/api'
import { SERVER_FILE } from '#interfaces/commands'
import { openCountries } from '#trust/conditions'
import { ensureBootstrapAccount } from '#trust/identity'
import { becomeReady } from './become-ready.ts'
import { Closers } from './closers.ts'
import type { Configuration } from './configuration.ts'
import { controlPlane } from './control-plane.ts'
import { coreDumps, refuseCoreDumps } from './core-dumps.ts'
import { inferenceHouse } from './inference-house.ts'
import { type InsecureDefault, insecureDefaults, refuseInsecure } from './insecure-defaults.ts'
import { endpointFacts } from './language-models.ts'
import { heldLegs } from './legs/strength.ts'
import type { FiltersChange } from './live-filters.ts'
import { metricsSource } from './metrics-source.ts'
import { openData } from './open-data.ts'
import { listenAtDoor } from './open-door.ts'
import { openGround } from './open-ground.ts'
import { openPeople } from './open-people.ts'
import { openRecord } from './open-record.ts'
import { openRoutes } from './open-routes.ts'
import { openServing } from './open-serving.ts'
import { Readiness } from './readiness.ts'
import { recordStop } from './record-stop.ts'
import { startRotation } from './start-keys.ts'
import { startLimits } from './start-limits.ts'
import { startVault } from './start-vault.ts'
import { PROCESS, type Surroundings } from './surroundings.ts'

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
  /** Lets what runs end, within the configured time, then closes what was opened, the last first. */
  close(): Promise<void>
}

const SELF = { type: 'System', id: 'redoubt' } as const

/**
 * Ties the house together, from the ground up: data directory, keyring, policies → log, keys → listener (503) → identity, approvals,
 * reviews → data, models, erasures → limits, vault, rotation → serving → control plane, routes → ready. Each step takes what stands
 * already and is a file of its own. Whatever fails takes down what was opened before it, in reverse.
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
  surroundings: Surroundings,
  closers: Closers,
): Promise<Server> {
  const { profile } = configuration
  const { clock, environment } = surroundings
  const logger = surroundings.logger ?? createLogger({ level: configuration.log.level })
  refuseInsecure(configuration)
  const cores = surroundings.coreDumps ?? coreDumps()
  refuseCoreDumps(profile, cores)
  const countries = await openCountries(configuration.conditions.countryFile)
  const site = { configuration, profile, clock, logger, warn, countries, tls: heldLegs(configuration, clock) }

  const ground = await openGround({ ...surroundings, ...site }, closers)
  const { directory, keyring, filters, policies } = ground
  const recorded = await openRecord({ ...site, ...ground }, closers)
  const { audit, alerts, keys, metrics, reconciliation } = recorded
  const door = await listenAtDoor({ ...site, keys, caPath: directory.at('ca.pem') }, closers)
  const people = await openPeople({ ...site, ...ground, ...recorded, issuer: door.address }, closers)
  const { identity, reviews, reviewsKey, exceptionsKey } = people
  const data = await openData({ ...site, ...ground, keys, audit }, closers)
  const { datasets, collections, registry, confidential, objectsFolder: folder, erasuresKey } = data
  const limits = startLimits(directory.at('limits.db'), clock, closers)
  const vaultParts = { path: directory.at('vault.db'), days: configuration.filters.vaultDays, keyring, keys, clock, logger }
  const { vault, wrapped: vaultKey } = startVault(vaultParts, closers)
  const objects = [datasets.sealedObjects, registry.sealedObjects, confidential.sealedObjects]
  const wrapped = [vaultKey, reviewsKey, exceptionsKey, erasuresKey]
  const rotating = { keyring, audit, alerts, logger, reconciliation, config: configuration.keys.rotation }
  const { rotation, begin } = startRotation({ ...rotating, folder, objects, wrapped, pinned: () => collections.pinnedKeys() }, closers)
  const serving = await openServing({ ...site, environment, identity, registry }, closers)
  const { streams, assistantIsSandbox } = serving
  const rooms = { ...site, ...ground, ...recorded, ...people, ...data, ...serving, limits, vault, rotation, door }
  const house = inferenceHouse(rooms)
  const readiness = new Readiness()
  metrics.observe(metricsSource({ ...rooms, readiness }))
  const insecure = (): readonly InsecureDefault[] =>
    insecureDefaults(configuration, {
      sandbox: assistantIsSandbox,
      administratorEnrolled: identity.administratorEnrolled(),
      now: clock.now(),
    })
  for (const { what, mend } of insecure()) warn(`insecure: ${what}; ${mend}`)
  const facts = endpointFacts(profile, clock)
  // Known once it listens, which is after the control plane is made.
  let grpcPort: number | null = null
  const told = { readiness, insecure, coreDumps: cores, facts, digestKey: house.digestKey, grpcPort: () => grpcPort }
  const plane = controlPlane({ ...rooms, ...told })
  const answering = { house, plane, facts, readiness, sealer: keyring.sealer, metrics: () => metrics.text() }
  const { routes, grpc } = await openRoutes({ ...rooms, ...answering }, closers)
  grpcPort = grpc?.port ?? null

  if (profile === 'development') await ensureBootstrapAccount(identity, configuration.secretsDir)
  const url = identity.issuer
  // The grace is for `redoubt backup`: no key backup is to outlive that of key versions.
  const { graceDays } = configuration.keys.rotation
  const place = { url, secretsDir: configuration.secretsDir, pid: process.pid, graceDays }
  writeFileSync(join(configuration.dataDir, SERVER_FILE), JSON.stringify(place), { mode: 0o600 })

  // The listener is the last to open and the first to close: what runs is drained while the house below still stands.
  const { drainMs } = configuration.server
  closers.push(async () => {
    await Promise.all([door.listener.close(drainMs, () => streams.cutAll()), grpc?.close(drainMs)])
  })
  closers.push(() => recordStop(audit))
  closers.push(() => reviews.endWaiting())
  // Before anything ends, orchestrators are told to send nothing more.
  closers.push(() => readiness.draining())

  const ready = becomeReady({ ...surroundings, ...rooms, readiness, begin })
  // Whoever asks for it hears of it; who does not must not be ended by it.
  ready.catch(() => undefined)
  const enrolmentLink = identity.administratorEnrolled() ? null : (await identity.createEnrolmentLink(SELF)).url
  return {
    url,
    caPath: directory.at('ca.pem'),
    grpcPort,
    enrolmentLink,
    sandbox: assistantIsSandbox,
    routes,
    ready,
    reloadPolicies: () => reloadPolicies({ policies, audit }, SELF),
    reloadFilters: (named) => filters.reload(named, { policies, audit }),
    close: () => closers.closeAll(),
  }
}

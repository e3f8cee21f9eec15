import type { EntityFacts } from '#foundation/core'
import type { UpstreamRoute, Upstreams } from '#gateway/serving'
import type { ControlPlane } from '#interfaces/api'
import type { AuditedKeys } from '#trust/keys'
import type { Configuration } from './configuration.ts'
import type { Door } from './open-door.ts'
import type { Serving } from './open-serving.ts'
import { serverStatus, type StatusSources } from './server-status.ts'
import { VERSION } from './version.ts'

/** What it has from elsewhere than the rooms that it commands. */
type Derived = 'accessReviewDays' | 'root' | 'profile' | 'version' | 'bodyTimeoutMs' | 'endpoints' | 'legs' | 'status'

interface PlaneParts
  extends
    Omit<ControlPlane, Derived | 'alerts' | 'keys' | 'reconciliation'>,
    Pick<StatusSources, 'readiness' | 'streams' | 'insecure' | 'coreDumps' | 'keyring'> {
  readonly configuration: Configuration
  readonly alerts: ControlPlane['alerts'] & StatusSources['alerts']
  readonly keys: AuditedKeys
  readonly reconciliation: ControlPlane['reconciliation'] & StatusSources['reconciliation']
  readonly door: Pick<Door, 'listener' | 'certificates'>
  readonly grpcPort: () => number | null
  readonly upstreams: Upstreams
  readonly legs: Serving['legs']
  readonly facts: (route: UpstreamRoute) => EntityFacts
}

/** The rooms that the control plane commands, and what the server tells of itself. */
export function controlPlane(of: PlaneParts): ControlPlane {
  const { configuration, clock, localTime, conditions, identity, log, alerts, exceptions, reconciliation, keyring, keys, door, upstreams } =
    of
  const { profile } = configuration
  return {
    identity,
    policies: of.policies,
    audit: of.audit,
    log,
    alerts,
    exceptions,
    reviews: of.reviews,
    accessReviewDays: configuration.approvals.accessReviewDays,
    keys,
    holds: of.holds,
    erasures: of.erasures,
    pseudonym: (subject) => of.pseudonym(subject),
    rotation: of.rotation,
    reconciliation,
    root: keys,
    vault: of.vault,
    digestKey: of.digestKey,
    datasets: of.datasets,
    collections: of.collections,
    registry: of.registry,
    pipelines: of.pipelines,
    transforms: of.transforms,
    runTransform: (ask) => of.runTransform(ask),
    transformRuns: of.transformRuns,
    confidential: of.confidential,
    models: of.models,
    limits: of.limits,
    clock,
    localTime,
    conditions,
    logger: of.logger,
    profile,
    version: VERSION,
    bodyTimeoutMs: configuration.server.bodyTimeoutMs,
    endpoints: upstreams.list().map((route) => of.facts(route)),
    legs: () => of.legs({ port: door.listener.port, grpcPort: of.grpcPort(), ca: door.certificates.authorityPem }),
    status: serverStatus({
      clock,
      profile,
      readiness: of.readiness,
      identity,
      listener: door.listener,
      upstreams,
      localTime,
      conditions,
      insecure: of.insecure,
      log,
      alerts,
      grants: exceptions.grants,
      streams: of.streams,
      coreDumps: of.coreDumps,
      keyring,
      reconciliation,
      rotation: of.rotation,
    }),
  }
}

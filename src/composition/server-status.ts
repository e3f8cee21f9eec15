import type { Clock } from '#foundation/core'
import type { RunningStreams } from '#gateway/pipeline'
import type { Upstreams } from '#gateway/serving'
import type { Alerts } from '#governance/alerts'
import type { BreakGlass } from '#governance/approvals'
import type { AuditLog } from '#trust/audit'
import type { Conditions, LocalTime } from '#trust/conditions'
import type { Identity } from '#trust/identity'
import type { KeyReconciliation, Keyring, KeyRotation } from '#trust/keys'
import type { CoreDumps } from './core-dumps.ts'
import type { InsecureDefault } from './insecure-defaults.ts'
import type { Listener } from './listener.ts'
import type { Readiness } from './readiness.ts'
import { VERSION } from './version.ts'

export interface StatusSources {
  readonly clock: Clock
  readonly profile: 'development' | 'production'
  readonly readiness: Readiness
  readonly identity: Pick<Identity, 'administratorEnrolled'>
  readonly listener: Pick<Listener, 'certificateNotAfter'>
  readonly upstreams: Pick<Upstreams, 'probe'>
  readonly localTime: LocalTime
  readonly conditions: Pick<Conditions, 'health'>
  readonly insecure: () => readonly InsecureDefault[]
  readonly log: Pick<AuditLog, 'health'>
  readonly alerts: Pick<Alerts, 'health'>
  readonly grants: Pick<BreakGlass, 'health'>
  readonly streams: Pick<RunningStreams, 'size'>
  readonly coreDumps: CoreDumps
  readonly keyring: Pick<Keyring, 'usage'>
  readonly rotation: Pick<KeyRotation, 'progress'>
  readonly reconciliation: Pick<KeyReconciliation, 'latest' | 'problem'>
}

/** What the server knows of its own state, for `redoubt doctor`: names, counts and states, no secrets. Asks each upstream. */
export function serverStatus(of: StatusSources): () => Promise<Readonly<Record<string, unknown>>> {
  return async () => ({
    version: VERSION,
    profile: of.profile,
    now: of.clock.now(),
    ready: of.readiness.state,
    administratorEnrolled: of.identity.administratorEnrolled(),
    certificateNotAfter: of.listener.certificateNotAfter(),
    upstreams: (await of.upstreams.probe()).map(({ upstream, reachable, accepted, error }) => ({
      name: upstream,
      ok: error === null,
      detail: reachable ? (accepted ? (error?.message ?? '') : 'refuses the credential') : 'cannot be reached',
    })),
    conditions: of.conditions.health(),
    localHour: of.localTime.at(of.clock.now()).hour,
    coreDumps: of.coreDumps,
    insecure: of.insecure(),
    log: of.log.health(),
    alerts: of.alerts.health(),
    breakGlass: of.grants.health(),
    runningRequests: of.streams.size,
    keyUses: of.keyring.usage,
    keyRotation: rotationOf(of.rotation),
    keyReconciliation: reconciliationOf(of.reconciliation),
  })
}

/** Why the last round stopped, and how far keys have moved away from another provider. */
function rotationOf(rotation: StatusSources['rotation']): Readonly<Record<string, unknown>> {
  const { error, move } = rotation.progress()
  return { error, move: move && { from: move.from, to: move.to, proved: move.proved } }
}

function reconciliationOf(reconciliation: StatusSources['reconciliation']): Readonly<Record<string, unknown>> {
  const latest = reconciliation.latest()
  return { at: latest?.at ?? null, agrees: latest?.agrees ?? null, problem: reconciliation.problem() }
}

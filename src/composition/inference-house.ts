import type { ConfidentialStore } from '#gateway/filters'
import type { House } from '#gateway/pipeline'
import type { PolicyStore } from '#interfaces/api'
import type { Keyring } from '#trust/keys'
import type { Configuration } from './configuration.ts'
import { derivedKey } from './derived-key.ts'
import type { Metrics } from './metrics.ts'

/** What it has from the rooms as they are. */
type Rooms = Pick<
  House,
  'identity' | 'limits' | 'audit' | 'clock' | 'localTime' | 'conditions' | 'exceptions' | 'reviews' | 'logger' | 'vault' | 'streams'
>

interface HouseParts extends Rooms {
  readonly configuration: Pick<Configuration, 'profile' | 'filters' | 'server'>
  readonly keyring: Pick<Keyring, 'searchKey'>
  readonly policies: PolicyStore
  readonly metrics: Pick<Metrics, 'filterStage'>
  readonly confidential: Pick<ConfidentialStore, 'plan'>
}

/** The rooms that an inference passes through, with keys of their own for what it digests. */
export function inferenceHouse(of: HouseParts): House {
  const { configuration, clock, metrics } = of
  const { searchKey } = of.keyring
  return {
    identity: of.identity,
    decider: of.policies,
    limits: of.limits,
    audit: of.audit,
    clock,
    localTime: of.localTime,
    conditions: of.conditions,
    reviews: of.reviews,
    logger: of.logger,
    profile: configuration.profile,
    digestKey: derivedKey(searchKey, 'redoubt inference digests'),
    hashKey: derivedKey(searchKey, 'redoubt filter hashes of tenant default'),
    plan: of.confidential.plan,
    filtersDryRun: configuration.filters.mode === 'dry-run',
    vault: of.vault,
    streams: of.streams,
    exceptions: of.exceptions,
    filterCosts: { now: () => clock.monotonic(), observe: (stage, milliseconds) => metrics.filterStage(stage, milliseconds) },
    bodyTimeoutMs: configuration.server.bodyTimeoutMs,
  }
}

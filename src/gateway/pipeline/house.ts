import type { AuditSink, Clock, ConditionSource, Decider, ExceptionSource, ReviewQueue } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Planner, Vault } from '#gateway/filters'
import type { Limits } from '#gateway/limits'
import type { Identity } from '#trust/identity'
import type { LocalTime } from '#trust/conditions'
import type { RunningStreams } from './running-streams.ts'

/** What one request or whole answer costs by stage: `names` is the search for names and values together. Streams are not timed. */
export interface FilterCosts {
  /** Monotonic milliseconds. */
  now(): number
  observe(stage: 'patterns' | 'names' | 'injection', milliseconds: number): void
}

/** The rooms that the pipeline asks, tied together in the composition root. */
export interface House {
  readonly identity: Pick<Identity, 'authenticate' | 'stillValid'>
  readonly decider: Decider
  readonly limits: Pick<Limits, 'take'>
  readonly audit: AuditSink
  readonly clock: Clock
  readonly localTime: LocalTime
  readonly conditions: ConditionSource
  readonly exceptions: Pick<ExceptionSource, 'breakGlass' | 'noteUse'>
  readonly reviews: ReviewQueue
  readonly logger: Logger
  readonly profile: 'development' | 'production'
  /** 32 bytes; keys the digests of inputs and outputs in the record. */
  readonly digestKey: Uint8Array
  /** What to look for by what a decision asks, at this site. */
  readonly plan: Planner
  /** 32 bytes; keys the digests that stand for values under the action `hash`. */
  readonly hashKey: Uint8Array
  /** Whether filters count what they would do and do nothing. Obeyed in development alone. */
  readonly filtersDryRun: boolean
  /** Keeps what tokens stand for. */
  readonly vault: Pick<Vault, 'open'>
  readonly streams: RunningStreams
  /** Is told what looking at texts costs; nobody unless given. */
  readonly filterCosts?: FilterCosts
  /** How long a request body may take to arrive; the routes' own bound unless given. */
  readonly bodyTimeoutMs?: number
}

import type { AuditSink, Clock, ConditionSource, Decider, ExceptionSource, ReviewQueue } from '#foundation/core'
import type { Logger } from '#foundation/telemetry'
import type { Limits } from '#gateway/limits'
import type { Identity } from '#trust/identity'
import type { LocalTime } from '#trust/conditions'
import type { RunningStreams } from './running-streams.ts'

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
  readonly streams: RunningStreams
  /** How long a request body may take to arrive; the routes' own bound unless given. */
  readonly bodyTimeoutMs?: number
}

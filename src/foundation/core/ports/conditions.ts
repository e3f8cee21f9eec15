import type { DecisionContext } from './decision.ts'
import type { EntityUid } from './entities.ts'

/** What a request shows of its circumstances. */
export interface ConditionRequest {
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** Canonical address of the caller. */
  readonly sourceAddress: string
  readonly userAgent?: string | undefined
  /** Thumbprint of the key that the access token is bound to (RFC 7638 or RFC 8705), if it is to one. */
  readonly keyThumbprint?: string | undefined
  /** What is asked for, as a name to count under; left out when that is no matter. */
  readonly endpoint?: string | undefined
  /**
   * The person for whom the caller, a service, acts. The conduct is the service's; what the person is suspected of counts against it too,
   * and nothing of it becomes usual of the person.
   */
  readonly actingFor?: EntityUid | undefined
}

export type ConditionFacts = Pick<DecisionContext, 'workingHours' | 'network' | 'country' | 'firstSeenNetwork' | 'firstSeenDevice' | 'risk'>

/** Implemented by `#trust/conditions`. Both are synchronous, do no I/O, never throw and take bounded memory. */
export interface ConditionSource {
  /** The circumstances of a request, real or supposed. Remembers nothing. */
  factsOf(principal: EntityUid, request: ConditionRequest): ConditionFacts
  /**
   * Once for each real request, after it was decided: what was allowed becomes usual of the caller.
   * @param freshFactors whether the caller is a person who showed two factors a short while ago: its network and device are then known.
   */
  note(principal: EntityUid, request: ConditionRequest, allowed: boolean, freshFactors: boolean): void
}

/** For tests and measurements of other rooms: nothing is ever remarkable. */
export const NOTHING_REMARKABLE: ConditionSource = {
  factsOf: () => ({ workingHours: true, network: '', country: '', firstSeenNetwork: false, firstSeenDevice: false, risk: 0 }),
  note: () => undefined,
}

import type { ErrorCode } from '../error-table.ts'
import type { RowCondition } from '../row-access.ts'
import type { Action, EntityFacts } from './entities.ts'
import type { Obligations } from './obligations.ts'

/** Classes of requests that a proof decides unless it may take longer: about ten seconds of decisions. */
export const DEFAULT_MAX_REQUESTS = 8_000_000

export interface DecisionContext {
  /** Epoch milliseconds of the request. */
  readonly now: number
  /** 0 to 23 and 0 (Sunday) to 6, in the organisation's time zone. */
  readonly hour: number
  readonly weekday: number
  /** The purpose of this request: the principal's own, or one narrowed by header. */
  readonly purpose: string
  readonly legalBasis: string
  /** Caller's address in Cedar's ipaddr text. */
  readonly sourceAddress: string
  readonly profile: 'development' | 'production'
  /** 0 none, 1 one factor, 2 two factors, 3 hardware-bound. */
  readonly mfaLevel: number
  /** Live risk of the caller, 0 to 100. */
  readonly risk: number
  /** Whether the organisation's hours include this instant. */
  readonly workingHours: boolean
  /** Name of the configured network that the caller's address belongs to; empty when it is of none. */
  readonly network: string
  /** ISO 3166-1 alpha-2 of the address by the operator's own file; empty when it is not known. */
  readonly country: string
  /** Whether the caller was not seen from this network, or this device, before. */
  readonly firstSeenNetwork: boolean
  readonly firstSeenDevice: boolean
  /** Seconds since the caller last showed its factors; `MFA_NEVER` when it has shown none. */
  readonly mfaAge: number
  /** What the access token is bound to (RFC 9449, RFC 8705). */
  readonly tokenBinding: 'none' | 'dpop' | 'mtls'
  /** The service that acts for the person (RFC 8693 `act`); empty when the caller acts for itself. */
  readonly onBehalfBy: string
  /** People other than the caller and the author who approved exactly this payload, and whose approval has not expired. */
  readonly approvals: number
  /** Whether the caller uses a break-glass grant that has not ended. */
  readonly breakGlass: boolean
}

/** Age of factors that were never shown: longer than any policy would allow. */
export const MFA_NEVER = 4_294_967_295

/** A request about which nothing is remarkable. */
export const ORDINARY_REQUEST = {
  workingHours: true,
  network: '',
  country: '',
  firstSeenNetwork: false,
  firstSeenDevice: false,
  mfaAge: 0,
  tokenBinding: 'none',
  onBehalfBy: '',
  approvals: 0,
  breakGlass: false,
} as const satisfies Partial<DecisionContext>

export interface DecisionQuery {
  readonly principal: EntityFacts
  readonly action: Action
  readonly resource: EntityFacts
  readonly context: DecisionContext
}

export interface Decision {
  readonly effect: 'allow' | 'deny'
  /** Ids of the policies that determined the effect, sorted; empty when nothing permitted. */
  readonly policies: readonly string[]
  /** Ids of policies that could not be evaluated. Not empty means `deny`. */
  readonly errors: readonly string[]
  /** Why a deny is a deny; null on allow. */
  readonly code: Extract<ErrorCode, 'ERR_POLICY_DENIED' | 'ERR_POLICY_ERROR' | 'ERR_POLICY_PURPOSE'> | null
  readonly obligations: Obligations
  /** There on an allow that holds for some rows of a data set only: whoever reads rows must ask it for each. */
  readonly rows?: RowCondition
  /** Digest of the policy set that decided. */
  readonly policySet: string
}

/** Implemented by `#trust/policy`. */
export interface Decider {
  /** Never throws for a well-typed query: what cannot be evaluated is denied with `ERR_POLICY_ERROR`. Synchronous, no I/O. */
  decide(query: DecisionQuery): Decision
}

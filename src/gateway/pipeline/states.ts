import type { AuditReceipt, Decision, DecisionContext, RedoubtError } from '#foundation/core'
import type { LimitState, Taken } from '#gateway/limits'
import type { Credentials, Principal } from '#trust/identity'
import type { CallFilters } from './call-filters.ts'
import type { Cancellation } from './cancellation.ts'
import type { Reply } from './reply.ts'
import type { Call, Rendered, Served, Surface } from './surface.ts'

/**
 * The states of one inference. Each step of `pipeline.ts` takes one and gives the next or a `Refused`, so the compiler proves
 * the order: nothing is served that was not admitted, nothing admitted that was not decided.
 */
export interface Received {
  readonly requestId: string
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** Monotonic milliseconds. */
  readonly startedAt: number
  readonly surface: Surface
  /** Variable parts of the matched route, in order. */
  readonly parameters: readonly string[]
  /** The token and what shows that the caller may use it. */
  readonly credentials: Credentials
  readonly contentType: string | undefined
  /** Canonical address of the caller, behind proxies that the operator named. */
  readonly sourceAddress: string
  readonly userAgent: string | undefined
  readonly purposeHeader: string | undefined
  readonly subjectHeader: string | undefined
  /** A header by its name in lower case, for what a surface reads from headers; absent where there are none. */
  readonly header?: (name: string) => string | undefined
  /** Collects the body within bounds; nothing is read before this is called. */
  readonly body: (maxBytes: number) => Promise<Uint8Array>
  readonly reply: Reply
}

export interface Authenticated {
  readonly received: Received
  readonly principal: Principal
}

export interface Resolved extends Authenticated {
  readonly call: Call
  readonly subject: string | null
  readonly inputBytes: number
  /** HMAC-SHA-256 (hex) of the body: provable to whoever holds the key, not guessable by who reads the log. */
  readonly inputDigest: string
}

export interface Authorised extends Resolved {
  readonly context: DecisionContext
  readonly decision: Decision
  /** The break-glass grant without which the decision would be no; null for every other request. */
  readonly breakGlass: string | null
}

export interface Limited extends Authorised {
  readonly taken: Taken
}

export interface Inspected extends Limited {
  /** Count per recogniser entity. */
  readonly inputFindings: ReadonlyMap<string, number>
  /** Count per entity and what was done, or in a dry run would have been: `EMAIL_ADDRESS=mask`. */
  readonly inputActions: ReadonlyMap<string, number>
  readonly filters: CallFilters
  /** Texts that were found to steer the model, by origin and signal; null where nobody looked. */
  readonly injections: Readonly<Record<string, number>> | null
  /** The marker in the system prompt of this request, for its answer; null where none was planted. Told to nobody. */
  readonly canary: string | null
}

export interface Admitted extends Inspected {
  readonly admission: AuditReceipt
  readonly cancellation: Cancellation
}

export interface ServedState extends Admitted {
  readonly served: Served
}

export interface Filtered extends ServedState {
  readonly outputFindings: ReadonlyMap<string, number>
  readonly outputActions: ReadonlyMap<string, number>
  /** Null for a stream, whose bytes have left already except for the closing events. */
  readonly rendered: Rendered | null
  readonly outputDigest: string
  readonly failure: RedoubtError | null
}

export interface Recorded extends Filtered {
  readonly completion: AuditReceipt
}

/** "No" is a value. `state` is the last one reached: it says what has to be recorded and given back. */
export interface Refused {
  readonly refused: RedoubtError
  readonly state: Received | Authenticated | Resolved | Authorised | Limited | Inspected | Admitted | ServedState | Filtered
  readonly limits?: readonly LimitState[]
  readonly retryAfterMs?: number
}

export const isRefused = (state: object): state is Refused => 'refused' in state
